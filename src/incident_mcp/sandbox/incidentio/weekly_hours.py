"""Weekly hours: the working intervals of a rotation and the working hours of a path."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from incident_mcp.sandbox.engine.service import Json

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)

Span = tuple[datetime, datetime]
"""From the first instant up to, not including, the second."""


def zone(name: str) -> tzinfo:
    """Return a time zone; UTC on a machine that does not know it, so that the sandbox runs there, too."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return UTC


def open_spans(intervals: list[Json], where: tzinfo, start: datetime, end: datetime) -> list[Span]:
    """Return the spans of the window that lie inside the weekly intervals; adjoining ones are joined.

    An `end_time` that is not after its `start_time` means the next day, so 22:00 to 06:00 is a night, and 00:00 to
    00:00 a whole day. The vendor does not say so.
    """
    spans: list[Span] = []
    for opens, closes in sorted(_days(intervals, where, start, end)):
        span = (max(opens, start), min(closes, end))
        if span[0] >= span[1]:
            continue
        if spans and span[0] <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], span[1]))
        else:
            spans.append(span)
    return spans


def _days(intervals: list[Json], where: tzinfo, start: datetime, end: datetime) -> Iterator[Span]:
    day = start.astimezone(where).date() - _DAY
    while day <= end.astimezone(where).date():
        for interval in intervals:
            if interval["weekday"] == WEEKDAYS[day.weekday()]:
                opens, closes = (time.fromisoformat(interval[key]) for key in ("start_time", "end_time"))
                until = day if closes > opens else day + _DAY
                yield _instant(day, opens, where), _instant(until, closes, where)
        day += _DAY


def _instant(day: date, at: time, where: tzinfo) -> datetime:
    return datetime.combine(day, at, where).astimezone(UTC)


def is_open(hours: Json, instant: datetime) -> bool:
    """Return whether an instant lies inside working hours."""
    moment = timedelta(microseconds=1)
    return bool(open_spans(hours["weekday_intervals"], zone(hours["timezone"]), instant, instant + moment))


def next_change(hours: Json, instant: datetime, *, opening: bool) -> datetime | None:
    """Return when working hours are next open, or closed if not `opening`; None if not within two weeks."""
    if is_open(hours, instant) is opening:
        return instant
    spans = open_spans(hours["weekday_intervals"], zone(hours["timezone"]), instant, instant + 14 * _DAY)
    if not spans:
        return None
    edge = spans[0][0] if opening else spans[0][1]
    return edge if edge < instant + 14 * _DAY else None
