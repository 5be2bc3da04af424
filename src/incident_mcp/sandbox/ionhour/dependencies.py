"""What Ionhour's checks depend on."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .pages import page, read_query, require_workspace
from .workspace import Ionhour, read_id

_DEFAULT = 10
_FIELDS = ("name", "status", "category", "id")
"""Fields to sort by: the document has no list of them."""


def list_dependencies(workspace: Ionhour, call: Call) -> Reply:
    """GET /dependencies; the workspace is required."""
    choices = {"orderBy": ([field.upper() for field in _FIELDS], ", ".join(_FIELDS)), "order": (("ASC", "DESC"), "")}
    query = read_query(call, ("workspaceId",), choices)
    here = require_workspace(query) == workspace.workspace_id
    rows = [_without_checks(row) for row in workspace.rows["dependencies"]] if here else []
    descending = query.get("order", "ASC").upper() == "DESC"
    rows.sort(key=lambda row: row[query.get("orderBy", "id")], reverse=descending)
    return Reply(200, page(rows, query, _DEFAULT))


def get_dependency(workspace: Ionhour, call: Call) -> Reply:
    """GET /dependencies/:id, with its checks and its workspace."""
    number = read_id(call.path["id"])
    for row in workspace.rows["dependencies"]:
        if row["id"] == number:
            checks = [check for check in workspace.rows["checks"] if check["id"] in row["checkIds"]]
            workspace_of = {"id": workspace.workspace_id, "name": "Paysand"}
            return Reply(200, {**_without_checks(row), "checks": checks, "workspace": workspace_of})
    raise ApiError(404, f"Dependency with ID {number} not found")


def _without_checks(row: Json) -> Json:
    return {key: value for key, value in row.items() if key != "checkIds"}


ROUTES = {("GET", "/api/dependencies"): list_dependencies, ("GET", "/api/dependencies/{id}"): get_dependency}
