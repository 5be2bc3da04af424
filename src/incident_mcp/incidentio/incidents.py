"""Incidents: read, list, declare, edit."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from incident_mcp.deps import DryRun, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.errors import InputError
from incident_mcp.http import Api, Query, Repeat, Request, fill
from incident_mcp.incidentio import names
from incident_mcp.incidentio.incident_records import Incident, IncidentAnswer, IncidentRow, RawIncidentAnswer, holds
from incident_mcp.incidentio.incident_statuses import Category
from incident_mcp.incidentio.pages import MOST_A_PAGE, After, Limit, Page, read_pages
from incident_mcp.models import Json, Listed, Outcome, R, contains, shorten, some_words
from incident_mcp.toolset import read, write
from incident_mcp.writes import DECLARE_SECONDS, Write, Writer

Mode = Literal["standard", "retrospective", "test", "tutorial"]
MOST_LOOKED_AT = 1000
"""Incidents whose names are looked through."""
IncidentRef = Annotated[str, Field(min_length=1, description="INC-123, 123 or the incident's id.")]


class _IncidentPage(Page):
    rows: list[IncidentRow] = Field(validation_alias="incidents")


class _NamedRow(IncidentRow):
    """An incident that is looked for by its name."""

    id: str = Field(exclude=True)
    whole_name: str | None = Field(default=None, validation_alias="name", exclude=True)


class _NamedPage(Page):
    rows: list[_NamedRow] = Field(validation_alias="incidents")


class Incidents(Listed):
    """Incidents, and where to go on."""

    incidents: list[IncidentRow]
    after: str | None = None
    total: int | None = None
    """Of all that match, where the API tells it."""
    looked_at: int | None = None
    """With `name_contains`: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains`: whether those were all that the other filters leave."""


def path_id(incident: str) -> str:
    """Give what the path takes: the number of a reference, anything else as it is."""
    incident = incident.strip()
    reference = re.fullmatch(r"#?(?:inc-)?([0-9]+)", incident, re.IGNORECASE)
    return reference[1] if reference else incident


async def read_incident(api: Api, incident: str) -> Incident:
    """Read an incident by any of its spellings."""
    path = fill("/v2/incidents/{incident}", incident=path_id(incident))
    return (await api.get(path, IncidentAnswer, scope="incidents.view")).incident


async def incident_id(api: Api, incident: str) -> str:
    """Give an incident's id: bodies and filters take nothing else, a filter answers an empty list for a number."""
    at = path_id(incident)
    fill("{incident}", incident=at)
    return (await read_incident(api, at)).id if at.isascii() and at.isdigit() else at


async def said(api: Api, writer: Writer, incident: str, *, dry_run: bool, destructive: bool = False) -> str:
    """Name an incident as a person knows it, if one is to be asked about a write to it."""
    if dry_run or not writer.asks(destructive=destructive):
        return incident
    found = await read_incident(api, incident)
    return f'{found.reference or found.id} "{shorten(found.name or "", 100)}"'


def given(**fields: Any) -> Json:  # noqa: ANN401  # the JSON edge
    """Keep the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


async def incidentio_get_incident(api: IncidentioApi, incident: IncidentRef) -> Incident:
    """Get one incident whole: summary, roles, custom fields, timestamps, links."""
    return await read_incident(api, incident)


Names = Annotated[list[str] | None, Field(description="Names or ids.")]
CustomFields = Annotated[
    dict[str, list[str]] | None,
    Field(description='Field to values, names or ids: {"Affected team": ["Payments"]}. [] unsets it.'),
]
Roles = Annotated[
    dict[str, str] | None, Field(description='Role to person (email, user id or Slack id): {"Incident Lead": "a@b.c"}.')
]
Timestamps = Annotated[
    dict[str, str] | None, Field(description='Timestamp to instant: {"Impact started": "2026-11-21T03:12:00Z"}.')
]


def _day(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T\S+)?", value):
        raise ValueError("takes a date like 2026-11-21, or an instant like 2026-11-21T03:12:00Z")
    return value


NameContains = Annotated[
    str | None,
    AfterValidator(some_words),
    Field(min_length=1, description="Part of the name; looks through up to 1,000, says how many."),
]
Day = Annotated[str | None, AfterValidator(_day), Field(description="Date or RFC 3339 instant.")]


async def incidentio_list_incidents(
    api: IncidentioApi,
    status_category: Annotated[
        list[Category] | None, Field(description="live = active, learning = post-incident.")
    ] = None,
    status: Names = None,
    severity: Names = None,
    severity_gte: Annotated[str | None, Field(description="This severe or worse.")] = None,
    severity_lte: Annotated[str | None, Field(description="This severe or less.")] = None,
    incident_type: Names = None,
    mode: Annotated[list[Mode] | None, Field(description="Left out: standard and retrospective.")] = None,
    custom_fields: Annotated[
        dict[str, list[str]] | None, Field(description="Field to values, any of them, names or ids.")
    ] = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    updated_at_gte: Day = None,
    updated_at_lte: Day = None,
    sort_by: Annotated[
        Literal["created_at_newest_first", "created_at_oldest_first"], Field(description="Order.")
    ] = "created_at_newest_first",
    name_contains: NameContains = None,
    limit: Limit = 25,
    after: After = None,
) -> Incidents:
    """List incidents, newest first; filters are ANDed, the values of one are ORed.

    Test and tutorial incidents are hidden unless `mode` asks for them. Rows are short: get one for the rest.
    """
    query: list[tuple[str, str]] = [("status_category[one_of]", value) for value in status_category or ()]
    query += [("status[one_of]", row.id) for value in status or () if (row := await names.status(api, value))]
    query += [("severity[one_of]", row.id) for value in severity or () if (row := await names.severity(api, value))]
    for name, value in (
        ("severity[gte]", names.id_of(await names.severity(api, severity_gte))),
        ("severity[lte]", names.id_of(await names.severity(api, severity_lte))),
    ):
        query += [(name, value)] if value else []
    for value in incident_type or ():
        query += [("incident_type[one_of]", row.id)] if (row := await names.incident_type(api, value)) else []
    query += [("mode[one_of]", value) for value in mode or ()]
    query += await names.custom_field_filter(api, custom_fields)
    dates = given(
        **{
            "created_at[gte]": created_at_gte,
            "created_at[lte]": created_at_lte,
            "updated_at[gte]": updated_at_gte,
            "updated_at[lte]": updated_at_lte,
        }
    )
    query += [*dates.items(), ("sort_by", sort_by)]
    if name_contains is not None:
        return await _search(api, query, name_contains, limit=limit, after=after)
    pages = await read_pages(api, "/v2/incidents", _IncidentPage, query, limit=limit, after=after)
    last = pages[-1]
    return Incidents(
        incidents=[row for page in pages for row in page.rows],
        has_more=last.after is not None,
        after=last.after,
        total=last.total,
    )


async def open_references(api: Api) -> list[str]:
    """Read the references of recent incidents, the open ones first."""
    (page,) = await read_pages(api, "/v2/incidents", _IncidentPage, [], limit=MOST_A_PAGE)
    rows = sorted(page.rows, key=lambda row: row.status_category not in ("live", "triage"))
    return [row.reference for row in rows]


async def _search(api: Api, query: Query, words: str, *, limit: int, after: str | None) -> Incidents:
    """Look through the names of up to 1,000 incidents, for the API has no filter for that."""
    found: list[_NamedRow] = []
    looked_at = 0
    while True:
        # More than one page where the API's pages are shorter than asked for.
        pages = await read_pages(api, "/v2/incidents", _NamedPage, query, limit=MOST_A_PAGE, after=after)
        rows = [row for page in pages for row in page.rows]
        looked_at += len(rows)
        found += [row for row in rows if contains(row.whole_name or "", words)]
        after = pages[-1].after
        if after is None or len(found) > limit or looked_at >= MOST_LOOKED_AT:
            break
    return Incidents(
        incidents=[*found[:limit]],
        has_more=len(found) > limit or after is not None,
        # The API's cursor is the id of the last record.
        after=found[limit - 1].id if len(found) > limit else after,
        looked_at=looked_at,
        looked_at_all=after is None,
    )


async def incidentio_create_incident(
    api: IncidentioApi,
    writer: WriterDep,
    name: Annotated[str, Field(min_length=1, description="Short: what is broken, for whom.")],
    severity: Annotated[str | None, Field(description="Name or id; needed to open an active incident.")] = None,
    summary: Annotated[str | None, Field(description="What is known so far.")] = None,
    incident_type: Annotated[str | None, Field(description="Name or id; left out: the default.")] = None,
    status: Annotated[str | None, Field(description="Name or id; left out: the account decides.")] = None,
    visibility: Annotated[Literal["public", "private"], Field(description="Who may see it.")] = "public",
    mode: Annotated[
        Mode, Field(description="test alerts nobody; retrospective is for the past and is not announced.")
    ] = "standard",
    custom_fields: CustomFields = None,
    roles: Roles = None,
    timestamps: Timestamps = None,
    slack_channel_name: Annotated[str | None, Field(description="Instead of the generated one.")] = None,
    slack_team_id: Annotated[str | None, Field(description="Slack workspace, on Enterprise Grid.")] = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Outcome[Incident]:
    """Declare an incident; this announces it and alerts people.

    List severities first. After a failure call again with the same arguments, never with a new key.
    """
    found = await names.severity(api, severity)
    body = given(
        name=name,
        summary=summary,
        visibility=visibility,
        mode=mode,
        severity_id=names.id_of(found),
        incident_type_id=names.id_of(await names.incident_type(api, incident_type)),
        incident_status_id=names.id_of(await names.status(api, status)),
        custom_field_entries=await names.custom_field_entries(api, custom_fields),
        incident_role_assignments=await names.role_assignments(api, roles),
        incident_timestamp_values=await names.timestamp_values(api, timestamps),
        slack_channel_name_override=slack_channel_name,
        slack_team_id=slack_team_id,
    )
    declaration = declare_write("incidentio_create_incident", api, body, names.name_of(found), key=idempotency_key)
    return await writer.perform(api, declaration, dry_run=dry_run)


def declare_write(
    tool: str, api: Api, body: Json, severity: str | None, *, key: str | None
) -> Write[IncidentAnswer, Incident]:
    """Write a declaration as the API wants it, without its key."""
    announced = "" if body["mode"] == "test" else "; incident.io announces it and alerts people"
    return Write(
        tool=tool,
        request=Request("POST", "/v2/incidents", body=body, scope="incidents.create"),
        answer=IncidentAnswer,
        record=Incident,
        tell=lambda answer: answer.incident,
        repeat=Repeat.KEYED,
        question=f'Declare the {body["visibility"]} {body["mode"]} incident "{shorten(body["name"], 200)}"'
        f" with severity {severity or '(none)'}{announced}.",
        remembered=DECLARE_SECONDS,
        key=key,
        declares=True,
        explain=partial(names.valid_names, api, body),
    )


async def incidentio_edit_incident(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    name: Annotated[str | None, Field(min_length=1, description="New name.")] = None,
    summary: Annotated[str | None, Field(description="New summary; replaces the old one.")] = None,
    severity: Annotated[str | None, Field(description="Name or id.")] = None,
    status: Annotated[str | None, Field(description="Name or id.")] = None,
    call_url: Annotated[str | None, Field(description="Link to the call.")] = None,
    slack_channel_name: Annotated[str | None, Field(description="New channel name.")] = None,
    custom_fields: CustomFields = None,
    roles: Roles = None,
    timestamps: Timestamps = None,
    notify_incident_channel: Annotated[bool, Field(description="Tell the incident's channel.")] = False,
    dry_run: DryRun = False,
) -> Outcome[Incident]:
    """Edit an incident: only what is given changes. To escalate, raise the severity."""
    fields = given(
        name=name,
        summary=summary,
        severity_id=names.id_of(to_severity := await names.severity(api, severity)),
        incident_status_id=names.id_of(to_status := await names.status(api, status)),
        call_url=call_url,
        slack_channel_name_override=slack_channel_name,
        custom_field_entries=await names.custom_field_entries(api, custom_fields),
        incident_role_assignments=await names.role_assignments(api, roles),
        incident_timestamp_values=await names.timestamp_values(api, timestamps),
    )
    if not fields:
        raise InputError("Nothing to edit: pass at least one of the fields to change. Not sent.")
    edit = edit_write(
        "incidentio_edit_incident", api, incident, fields, Incident, lambda told: told, notify=notify_incident_channel
    )
    changes = [f"status to {to_status.name}"] if to_status else []
    changes += [f"severity to {to_severity.name}"] if to_severity else []
    changes += [name for name in fields if name not in ("severity_id", "incident_status_id")]
    who = await said(api, writer, incident, dry_run=dry_run)
    question = f"Edit incident {who}: {', '.join(changes)}; {_told(notify=notify_incident_channel)}."
    return await writer.perform(api, replace(edit, question=question), dry_run=dry_run)


def _told(*, notify: bool) -> str:
    return "its channel is told" if notify else "its channel is not told"


EDIT_SCOPES = {
    "name": "incidents.update_name",
    "slack_channel_name_override": "incidents.update_name",
    "summary": "incidents.update_summary",
    "severity_id": "incidents.update_severity",
    "incident_status_id": "incidents.update_status",
    "custom_field_entries": "incidents.update_custom_fields",
    "incident_timestamp_values": "incidents.update_timestamps",
    "incident_role_assignments": "incidents.update_role_assignments",
    "call_url": "incident_calls.create",
}


def edit_write(
    tool: str, api: Api, incident: str, fields: Json, record: type[R], tell: Callable[[Incident], R], *, notify: bool
) -> Write[IncidentAnswer, R]:
    """Write an edit as the API wants it: wrapped, and always saying whether to tell the channel.

    It has no key: after a lost reply the incident is read back, and the edit repeated if it is not as wanted.
    """
    at = path_id(incident)
    path = fill("/v2/incidents/{incident}/actions/edit", incident=at)
    scopes = dict.fromkeys(["incidents.view", *(EDIT_SCOPES[name] for name in fields)])
    body = {"incident": fields, "notify_incident_channel": notify}

    async def verify() -> IncidentAnswer | None:
        raw = await api.get(fill("/v2/incidents/{incident}", incident=at), RawIncidentAnswer)
        return IncidentAnswer.model_validate(raw.model_dump()) if holds(raw.incident, fields) else None

    return Write(
        tool=tool,
        request=Request("POST", path, body=body, scope=", ".join(scopes)),
        answer=IncidentAnswer,
        record=record,
        tell=lambda answer: tell(answer.incident),
        repeat=Repeat.CHECKED,
        question=f"Edit incident {incident}; {_told(notify=notify)}.",
        verify=verify,
        explain=partial(names.valid_names, api, fields),
    )


TOOLS = [
    write(incidentio_create_incident, "Declare an incident"),
    read(incidentio_get_incident, "Get an incident"),
    read(incidentio_list_incidents, "List incidents"),
    write(incidentio_edit_incident, "Edit an incident"),
]
