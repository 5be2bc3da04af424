"""Incidents on status pages, their updates, and the messages to subscribers."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, by_id, read_body, referenced
from .pages import PAGING, page, read_query
from .status_pages import components_of

STATUSES = ("investigating", "identified", "monitoring", "resolved")
OPERATIONAL = "operational"
COMPONENT_STATUSES = (OPERATIONAL, "degraded_performance", "partial_outage", "full_outage")
MOST_SUBSCRIBERS = 1000
"""A page with more subscribers can notify them from the dashboard or Slack alone."""
MOST_UPDATES, MAX_NAME, MAX_MESSAGE = 100, 200, 4096

_COMPONENTS: Shape = {
    "component_id": Field("string", required=True, not_empty=True),
    "component_status": Field("string", required=True, choices=COMPONENT_STATUSES),
}
CREATE: Shape = {
    "idempotency_key": Field("string", required=True, not_empty=True),
    "status_page_id": Field("string", required=True, not_empty=True),
    "name": Field("string", required=True, not_empty=True),
    "message": Field("string", required=True, not_empty=True),
    "incident_status": Field("string", required=True, choices=STATUSES),
    "notify_subscribers": Field("boolean", required=True),
    "component_statuses": Field("list", shape=_COMPONENTS),
}
UPDATE: Shape = {
    "status_page_incident_id": Field("string", required=True, not_empty=True),
    "message": Field("string", required=True, not_empty=True),
    "incident_status": Field("string", choices=STATUSES),
    "notify_subscribers": Field("boolean", required=True),
    "component_statuses": Field("list", shape=_COMPONENTS),
}
_FILTERS = ("component_id", "start_at", "end_at")


def list_published(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/status_page_incidents of one page, newest first, though the vendor promises no order."""
    query = read_query(call, "status_page_id", *_FILTERS, *PAGING, required=("status_page_id",))
    if by_id(account.rows["status_pages"], query["status_page_id"]) is None:
        raise ApiError(404, "The status page could not be found")
    rows = sorted(account.rows["status_page_incidents"], key=lambda row: (row["published_at"], row["id"]), reverse=True)

    def matches(row: Json) -> bool:
        return row["status_page_id"] == query["status_page_id"] and _is_impacted(row, query)

    shown, meta = page(rows, query, keep=matches)
    return Reply(200, {"status_page_incidents": shown, "pagination_meta": meta})


def _is_impacted(row: Json, query: dict[str, str]) -> bool:
    """Return whether an impact of an incident meets the filters, if there are any."""
    wanted = {name: query[name] for name in _FILTERS if query.get(name)}
    return not wanted or any(_meets(impact, wanted) for impact in row["component_impacts"])


def _meets(impact: Json, wanted: dict[str, str]) -> bool:
    started, ended = (read_instant(impact.get(name, "")) for name in ("start_at", "end_at"))
    since, until = (read_instant(wanted.get(name, "")) for name in ("start_at", "end_at"))
    too_late = until is not None and started is not None and started > until
    too_early = since is not None and ended is not None and ended < since
    return wanted.get("component_id", impact["component_id"]) == impact["component_id"] and not (too_late or too_early)


