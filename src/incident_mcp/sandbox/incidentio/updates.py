"""Incident updates (sections 1.9 and 1.10 of the reference)."""

from incident_mcp.sandbox.service import Call, Json, Refusal, Reply
from incident_mcp.sandbox.shapes import Flaw, Part, Shape

from .changes import change, check_move, record_update, touch
from .paging import page, plain_query
from .state import API_KEY_ACTOR, IncidentIO, by_id, checked, referred

CREATE: Shape = {
    "incident_id": Part("string", required=True, not_empty=True),
    "idempotency_key": Part("string", required=True, not_empty=True),
    "message": Part("string"),
    "to_incident_status_id": Part("string"),
    "to_severity_id": Part("string"),
}


def list_updates(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_updates, newest first, though the vendor promises no order.

    An `incident_id` that is not an incident's ULID, a reference's number for one, gives an empty list.
    """
    given = plain_query(call.query, "incident_id", "page_size", "after")
    wanted = given.get("incident_id")
    rows = sorted(account.updates, key=lambda row: (row["created_at"], row["id"]), reverse=True)
    shown, meta = page(rows, given, keep=lambda row: not wanted or row["incident_id"] == wanted)
    return Reply(200, {"incident_updates": shown, "pagination_meta": meta})


def create_update(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incident_updates. A key seen before answers the update that it made."""
    body = checked(call.body, CREATE)
    done = account.done.get(("update", body["idempotency_key"]))
    update = by_id(account.updates, done)
    if update is None:
        update = _create(account, body)
        account.done["update", body["idempotency_key"]] = update["id"]
    return Reply(201, {"incident_update": update})


def _create(account: IncidentIO, body: Json) -> Json:
    incident = referred(account.incidents, body, "incident_id") or {}
    status = referred(account.statuses, body, "to_incident_status_id")
    severity = referred(account.severities, body, "to_severity_id")
    message = body.get("message", "")
    if not message and status is None and severity is None:
        flaw = Flaw("is_required", "One of message, to_incident_status_id and to_severity_id is required", "message")
        raise Refusal(422, flaw)
    check_move(incident, status, "to_incident_status_id")
    instant = account.clock.tick()
    touch(incident, instant, edited=change(incident, status, severity))
    return record_update(account, incident, instant, API_KEY_ACTOR, message)
