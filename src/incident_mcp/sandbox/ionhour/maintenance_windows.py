"""Ionhour's maintenance windows."""

from incident_mcp.sandbox.engine.clock import read_instant
from incident_mcp.sandbox.engine.service import Call, Json, Reply

from .pages import envelope, read_query, require_workspace
from .workspace import Ionhour

_STATES = ("SCHEDULED", "ACTIVE", "COMPLETED", "CANCELLED")


def list_windows(workspace: Ionhour, call: Call) -> Reply:
    """GET /maintenance-windows; the workspace is required. No page is documented, so all windows are on one."""
    query = read_query(call, ("workspaceId",), {"state": (_STATES, ", ".join(_STATES))}, paged=False)
    here = require_workspace(query) == workspace.workspace_id
    rows = [_with_state(workspace, row) for row in workspace.rows["maintenance_windows"]] if here else []
    state = query.get("state", "").upper()
    found = [row for row in rows if state in ("", row["state"])]
    return Reply(200, envelope(found, len(found), 1, max(20, len(found))))


def _with_state(workspace: Ionhour, row: Json) -> Json:
    """Return a window with its state at this moment."""
    if row["state"] == "CANCELLED":
        return row
    start, end = (read_instant(row[key]) or workspace.clock.now for key in ("startAt", "endAt"))
    now = workspace.clock.now
    return row | {"state": "SCHEDULED" if now < start else "ACTIVE" if now < end else "COMPLETED"}


ROUTES = {("GET", "/api/maintenance-windows"): list_windows}
