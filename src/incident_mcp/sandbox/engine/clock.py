"""Time and ids of the sandbox: a sandbox with a fixed start is the same on every run."""

import hashlib
import re
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import cache

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})")

OPENED = datetime(2024, 3, 4, 9, 0, tzinfo=UTC)
"""When the seeded account was set up: fixed, so that the ids of its severities, users and so on never change."""


class Clock:
    """A clock whose ticks strictly increase, so that later records also sort later.

    With a fixed start it advances one millisecond a tick; without one it follows real time.
    """

    def __init__(self, start: datetime | None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError("now must be an aware datetime")
        self._fixed = start is not None
        self._ahead = timedelta()
        """How far a clock that follows real time has been advanced."""
        self._last = (start or datetime.now(UTC)).astimezone(UTC)

    @property
    def now(self) -> datetime:
        """The current instant. Reading it does not move the clock."""
        return self._last if self._fixed else max(self._last, datetime.now(UTC) + self._ahead)

    def tick(self) -> datetime:
        """Move the clock and return an instant later than every earlier tick."""
        self._last = max(self.now, self._last + timedelta(milliseconds=1))
        return self._last

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Raises:
            ValueError: `seconds` is negative or not a number.
            OverflowError: The instant would be past the year 9999.
        """
        if not seconds >= 0:  # NaN too
            raise ValueError("seconds must not be negative")
        moved = self.now + timedelta(seconds=seconds)
        if self._fixed:
            self._last = moved
        else:
            self._ahead = moved - datetime.now(UTC)


def ulid(instant: datetime, seed: str) -> str:
    """Return the ULID whose time part is `instant` and whose random part depends on `seed` alone."""
    number = int(instant.timestamp() * 1000) << 80
    number |= int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=10).digest(), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


@cache
def account_ulid(seed: str) -> str:
    """Return the id of something that the account has had since its first day."""
    return ulid(OPENED, seed)


def rfc3339(instant: datetime) -> str:
    """Format an instant in UTC with microseconds, as both services do."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(instant: datetime) -> str:
    """Format an instant as RFC 9110 requires in `Date`, to the second: `Fri, 20 Nov 2026 03:00:00 GMT`."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)


def ago(text: str) -> timedelta:
    """Parse a duration such as `25m`, `3h` or `20d`."""
    return int(text[:-1]) * _UNITS[text[-1]]


def read_instant(text: str) -> datetime | None:
    """Parse an RFC 3339 instant; return None if it is invalid."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_date_or_instant(text: str) -> datetime | None:
    """Parse the value of a date filter. The vendor's list page reads `2024-05-01` as midnight in UTC."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        except ValueError:
            return None
    return read_instant(text)
