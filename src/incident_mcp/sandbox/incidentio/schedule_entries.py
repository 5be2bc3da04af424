"""Schedule entries: who is on call over a window of time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes, by_id
from .pages import read_query
from .shifts import Shift, entries_of

PAGE = 20
"""After how many entries of `final` a page ends. The vendor's number is not known."""
_DEFAULT_WINDOW = timedelta(days=7)
"""The document says "a sensible range starting from now"."""


def list_schedule_entries(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/schedule_entries.

    The cursor of the next page goes into `entry_window_start`. An entry that crosses the end of a page is on both.
    """
    query = read_query(call, "schedule_id", "entry_window_start", "entry_window_end", required=("schedule_id",))
    schedule = by_id(account.on_call.schedules, query["schedule_id"])
    if schedule is None:
        raise ApiError(404, "The schedule could not be found")
    start = _start(query.get("entry_window_start"), account.clock.now)
    end = _end(query.get("entry_window_end"), start + _DEFAULT_WINDOW)
    entries = entries_of(account, schedule, start, end)
    cut = _page_end(entries.final, end)

    def shown(shifts: list[Shift]) -> list[Json]:
        return [shift.entry() for shift in shifts if shift.start < cut]

    listed = {name: shown(getattr(entries, name)) for name in ("scheduled", "overrides", "final")}
    more = {"pagination_meta": _next_page(query, cut)} if cut < end else {}
    return Reply(200, {"schedule_entries": listed, **more})


def _page_end(final: list[Shift], end: datetime) -> datetime:
    """Return where this page ends: at the end of its last entry, so that a page always moves on."""
    return min(final[PAGE - 1].end, end) if len(final) > PAGE else end


def _next_page(query: dict[str, str], cut: datetime) -> Json:
    after = urlsafe_b64encode(rfc3339(cut).encode()).decode()
    url = "https://api.incident.io/v2/schedule_entries?" + urlencode({**query, "entry_window_start": after})
    return {"after": after, "after_url": url}


def _start(text: str | None, now: datetime) -> datetime:
    if not text:
        return now
    instant = read_instant(text) or read_instant(_decoded(text))
    if instant is None:
        raise _no_instant("entry_window_start", text)
    return instant.astimezone(UTC)


def _decoded(text: str) -> str:
    try:
        return urlsafe_b64decode(text).decode()
    except ValueError:
        return ""


def _end(text: str | None, default: datetime) -> datetime:
    instant = read_instant(text) if text else default
    if instant is None:
        raise _no_instant("entry_window_end", text)
    return instant.astimezone(UTC)


def _no_instant(key: str, text: str | None) -> ApiError:
    return ApiError(422, Problem(f"{key}: {text!r} is not an RFC 3339 instant", key, "invalid_value"))


ROUTES: Routes = {("GET", "/v2/schedule_entries"): list_schedule_entries}
SCOPES = dict.fromkeys(ROUTES, ("schedules.view",))
