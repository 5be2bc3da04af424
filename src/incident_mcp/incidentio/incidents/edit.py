"""Editing an incident: only what is passed changes, and clearing is explicit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated

from pydantic import Field, ValidationError

from incident_mcp.errors import InputError, NoAnswerError
from incident_mcp.incidentio.access import SHOW, access_advice, journal_keys, read_one
from incident_mcp.incidentio.ids import IncidentRef, path_id
from incident_mcp.incidentio.incidents.create import CustomFields, Roles, Timestamps
from incident_mcp.incidentio.incidents.matching import RawIncidentAnswer, holds
from incident_mcp.incidentio.incidents.records import Incident, IncidentAnswer
from incident_mcp.incidentio.names.classification import find_severity, find_status, id_of, name_of, valid_names
from incident_mcp.incidentio.names.custom_fields import custom_field_entries
from incident_mcp.incidentio.names.incidents import describe_incident
from incident_mcp.incidentio.names.roles import role_assignments
from incident_mcp.incidentio.names.timestamps import timestamp_values
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
    Field(description='What to empty: "summary", "call_url", "roles.lead", "timestamps.X", "custom_fields.X".'),
]


async def incidentio_edit_incident(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    incident: IncidentRef,
    name: Annotated[str | None, Field(description="New name.")] = None,
    summary: Annotated[str | None, Field(description="New summary; replaces the old one.")] = None,
    severity: Annotated[str | None, Field(description="Name or id.")] = None,
    status: Annotated[str | None, Field(description="Name or id.")] = None,
    call_url: Annotated[str | None, Field(description="Link to the call.")] = None,
    slack_channel_name: Annotated[str | None, Field(description="New channel name.")] = None,
    custom_fields: CustomFields = None,
    roles: Roles = None,
    timestamps: Timestamps = None,
    clear: Clear = None,
    notify_incident_channel: Annotated[bool, Field(description="Tell the incident's channel.")] = False,
    dry_run: DryRun = False,
) -> WriteResult[Incident]:
    """Edit an incident. Omitted fields stay unchanged. To escalate, raise the severity."""
    cleared = _read_clear(clear or ())
    _refuse_both(cleared, custom_fields or {}, summary=summary, call_url=call_url)
    fields = without_none(
        name=name,
        summary="" if "summary" in cleared.texts else summary,
        severity_id=id_of(to_severity := await find_severity(api, severity)),
        incident_status_id=id_of(to_status := await find_status(api, status)),
        call_url="" if "call_url" in cleared.texts else call_url,
        slack_channel_name_override=slack_channel_name,
        custom_field_entries=await custom_field_entries(api, custom_fields, cleared.of("custom_fields")),
        incident_role_assignments=await role_assignments(api, roles, settings.me, cleared.of("roles")),
        incident_timestamp_values=await timestamp_values(api, timestamps, cleared.of("timestamps")),
    )
    if not fields:
        raise InputError(
            "Nothing to edit: pass at least one of the fields to change. A blank counts as left out; to empty a field,"
            " name it in clear. Not sent."
        )
    edit = plan_edit(
        "incidentio_edit_incident", api, incident, fields, Incident, _whole, notify=notify_incident_channel
    )
    changes = without_none(
        status=name_of(to_status),
        severity=name_of(to_severity),
        name=name,
        summary=summary,
        call_url=call_url,
        slack_channel_name=slack_channel_name,
    )
    said = [f"{what} to {quoted(str(value))}" for what, value in changes.items()]
    for what, values in (("custom field", custom_fields), ("role", roles), ("timestamp", timestamps)):
        said += [f"{what} {key} to {_shown(value)}" for key, value in (values or {}).items()]
    said += [f"clear {each}" for each in clear or ()]
    loses = bool(clear) or (to_status is not None and to_status.category == "closed")
    who = await describe_incident(api, writer, incident, dry_run=dry_run, destructive=loses)
    question = f"Edit incident {who}: {', '.join(said)}; {_notified(notify=notify_incident_channel)}."
    return await writer.perform(api, replace(edit, question=question, destructive=loses), dry_run=dry_run)


def _whole(incident: Incident) -> Incident:
    return incident


def _shown(value: str | list[str]) -> str:
    return quoted(value, 100) if value else "nothing"


@dataclass
class _Cleared:
    """What is to be emptied."""

    texts: list[str] = field(default_factory=list[str])
    entries: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def of(self, kind: str) -> list[str]:
        """Return the names of one kind."""
        return [name for each, name in self.entries if each == kind]


def _read_clear(clear: Sequence[str]) -> _Cleared:
    """Read what is to be emptied.

    Raises:
        InputError: It names what cannot be emptied.
    """
    cleared = _Cleared()
    for each in clear:
        kind, _, name = each.strip().partition(".")
        kind = kind.strip().casefold()
        if kind in _TEXTS and not name:
            cleared.texts.append(kind)
        elif kind in _MAPS and name.strip():
            cleared.entries.append((kind, name.strip()))
        else:
            takes = ", ".join([*_TEXTS, *(f"{kind}.NAME" for kind in _MAPS)])
            raise InputError(f"clear: {shorten(each, 60)!r} cannot be emptied. It takes {takes}. Not sent.")
    return cleared


def _refuse_both(cleared: _Cleared, custom_fields: dict[str, list[str]], **texts: str | None) -> None:
    both = [name for name, value in texts.items() if value is not None and name in cleared.texts]
    # The same name twice would be one key, so that clearing won; other spellings are found once they are ids.
    both += [f"custom_fields.{name}" for name in cleared.of("custom_fields") if custom_fields.get(name)]
    if both:
        raise InputError(f"{both[0]} is both set and cleared. Pass one of the two. Not sent.")


def _notified(*, notify: bool) -> str:
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
) -> WritePlan[IncidentAnswer, R]:
    """Write an edit as the API wants it: wrapped, and always saying whether to notify the channel.

    It has no key: after a lost reply the incident is read back, and the edit sent again if it is not as wanted, then
    without notifying the channel, which the lost one may have done.
    """
    at = path_id(incident)
    scope = ", ".join(dict.fromkeys([SHOW.scope, *(EDIT_SCOPES[name] for name in fields)]))
    body = {"incident": fields, "notify_incident_channel": notify}
    request = EDIT.request(at={"incident": at}, body=body, scope=scope, advice=access_advice(scope))

    async def find_effect(_: Baseline) -> IncidentAnswer | None:
        raw = await read_one(api, at, RawIncidentAnswer)
        if not holds(raw.incident, fields):
            return None
        try:
            return read_body(raw.model_dump(), IncidentAnswer)
        except ValidationError:
            text = f"{api.service.name} answered the incident without a readable id: whether it is edited is open."
            raise NoAnswerError(text) from None

    return WritePlan(
        tool=tool,
        request=request,
        response_type=IncidentAnswer,
        record_type=record,
        to_record=lambda answer: to_record(answer.incident),
        repeat=Repeat.CHECKED,
        question=f"Edit incident {incident}; {_notified(notify=notify)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=find_effect,
        targets=journal_keys(api, at),
        targets_of=lambda answer: journal_keys(api, answer.incident.id, answer.incident.reference),
        repeat_request=replace(request, body={"incident": fields, "notify_incident_channel": False}),
        explain_refusal=partial(valid_names, api, fields),
    )


TOOLS = [write_tool(incidentio_edit_incident, "Edit an incident")]
