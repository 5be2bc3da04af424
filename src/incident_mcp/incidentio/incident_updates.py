"""Incident updates: responders' messages, with the status and severity at that time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Self, TypeVar

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import access_advice, journal_keys, read_one
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incident_statuses import STATUSES, is_closed
from incident_mcp.incidentio.incidents.seen import IncidentGuard, Seen, remember_update
from incident_mcp.incidentio.names.finding import find_optional, id_of
from incident_mcp.incidentio.names.incidents import IncidentName, describe_incident, incident_name, incident_names
from incident_mcp.incidentio.names.valid_names import valid_names
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, After, Limit, read_rows
from incident_mcp.incidentio.severities import SEVERITIES
from incident_mcp.records.fitting import FEW
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Listed, Name, R, Record, quoted, without_none
from incident_mcp.tooling.dependencies import DryRun, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, WritePlan
from incident_mcp.writing.result import WriteResult


class IncidentUpdate(Record):
    """A full incident update."""

    REST = ": incidentio_list_updates with limit=1 shows it in full while it is the newest"
    id: str
    incident_id: str
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    name: str | None = Field(default=None, validation_alias="the incident's name")
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: Instant | None = None
    status_id: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "id"), exclude=True)
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "id"), exclude=True)
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""


class IncidentUpdateRow(Record):
    """An update in a list."""

    id: str
    incident_id: str | None = None
    """Omitted, like reference and name, in a list of one incident's updates."""
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    name: Name | None = Field(default=None, validation_alias="the incident's name")
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: Instant | None = None


class IncidentUpdateResponse(BaseModel):
    """The response envelope of one update."""

    incident_update: IncidentUpdate


NOTIFIED = "its responders and subscribers are notified"
CREATE = Operation("POST", "/v2/incident_updates", scope="incident_updates.create")
LIST = Operation("GET", "/v2/incident_updates", scope="incidents.view")


class IncidentUpdates(Listed):
    """A list of updates."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them in full."
    LONGEST = 500
    incident_updates: list[IncidentUpdateRow]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.incident_updates[:rows]
        if not shown:
            return None
        return self.model_copy(update={"incident_updates": shown, "has_more": True, "after": shown[-1].id})

    def most_tokens(self, rows: int) -> float:
        """Return the result's token budget, which is larger if each row names its incident."""
        has_incidents = any(row.incident_id for row in self.incident_updates)
        return super().most_tokens(rows) * (5 if has_incidents else 4) // 4


def plan_update(
    tool: str,
    api: Api,
    incident: IncidentName,
    record: type[R],
    to_record: Callable[[IncidentUpdate], R],
    *,
    key: str | None = None,
    seen: str | None = None,
    **fields: str | None,
) -> WritePlan[IncidentUpdateResponse, R]:
    """Plan an update.

    Args:
        tool: The calling tool.
        api: incident.io.
        incident: The incident.
        record: The type of the tool's result.
        to_record: Builds the tool's result.
        key: The caller's idempotency key.
        seen: The incident's `updated_at` for which a stale update is sent regardless.
        **fields: `message`, `to_incident_status_id`, `to_severity_id`.
    """
    scopes = [CREATE.scope]
    scopes += ["incidents.update_status"] if fields.get("to_incident_status_id") else []
    scopes += ["incidents.update_severity"] if fields.get("to_severity_id") else []
    scope = ", ".join(scopes)
    body = {"incident_id": incident.id, **without_none(**fields)}
    return WritePlan(
        tool=tool,
        request=CREATE.request(body=body, scope=scope, advice=_advice(scope)),
        response_type=IncidentUpdateResponse,
        record_type=record,
        to_record=lambda response: to_record(_with_name(response.incident_update, incident)),
        repeat=Repeat.KEYED,
        question=f"Post an update to incident {incident.reference or incident.id}; {NOTIFIED}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=partial(_find, api, body),
        caller_key=key,
        targets=journal_keys(api, incident.id, incident.reference),
        targets_of=lambda _: journal_keys(api, incident.id, incident.reference),
        still_in_effect=partial(_still_in_effect, api, body) if body.keys() & _CHANGES else None,
        created_at=lambda response: response.incident_update.made_at,
        matches_request=lambda response: _matches_request(response.incident_update, body),
        explain_refusal=partial(valid_names, api, body),
        guard=_guard(api, body, seen),
    )


def _guard(api: Api, body: Json, seen: str | None) -> IncidentGuard[IncidentUpdateResponse] | None:
    """Return what keeps an update from changing what somebody else changed; a message alone changes nothing."""
    sets = {name.removeprefix("to_"): body[name] for name in _CHANGES if name in body}

    async def learn(response: IncidentUpdateResponse) -> None:
        update = response.incident_update
        values = {"incident_status_id": ("status", update.status), "severity_id": ("severity", update.severity)}
        changed = {name: value for each, (name, value) in values.items() if each in sets and value}
        await remember_update(api, body["incident_id"], changed, update.made_at)

    return IncidentGuard(api, body["incident_id"], sets, seen, learn) if sets or seen else None


def _advice(scope: str) -> dict[int, str]:
    """Return advice for a refused update: the operation is newer than the others (2026), and may be missing."""
    instead = "incidentio_edit_incident changes status, severity and summary without it."
    missing = f"Posting updates is newer than the rest of the API and may not be offered for this account; {instead}"
    advice = access_advice(scope)
    return advice | {404: f"{advice[404]} If incidentio_get_incident finds it: {missing}", 405: missing}


