"""Incident updates: what responders tell, with the status and severity at that moment."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.deps import DryRun, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.errors import InputError
from incident_mcp.http import Api, Repeat, Request
from incident_mcp.incidentio import names
from incident_mcp.incidentio.incident_records import Actor
from incident_mcp.incidentio.incidents import IncidentRef, given, incident_id, said
from incident_mcp.incidentio.pages import After, Limit, Page, read_pages
from incident_mcp.models import Instant, Listed, Outcome, R, Record, cut_at, shorten
from incident_mcp.toolset import read, write
from incident_mcp.writes import UPDATE_SECONDS, Write


class IncidentUpdate(Record):
    """An update, whole."""

    id: str
    incident_id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: Instant | None = None


class IncidentUpdateRow(Record):
    """An update in a list."""

    id: str
    incident_id: str | None = None
    """Left out where the list is one incident's."""
    message: Annotated[str, cut_at(500, "… [cut; permalink of the incident has it whole]")] | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    created_at: Instant | None = None


class IncidentUpdateAnswer(BaseModel):
    """How one update travels."""

    incident_update: IncidentUpdate


class _UpdatePage(Page):
    rows: list[IncidentUpdateRow] = Field(validation_alias="incident_updates")


class IncidentUpdates(Listed):
    """Updates, and where to go on."""

    incident_updates: list[IncidentUpdateRow]
    after: str | None = None


def update_write(
    tool: str,
    api: Api,
    incident: str,
    record: type[R],
    tell: Callable[[IncidentUpdate], R],
    *,
    key: str | None = None,
    **fields: str | None,
) -> Write[IncidentUpdateAnswer, R]:
    """Write an update as the API wants it.

    Args:
        tool: The tool that asks for it.
        api: incident.io.
        incident: The incident's id.
        record: What is told of it.
        tell: Makes the record.
        key: The caller's idempotency key.
        **fields: `message`, `to_incident_status_id`, `to_severity_id`.
    """
    scopes = ["incident_updates.create"]
    scopes += ["incidents.update_status"] if fields.get("to_incident_status_id") else []
    scopes += ["incidents.update_severity"] if fields.get("to_severity_id") else []
    body = {"incident_id": incident, **given(**fields)}
    return Write(
        tool=tool,
        request=Request("POST", "/v2/incident_updates", body=body, scope=", ".join(scopes)),
        answer=IncidentUpdateAnswer,
        record=record,
        tell=lambda answer: tell(answer.incident_update),
        repeat=Repeat.KEYED,
        question=f"Post an update to incident {incident}; its responders and subscribers are told.",
        remembered=UPDATE_SECONDS,
        key=key,
        explain=partial(names.valid_names, api, body),
    )


async def incidentio_post_update(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    message: Annotated[
        str | None, Field(min_length=1, description="Markdown; responders and stakeholders read it.")
    ] = None,
    status: Annotated[str | None, Field(description="Move to this status, name or id.")] = None,
    severity: Annotated[str | None, Field(description="Change to this severity, name or id.")] = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Outcome[IncidentUpdate]:
    """Post an update to an incident: a message, a status, a severity, or several at once."""
    if message is None and status is None and severity is None:
        raise InputError("An update needs at least one of message, status, severity. Not sent.")
    to_status, to_severity = await names.status(api, status), await names.severity(api, severity)
    update = update_write(
        "incidentio_post_update",
        api,
        await incident_id(api, incident),
        IncidentUpdate,
        lambda told: told,
        key=idempotency_key,
        message=message,
        to_incident_status_id=names.id_of(to_status),
        to_severity_id=names.id_of(to_severity),
    )
    changes = [f"move it to {to_status.name}"] if to_status else []
    changes += [f"change its severity to {to_severity.name}"] if to_severity else []
    changes += [f'say "{shorten(message, 200)}"'] if message else []
    who = await said(api, writer, incident, dry_run=dry_run)
    question = f"Post an update to incident {who}: {', '.join(changes)}; its responders and subscribers are told."
    update = replace(update, question=question)
    return await writer.perform(api, update, dry_run=dry_run)


async def incidentio_list_updates(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(min_length=1, description="Left out: of all incidents.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> IncidentUpdates:
    """List updates: messages, and the changes of status and severity."""
    query = [] if incident is None else [("incident_id", await incident_id(api, incident))]
    pages = await read_pages(api, "/v2/incident_updates", _UpdatePage, query, limit=limit, after=after)
    rows = [row for page in pages for row in page.rows]
    if incident is not None:
        rows = [row.model_copy(update={"incident_id": None}) for row in rows]
    return IncidentUpdates(incident_updates=rows, has_more=pages[-1].after is not None, after=pages[-1].after)


TOOLS = [
    write(incidentio_post_update, "Post an update"),
    read(incidentio_list_updates, "List updates"),
]
