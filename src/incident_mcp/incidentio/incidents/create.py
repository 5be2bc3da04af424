"""Declaring an incident, once: not again for an outage that is already declared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from incident_mcp.errors import ServiceError
from incident_mcp.incidentio.access import journal_keys
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.incident_statuses import STATUSES
from incident_mcp.incidentio.incident_types import TYPES
from incident_mcp.incidentio.incidents.duplicates import find_duplicates, identical_since
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.list import Mode
from incident_mcp.incidentio.incidents.records import Incident, IncidentResponse
from incident_mcp.incidentio.incidents.seen import remember_incident
from incident_mcp.incidentio.names.custom_fields import custom_field_entries
from incident_mcp.incidentio.names.finding import find_optional, id_of, name_of
from incident_mcp.incidentio.names.roles import role_assignments
from incident_mcp.incidentio.names.timestamps import timestamp_values
from incident_mcp.incidentio.names.valid_names import valid_names
from incident_mcp.incidentio.severities import SEVERITIES
from incident_mcp.records.record import Json, R, quoted, without_none
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
    Field(description='Field to values, names or IDs: {"Affected team": ["Payments"]}. [] unsets it.'),
]
Roles = Annotated[
    dict[str, str] | None, Field(description='Role to person (email, name, Slack ID, me): {"lead": "a@b.c"}.')
]
Timestamps = Annotated[
    dict[str, str] | None, Field(description='Timestamp to instant: {"Impact started": "2026-11-21T03:12:00Z"}.')
]
Despite = Annotated[
    list[str] | None,
    AfterValidator(lambda names: names and [part for name in names for part in name.split(",") if part.strip()]),
    Field(description="Incidents that are no duplicates, from a refusal."),
]


async def incidentio_create_incident(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    name: Annotated[str, Field(min_length=1, description="Short: what is broken, for whom.")],
    severity: Annotated[str | None, Field(description="Name or ID; needed to open an active incident.")] = None,
    summary: Annotated[str | None, Field(description="What is known so far.")] = None,
    incident_type: Annotated[str | None, Field(description="Name or ID. Default: the account's.")] = None,
    status: Annotated[str | None, Field(description="Name or ID. Default: the account decides.")] = None,
    visibility: Annotated[Literal["public", "private"], Field(description="Who may see it.")] = "public",
    mode: Annotated[
        Mode, Field(description="test alerts nobody; retrospective: for the past, not announced.")
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
    found = await find_optional(api, SEVERITIES, severity)
    body = without_none(
        name=name,
        summary=summary,
        visibility=visibility,
        mode=mode,
        severity_id=id_of(found),
        incident_type_id=id_of(await find_optional(api, TYPES, incident_type)),
        incident_status_id=id_of(await find_optional(api, STATUSES, status)),
        custom_field_entries=await custom_field_entries(api, custom_fields),
        incident_role_assignments=await role_assignments(api, roles, settings.me),
        incident_timestamp_values=await timestamp_values(api, timestamps),
        slack_channel_name_override=slack_channel_name,
        slack_team_id=slack_team_id,
    )
    declaration = plan_declaration(TOOL, api, body, name_of(found), despite=despite or ())
    details = {"type": incident_type, "status": status, "channel": slack_channel_name, "workspace": slack_team_id}
    details |= {**(custom_fields or {}), **(roles or {}), **(timestamps or {}), "despite": despite}
    question = _with_details(declaration.question, details)
    declaration = replace(declaration, caller_key=idempotency_key, question=question)
    if dry_run:
        checked = await check_duplicates(api, writer, declaration, despite or ())
        return checked.added_to(await writer.perform(api, declaration, dry_run=True))
    async with writer.declaration_lock(api):
        checked = await check_duplicates(api, writer, declaration, despite or ())
        if checked.repeated is not None:
            return checked.repeated
        declared = await writer.perform(api, declaration, dry_run=False)
    await remember_incident(api, declared.record)
    return checked.added_to(declared)


def _with_details(question: str, details: Mapping[str, str | list[str] | None]) -> str:
    described = [f"; {name}: {quoted(value)}" for name, value in details.items() if value]
    return question.removesuffix(".") + "".join(described) + "."


@dataclass(frozen=True)
class Checked:
    """The outcome of the check for duplicates."""

    repeated: WriteResult[Incident] | None = None
    """The result of an identical declaration that was made moments ago."""
    similar: tuple[str, ...] = ()
    note: str | None = None
    """A note for a result other than `repeated`."""

    def added_to(self, outcome: WriteResult[R]) -> WriteResult[R]:
        """Return a declaration's result with the possible duplicates and the note."""
        note = " ".join(filter(None, (outcome.note, self.note))) or None
        return replace(outcome, similar_open=self.similar, note=note)


