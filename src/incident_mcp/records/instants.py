"""Timestamps, read from responses and arguments and formatted in UTC, and durations."""

import re
from datetime import UTC, date, datetime

_LONGEST = 64
"""Characters of the longest text that is parsed; a timestamp with nanoseconds has 35."""
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r" ?([Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)
"""ISO 8601's extended form: a date, a time to the minute or finer, an offset. The last two may be missing.

Not `datetime.fromisoformat` alone, because it accepts more with each version of Python: weeks, any separator.
"""


def parse_instant(text: object) -> datetime | None:
    """Parse an ISO 8601 or RFC 3339 timestamp in any offset; without an offset it is in UTC.

    Fractions of a second may have any number of digits; those after the sixth are dropped.

    Returns:
        The time in UTC. None for anything else, and for a time outside the years 1 to 9999 in UTC.
    """
    found = _match(text)
    return _to_instant(found) if found else None


def to_second(instant: datetime) -> str:
    """Format a time as RFC 3339 in UTC, to the second: 2026-11-21T03:12:00Z. Without a zone it is in UTC.

    Raises:
        OverflowError: In UTC it is outside the years 1 to 9999, which a result of `parse_instant` never is.
    """
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    # isoformat, because strftime writes the year 1 as "1" on Linux.
    return aware.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def date_or_instant(text: str) -> str | None:
    """Normalize an argument that accepts a date or a timestamp with a zone.

    Returns:
        A date unchanged; a timestamp in UTC with Z, its fraction unchanged. None for anything else.
    """
    found = _match(text)
    if found is None:
        return None
    if found[2] is None:
        return found[1] if _is_date(found[1]) else None
    instant = _to_instant(found) if found[5] else None
    if instant is None:
        return None
    fraction = f".{found[4]}" if found[4] else ""
    return f"{to_second(instant)[:-1]}{fraction}Z"


def instant_with_zone(text: str) -> datetime | None:
    """Parse an argument that accepts a timestamp with a zone; return None for anything else, dates included."""
    found = _match(text)
    return _to_instant(found) if found and found[5] else None


def _match(text: object) -> re.Match[str] | None:
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    return _INSTANT.fullmatch(text.strip())


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _to_instant(found: re.Match[str]) -> datetime | None:
    day, minute, second, fraction, zone = found.groups()
    microseconds = (fraction or "")[:6].ljust(6, "0")
    text = f"{day}T{minute or '00:00'}:{second or '00'}.{microseconds}{_offset(zone)}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> str:
    if zone is None or zone in "Zz":
        return "+00:00"
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"


def format_duration(seconds: float) -> str:
    """Format a duration in its two largest units: 42m, 3h10m, 2d4h."""
    minutes = max(0, int(seconds // 60))
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days}d{hours}h"
    return f"{hours}h{minutes % 60}m" if hours else f"{minutes}m"