def get_published(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/status_page_incidents/{status_page_incident_id}."""
    read_query(call)
    found = by_id(account.rows["status_page_incidents"], call.path["status_page_incident_id"])
    if found is None:
        raise ApiError(404, "The status page incident could not be found")
    return Reply(200, {"status_page_incident": found})


def publish_incident(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/status_page_incidents. A repeated key answers the incident that it created before."""
    body = read_body(call.body, CREATE)
    _check_length(body, "name", MAX_NAME)
    rows = account.rows["status_page_incidents"]
    incident = account.create_once("publish", body["idempotency_key"], rows, lambda: _create(account, body))
    return Reply(201, {"status_page_incident": incident})


def _create(account: IncidentIO, body: Json) -> Json:
    referenced(account.rows["status_pages"], body, "status_page_id")
    _check(account, body, body["status_page_id"])
    instant = account.clock.tick()
    number = len(account.rows["status_page_incidents"])
    incident = new_incident(ulid(instant, f"published {number}"), instant, body["status_page_id"], body["name"])
    account.rows["status_page_incidents"].append(incident)
    add_update(incident, instant, body)
    _notify(account, incident, body)
    return incident


def publish_update(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/status_page_incident_updates. Each request publishes an update: there is no idempotency key."""
    body = read_body(call.body, UPDATE)
    incident = referenced(account.rows["status_page_incidents"], body, "status_page_incident_id") or {}
    _check(account, body, incident["status_page_id"])
    if body.get("incident_status") == "resolved" and body.get("component_statuses"):
        message = "component_statuses must be absent when the incident is resolved"
        raise ApiError(422, Problem(message, "component_statuses", "invalid_value"))
    if len(incident["updates"]) >= MOST_UPDATES:
        raise ApiError(422, Problem(f"An incident has at most {MOST_UPDATES} updates", "", "invalid_value"))
    update = add_update(incident, account.clock.tick(), body)
    _notify(account, incident, body)
    return Reply(201, {"status_page_incident_update": update})


def _check(account: IncidentIO, body: Json, page_id: str) -> None:
    """Raise a 422 for a text that is too long, an unknown component, or too many subscribers to notify."""
    _check_length(body, "message", MAX_MESSAGE)
    known = components_of(account, page_id)
    for number, row in enumerate(body.get("component_statuses", [])):
        if row["component_id"] not in known:
            at = f"component_statuses.{number}.component_id"
            raise ApiError(422, Problem(f"{at}: the page has no such component", at, "not_found"))
    subscribers = by_id(account.rows["status_page_subscribers"], page_id) or {"count": 0}
    if body["notify_subscribers"] and subscribers["count"] > MOST_SUBSCRIBERS:
        message = f"This page has more than {MOST_SUBSCRIBERS} subscribers: they cannot be notified through the API"
        raise ApiError(422, Problem(message, "notify_subscribers", "invalid_value"))


def _check_length(body: Json, key: str, most: int) -> None:
    if len(body[key]) > most:
        raise ApiError(422, Problem(f"{key} must have at most {most} characters", key, "invalid_value"))


def new_incident(incident_id: str, instant: datetime, page_id: str, name: str) -> Json:
    """Return an incident without updates."""
    return {
        "id": incident_id,
        "status_page_id": page_id,
        "name": name,
        "incident_status": STATUSES[0],
        "published_at": rfc3339(instant),
        "component_impacts": [],
        "updates": [],
    }


def add_update(incident: Json, instant: datetime, body: Json) -> Json:
    """Add an update, which changes the incident's status and the impacts on its components."""
    incident["incident_status"] = body.get("incident_status", incident["incident_status"])
    statuses: list[Json] = [dict(row) for row in body.get("component_statuses", [])]
    if incident["incident_status"] == "resolved":
        affected = dict.fromkeys(impact["component_id"] for impact in incident["component_impacts"])
        statuses = [{"component_id": component, "component_status": OPERATIONAL} for component in affected]
    for row in statuses:
        _set_impact(incident, row, rfc3339(instant))
    number = len(incident["updates"])
    update: Json = {
        "id": ulid(instant, f"public update {incident['id']} {number}"),
        "status_page_incident_id": incident["id"],
        "incident_status": incident["incident_status"],
        "message": body["message"],
        "component_statuses": statuses,
        "published_at": rfc3339(instant),
    }
    incident["updates"].append(update)
    return update


def _set_impact(incident: Json, row: Json, instant: str) -> None:
    impacts: list[Json] = incident["component_impacts"]
    same = [impact for impact in impacts if impact["component_id"] == row["component_id"] and "end_at" not in impact]
    if same and same[-1]["component_status"] == row["component_status"]:
        return
    for impact in same:
        impact["end_at"] = instant
    if row["component_status"] != OPERATIONAL:
        impacts.append({**row, "start_at": instant})


def _notify(account: IncidentIO, incident: Json, body: Json) -> None:
    """Keep what subscribers were sent; for tests."""
    if body["notify_subscribers"]:
        account.rows["status_page_messages"].append({"incident": incident["id"], "message": body["message"]})


ROUTES: Routes = {
    ("GET", "/v2/status_page_incidents"): list_published,
    ("GET", "/v2/status_page_incidents/{status_page_incident_id}"): get_published,
    ("POST", "/v2/status_page_incidents"): publish_incident,
    ("POST", "/v2/status_page_incident_updates"): publish_update,
}
SCOPES = {name: ("status_pages.publish_updates",) for name in ROUTES if name[0] == "POST"}
