"""Users."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes
from .pages import PAGING, get_one, page, read_query


def list_users(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/users, without inactive ones unless the query includes them."""
    query = read_query(call, "email", "slack_user_id", "include_inactive", *PAGING)
    inactive = query.get("include_inactive", "false")
    if inactive not in {"true", "false"}:
        raise ApiError(422, Problem("include_inactive must be true or false", "include_inactive", "invalid_value"))
    wanted = {key: query[key].lower() for key in ("email", "slack_user_id") if query.get(key)}

    def matches(user: Json) -> bool:
        shown = user["is_active"] or inactive == "true"
        return shown and all(user[key].lower() == value for key, value in wanted.items())

    shown, meta = page(account.users, query, most=10_000, keep=matches)
    return Reply(200, {"users": shown, "pagination_meta": meta})


ROUTES: Routes = {
    ("GET", "/v2/users"): list_users,
    ("GET", "/v2/users/{id}"): lambda account, call: get_one(call, "user", account.users),
}
SCOPES = dict.fromkeys(ROUTES, ("users.view",))
