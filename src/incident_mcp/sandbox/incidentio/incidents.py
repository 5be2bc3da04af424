"""Incidents."""

import re
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import API_KEY_ACTOR, IncidentIO, number_of, read_body, referenced
from .incident_changes import change, check_move, record_update, touch
from .incident_filters import MODES, read_filters
from .incident_values import (
    ASSIGNMENTS,
    ENTRIES,
    TIMESTAMP_VALUES,
    empty_slots,
    write_entries,
    write_roles,
    write_timestamps,
)
from .pages import page

_BOTH: Shape = {
    "name": Field("string"),
    "summary": Field("string"),
    "severity_id": Field("string"),
    "incident_status_id": Field("string"),
    "slack_channel_name_override": Field("string"),
    "custom_field_entries": Field("list", shape=ENTRIES),
    "incident_role_assignments": Field("list", shape=ASSIGNMENTS),
    "incident_timestamp_values": Field("list", shape=TIMESTAMP_VALUES),
}
_RETROSPECTIVE: Shape = {
    "slack_channel_id": Field("string"),
    "postmortem_document_url": Field("string"),
    "external_id": Field("integer"),
}
CREATE: Shape = {
    **_BOTH,
    "idempotency_key": Field("string", required=True, not_empty=True),
    "visibility": Field("string", required=True, choices=("public", "private")),
    "incident_type_id": Field("string"),
    "mode": Field("string", choices=MODES),
    "slack_team_id": Field("string"),
    "retrospective_incident_options": Field("object", shape=_RETROSPECTIVE),
}
EDIT: Shape = {
    "incident": Field("object", required=True, shape={**_BOTH, "call_url": Field("string")}),
    "notify_incident_channel": Field("boolean", required=True),
}
_NO_SEVERITY = Problem("A severity is required to open an incident", "severity_id", "is_required")


