"""Actions."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Shape

from .account import API_KEY_ACTOR, IncidentIO, Routes, read_body, referenced
from .incident_changes import touch
from .pages import read_query
from .work import STATUSES, find_work, list_work, set_assignee, set_status, without_null

CREATE: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "description": Field("string", required=True, not_empty=True),
    "assignee_id": Field("string"),
}
UPDATE: Shape = {
    "description": Field("string", required=True, not_empty=True),
    "status": Field("string", required=True, choices=STATUSES),
    "assignee_id": Field("string"),
}


def list_actions(account: IncidentIO, call: Call) -> Reply:
    """GET /v3/actions."""
    return list_work(account, call, "actions")


def get_action(account: IncidentIO, call: Call) -> Reply:
    """GET /v3/actions/{id}."""
    read_query(call)
    return Reply(200, {"action": find_work(account, call, "actions", "action")})


def create_action(account: IncidentIO, call: Call) -> Reply:
    """POST /v3/actions. Each request adds one: there is no idempotency key."""
    body = read_body(call.body, CREATE)
    incident = referenced(account.incidents, body, "incident_id") or {}
    row = new_action(account, incident, account.clock.tick(), body["description"])
    set_assignee(account, row, body)
    touch(incident, account.clock.now, edited=False)
    return Reply(201, {"action": row})


def update_action(account: IncidentIO, call: Call) -> Reply:
    """PUT /v3/actions/{id}. The sandbox clears what the body leaves out, which the document does not rule out."""
    row = find_work(account, call, "actions", "action")
    body = read_body(without_null(call.body, "assignee_id"), UPDATE)
    set_status(account, row, body["status"])
    row["description"] = body["description"]
    row.pop("assignee", None)
    set_assignee(account, row, body)
    row["updated_at"] = rfc3339(account.clock.tick())
    return Reply(200, {"action": row})


def new_action(
    account: IncidentIO, incident: Json, instant: datetime, description: str, number: str | None = None
) -> Json:
    """Add an outstanding action."""
    rows = account.rows["actions"]
    row: Json = {
        "id": number or ulid(instant, f"action {len(rows)}"),
        "incident_id": incident["id"],
        "description": description,
        "status": "outstanding",
        "creator": API_KEY_ACTOR,
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }
    rows.append(row)
    return row


ROUTES: Routes = {
    ("GET", "/v3/actions"): list_actions,
    ("POST", "/v3/actions"): create_action,
    ("GET", "/v3/actions/{id}"): get_action,
    ("PUT", "/v3/actions/{id}"): update_action,
}
SCOPES = {
    ("GET", "/v3/actions"): ("actions.view",),
    ("GET", "/v3/actions/{id}"): ("actions.view",),
    ("POST", "/v3/actions"): ("actions.create",),
    ("PUT", "/v3/actions/{id}"): ("actions.update",),
}
