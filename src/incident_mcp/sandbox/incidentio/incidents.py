"""Create, show and edit incidents (sections 1.4, 1.5, 1.7 and 1.8 of the reference)."""

import re
from datetime import datetime

from incident_mcp.sandbox.clock import account_ulid, tell, ulid
from incident_mcp.sandbox.service import Call, Json, Refusal, Reply
from incident_mcp.sandbox.shapes import Flaw, Part, Shape

from .changes import change, check_move, record_update, touch
from .state import API_KEY_ACTOR, IncidentIO, by_id, checked, number_of, referred
from .values import ASSIGNMENTS, ENTRIES, TIMESTAMP_VALUES, empty_slots, write_entries, write_roles, write_timestamps

MODES = ("standard", "retrospective", "test", "tutorial")
_BOTH: Shape = {
    "name": Part("string"),
    "summary": Part("string"),
    "severity_id": Part("string"),
    "incident_status_id": Part("string"),
    "slack_channel_name_override": Part("string"),
    "custom_field_entries": Part("list", shape=ENTRIES),
    "incident_role_assignments": Part("list", shape=ASSIGNMENTS),
    "incident_timestamp_values": Part("list", shape=TIMESTAMP_VALUES),
}
_RETROSPECTIVE: Shape = {
    "slack_channel_id": Part("string"),
    "postmortem_document_url": Part("string"),
    "external_id": Part("integer"),
}
CREATE: Shape = {
    **_BOTH,
    "idempotency_key": Part("string", required=True, not_empty=True),
    "visibility": Part("string", required=True, choices=("public", "private")),
    "incident_type_id": Part("string"),
    "mode": Part("string", choices=MODES),
    "slack_team_id": Part("string"),
    "retrospective_incident_options": Part("object", shape=_RETROSPECTIVE),
}
EDIT: Shape = {
    "incident": Part("object", required=True, shape={**_BOTH, "call_url": Part("string")}),
    "notify_incident_channel": Part("boolean", required=True),
}
_NO_SEVERITY = Flaw("is_required", "A severity is required to open an incident", "severity_id")


def find(account: IncidentIO, wanted: str) -> Json:
    """The incident of a path: by ULID or by the bare number of its reference. `INC-123` itself is not documented."""
    for incident in account.incidents:
        if wanted in {incident["id"], str(number_of(incident))}:
            return incident
    raise Refusal(404, Flaw("not_found", "The incident could not be found", ""))


def show(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incidents/{id}."""
    return Reply(200, {"incident": find(account, call.args[0])})


def create(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incidents. A key seen before answers the incident that it made."""
    body = checked(call.body, CREATE)
    done = account.done.get(("create", body["idempotency_key"]))
    incident = by_id(account.incidents, done)
    if incident is None:
        incident = _create(account, body)
        account.done["create", body["idempotency_key"]] = incident["id"]
    return Reply(200, {"incident": _without_channel(incident)})


def _create(account: IncidentIO, body: Json) -> Json:
    incident_type = referred(account.types, body, "incident_type_id")
    incident_type = incident_type or next(row for row in account.types if row["is_default"])
    severity = referred(account.severities, body, "severity_id")
    status = referred(account.statuses, body, "incident_status_id") or _first_status(account, incident_type)
    if severity is None and status["category"] == "live":
        raise Refusal(422, _NO_SEVERITY)
    options = body.get("retrospective_incident_options", {})
    mode = body.get("mode", "standard")
    private = incident_type["private_incidents_only"]
    incident = build(
        account,
        number=_number(account, options),
        name=body.get("name"),
        created_at=account.clock.tick(),
        creator=API_KEY_ACTOR,
        kinds=(incident_type, status, severity),
        mode=mode,
        visibility="private" if private else body["visibility"],
    )
    _write_texts(incident, {key: body[key] for key in ("summary", "slack_team_id") if key in body})
    if mode == "retrospective":
        _attach_channel(incident, options)
    elif "slack_channel_name_override" in body:
        incident["slack_channel_name"] = body["slack_channel_name_override"]
    _write_values(account, incident, body, creating=True)
    account.incidents.append(incident)
    record_update(account, incident, account.clock.tick(), API_KEY_ACTOR)
    return incident


def _first_status(account: IncidentIO, incident_type: Json) -> Json:
    """Where an incident begins when the caller does not say: the vendor's documents leave this open.

    Triage when the type's `create_in_triage` is always, else the first live status.
    """
    category = "triage" if incident_type["create_in_triage"] == "always" else "live"
    fitting = [status for status in account.statuses if status["category"] == category]
    return min(fitting, key=lambda status: status["rank"])


def _number(account: IncidentIO, options: Json) -> int:
    number = options.get("external_id", account.next_number())
    if number < 1 or any(number_of(incident) == number for incident in account.incidents):
        at = "retrospective_incident_options.external_id"
        raise Refusal(422, Flaw("invalid_value", f"{at}: INC-{number} cannot be assigned", at))
    return number


def build(  # noqa: PLR0913  an incident has that many parts
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
    """An incident as it stands right after it was declared; `kinds` are its type, status and severity."""
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
        "created_at": tell(created_at),
        "updated_at": tell(created_at),
        "last_activity_at": tell(created_at),
    }
    change(incident, None, severity)
    return incident


def _without_channel(incident: Json) -> Json:
    """The answer to a create: Slack makes the channel a moment later."""
    hidden = {"slack_channel_name", "slack_channel_url"}
    return {key: value for key, value in incident.items() if key not in hidden} | {"slack_channel_id": ""}


def _attach_channel(incident: Json, options: Json) -> None:
    """Give a retrospective incident the channel and document it names: none is made for it."""
    incident["slack_channel_id"] = options.get("slack_channel_id", "")
    for key in ("slack_channel_name", "slack_channel_url"):
        del incident[key]
    _write_texts(incident, {key: options[key] for key in options if key == "postmortem_document_url"})


def edit(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incidents/{id}/actions/edit. What is left out stays."""
    incident = find(account, call.args[0])
    body = checked(call.body, EDIT)["incident"]
    severity = referred(account.severities, body, "severity_id", "incident.")
    status = referred(account.statuses, body, "incident_status_id", "incident.")
    check_move(incident, status, "incident.incident_status_id")
    draft: Json = {**incident, **{key: [dict(slot) for slot in slots] for key, slots in _slots(incident)}}
    _write_values(account, draft, body, creating=False)
    incident.update(draft)
    _write_texts(incident, {key: body[key] for key in ("name", "summary", "call_url") if key in body})
    if "slack_channel_name_override" in body:
        incident["slack_channel_name"] = body["slack_channel_name_override"]
    instant = account.clock.tick()
    if change(incident, status, severity):
        record_update(account, incident, instant, API_KEY_ACTOR)
    if body:
        touch(incident, instant)
    return Reply(200, {"incident": incident})


def _slots(incident: Json) -> list[tuple[str, list[Json]]]:
    """The lists that values are written into, which a refused edit must leave as they were."""
    return [(key, incident[key]) for key in ("incident_role_assignments", "incident_timestamp_values")]


def _write_values(account: IncidentIO, incident: Json, body: Json, *, creating: bool) -> None:
    write_entries(account, incident, body.get("custom_field_entries", []))
    write_roles(account, incident, body.get("incident_role_assignments", []), creating=creating)
    write_timestamps(account, incident, body.get("incident_timestamp_values", []))


def _write_texts(incident: Json, texts: Json) -> None:
    """Set these keys; an empty text clears its key, but a name stays."""
    for key, text in texts.items():
        if text:
            incident[key] = text
        elif key != "name":
            incident.pop(key, None)
