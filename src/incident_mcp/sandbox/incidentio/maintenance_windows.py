"""Maintenance windows, which hold alerts."""

from incident_mcp.sandbox.engine.clock import read_instant
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes
from .pages import PAGING, page, read_query

STATUSES = ("active", "upcoming", "past")
MAX_PAGE_SIZE = 50


def list_maintenance_windows(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/maintenance_windows, by start, though the vendor promises no order."""
    query = read_query(call, "status", *PAGING)
    wanted = query.get("status")
    if wanted and wanted not in STATUSES:
        message = f"status must be one of {', '.join(STATUSES)}, not {wanted!r}"
        raise ApiError(422, Problem(message, "status", "invalid_value"))
    rows = sorted(account.rows["maintenance_windows"], key=lambda row: row["start_at"])
    shown, meta = page(rows, query, most=MAX_PAGE_SIZE, keep=lambda row: not wanted or _status(account, row) == wanted)
    return Reply(200, {"maintenance_windows": shown, "pagination_meta": meta})


def _status(account: IncidentIO, window: Json) -> str:
    now = account.clock.now
    start, end = read_instant(window["start_at"]), read_instant(window["end_at"])
    if start is None or now < start:
        return "upcoming"
    return "active" if end is None or now < end else "past"


ROUTES: Routes = {("GET", "/v1/maintenance_windows"): list_maintenance_windows}
SCOPES = dict.fromkeys(ROUTES, ("maintenance_windows.view",))
