"""Timeline items."""

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339, ulid
from incident_mcp.sandbox.engine.service import Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Shape

from .account import API_KEY_ACTOR, IncidentIO, read_body, referenced
from .incident_changes import touch
from .pages import list_page

TIMELINE_ITEM: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "timestamp": Field("instant", required=True),
    "title": Field("string", required=True, not_empty=True),
    "idempotency_key": Field("string", required=True, not_empty=True),
    "description": Field("string"),
}


def list_timeline_items(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_timeline_items, oldest first by the time that each item is about."""
    rows = sorted(account.rows["timeline_items"], key=lambda row: (read_instant(row["timestamp"]), row["id"]))
    return list_page(call, "incident_timeline_items", rows, "incident_id", required=("incident_id",))


def create_timeline_item(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incident_timeline_items. A repeated key answers the item that it created before."""
    body = read_body(call.body, TIMELINE_ITEM)
    rows = account.rows["timeline_items"]
    item = account.create_once("timeline item", body["idempotency_key"], rows, lambda: _create(account, body))
    return Reply(201, {"incident_timeline_item": item})


def _create(account: IncidentIO, body: Json) -> Json:
    incident = referenced(account.incidents, body, "incident_id") or {}
    instant = account.clock.tick()
    rows = account.rows["timeline_items"]
    item: Json = {
        "id": ulid(instant, f"timeline item {len(rows)}"),
        "incident_id": incident["id"],
        "title": body["title"],
        "timestamp": body["timestamp"],
        "creator": API_KEY_ACTOR,
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }
    if body.get("description"):
        item["description"] = body["description"]
    rows.append(item)
    touch(incident, instant, edited=False)
    return item


ROUTES = {
    ("GET", "/v2/incident_timeline_items"): list_timeline_items,
    ("POST", "/v2/incident_timeline_items"): create_timeline_item,
}
SCOPES = {
    ("GET", "/v2/incident_timeline_items"): ("incidents.view",),
    ("POST", "/v2/incident_timeline_items"): ("timeline_items.create",),
}