def list_incidents(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incidents, by default the newest first."""
    query, matches = read_filters(account, call)
    newest_first = query.get("sort_by") != "created_at_oldest_first"
    rows = sorted(account.incidents, key=lambda row: (row["created_at"], row["id"]), reverse=newest_first)
    shown, meta = page(rows, query, keep=matches)
    meta["total_record_count"] = sum(map(matches, rows))
    return Reply(200, {"incidents": shown, "pagination_meta": meta})


def get_incident(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incidents/{id}."""
    return Reply(200, {"incident": _find(account, call)})


def _find(account: IncidentIO, call: Call) -> Json:
    """Return the incident with the ULID or bare number in the path. `INC-123` itself is not documented."""
    for incident in account.incidents:
        if call.path["id"] in {incident["id"], str(number_of(incident))}:
            return incident
    raise ApiError(404, "The incident could not be found")


def create_incident(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incidents. A repeated key answers the incident that it created before."""
    body = read_body(call.body, CREATE)
    key = body["idempotency_key"]
    incident = account.create_once("create", key, account.incidents, lambda: _create(account, body))
    return Reply(200, {"incident": _without_channel(incident)})


def _create(account: IncidentIO, body: Json) -> Json:
    incident_type = referenced(account.types, body, "incident_type_id")
    incident_type = incident_type or next(row for row in account.types if row["is_default"])
    severity = referenced(account.severities, body, "severity_id")
    status = referenced(account.statuses, body, "incident_status_id") or _first_status(account, incident_type)
    if severity is None and status["category"] == "live":
        raise ApiError(422, _NO_SEVERITY)
    options = body.get("retrospective_incident_options", {})
    mode = body.get("mode", "standard")
    private = incident_type["private_incidents_only"]
    incident = new_incident(
        account,
        number=_number(account, options),
        name=body.get("name"),
        created_at=account.clock.tick(),
        creator=API_KEY_ACTOR,
        kinds=(incident_type, status, severity),
        mode=mode,
        visibility="private" if private else body["visibility"],
    )
    _write_texts(incident, body, "summary", "slack_team_id")
    if mode == "retrospective":
        _attach_channel(incident, options)
    else:
        _rename_channel(incident, body)
    _write_values(account, incident, body, creating=True)
    account.incidents.append(incident)
    record_update(account, incident, account.clock.tick(), API_KEY_ACTOR)
    return incident


def _first_status(account: IncidentIO, incident_type: Json) -> Json:
    """Return the status of an incident that is created without one. The vendor's documents leave this open.

    It is triage if the type's `create_in_triage` is always, else the first live status.
    """
    category = "triage" if incident_type["create_in_triage"] == "always" else "live"
    statuses = [status for status in account.statuses if status["category"] == category]
    return min(statuses, key=lambda status: status["rank"])


def _number(account: IncidentIO, options: Json) -> int:
    number = options.get("external_id", account.next_number())
    if number < 1 or any(number_of(incident) == number for incident in account.incidents):
        at = "retrospective_incident_options.external_id"
        raise ApiError(422, Problem(f"{at}: INC-{number} cannot be assigned", at, "invalid_value"))
    return number


def new_incident(  # noqa: PLR0913  # an incident has that many parts
    account: IncidentIO,
    *,
    number: int,
    name: str | None,
    created_at: datetime,
    creator: Json,
    kinds: tuple[Json, Json, Json | None],
    mode: str,
    visibility: str,
) -> Json:
    """Return an incident as it is right after its declaration; `kinds` are its type, status and severity."""
    incident_type, status, severity = kinds
    name = name or f"Incident {number}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    channel = f"C{account_ulid(f'channel {number}')[-9:]}"
    incident: Json = {
        "id": ulid(created_at, f"incident {number}"),
        "reference": f"INC-{number}",
        "name": name,
        "mode": mode,
        "visibility": visibility,
        "permalink": f"https://app.incident.io/sandbox/incidents/{number}",
        "incident_status": status,
        "incident_type": {key: value for key, value in incident_type.items() if key != "owning_team_ids"},
        "creator": creator,
        "custom_field_entries": [],
        "team_ids": incident_type["owning_team_ids"],
        "slack_team_id": "T04PAYSAND",
        "slack_channel_id": channel,
        "slack_channel_name": f"inc-{number}-{slug}".strip("-"),
        "slack_channel_url": f"https://slack.com/app_redirect?team=T04PAYSAND&channel={channel}",
        **dict(empty_slots(account)),
        "has_debrief": False,
        **dict.fromkeys(("created_at", "updated_at", "last_activity_at"), rfc3339(created_at)),
    }
    change(incident, None, severity)
    return incident


def _without_channel(incident: Json) -> Json:
    """Return the answer to a create: Slack creates the channel a moment later."""
    hidden = {"slack_channel_name", "slack_channel_url"}
    return {key: value for key, value in incident.items() if key not in hidden} | {"slack_channel_id": ""}


def _attach_channel(incident: Json, options: Json) -> None:
    """Set the channel and document that a retrospective incident names: no channel is created for it."""
    incident["slack_channel_id"] = options.get("slack_channel_id", "")
    for key in ("slack_channel_name", "slack_channel_url"):
        del incident[key]
    _write_texts(incident, options, "postmortem_document_url")


def _rename_channel(incident: Json, body: Json) -> None:
    if "slack_channel_name_override" in body:
        incident["slack_channel_name"] = body["slack_channel_name_override"]


def edit_incident(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incidents/{id}/actions/edit. Absent keys change nothing."""
    incident = _find(account, call)
    body = read_body(call.body, EDIT)["incident"]
    severity = referenced(account.severities, body, "severity_id", "incident.")
    status = referenced(account.statuses, body, "incident_status_id", "incident.")
    check_move(incident, status, "incident.incident_status_id")
    draft: Json = {**incident, **{key: [dict(slot) for slot in slots] for key, slots in _slots(incident)}}
    _write_values(account, draft, body, creating=False)
    incident.update(draft)
    _write_texts(incident, body, "name", "summary", "call_url")
    _rename_channel(incident, body)
    instant = account.clock.tick()
    if change(incident, status, severity):
        record_update(account, incident, instant, API_KEY_ACTOR)
    if body:
        touch(incident, instant)
    return Reply(200, {"incident": incident})


def _slots(incident: Json) -> list[tuple[str, list[Json]]]:
    """Return the lists that values are written to, which a rejected edit must leave unchanged."""
    return [(key, incident[key]) for key in ("incident_role_assignments", "incident_timestamp_values")]


def _write_values(account: IncidentIO, incident: Json, body: Json, *, creating: bool) -> None:
    write_entries(account, incident, body.get("custom_field_entries", []))
    write_roles(account, incident, body.get("incident_role_assignments", []), creating=creating)
    write_timestamps(account, incident, body.get("incident_timestamp_values", []))


def _write_texts(incident: Json, values: Json, *keys: str) -> None:
    """Set the keys that are among the values. An empty text clears its key, except the name."""
    for key in keys:
        if values.get(key):
            incident[key] = values[key]
        elif key in values and key != "name":
            incident.pop(key, None)


ROUTES = {
    ("GET", "/v2/incidents"): list_incidents,
    ("POST", "/v2/incidents"): create_incident,
    ("GET", "/v2/incidents/{id}"): get_incident,
    ("POST", "/v2/incidents/{id}/actions/edit"): edit_incident,
}
