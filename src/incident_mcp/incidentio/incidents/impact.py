"""How long customers have been affected, which is not how old the incident is: people declare it later."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from incident_mcp.records.instants import format_duration, parse_instant
from incident_mcp.records.record import Json, part

_STARTED = ("impact started", "impact started at")
_ENDED = ("impact ended", "impact ended at", "resolved at", "resolved")
"""Names of an account's timestamps; of several ends the first of these counts."""
_ONGOING = ("triage", "live")
"""Categories of the statuses in which an impact without an end goes on."""


def has_unreadable_end(entries: Iterable[Json]) -> bool:
    """Return whether an end is set and cannot be read, so that it is not known whether the impact goes on."""
    ends = (entry for entry in entries if _plain(part(entry, "incident_timestamp").get("name")) in _ENDED)
    return any(_is_unreadable(entry.get("value")) for entry in ends)


def _is_unreadable(value: object) -> bool:
    if not isinstance(value, dict):
        return value is not None
    time = part({"value": value}, "value").get("value")
    return time is not None and parse_instant(time) is None


def _plain(name: object) -> str:
    return " ".join(name.split()).casefold() if isinstance(name, str) else ""


def impact_for(timestamps: Mapping[str, str] | None, now: datetime, category: str | None) -> str | None:
    """Return how long the impact has lasted by an incident's own timestamps.

    Args:
        timestamps: Its timestamps by name.
        now: The current time.
        category: The category of its status.
    """
    known = {_plain(name): parse_instant(time) for name, time in (timestamps or {}).items()}
    started = next((time for name in _STARTED if (time := known.get(name))), None)
    ended = next((time for name in _ENDED if (time := known.get(name))), None)
    if ended is None and category not in _ONGOING:
        return None
    return lasted(started, ended, now)


def lasted(started: datetime | None, ended: datetime | None, now: datetime) -> str | None:
    """Return the time between two instants, up to now without the second; None if they cannot be true."""
    until = ended or now
    if started is None or not started <= until <= now:
        return None
    return format_duration((until - started).total_seconds())
