"""Follow-ups."""

from datetime import datetime, timedelta

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Shape

from .account import API_KEY_ACTOR, IncidentIO, Routes, read_body, referenced
from .incident_changes import touch
from .pages import read_query
from .work import STATUSES, find_work, issue_of, list_work, set_assignee, set_status, without_null

_REST: Shape = {
    "description": Field("string"),
    "assignee_id": Field("string"),
    "assignee_team_id": Field("string"),
    "follow_up_category_id": Field("string"),
    "follow_up_priority_option_id": Field("string"),
    "labels": Field("strings"),
}
CREATE: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "title": Field("string", required=True, not_empty=True),
    "external_issue_reference_id": Field("string"),
    **_REST,
}
UPDATE: Shape = {
    "title": Field("string", required=True, not_empty=True),
    "status": Field("string", required=True, choices=STATUSES),
    **_REST,
}
FROM_LINK: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "url": Field("string", required=True, not_empty=True),
}


def list_follow_ups(account: IncidentIO, call: Call) -> Reply:
    """GET /v3/follow_ups."""
    return list_work(account, call, "follow_ups", "assignee_team_id")


def get_follow_up(account: IncidentIO, call: Call) -> Reply:
    """GET /v3/follow_ups/{id}."""
    read_query(call)
    return Reply(200, {"follow_up": find_work(account, call, "follow_ups", "follow-up")})


def create_follow_up(account: IncidentIO, call: Call) -> Reply:
    """POST /v3/follow_ups. Each request adds one: there is no idempotency key."""
    body = read_body(call.body, CREATE)
    incident = referenced(account.incidents, body, "incident_id") or {}
    row = new_follow_up(account, incident, account.clock.tick(), body["title"])
    _set(account, row, body)
    touch(incident, account.clock.now, edited=False)
    return Reply(201, {"follow_up": row})


def create_from_link(account: IncidentIO, call: Call) -> Reply:
    """POST /v3/follow_ups/actions/create_from_link. It is backdated to the creation of the issue."""
    body = read_body(call.body, FROM_LINK)
    incident = referenced(account.incidents, body, "incident_id") or {}
    issue = issue_of(body["url"])
    row = new_follow_up(account, incident, account.clock.tick(), f"Issue {issue['issue_name']}")
    row |= {"external_issue_reference": issue, "created_at": rfc3339(account.clock.now - timedelta(days=3))}
    return Reply(201, {"follow_up": row})


def update_follow_up(account: IncidentIO, call: Call) -> Reply:
    """PUT /v3/follow_ups/{id}. The sandbox clears what the body leaves out, which the document does not rule out."""
    row = find_work(account, call, "follow_ups", "follow-up")
    nullable = ("assignee_id", "assignee_team_id")
    body = read_body(without_null(call.body, *nullable), UPDATE)
    set_status(account, row, body["status"])
    for key in ("description", "assignee", "assignee_team", "category", "priority"):
        row.pop(key, None)
    row |= {"title": body["title"], "labels": []}
    _set(account, row, body)
    row["updated_at"] = rfc3339(account.clock.tick())
    return Reply(200, {"follow_up": row})


def new_follow_up(
    account: IncidentIO, incident: Json, instant: datetime, title: str, number: str | None = None
) -> Json:
    """Add an outstanding follow-up with a title."""
    rows = account.rows["follow_ups"]
    row: Json = {
        "id": number or ulid(instant, f"follow-up {len(rows)}"),
        "incident_id": incident["id"],
        "title": title,
        "status": "outstanding",
        "labels": [],
        "creator": API_KEY_ACTOR,
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }
    rows.append(row)
    return row


def _set(account: IncidentIO, row: Json, body: Json) -> None:
    if body.get("description"):
        row["description"] = body["description"]
    if "labels" in body:
        row["labels"] = body["labels"]
    set_assignee(account, row, body)
    if team := referenced(account.teams, body, "assignee_team_id"):
        row["assignee_team"] = {"id": team["id"], "name": team["name"]}
    for key, option in (("category", "follow_up_category_id"), ("priority", "follow_up_priority_option_id")):
        if found := referenced(account.rows[f"follow_up_{key}"], body, option):
            row[key] = found


ROUTES: Routes = {
    ("GET", "/v3/follow_ups"): list_follow_ups,
    ("POST", "/v3/follow_ups"): create_follow_up,
    ("POST", "/v3/follow_ups/actions/create_from_link"): create_from_link,
    ("GET", "/v3/follow_ups/{id}"): get_follow_up,
    ("PUT", "/v3/follow_ups/{id}"): update_follow_up,
}
SCOPES = {
    ("GET", "/v3/follow_ups"): ("actions.view",),
    ("GET", "/v3/follow_ups/{id}"): ("actions.view",),
    ("POST", "/v3/follow_ups"): ("follow_ups.create",),
    ("POST", "/v3/follow_ups/actions/create_from_link"): ("follow_ups.create_from_link",),
    ("PUT", "/v3/follow_ups/{id}"): ("follow_ups.update",),
}
