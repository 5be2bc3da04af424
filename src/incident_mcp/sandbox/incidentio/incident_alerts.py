"""Links between alerts and incidents."""

from incident_mcp.sandbox.engine.clock import ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, by_id, read_body
from .alerts import GLOBAL_ACCESS, MAX_PAGE_SIZE, find_alert, is_private, may_see, require_page_size, slim_alert
from .incident_values import slim_incident
from .pages import PAGING, page, read_query

ATTACH: Shape = {
    "alert_id": Field("string", required=True, not_empty=True),
    "incident_id": Field("string", required=True, not_empty=True),
    "re_relate": Field("boolean"),
}
RELATED = "related"


def list_incident_alerts(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_alerts, newest first; links that somebody marked as unrelated are left out."""
    query = read_query(call, "alert_id", "incident_id", *PAGING)
    require_page_size(query)
    wanted = {name: query[name] for name in ("alert_id", "incident_id") if query.get(name)}

    def matches(link: Json) -> bool:
        alert = by_id(account.rows["alerts"], link["alert_id"]) or {}
        visible = link["state"] == RELATED and may_see(account, alert)
        return visible and all(link[name] == value for name, value in wanted.items())

    rows = account.rows["incident_alerts"][::-1]
    shown, meta = page(rows, query, most=MAX_PAGE_SIZE, keep=matches)
    return Reply(200, {"incident_alerts": [_shown(account, link) for link in shown], "pagination_meta": meta})


def attach_alert(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incident_alerts. A link that exists is answered, also with 201."""
    account.require_scope("incident_alerts.manage")
    body = read_body(call.body, ATTACH)
    alert = find_alert(account, body["alert_id"])
    incident = by_id(account.incidents, body["incident_id"])
    if incident is None or (incident["visibility"] == "private" and GLOBAL_ACCESS in account.missing_scopes):
        raise ApiError(404, "The incident could not be found")
    if is_private(account, alert) and incident["visibility"] != "private":
        message = "A private alert can only be attached to a private incident"
        raise ApiError(422, Problem(message, "incident_id", "invalid_value"))
    link = _find(account, alert, incident)
    if link is None:
        rows = account.rows["incident_alerts"]
        link = new_link(ulid(account.clock.tick(), f"incident alert {len(rows)}"), alert, incident)
        rows.append(link)
    elif link["state"] != RELATED and not body.get("re_relate"):
        message = "This alert was marked as unrelated to this incident: set re_relate to override that"
        raise ApiError(422, Problem(message, "re_relate", "invalid_value"))
    link["state"] = RELATED
    return Reply(201, {"incident_alert": _shown(account, link)})


def _find(account: IncidentIO, alert: Json, incident: Json) -> Json | None:
    both = (alert["id"], incident["id"])
    return next((row for row in account.rows["incident_alerts"] if (row["alert_id"], row["incident_id"]) == both), None)


def new_link(link_id: str, alert: Json, incident: Json) -> Json:
    """Return the link of an alert to an incident."""
    return {"id": link_id, "alert_id": alert["id"], "incident_id": incident["id"], "state": RELATED}


def _shown(account: IncidentIO, link: Json) -> Json:
    alert = by_id(account.rows["alerts"], link["alert_id"]) or {}
    incident = by_id(account.incidents, link["incident_id"]) or {}
    route = {"alert_route_id": link["alert_route_id"]} if "alert_route_id" in link else {}
    return {"id": link["id"], "alert": slim_alert(alert), "incident": slim_incident(incident), **route}


ROUTES: Routes = {
    ("GET", "/v2/incident_alerts"): list_incident_alerts,
    ("POST", "/v2/incident_alerts"): attach_alert,
}
SCOPES = {name: ("alerts.view" if name[0] == "GET" else "alerts.attach_to_incident",) for name in ROUTES}