async def check_duplicates(
    api: Api, writer: Writer, declaration: WritePlan[IncidentResponse, Incident], despite: Sequence[str]
) -> Checked:
    """Search open and recent incidents for the same outage, unless the journal knows this declaration.

    Raises:
        InputError: It is already declared.
    """
    body = declaration.request.body or {}
    if body["mode"] != "standard" or await writer.is_repeat(api, declaration):
        return Checked()
    found = await find_duplicates(api, body, despite, window=DECLARE_SECONDS)
    if found.identical is None:
        return Checked(similar=found.similar, note=found.note)
    record = await read_incident(api, found.identical)
    which = record.reference or record.id
    another = f"If this is another outage, declare it with despite={which}."
    note = f"An identical declaration was made moments ago: nothing was sent. {another}"
    planned = f"A call without dry_run sends nothing: {which} was declared moments ago with the same fields. {another}"
    return Checked(WriteResult(record, repeated=True, note=note), note=planned)


def plan_declaration(
    tool: str, api: Api, body: Json, severity: str | None, *, despite: Sequence[str] = ()
) -> WritePlan[IncidentResponse, Incident]:
    """Plan a declaration, without its idempotency key."""
    announced = "" if body["mode"] == "test" else "; incident.io announces it and alerts people"
    about = f": {quoted(body['summary'], 300)}" if body.get("summary") else ""
    return WritePlan(
        tool=tool,
        request=CREATE.request(body=body),
        response_type=IncidentResponse,
        record_type=Incident,
        to_record=lambda response: response.incident,
        repeat=Repeat.KEYED,
        question=f"Declare the {body['visibility']} {body['mode']} incident {quoted(body['name'])}"
        f" with severity {severity or '(none)'}{about}{announced}.",
        remember_seconds=DECLARE_SECONDS,
        distinguished_by=" ".join(sorted({path_id(each) for each in despite})) or None,
        declares=True,
        targets_of=lambda response: journal_keys(api, response.incident.id, response.incident.reference),
        created_at=lambda response: response.incident.made_at,
        find_effect=partial(_find, api, body),
        matches_request=lambda response: _matches_request(response.incident, body),
        explain_refusal=partial(valid_names, api, body),
    )


def _matches_request(incident: Incident, body: Json) -> bool:
    """Return whether an incident has the requested name and severity, where the response contains them."""
    severity = body.get("severity_id") in (None, incident.severity_id) or incident.severity_id is None
    return severity and (incident.name is None or _plain(incident.name) == _plain(body["name"]))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


async def _find(api: Api, body: Json, baseline: Baseline) -> IncidentResponse | None:
    """Find the incident of an identical declaration, in case the journal or the service has no record of it."""
    try:
        found = await identical_since(api, body, baseline.started_at)
        return IncidentResponse(incident=await read_incident(api, found)) if found else None
    except ServiceError:
        # The key may not be able to read. The declaration is sent with the same idempotency key.
        return None


TOOLS = [write_tool(incidentio_create_incident, "Declare an incident")]
