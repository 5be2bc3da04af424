"""Incident updates: what responders write, with the status and severity at that moment."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Self

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import access_advice, journal_keys, read_one
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.classification import find_severity, find_status, id_of, valid_names
from incident_mcp.incidentio.names.incidents import IncidentName, describe_incident, incident_names, named
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, After, Limit, read_rows
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
    """An update, whole."""

    REST = ": incidentio_list_updates with limit=1 shows it whole while it is the newest"
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
    """`created_at` to the last digit."""


class IncidentUpdateRow(Record):
    """An update in a list."""

    id: str
    incident_id: str | None = None
    """Left out where the list is one incident's, as its reference and name are."""
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    name: Name | None = Field(default=None, validation_alias="the incident's name")
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: Instant | None = None


class IncidentUpdateAnswer(BaseModel):
    """How one update travels."""

    incident_update: IncidentUpdate


CREATE = Operation("POST", "/v2/incident_updates", scope="incident_updates.create")
LIST = Operation("GET", "/v2/incident_updates", scope="incidents.view")


class IncidentUpdates(Listed):
    """Updates, and where to go on."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them whole."
    LONGEST = 500
    incident_updates: list[IncidentUpdateRow]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the answer with its first rows and the cursor behind them."""
        shown = self.incident_updates[:rows]
        if not shown:
            return None
        return self.model_copy(update={"incident_updates": shown, "has_more": True, "after": shown[-1].id})

    def most_tokens(self, rows: int) -> float:
        """Return what the answer may cost: more where each row says which incident's it is."""
        named = any(row.incident_id for row in self.incident_updates)
        return super().most_tokens(rows) * (5 if named else 4) // 4


def plan_update(
    tool: str,
    api: Api,
    incident: IncidentName,
    record: type[R],
    to_record: Callable[[IncidentUpdate], R],
    *,
    key: str | None = None,
    **fields: str | None,
) -> WritePlan[IncidentUpdateAnswer, R]:
    """Write an update as the API wants it.

    Args:
        tool: The tool that asks for it.
        api: incident.io.
        incident: The incident.
        record: What the tool answers.
        to_record: Makes the record.
        key: The caller's idempotency key.
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
        response_type=IncidentUpdateAnswer,
        record_type=record,
        to_record=lambda answer: to_record(_of(answer.incident_update, incident)),
        repeat=Repeat.KEYED,
        question=f"Post an update to incident {incident.reference or incident.id}; its responders and subscribers are"
        " notified.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=partial(_find, api, body),
        caller_key=key,
        targets=journal_keys(api, incident.id, incident.reference),
        targets_of=lambda _: journal_keys(api, incident.id, incident.reference),
        still_in_effect=partial(_still_in_effect, api, body) if len(body) > 1 + ("message" in body) else None,
        created_at=lambda answer: answer.incident_update.made_at,
        matches_request=lambda answer: _matches_request(answer.incident_update, body),
        explain_refusal=partial(valid_names, api, body),
    )


def _advice(scope: str) -> dict[int, str]:
    """Return what a refusal of an update means: the operation is newer than the others (2026), and may be missing."""
    instead = "incidentio_edit_incident changes status, severity and summary without it."
    missing = f"Posting updates is newer than the rest of the API and may not be offered for this account; {instead}"
    advice = access_advice(scope)
    return advice | {404: f"{advice[404]} If incidentio_get_incident finds it: {missing}", 405: missing}


def _of(update: IncidentUpdate, incident: IncidentName) -> IncidentUpdate:
    """Return an update with what its incident is called."""
    if update.incident_id != incident.id:
        return update
    return update.model_copy(update={"reference": incident.reference, "name": incident.name})


def _matches_request(update: IncidentUpdate, body: Json) -> bool:
    text = " ".join((body.get("message") or "").split())
    same_text = update.message is None or " ".join(update.message.split()) == text
    moved = _has_moved(update, body)
    return same_text and moved and update.incident_id == body["incident_id"]


def _has_moved(update: IncidentUpdate, body: Json) -> bool:
    """Return whether an update's status and severity are those that a request asks for, as far as they are known."""
    wanted = {"to_incident_status_id": update.status_id, "to_severity_id": update.severity_id}
    return all(held is None or body.get(name) in (None, held) for name, held in wanted.items())


