"""Time and ids of the sandbox, the same on every run when the start is given."""

import hashlib
import re
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from functools import cache

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})")

OPENED = datetime(2024, 3, 4, 9, 0, tzinfo=UTC)
"""When the seeded account was set up: the ids of its severities, people and so on never change."""


class Clock:
    """Tells instants that strictly rise, so that what happened later also sorts later.

    With a start it stands still but for one millisecond an instant; without one it follows the real time.
    """

    def __init__(self, start: datetime | None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError("now must be an aware datetime")
        self._fixed = start is not None
        self._ahead = timedelta()
        """How far a clock that follows the real time has been advanced."""
        self._last = (start or datetime.now(UTC)).astimezone(UTC)

    @property
    def now(self) -> datetime:
        """The present, without moving the clock."""
        return self._last if self._fixed else max(self._last, datetime.now(UTC) + self._ahead)

    def tick(self) -> datetime:
        """The present, later than every instant told before."""
        self._last = max(self.now, self._last + timedelta(milliseconds=1))
        return self._last

    def advance(self, seconds: float) -> None:
        """Move the clock on.

        Raises:
            ValueError: The clock would go backwards.
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
    """A ULID whose time part is `instant` and whose random part depends on `seed` alone."""
    number = int(instant.timestamp() * 1000) << 80
    number |= int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=10).digest(), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


@cache
def account_ulid(seed: str) -> str:
    """The id of something that was there from the account's first day."""
    return ulid(OPENED, seed)


def tell(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as both services write it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(instant: datetime) -> str:
    """Format an instant as RFC 9110 wants it in `Date`, to the second: `Fri, 20 Nov 2026 03:00:00 GMT`."""
    return format_datetime(instant.astimezone(UTC), usegmt=True)


def ago(text: str) -> timedelta:
    """Read a span such as `25m`, `3h` or `20d`."""
    return int(text[:-1]) * _UNITS[text[-1]]


def read_instant(text: str) -> datetime | None:
    """Read an RFC 3339 instant; None when it is none."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def read_date_or_instant(text: str) -> datetime | None:
    """Read what a date filter takes: `2024-05-01` means its midnight in UTC, as the vendor's list page says."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        except ValueError:
            return None
    return read_instant(text)
