"""Users' notification methods and rules: how their phones ring."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .pages import list_all


def list_methods(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/users/{user_id}/notification_methods; not paged."""
    return list_all(call, "notification_methods", _of_user(account, call, account.on_call.methods))


def list_rules(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/users/{user_id}/notification_rules; not paged."""
    return list_all(call, "notification_rules", _of_user(account, call, account.on_call.rules))


def _of_user(account: IncidentIO, call: Call, rows: dict[str, list[Json]]) -> list[Json]:
    if by_id(account.users, call.path["user_id"]) is None:
        raise ApiError(404, "The user could not be found")
    return rows.get(call.path["user_id"], [])


ROUTES: Routes = {
    ("GET", "/v2/users/{user_id}/notification_methods"): list_methods,
    ("GET", "/v2/users/{user_id}/notification_rules"): list_rules,
}
SCOPES = {
    ("GET", "/v2/users/{user_id}/notification_methods"): ("notification_methods.view",),
    ("GET", "/v2/users/{user_id}/notification_rules"): ("notification_rules.view",),
}