Named = TypeVar("Named", IncidentUpdate, IncidentUpdateRow)


def _with_name(update: Named, incident: IncidentName | None) -> Named:
    """Return an update with its incident's reference and name."""
    if incident is None or update.incident_id != incident.id:
        return update
    return update.model_copy(update={"reference": incident.reference, "name": incident.name})


_CHANGES = {"to_incident_status_id": "status_id", "to_severity_id": "severity_id"}
"""Field of the record, by field of the request body."""


def _matches_request(update: IncidentUpdate, body: Json) -> bool:
    """Return whether an update is the requested one, where the response contains its fields."""
    text = " ".join((body.get("message") or "").split())
    same_text = update.message is None or " ".join(update.message.split()) == text
    return same_text and _has_changes(update, body) and update.incident_id == body["incident_id"]


def _has_changes(update: IncidentUpdate, body: Json) -> bool:
    """Return whether an update has the requested status and severity, where the response contains them."""
    return all(getattr(update, field) in (None, body[name]) for name, field in _CHANGES.items() if name in body)


class _Current(Record):
    """An incident's status and severity."""

    status_id: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "id"))
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("severity", "id"))


class _CurrentResponse(BaseModel):
    incident: _Current


async def _still_in_effect(api: Api, body: Json) -> bool:
    """Return whether the incident has the status and severity that an update sets."""
    incident = (await read_one(api, body["incident_id"], _CurrentResponse)).incident
    return all(getattr(incident, field) == body[name] for name, field in _CHANGES.items() if name in body)


class _PostedUpdate(IncidentUpdate):
    """An update with the id of the API key that posted it."""

    api_key: str | None = Field(default=None, validation_alias=AliasPath("updater", "api_key", "id"))


_CLOCK_ERROR = 1.0
"""Seconds by which the service's clock, as read from its `Date` header, may be off."""


async def _find(api: Api, body: Json, baseline: Baseline) -> IncidentUpdateResponse | None:
    """Find an identical update that an API key posted since, in case the journal is lost."""
    query = [("incident_id", body["incident_id"])]
    for row in await read_rows(api, LIST.request(query), _PostedUpdate, limit=MAX_PAGE_SIZE):
        if row.api_key and _is_recent(row, baseline) and _is_identical(row, body):
            return IncidentUpdateResponse(incident_update=row)
    return None


def _is_recent(row: IncidentUpdate, baseline: Baseline) -> bool:
    created = parse_instant(row.made_at)
    return created is not None and created.timestamp() >= baseline.started_at - _CLOCK_ERROR


def _is_identical(row: IncidentUpdate, body: Json) -> bool:
    return (row.message or "") == (body.get("message") or "") and _has_changes(row, body)


async def incidentio_post_update(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    message: Annotated[str | None, Field(description="Markdown; responders and stakeholders read it.")] = None,
    status: Annotated[str | None, Field(description="Move to this status, name or ID.")] = None,
    severity: Annotated[str | None, Field(description="Change to this severity, name or ID.")] = None,
    seen: Seen = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> WriteResult[IncidentUpdate]:
    """Post an update to an incident: a message, a status, a severity, or several of them."""
    if message is None and status is None and severity is None:
        raise InputError("An update needs at least one of message, status, severity. Not sent.")
    to_status = await find_optional(api, STATUSES, status)
    to_severity = await find_optional(api, SEVERITIES, severity)
    update = plan_update(
        "incidentio_post_update",
        api,
        await incident_name(api, incident),
        IncidentUpdate,
        lambda posted: posted,
        key=idempotency_key,
        seen=seen,
        message=message,
        to_incident_status_id=id_of(to_status),
        to_severity_id=id_of(to_severity),
    )
    changes = [f"move it to {to_status.name}"] if to_status else []
    changes += [f"change its severity to {to_severity.name}"] if to_severity else []
    changes += [f"say {quoted(message)}"] if message else []
    closes = is_closed(to_status)
    described = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=closes)
    question = f"Post an update to incident {described}: {', '.join(changes)}; {NOTIFIED}."
    update = replace(update, question=question, destructive=closes)
    return await writer.perform(api, update, dry_run=dry_run)


async def incidentio_list_updates(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="Default: all incidents.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> IncidentUpdates:
    """List updates: messages, and changes of status and severity."""
    api.allow(limit)
    # The filter accepts only ids; anything else returns an empty list.
    query = [] if incident is None else [("incident_id", (await incident_name(api, incident)).id)]
    rows = await read_rows(api, LIST.request(query), IncidentUpdateRow, limit=limit, after=after)
    if incident is not None:
        updates = [row.model_copy(update={"incident_id": None}) for row in rows]
    else:
        found = await incident_names(api, (row.incident_id for row in rows if row.incident_id))
        updates = [_with_name(row, found.get(row.incident_id or "")) for row in rows]
    return IncidentUpdates(incident_updates=updates, whole=limit <= FEW, **rows.paging)


TOOLS = [
    write_tool(incidentio_post_update, "Post an update"),
    read_tool(incidentio_list_updates, "List updates"),
]
