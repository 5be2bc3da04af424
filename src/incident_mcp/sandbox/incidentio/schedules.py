"""Schedules."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .pages import PAGING, page, read_query
from .shifts import next_shifts, on_call_at

_MOST_WITH_NEXT = 25
"""The largest page whose schedules have `next_shifts`."""


def list_schedules(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/schedules. On a page of more than 25, `next_shifts` is empty."""
    query = read_query(call, *PAGING)
    shown, meta = page(account.on_call.schedules, query, most=10_000)
    meta["total_record_count"] = len(account.on_call.schedules)
    upcoming = meta["page_size"] <= _MOST_WITH_NEXT
    return Reply(
        200, {"schedules": [_shown(account, row, upcoming=upcoming) for row in shown], "pagination_meta": meta}
    )


def get_schedule(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/schedules/{id}."""
    read_query(call)
    schedule = by_id(account.on_call.schedules, call.path["id"])
    if schedule is None:
        raise ApiError(404, "The schedule could not be found")
    return Reply(200, {"schedule": _shown(account, schedule, upcoming=True)})


def _shown(account: IncidentIO, schedule: Json, *, upcoming: bool) -> Json:
    now = account.clock.now
    following = next_shifts(account, schedule, now) if upcoming else []
    return {
        **schedule,
        "current_shifts": [shift.entry() for shift in on_call_at(account, schedule, now)],
        "next_shifts": [shift.entry() for shift in following],
    }


ROUTES: Routes = {
    ("GET", "/v2/schedules"): list_schedules,
    ("GET", "/v2/schedules/{id}"): get_schedule,
}
SCOPES = dict.fromkeys(ROUTES, ("schedules.view",))
