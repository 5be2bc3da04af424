"""On-call notification pauses."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import read_instant
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes
from .pages import PAGING, get_one, page, read_query


def list_pauses(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/on_call_notification_pauses by start; by default those that are active now or upcoming."""
    query = read_query(call, "from", "to", *PAGING)
    since = _instant(query, "from") or account.clock.now
    until = _instant(query, "to")
    rows = sorted(account.on_call.pauses, key=lambda row: row["starts_at"])

    def matches(pause: Json) -> bool:
        starts, ends = (read_instant(pause[key]) for key in ("starts_at", "ends_at"))
        return ends is not None and ends > since and (until is None or (starts is not None and starts < until))

    shown, meta = page(rows, query, keep=matches)
    return Reply(200, {"on_call_notification_pauses": shown, "pagination_meta": meta})


def _instant(query: dict[str, str], key: str) -> datetime | None:
    text = query.get(key)
    instant = read_instant(text) if text else None
    if text and instant is None:
        raise ApiError(422, Problem(f"{key}: {text!r} is not an RFC 3339 instant", key, "invalid_value"))
    return instant


def is_paused(account: IncidentIO, user_id: str, instant: datetime) -> bool:
    """Return whether a user's notifications are paused at an instant."""
    return any(
        pause["user_id"] == user_id and _is_within(pause["starts_at"], pause["ends_at"], instant)
        for pause in account.on_call.pauses
    )


def _is_within(start: str, end: str, instant: datetime) -> bool:
    starts, ends = read_instant(start), read_instant(end)
    return starts is not None and ends is not None and starts <= instant < ends


ROUTES: Routes = {
    ("GET", "/v2/on_call_notification_pauses"): list_pauses,
    ("GET", "/v2/on_call_notification_pauses/{id}"): lambda account, call: get_one(
        call, "on_call_notification_pause", account.on_call.pauses
    ),
}
SCOPES = dict.fromkeys(ROUTES, ("notification_pauses.view",))
