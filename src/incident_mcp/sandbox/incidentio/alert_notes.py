"""Notes on alerts and on groups of alerts."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import API_KEY_ACTOR, IncidentIO, Routes, read_body
from .alerts import find_alert
from .pages import list_page, read_query

_OWNERS = ("alert_id", "alert_group_id")
NOTE: Shape = {
    "alert_id": Field("string"),
    "alert_group_id": Field("string"),
    "content": Field("string", required=True, not_empty=True),
}


def list_alert_notes(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/alert_notes of one alert or one group, oldest first, though the vendor promises no order."""
    query = read_query(call, *_OWNERS, "page_size", "after")
    owner = _only_owner(query)
    if owner == "alert_id":
        find_alert(account, query[owner])
    rows = [note for note in account.rows["alert_notes"] if owner in note]
    return list_page(call, "alert_notes", rows, owner)


def create_alert_note(account: IncidentIO, call: Call) -> Reply:
    """POST /v1/alert_notes. Each request adds a note: there is no idempotency key."""
    body = read_body(call.body, NOTE)
    owner = _only_owner(body)
    if owner == "alert_id":
        find_alert(account, body[owner])
    elif body[owner] not in {group for alert in account.rows["alerts"] for group in alert["alert_group_ids"]}:
        raise ApiError(404, "The alert group could not be found")
    rows = account.rows["alert_notes"]
    instant = account.clock.tick()
    note = new_note(ulid(instant, f"alert note {len(rows)}"), instant, body["content"], API_KEY_ACTOR)
    rows.append(note | {owner: body[owner]})
    return Reply(201, {"alert_note": rows[-1]})


def _only_owner(values: Json) -> str:
    """Return which of alert_id and alert_group_id is given.

    Raises:
        ApiError: 422, unless it is exactly one.
    """
    found = [owner for owner in _OWNERS if values.get(owner)]
    if len(found) != 1:
        message = "Exactly one of alert_id and alert_group_id must be given"
        raise ApiError(422, Problem(message, "alert_id", "is_required"))
    return found[0]


def new_note(note_id: str, instant: datetime, content: str, creator: Json) -> Json:
    """Return a note, without what it is attached to."""
    return {
        "id": note_id,
        "content": content,
        "creator": creator,
        "images": [],
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }


ROUTES: Routes = {
    ("GET", "/v1/alert_notes"): list_alert_notes,
    ("POST", "/v1/alert_notes"): create_alert_note,
}
SCOPES = {name: ("alerts.view" if name[0] == "GET" else "alerts.edit",) for name in ROUTES}
