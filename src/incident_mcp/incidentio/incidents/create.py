"""Declaring an incident: once, and not a second time for an outage that is declared already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from incident_mcp.errors import ServiceError
from incident_mcp.incidentio.access import journal_keys
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.incidents.duplicates import identical_since, look_alikes
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.list import Mode
from incident_mcp.incidentio.incidents.records import Incident, IncidentAnswer
from incident_mcp.incidentio.names.classification import (
    find_incident_type,
    find_severity,
    find_status,
    id_of,
    name_of,
    valid_names,
)
from incident_mcp.incidentio.names.custom_fields import custom_field_entries
from incident_mcp.incidentio.names.roles import role_assignments
from incident_mcp.incidentio.names.timestamps import timestamp_values
from incident_mcp.records.record import Json, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IdempotencyKey, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.plan import DECLARE_SECONDS, Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

TOOL = "incidentio_create_incident"
CREATE = Operation("POST", "/v2/incidents", scope="incidents.create")

CustomFields = Annotated[
    dict[str, list[str]] | None,
    Field(description='Field to values, names or ids: {"Affected team": ["Payments"]}. [] unsets it.'),
]
Roles = Annotated[
    dict[str, str] | None, Field(description='Role to person (e-mail, name, Slack id, me): {"lead": "a@b.c"}.')
]
Timestamps = Annotated[
    dict[str, str] | None, Field(description='Timestamp to instant: {"Impact started": "2026-11-21T03:12:00Z"}.')
]
Despite = Annotated[
    list[str] | None,
    AfterValidator(lambda given: given and [part for each in given for part in each.split(",") if part.strip()]),
    Field(description="Look-alikes that are other outages, as an earlier refusal named them."),
]


async def incidentio_create_incident(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
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
    despite: Despite = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> WriteResult[Incident]:
    """Declare an incident, which announces it and alerts people.

    List severities first. Not sent if it looks already declared. After a failure, call again with the same arguments,
    never with a new key.
    """
    found = await find_severity(api, severity)
    body = without_none(
        name=name,
        summary=summary,
        visibility=visibility,
        mode=mode,
        severity_id=id_of(found),
        incident_type_id=id_of(await find_incident_type(api, incident_type)),
        incident_status_id=id_of(await find_status(api, status)),
        custom_field_entries=await custom_field_entries(api, custom_fields),
        incident_role_assignments=await role_assignments(api, roles, settings.me),
        incident_timestamp_values=await timestamp_values(api, timestamps),
        slack_channel_name_override=slack_channel_name,
        slack_team_id=slack_team_id,
    )
    declaration = plan_declaration(TOOL, api, body, name_of(found), despite=despite or ())
    more = {"type": incident_type, "status": status, "channel": slack_channel_name, "workspace": slack_team_id}
    more |= {**(custom_fields or {}), **(roles or {}), **(timestamps or {}), "in spite of": despite}
    question = (
        declaration.question.removesuffix(".")
        + "".join(f"; {what}: {quoted(value)}" for what, value in more.items() if value)
        + "."
    )
    declaration = replace(declaration, caller_key=idempotency_key, question=question)
    if dry_run:
        checked = await check_duplicates(api, writer, declaration, despite or ())
        return checked.beside(await writer.perform(api, declaration, dry_run=True))
    async with writer.declaration_lock(api):
        checked = await check_duplicates(api, writer, declaration, despite or ())
        if checked.repeated is not None:
            return checked.repeated
        return checked.beside(await writer.perform(api, declaration, dry_run=False))


@dataclass(frozen=True)
class Checked:
    """What looking for the same outage found."""

    repeated: WriteResult[Incident] | None = None
    """The very same declaration was made moments ago."""
    similar: tuple[str, ...] = ()
    note: str | None = None
    """For an answer that does not repeat that one."""

    def beside(self, outcome: WriteResult[Incident]) -> WriteResult[Incident]:
        """Return a declaration's outcome with what was found."""
        note = " ".join(filter(None, (outcome.note, self.note))) or None
        return replace(outcome, similar_open=self.similar, note=note)


async def check_duplicates(
    api: Api, writer: Writer, declaration: WritePlan[IncidentAnswer, Incident], despite: Sequence[str]
) -> Checked:
    """Look for the same outage among open and recent incidents, unless this is a repeat that the journal knows.

    Raises:
        InputError: It is declared already.
    """
    body = declaration.request.body or {}
    if body["mode"] != "standard" or await writer.is_repeat(api, declaration):
        return Checked()
    found = await look_alikes(api, body, despite, window=DECLARE_SECONDS)
    if found.identical is None:
        return Checked(similar=found.similar, note=found.note)
    record = await read_incident(api, found.identical)
    which = record.reference or record.id
    another = f"If this is another outage, declare it with despite={which}."
    note = f"An identical declaration was made moments ago; nothing was sent now. {another}"
    planned = f"A call without dry_run sends nothing: {which} was declared moments ago, identically. {another}"
    return Checked(WriteResult(record, repeated=True, note=note), note=planned)


def plan_declaration(
    tool: str, api: Api, body: Json, severity: str | None, *, despite: Sequence[str] = ()
) -> WritePlan[IncidentAnswer, Incident]:
    """Write a declaration as the API wants it, without its key."""
    announced = "" if body["mode"] == "test" else "; incident.io announces it and alerts people"
    about = f": {quoted(body['summary'], 300)}" if body.get("summary") else ""
    return WritePlan(
        tool=tool,
        request=CREATE.request(body=body),
        response_type=IncidentAnswer,
        record_type=Incident,
        to_record=lambda answer: answer.incident,
        repeat=Repeat.KEYED,
        question=f"Declare the {body['visibility']} {body['mode']} incident {quoted(body['name'])}"
        f" with severity {severity or '(none)'}{about}{announced}.",
        remember_seconds=DECLARE_SECONDS,
        distinguished_by=" ".join(sorted({path_id(each) for each in despite})) or None,
        declares=True,
        targets_of=lambda answer: journal_keys(api, answer.incident.id, answer.incident.reference),
        created_at=lambda answer: answer.incident.made_at,
        find_effect=partial(_find, api, body),
        matches_request=lambda answer: _matches_request(answer.incident, body),
        explain_refusal=partial(valid_names, api, body),
    )


def _matches_request(incident: Incident, body: Json) -> bool:
    """Return whether an incident is the one that a request asks for, as far as that is known."""
    severity = body.get("severity_id") in (None, incident.severity_id) or incident.severity_id is None
    return severity and (incident.name is None or _plain(incident.name) == _plain(body["name"]))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


async def _find(api: Api, body: Json, baseline: Baseline) -> IncidentAnswer | None:
    """Find the incident that an identical declaration made since: for when the journal or the service forgot it."""
    try:
        found = await identical_since(api, body, baseline.started_at)
        return IncidentAnswer(incident=await read_incident(api, found)) if found else None
    except ServiceError:
        # The key may not be allowed to read; the declaration carries the same idempotency key.
        return None


TOOLS = [write_tool(incidentio_create_incident, "Declare an incident")]
