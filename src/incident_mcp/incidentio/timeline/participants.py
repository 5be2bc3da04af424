"""Who takes part in an incident, and how much time it took each of them."""

from functools import partial
from typing import Any

from pydantic import AliasPath, BaseModel, Field, ValidationError

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.incidents import incident_name
from incident_mcp.incidentio.toolsets import TIMELINE
from incident_mcp.records.record import Instant, Listed, Name, Record, Whole, read_body, shorten
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.parallel import read_each

LIST = Operation("GET", "/v2/incident_participants", scope="incidents.view")
WORKLOADS = Operation("GET", "/v2/incident_participant_workloads", scope="incident_workloads.view")
WORKLOAD_SECONDS = 10.0
"""For how long the workload may keep the participants waiting."""
_MOST_EXPLAINED = 400
"""Characters of why the workload could not be read."""
_OF_WORKLOAD = ("archived_at", "minutes", "late_minutes", "sleeping_minutes")
_SPENT = "minutes_spent_on_incident"
_NO_WORKLOAD = (
    "No minutes are known: they are not calculated yet, or the incident is private and the key has no scope"
    " incident_workloads.view_private."
)


class Participant(Record):
    """A participant."""

    id: str = Field(validation_alias=AliasPath("user", "id"), exclude=True)
    name: Name | None = Field(default=None, validation_alias=AliasPath("user", "name"))
    """The email address or id of one without a name."""
    email: Name | None = Field(default=None, validation_alias=AliasPath("user", "email"), exclude=True)
    participant_type: str | None = None
    """responder, collaborator or observer."""
    participation: str | None = Field(default=None, validation_alias="the group that they are in")
    """`active`: they help; `passive`: they observe; `left`."""
    archived_at: Instant | None = None
    """When they left."""
    minutes: Whole | None = Field(default=None, validation_alias=AliasPath("workload", _SPENT))
    late_minutes: Whole | None = Field(default=None, validation_alias=AliasPath("workload", f"{_SPENT}_in_late_hours"))
    """Those of `minutes` in their late hours."""
    sleeping_minutes: Whole | None = Field(
        default=None, validation_alias=AliasPath("workload", f"{_SPENT}_in_sleeping_hours")
    )


class Participants(Listed):
    """Participants, those who help first."""

    participants: list[Participant]
    workload_until: Instant | None = None
    """Minutes are counted up to this time."""
    note: str | None = None


class _Groups(BaseModel):
    active: list[Any] | None
    passive: list[Any] | None


class _Response(BaseModel):
    incident_participants: _Groups


class _Workloads(Record):
    incident_participant_workloads: list[Participant]
    synced_at: Instant | None = Field(default=None, validation_alias=AliasPath("metadata", "data_synced_at"))
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")


async def read_participants(api: Api, incident_id: str) -> tuple[list[Participant], int]:
    """Read an incident's participants, active ones first, and how many could not be read; the incident by its id."""
    request = LIST.request([("incident_id", incident_id)], advice=access_advice(LIST.scope))
    groups = (await api.get(request, _Response)).incident_participants
    found: list[Participant] = []
    unreadable = 0
    for name, rows in (("active", groups.active), ("passive", groups.passive)):
        for row in rows or ():
            try:
                found.append(read_body(row, Participant).model_copy(update={"participation": name}))
            except ValidationError:
                unreadable += 1
    return found, unreadable


async def _read_workloads(api: Api, incident_id: str) -> _Workloads:
    request = WORKLOADS.request([("incident_id", incident_id)], advice=access_advice(WORKLOADS.scope))
    return await api.get(request, _Workloads)


async def incidentio_list_participants(api: IncidentioApi, incident: IncidentRef) -> Participants:
    """List who takes part in an incident, active helpers first, and the minutes each spent."""
    number = (await incident_name(api, incident)).id
    people, unreadable = await read_participants(api, number)
    read = await read_each({"workloads": partial(_read_workloads, api, number)}, seconds=WORKLOAD_SECONDS)
    work = read["workloads"]
    if isinstance(work, IncidentMcpError):
        note = shorten(f"The minutes could not be read: {work}", _MOST_EXPLAINED)
        return Participants(participants=list(map(_lean, people)), note=note, unreadable=unreadable or None)
    shown = list(map(_lean, _joined(people, work.incident_participant_workloads)))
    return Participants(
        participants=shown,
        workload_until=work.synced_at,
        note=None if work.incident_participant_workloads or not people else _NO_WORKLOAD,
        unreadable=(unreadable + (work.unreadable or 0)) or None,
    )


def _joined(people: list[Participant], workloads: list[Participant]) -> list[Participant]:
    """Return the participants with their workloads, and then those who are in the workloads alone."""
    left = {row.id: row for row in workloads}
    joined = [_with_workload(row, left.get(row.id)) for row in people]
    for row in people:
        left.pop(row.id, None)
    gone = [row.model_copy(update={"participation": "left" if row.archived_at else None}) for row in left.values()]
    return joined + gone


def _with_workload(row: Participant, workload: Participant | None) -> Participant:
    if workload is None:
        return row
    return row.model_copy(update={name: getattr(workload, name) for name in _OF_WORKLOAD})


def _lean(row: Participant) -> Participant:
    """Return a row without minutes that are 0, and with something to call the person by."""
    quiet = {name: getattr(row, name) or None for name in ("late_minutes", "sleeping_minutes")}
    return row.model_copy(update=quiet | {"name": row.name or row.email or row.id})


TOOLS = [
    read_tool(
        incidentio_list_participants,
        "List participants",
        toolset=TIMELINE,
        keywords="who is involved helping working responders observers workload hours spent people",
    )
]
