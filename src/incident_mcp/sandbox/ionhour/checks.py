"""Ionhour's checks. The API reference documents requests; the fields of an answer follow those of a create.

Where the outbound configuration lies in an answer is not documented; the sandbox puts it under `outboundConfig`.
"""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .pages import page, read_query
from .workspace import Ionhour, read_id

_NUMBERS = ("workspaceId", "projectId")
_DEFAULT = 10
_MODES = {"INBOUND", "OUTBOUND"}


def list_checks(workspace: Ionhour, call: Call) -> Reply:
    """GET /checks, in the order of their ids, though no order is documented."""
    query = read_query(call, _NUMBERS, {"checkMode": (_MODES, "INBOUND, OUTBOUND")})
    wanted = {key: int(query[key]) for key in _NUMBERS if key in query}
    mode = query.get("checkMode", "").upper()

    def matches(row: Json) -> bool:
        ids = {"workspaceId": workspace.workspace_id, "projectId": row["projectId"]}
        return wanted.items() <= ids.items() and mode in ("", row["checkMode"])

    body = page(list(filter(matches, workspace.rows["checks"])), query, _DEFAULT)
    body["items"] = [{key: value for key, value in row.items() if key != "outboundConfig"} for row in body["items"]]
    return Reply(200, body)


def get_check(workspace: Ionhour, call: Call) -> Reply:
    """GET /checks/:id, with the outbound configuration."""
    number = read_id(call.path["id"])
    for row in workspace.rows["checks"]:
        if row["id"] == number:
            return Reply(200, row)
    raise ApiError(404, f"Check with ID {number} not found")


ROUTES = {("GET", "/api/checks"): list_checks, ("GET", "/api/checks/{id}"): get_check}
