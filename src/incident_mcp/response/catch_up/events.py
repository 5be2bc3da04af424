"""Changes, where they lie in time, and how urgent they are."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

from incident_mcp.records.record import Record, shorten

MAX_NAME, MAX_TEXT = 60, 120
"""Characters of a name or title, and of an update's text."""
KINDS = (
    "page_unanswered",
    "page_expired",
    "severity_up",
    "new",
    "resolved",
    "lead_changed",
    "page_answered",
    "page_ended",
    "on_call_changed",
    "status_page_update",
    "update",
    "alert_opened",
    "alert_recovered",
    "post_mortem",
)
"""The kinds of changes, the most urgent first."""
_RANKS = {kind: rank for rank, kind in enumerate(KINDS)}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HASH_BYTES = 4
LAST = 256**HASH_BYTES - 1


class Change(Record):
    """One change."""

    kind: str
    at: str | None = None
    """Month, day and time in UTC; absent if unknown."""
    incident: str | None = None
    """Its reference; its ID where the reference is unknown."""
    name: str | None = None
    """Only in the first change of an incident."""
    severity: str | None = None
    status: str | None = None
    lead: str | None = None
    escalation_id: str | None = None
    """Of a page that nobody answered."""
    ionhour_incident: int | None = None
    title: str | None = None
    by: str | None = None
    text: str | None = None


def one_line(text: str | None, length: int) -> str | None:
    """Return a text on one line, cut to a length; None if it is blank."""
    # Far more than is shown, so that a text of a megabyte costs nothing.
    return shorten(" ".join((text or "")[: length * 20].split()), length) or None


def hash_of(text: str) -> int:
    """Return a short hash by which a cursor recognises a change or an incident."""
    return int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=HASH_BYTES).digest(), "big")


class Position(NamedTuple):
    """A place in the order of a source's changes: by time, and by hash where times are equal."""

    micros: int
    """Microseconds since 2000."""
    tie: int = LAST

    @classmethod
    def of(cls, instant: datetime, tie: int = LAST) -> "Position":
        """Return the position at an instant; without a tie it follows all changes at that instant."""
        return cls((instant - _EPOCH) // timedelta(microseconds=1), tie)

    @property
    def instant(self) -> datetime:
        """Its time."""
        return _EPOCH + timedelta(microseconds=self.micros)

    @property
    def before(self) -> "Position":
        """The position just before it."""
        return Position(self.micros, self.tie - 1) if self.tie else Position(self.micros - 1)


@dataclass(frozen=True, eq=False)
class Event:
    """A change as a source records it."""

    key: str
    """Identifies the change within its source."""
    at: datetime | None
    change: Change
    incident_id: str | None = None
    hidden: bool = False
    """A later change made it irrelevant, or another one tells it."""
    by_state: bool = False
    """It is a difference from the state in the cursor, and the cursor's time says nothing about it."""
    reported: bool = False
    """The cursor's state shows that it was reported."""
    weight: int = 0
    """Larger is more urgent among changes of one kind."""
    oldest_first: bool = False
    """The weight does not decide which changes an answer has, only their order in it."""

    @cached_property
    def tie(self) -> int:
        """The hash of its key."""
        return hash_of(self.key)

    @cached_property
    def position(self) -> Position:
        """Its position; only of an event with a time."""
        return Position.of(self.at or _EPOCH, self.tie)

    @property
    def urgency(self) -> tuple[int, int, datetime, str]:
        """A sort key: the most urgent first, then the oldest."""
        return self._sorted_by(self.weight)

    @property
    def turn(self) -> tuple[int, int, datetime, str]:
        """A sort key: which changes an answer has, if there are more than fit."""
        return self._sorted_by(0 if self.oldest_first else self.weight)

    def _sorted_by(self, weight: int) -> tuple[int, int, datetime, str]:
        return _RANKS[self.change.kind], -weight, self.at or _EPOCH, self.key


def format_time(instant: datetime) -> str:
    """Format a time in UTC without its year: 11-21 03:12."""
    return instant.strftime("%m-%d %H:%M")
