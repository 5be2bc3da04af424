"""Instants with their labels: in UTC, in a schedule's time zone, and in the one of this machine."""

import re
from datetime import UTC, datetime, tzinfo

from incident_mcp.records.instants import to_second

_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,3}", re.ASCII)
"""Only these are looked up: a name with many dots makes the look-up recurse without end in Python 3.11."""
_WEEK_DAYS = 6
"""Days for which a weekday alone is unambiguous."""


def zone(name: str | None) -> tzinfo | None:
    """Return a time zone by its name; None if this machine does not know it."""
    if not name or not _NAME.fullmatch(name):
        return None
    from zoneinfo import ZoneInfo  # noqa: PLC0415  # not needed to start

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def label(instant: datetime, name: str | None) -> str:
    """Return an instant in UTC, with the time in a schedule's time zone and on this machine where those differ.

    `2026-11-23T08:00:00Z (Mon 09:00 Europe/Berlin; Mon 03:00 here, EST)`
    """
    utc, here, there = instant.astimezone(UTC), instant.astimezone(), zone(name)
    local = utc if there is None else instant.astimezone(there)
    others: list[str] = []
    if there is not None and local.utcoffset() != utc.utcoffset():
        others.append(f"{local:%a %H:%M} {name}")
    if here.utcoffset() not in (utc.utcoffset(), local.utcoffset()):
        others.append(f"{here:%a %H:%M} here, {here.tzname() or 'local time'}")
    return to_second(utc) + (f" ({'; '.join(others)})" if others else "")


def short(instant: datetime, now: datetime) -> str:
    """Return an instant in UTC as briefly as is unambiguous: `Mon 08:00`, or `11-30 08:00` if it is far."""
    utc = instant.astimezone(UTC)
    near = abs((utc - now).days) < _WEEK_DAYS
    return f"{utc:%a %H:%M}" if near else f"{utc:%m-%d %H:%M}"