class _Current(Record):
    """An incident's status and severity."""

    status_id: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "id"))
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("severity", "id"))


class _CurrentAnswer(BaseModel):
    incident: _Current


async def _still_in_effect(api: Api, body: Json) -> bool:
    """Return whether the incident has the status and severity that an update is to give it."""
    now = (await read_one(api, body["incident_id"], _CurrentAnswer)).incident
    current = {"to_incident_status_id": now.status_id, "to_severity_id": now.severity_id}
    return all(body.get(name) in (None, value) for name, value in current.items())


class _Made(IncidentUpdate):
    """An update with who made it."""

    api_key: str | None = Field(default=None, validation_alias=AliasPath("updater", "api_key", "id"))


_SECOND = 1.0
"""How exactly the service's clock is known from its `Date`."""


async def _find(api: Api, body: Json, baseline: Baseline) -> IncidentUpdateAnswer | None:
    """Find an identical update that an API key posted since: for when the journal is gone."""
    query = [("incident_id", body["incident_id"])]
    for row in await read_rows(api, LIST.request(query), _Made, limit=MAX_PAGE_SIZE):
        made = parse_instant(row.made_at)
        recent = made is not None and made.timestamp() >= baseline.started_at - _SECOND
        if recent and row.api_key and (row.message or "") == (body.get("message") or "") and _has_moved(row, body):
            return IncidentUpdateAnswer(incident_update=row)
    return None


async def incidentio_post_update(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    message: Annotated[str | None, Field(description="Markdown; responders and stakeholders read it.")] = None,
    status: Annotated[str | None, Field(description="Move to this status, name or id.")] = None,
    severity: Annotated[str | None, Field(description="Change to this severity, name or id.")] = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> WriteResult[IncidentUpdate]:
    """Post an update to an incident: a message, a status, a severity, or several of them."""
    if message is None and status is None and severity is None:
        raise InputError("An update needs at least one of message, status, severity. Not sent.")
    to_status, to_severity = await find_status(api, status), await find_severity(api, severity)
    update = plan_update(
        "incidentio_post_update",
        api,
        await named(api, incident),
        IncidentUpdate,
        lambda posted: posted,
        key=idempotency_key,
        message=message,
        to_incident_status_id=id_of(to_status),
        to_severity_id=id_of(to_severity),
    )
    changes = [f"move it to {to_status.name}"] if to_status else []
    changes += [f"change its severity to {to_severity.name}"] if to_severity else []
    changes += [f"say {quoted(message)}"] if message else []
    closes = to_status is not None and to_status.category == "closed"
    who = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=closes)
    question = f"Post an update to incident {who}: {', '.join(changes)}; its responders and subscribers are notified."
    update = replace(update, question=question, destructive=closes)
    return await writer.perform(api, update, dry_run=dry_run)


async def incidentio_list_updates(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="Left out: of all incidents.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> IncidentUpdates:
    """List updates: messages, and changes of status and severity."""
    api.allow(limit)
    # The filter takes ids alone, and answers an empty list for anything else.
    query = [] if incident is None else [("incident_id", (await named(api, incident)).id)]
    rows = await read_rows(api, LIST.request(query), IncidentUpdateRow, limit=limit, after=after)
    if incident is not None:
        updates = [row.model_copy(update={"incident_id": None}) for row in rows]
    else:
        found = await incident_names(api, (row.incident_id for row in rows if row.incident_id))
        updates = [_with_name(row, found.get(row.incident_id or "")) for row in rows]
    return IncidentUpdates(
        incident_updates=updates,
        whole=limit <= FEW,
        has_more=not rows.complete,
        after=rows.after,
        unreadable=rows.unreadable,
    )


def _with_name(row: IncidentUpdateRow, incident: IncidentName | None) -> IncidentUpdateRow:
    if incident is None:
        return row
    return row.model_copy(update={"reference": incident.reference, "name": incident.name})


TOOLS = [
    write_tool(incidentio_post_update, "Post an update"),
    read_tool(incidentio_list_updates, "List updates"),
]
