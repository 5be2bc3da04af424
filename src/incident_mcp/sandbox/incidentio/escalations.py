"""Escalations: pages to people."""

from datetime import datetime, timedelta
from math import ceil

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, by_id, read_body, referenced
from .escalation_paths import DEFAULT_PRIORITY
from .escalation_targets import nodes_of
from .incident_values import slim_incident
from .on_call import Run
from .pages import page
from .paging import direct, start
from .query_filters import Filter, date_filter, invalid, membership, only, split_query

STATUSES = ("pending", "triggered", "acked", "resolved", "expired", "cancelled")
"""The statuses that the filter documents. An escalation may also be snoozed, delayed or pending_repeat."""
OVER = ("resolved", "expired", "cancelled")
LIMIT = 60
"""How many requests a minute may create an escalation."""
_MINUTE = timedelta(minutes=1)

CREATE: Shape = {
    "idempotency_key": Field("string", required=True, not_empty=True),
    "title": Field("string", required=True, not_empty=True),
    "description": Field("string"),
    "escalation_path_id": Field("string"),
    "user_ids": Field("strings"),
    "incident_id": Field("string"),
}
CHECK: Shape = {"user_ids": Field("strings", required=True)}


def list_escalations(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/escalations, newest first, though the vendor promises no order. All filters must match."""
    plain, grouped = split_query(call.query, {"page_size": None, "after": None})
    filters = [_read_filter(account, path, values) for path, values in grouped.items()]
    rows = sorted(account.rows["escalations"], key=lambda row: (row["created_at"], row["id"]), reverse=True)
    shown, meta = page(rows, plain, most=50, keep=lambda row: all(matches(row) for matches in filters))
    return Reply(200, {"escalations": [_shown(account, row) for row in shown], "pagination_meta": meta})


def _read_filter(account: IncidentIO, path: tuple[str, ...], values: list[str]) -> Filter:
    key = path[0] + "".join(f"[{part}]" for part in path[1:])
    if path[0] == "status" and (unknown := set(values) - set(STATUSES)):
        raise invalid(key, f"{min(unknown)!r} is not a status of this filter")
    match path:
        case (("status" | "escalation_path" | "alert" | "incident") as name, operator):
            return membership(operator, values, lambda row: _compared(account, row, name), key)
        case (("created_at" | "updated_at") as name, operator):
            return date_filter(name, operator, values, key)
        case ("idempotency_key", "is" | "starts_with" as operator):
            return _by_key(account, operator, only(values, key))
        case _:
            raise invalid(key, "is not a parameter of this list")


def _compared(account: IncidentIO, row: Json, name: str) -> set[str]:
    """Return the values of an escalation that a filter compares."""
    if name == "incident":
        return set(_run(account, row).incident_ids)
    if name == "alert":
        return {alert["id"] for alert in row["related_alerts"]}
    return {row.get("escalation_path_id", "") if name == "escalation_path" else row["status"]}


def _by_key(account: IncidentIO, operator: str, wanted: str) -> Filter:
    """Compare the key that an escalation was created with; one that no key created has none."""

    def matches(row: Json) -> bool:
        key = _run(account, row).idempotency_key
        return bool(key) and (key == wanted if operator == "is" else key.startswith(wanted))

    return matches


def get_escalation(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/escalations/{id}."""
    return Reply(200, {"escalation": _shown(account, find_run(account, call.path["id"]).escalation)})


def create_escalation(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/escalations. A repeated key answers the escalation that it created before, and pages nobody."""
    throttled = _throttle(account)
    if throttled:
        return throttled
    body = read_body(call.body, CREATE)
    key = body["idempotency_key"]
    escalation = account.create_once("page", key, account.rows["escalations"], lambda: _create(account, body))
    return Reply(201, {"escalation": _shown(account, escalation)})


def _throttle(account: IncidentIO) -> Reply | None:
    """Count this request, and return the 429 if it is one too many: this operation has a limit of its own."""
    now = account.clock.now
    recent = [instant for instant in account.paging.created_at if instant > now - _MINUTE]
    account.paging.created_at = recent
    if len(recent) < LIMIT:
        recent.append(now)
        return None
    seconds = str(ceil((recent[0] + _MINUTE - now).total_seconds()))
    headers = {
        "Retry-After": seconds,
        "X-RateLimit-Limit": f"{LIMIT}, 1200;window=60, {LIMIT};window=60",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Used": str(LIMIT),
    }
    body = account.error(429, [], seconds)
    body["rate_limit"]["limit"] = LIMIT
    return Reply(429, body, headers)


def _create(account: IncidentIO, body: Json) -> Json:
    incident = referenced(account.incidents, body, "incident_id")
    path, nodes = read_targets(account, body)
    instant = account.clock.tick()
    description = body.get("description") or (incident or {}).get("summary", "")
    run = new_run(account, instant, body["title"], description, path, nodes)
    run.idempotency_key = body["idempotency_key"]
    run.incident_ids = [incident["id"]] if incident else []
    start(account, run, instant)
    return run.escalation


def read_targets(account: IncidentIO, body: Json) -> tuple[Json | None, list[Json]]:
    """Return the path of a request and its nodes; or no path and the nodes that page the request's users."""
    path = referenced(account.on_call.paths, body, "escalation_path_id")
    user_ids: list[str] = body.get("user_ids", [])
    if (path is None) == (not user_ids):
        message = "Exactly one of escalation_path_id and user_ids is required"
        raise ApiError(422, Problem(message, "escalation_path_id", "is_required"))
    for number, user_id in enumerate(user_ids):
        if by_id(account.users, user_id) is None:
            at = f"user_ids.{number}"
            raise ApiError(422, Problem(f"{at}: nothing has the id {user_id!r}", at, "not_found"))
    return path, nodes_of(account, path) if path else direct(user_ids)


def new_run(  # noqa: PLR0913, PLR0917  # an escalation has that many parts
    account: IncidentIO, instant: datetime, title: str, description: str, path: Json | None, nodes: list[Json]
) -> Run:
    """Add an escalation that has not begun. What a key creates has no creator: the document has none for keys."""
    rows = account.rows["escalations"]
    escalation: Json = {
        "id": ulid(instant, f"escalation {len(rows)}"),
        "title": title,
        "description": description,
        "status": "triggered",
        "priority": {"name": DEFAULT_PRIORITY},
        "creator": {},
        "events": [],
        "related_incidents": [],
        "related_alerts": [],
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }
    if path:
        escalation["escalation_path_id"] = path["id"]
    rows.append(escalation)
    run = account.paging.runs[escalation["id"]] = Run(escalation, path, nodes)
    return run


def find_run(account: IncidentIO, escalation_id: str) -> Run:
    """Return the escalation of a path parameter; raise a 404 if there is none."""
    run = account.paging.runs.get(escalation_id)
    if run is None:
        raise ApiError(404, "The escalation could not be found")
    return run


def _run(account: IncidentIO, escalation: Json) -> Run:
    return account.paging.runs[escalation["id"]]


def _shown(account: IncidentIO, escalation: Json) -> Json:
    """Return an escalation with its incidents as they are now."""
    incident_ids = _run(account, escalation).incident_ids
    related = [slim_incident(row) for row in account.incidents if row["id"] in incident_ids]
    return {**escalation, "related_incidents": related}


def check_permissions(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/escalations/{escalation_id}/actions/check_permissions, in the order of the request.

    Everybody with an on-call seat may answer while the escalation is not over, and whoever was paged may also decline.
    The document does not say who may do what.
    """
    escalation = find_run(account, call.path["escalation_id"]).escalation
    body = read_body(call.body, CHECK)
    paged = {user["id"] for event in escalation["events"] for user in event.get("users", [])}

    def actions(user_id: str) -> list[str]:
        user = by_id(account.users, user_id) or {"is_active": False}
        if escalation["status"] in OVER or not user["is_active"] or user["seats"]["on_call"] != "full_access":
            return []
        return ["ack", "nack", "snooze"] if user_id in paged else ["ack", "snooze"]

    options = [{"user_id": user_id, "available_actions": actions(user_id)} for user_id in body["user_ids"]]
    return Reply(200, {"response_options": options})


ROUTES: Routes = {
    ("GET", "/v2/escalations"): list_escalations,
    ("POST", "/v2/escalations"): create_escalation,
    ("GET", "/v2/escalations/{id}"): get_escalation,
    ("POST", "/v2/escalations/{escalation_id}/actions/check_permissions"): check_permissions,
}
SCOPES = {
    ("GET", "/v2/escalations"): ("escalations.view",),
    ("POST", "/v2/escalations"): ("escalations.create",),
    ("GET", "/v2/escalations/{id}"): ("escalations.view",),
    ("POST", "/v2/escalations/{escalation_id}/actions/check_permissions"): ("escalations.view", "users.view"),
}
