"""Escalation paths."""

from datetime import datetime

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .escalation_targets import branch_of, nodes_of, people_of
from .incident_values import slim_user
from .pages import PAGING, page, read_query

DEFAULT_PRIORITY = "P2"


def list_paths(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/escalation_paths, at most 25 on a page."""
    shown, meta = page(account.on_call.paths, read_query(call, *PAGING), most=25)
    return Reply(200, {"escalation_paths": [_shown(account, row) for row in shown], "pagination_meta": meta})


def get_path(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/escalation_paths/{id}."""
    read_query(call)
    path = by_id(account.on_call.paths, call.path["id"])
    if path is None:
        raise ApiError(404, "The escalation path could not be found")
    return Reply(200, {"escalation_path": _shown(account, path)})


def _shown(account: IncidentIO, path: Json) -> Json:
    """Return a path with its current responders: those of its first level, as far as the document can be read.

    The key is optional in the document; the sandbox leaves it out where nobody is on call.
    """
    now = account.clock.now
    targets = _first_targets(nodes_of(account, path), path, now)
    people = {user["id"]: slim_user(user) for target in targets for user in people_of(account, target, now)}
    return path | ({"current_responders": list(people.values())} if people else {})


def _first_targets(nodes: list[Json], path: Json, now: datetime) -> list[Json]:
    for node in nodes:
        if node["type"] == "level":
            return node["level"]["targets"]
        if node["type"] == "if_else":
            return _first_targets(branch_of(node, path, DEFAULT_PRIORITY, now), path, now)
    return []


ROUTES: Routes = {
    ("GET", "/v2/escalation_paths"): list_paths,
    ("GET", "/v2/escalation_paths/{id}"): get_path,
}
SCOPES = dict.fromkeys(ROUTES, ("escalation_paths.view",))
