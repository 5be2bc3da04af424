"""Editing an incident: only what is passed changes, and clearing is explicit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated

from pydantic import Field, ValidationError

from incident_mcp.errors import InputError, NoAnswerError
from incident_mcp.incidentio.access import SHOW, access_advice, journal_keys, read_one
from incident_mcp.incidentio.ids import IncidentRef, path_id
from incident_mcp.incidentio.incident_statuses import STATUSES, is_closed
from incident_mcp.incidentio.incidents.create import CustomFields, Roles, Timestamps
from incident_mcp.incidentio.incidents.matching import RawIncidentResponse, matches_edit
from incident_mcp.incidentio.incidents.records import Incident, IncidentResponse
from incident_mcp.incidentio.incidents.seen import IncidentGuard, Seen, remember_incident
from incident_mcp.incidentio.names.custom_fields import custom_field_entries
from incident_mcp.incidentio.names.finding import find_optional, id_of, name_of
from incident_mcp.incidentio.names.incidents import describe_incident
from incident_mcp.incidentio.names.roles import role_assignments
from incident_mcp.incidentio.names.timestamps import timestamp_values
from incident_mcp.incidentio.names.valid_names import valid_names
from incident_mcp.incidentio.severities import SEVERITIES
from incident_mcp.records.record import Json, R, quoted, read_body, shorten, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

_TEXTS = ("summary", "call_url")
_MAPS = ("custom_fields", "roles", "timestamps")
Clear = Annotated[
    list[str] | None,
    Field(description="Fields to clear: summary, call_url, roles.lead, timestamps.X, custom_fields.X."),
]


async def incidentio_edit_incident(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    incident: IncidentRef,
    name: Annotated[str | None, Field(description="New name.")] = None,
    summary: Annotated[str | None, Field(description="Replaces the old summary.")] = None,
    severity: Annotated[str | None, Field(description="Name or ID.")] = None,
    status: Annotated[str | None, Field(description="Name or ID.")] = None,
    call_url: Annotated[str | None, Field(description="Link to the call.")] = None,
    slack_channel_name: Annotated[str | None, Field(description="New channel name.")] = None,
    custom_fields: CustomFields = None,
    roles: Roles = None,
    timestamps: Timestamps = None,
    clear: Clear = None,
    notify_incident_channel: Annotated[bool, Field(description="Tell the incident's channel.")] = False,
    seen: Seen = None,
    dry_run: DryRun = False,
) -> WriteResult[Incident]:
    """Edit an incident. Omitted fields stay unchanged. To escalate, raise the severity."""
    cleared = _read_clear(clear or ())
    _check_not_both(cleared, custom_fields or {}, summary=summary, call_url=call_url)
    to_severity = await find_optional(api, SEVERITIES, severity)
    to_status = await find_optional(api, STATUSES, status)
    fields = without_none(
        name=name,
        summary=cleared.text("summary", summary),
        severity_id=id_of(to_severity),
        incident_status_id=id_of(to_status),
        call_url=cleared.text("call_url", call_url),
        slack_channel_name_override=slack_channel_name,
        custom_field_entries=await custom_field_entries(api, custom_fields, cleared.entries["custom_fields"]),
        incident_role_assignments=await role_assignments(api, roles, settings.me, cleared.entries["roles"]),
        incident_timestamp_values=await timestamp_values(api, timestamps, cleared.entries["timestamps"]),
    )
    if not fields:
        raise InputError(
            "Nothing to edit: pass at least one of the fields to change. A blank value is ignored; to clear a field,"
            " name it in clear. Not sent."
        )
    notify = notify_incident_channel
    tool = "incidentio_edit_incident"
    edit = plan_edit(tool, api, incident, fields, Incident, lambda edited: edited, notify=notify, seen=seen)
    values = without_none(
        status=name_of(to_status),
        severity=name_of(to_severity),
        name=name,
        summary=summary,
        call_url=call_url,
        slack_channel_name=slack_channel_name,
    )
    entries = {"custom field": custom_fields, "role": roles, "timestamp": timestamps}
    changes = [*_describe_changes(values, entries), *(f"clear {each}" for each in clear or ())]
    destructive = bool(clear) or is_closed(to_status)
    described = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=destructive)
    question = f"Edit incident {described}: {', '.join(changes)}; {_notification(notify=notify)}."
    return await writer.perform(api, replace(edit, question=question, destructive=destructive), dry_run=dry_run)


def _describe_changes(values: Json, entries: Mapping[str, Mapping[str, str | list[str]] | None]) -> list[str]:
    changes = [f"{field} to {quoted(str(value))}" for field, value in values.items()]
    for kind, named in entries.items():
        changes += [
            f"{kind} {name} to {quoted(value, 100) if value else 'nothing'}" for name, value in (named or {}).items()
        ]
    return changes


@dataclass
class _Cleared:
    """The fields to clear."""

    texts: list[str] = field(default_factory=list[str])
    entries: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in _MAPS})
    """Names of custom fields, roles and timestamps."""

    def text(self, name: str, value: str | None) -> str | None:
        """Return the value to send for a text field."""
        return "" if name in self.texts else value


def _read_clear(clear: Sequence[str]) -> _Cleared:
    """Read the names of the fields to clear.

    Raises:
        InputError: A name is not a field that can be cleared.
    """
    cleared = _Cleared()
    for each in clear:
        kind, _, name = each.strip().partition(".")
        kind = kind.strip().casefold()
        if kind in _TEXTS and not name:
            cleared.texts.append(kind)
        elif kind in _MAPS and name.strip():
            cleared.entries[kind].append(name.strip())
        else:
            allowed = ", ".join([*_TEXTS, *(f"{kind}.NAME" for kind in _MAPS)])
            raise InputError(f"clear: {shorten(each, 60)!r} cannot be cleared. Allowed: {allowed}. Not sent.")
    return cleared


def _check_not_both(cleared: _Cleared, custom_fields: Mapping[str, Sequence[str]], **texts: str | None) -> None:
    """Raise if a field is both set and cleared.

    Raises:
        InputError: A field is.
    """
    both = [name for name, value in texts.items() if value is not None and name in cleared.texts]
    # The same name twice would be one key, and clearing would win. Different forms of a name are found as ids later.
    both += [f"custom_fields.{name}" for name in cleared.entries["custom_fields"] if custom_fields.get(name)]
    if both:
        raise InputError(f"{both[0]} is both set and cleared. Pass one of the two. Not sent.")


def _notification(*, notify: bool) -> str:
    return "its channel is notified" if notify else "its channel is not notified"


EDIT = Operation("POST", "/v2/incidents/{incident}/actions/edit")
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


def plan_edit(
    tool: str,
    api: Api,
    incident: str,
    fields: Json,
    record: type[R],
    to_record: Callable[[Incident], R],
    *,
    notify: bool,
    seen: str | None = None,
) -> WritePlan[IncidentResponse, R]:
    """Plan an edit. Its request always states whether to notify the channel.

    The API has no idempotency key for edits. After a lost reply the incident is read back; if the edit did not take
    effect it is sent again, without notifying the channel, which the lost request may already have done.
    """
    at = path_id(incident)
    scope = ", ".join(dict.fromkeys([SHOW.scope, *(EDIT_SCOPES[name] for name in fields)]))
    body = {"incident": fields, "notify_incident_channel": notify}
    request = EDIT.request(at={"incident": at}, body=body, scope=scope, advice=access_advice(scope))
    return WritePlan(
        tool=tool,
        request=request,
        response_type=IncidentResponse,
        record_type=record,
        to_record=lambda response: to_record(response.incident),
        repeat=Repeat.CHECKED,
        question=f"Edit incident {incident}; {_notification(notify=notify)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=partial(_find_edited, api, at, fields),
        targets=journal_keys(api, at),
        targets_of=lambda response: journal_keys(api, response.incident.id, response.incident.reference),
        repeat_request=replace(request, body={"incident": fields, "notify_incident_channel": False}),
        explain_refusal=partial(valid_names, api, fields),
        guard=IncidentGuard(api, at, fields, seen, lambda response: remember_incident(api, response.incident)),
    )


async def _find_edited(api: Api, incident: str, fields: Json, _: Baseline) -> IncidentResponse | None:
    """Return the incident if an edit took effect.

    Raises:
        NoAnswerError: It did, but the response has no readable id.
    """
    raw = await read_one(api, incident, RawIncidentResponse)
    if not matches_edit(raw.incident, fields):
        return None
    try:
        found = read_body(raw.model_dump(), IncidentResponse)
    except ValidationError:
        raise NoAnswerError(
            f"{api.service.name} returned the incident without a readable ID, so it is unknown whether the edit took"
            " effect."
        ) from None
    await remember_incident(api, found.incident)
    return found


TOOLS = [write_tool(incidentio_edit_incident, "Edit an incident")]
