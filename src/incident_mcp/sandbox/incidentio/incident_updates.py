"""Incident updates."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import API_KEY_ACTOR, IncidentIO, read_body, referenced
from .incident_changes import change, check_move, record_update, touch
from .pages import list_page

CREATE: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "idempotency_key": Field("string", required=True, not_empty=True),
    "message": Field("string"),
    "to_incident_status_id": Field("string"),
    "to_severity_id": Field("string"),
}


def list_updates(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_updates, newest first, though the vendor promises no order.

    An `incident_id` other than an incident's ULID, such as the number of its reference, gives an empty list.
    """
    rows = sorted(account.updates, key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return list_page(call, "incident_updates", rows, "incident_id")


def create_update(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incident_updates. A repeated key answers the update that it created before."""
    body = read_body(call.body, CREATE)
    key = body["idempotency_key"]
    update = account.create_once("update", key, account.updates, lambda: _create(account, body))
    return Reply(201, {"incident_update": update})


def _create(account: IncidentIO, body: Json) -> Json:
    incident = referenced(account.incidents, body, "incident_id") or {}
    status = referenced(account.statuses, body, "to_incident_status_id")
    severity = referenced(account.severities, body, "to_severity_id")
    message = body.get("message", "")
    if not message and status is None and severity is None:
        required = "One of message, to_incident_status_id and to_severity_id is required"
        raise ApiError(422, Problem(required, "message", "is_required"))
    check_move(incident, status, "to_incident_status_id")
    instant = account.clock.tick()
    touch(incident, instant, edited=change(incident, status, severity))
    return record_update(account, incident, instant, API_KEY_ACTOR, message)


ROUTES = {
    ("GET", "/v2/incident_updates"): list_updates,
    ("POST", "/v2/incident_updates"): create_update,
}
