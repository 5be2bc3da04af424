"""How far a source was reported, and which of its changes to report next.

Services write some rows late, with an earlier timestamp. So the watermark stays some minutes behind the present, and
the changes after it that were reported are known by their hashes.
"""

from bisect import bisect
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from incident_mcp.response.catch_up.events import Event, Position

OVERLAP = timedelta(minutes=5)
"""How late a row may appear, and how far a service's clocks may be apart."""
MAX_REPORTED = 40
"""Reported changes after a watermark that a cursor holds."""


@dataclass(frozen=True)
class Watermark:
    """Everything up to `mark` was reported, and after it the changes with these hashes."""

    mark: Position
    reported: frozenset[int] = frozenset()

    def past(self, reported: Iterable[Event], left: Iterable[Event]) -> "Watermark":
        """Return a watermark after these reported changes, as far as it stays before those that are left."""
        ends = [event.position for event in reported if event.at]
        starts = [event.position.before for event in left if event.at]
        return replace(self, mark=max(self.mark, min([max(ends), *starts]))) if ends else self


class Stream:
    """The changes of one source.

    Args:
        watermark: How far it was reported.
        events: Its changes, hidden ones and those without a time included.
        now: The service's time.
    """

    def __init__(self, watermark: Watermark, events: Sequence[Event], now: datetime) -> None:
        self._watermark = watermark
        self._behind = Position.of(now.replace(microsecond=0) - OVERLAP)
        self._held = [event.position for event in events if self._is_held(event)]
        unreported = [event for event in events if not (event.hidden or self._was_reported(event))]
        self._by_state = list(filter(_is_by_state, unreported))
        self.without_time = sum(event.at is None and not event.by_state for event in unreported)
        """Number of changes that cannot be placed, and are not reported."""
        later = self._later(unreported)
        self._placed = later[: bisect(later, Position.of(now + OVERLAP), key=_place)]
        self.in_future = len(later) - len(self._placed)
        """Number of changes that lie in the future: they are reported when their time has come."""

    def _later(self, events: Sequence[Event]) -> list[Event]:
        """Return the changes after the mark, oldest first."""
        dated = (event for event in events if event.at is not None and not event.by_state)
        return sorted((event for event in dated if event.position > self._watermark.mark), key=_place)

    @property
    def pending(self) -> list[Event]:
        """The changes that were not reported yet."""
        return self._placed + self._by_state

    def oldest_instead(self, shown: AbstractSet[Event]) -> list[Event]:
        """Return as many changes as are shown of this source, but its oldest ones: a cursor can always hold these."""
        count = sum(event in shown for event in self._placed)
        differences = [event for event in self._by_state if event in shown]
        return self._placed[:count] + differences[: max(0, MAX_REPORTED - len(self._held))]

    def overflows(self, shown: AbstractSet[Event]) -> bool:
        """Return whether a cursor cannot hold which changes were reported, if these are reported now."""
        first = self._first_left(shown)
        return first is not None and sum(place > first for place in self._reported(shown)) > MAX_REPORTED

    def after(self, shown: AbstractSet[Event]) -> Watermark:
        """Return the watermark once these changes are reported."""
        first = self._first_left(shown)
        reported = self._reported(shown)
        mark = max(self._watermark.mark, self._behind)
        mark = min(mark, first.before) if first else mark
        later = [place for place in reported if place > mark]
        if len(later) > MAX_REPORTED:
            # More than 40 changes in five minutes: late rows are recognised for a shorter time.
            mark = max(mark, min(later[-MAX_REPORTED - 1], first.before) if first else later[-MAX_REPORTED - 1])
        return Watermark(mark, frozenset(place.tie for place in later[-MAX_REPORTED:] if place > mark))

    def _was_reported(self, event: Event) -> bool:
        return event.reported or (event.tie in self._watermark.reported and not event.by_state)

    def _is_held(self, event: Event) -> bool:
        """Return whether a change was reported and lies after the mark, so that a cursor must hold it."""
        return event.at is not None and event.position > self._watermark.mark and self._was_reported(event)

    def _first_left(self, shown: AbstractSet[Event]) -> Position | None:
        return next((event.position for event in self._placed if event not in shown), None)

    def _reported(self, shown: AbstractSet[Event]) -> list[Position]:
        return sorted([*self._held, *(event.position for event in self.pending if event.at and event in shown)])


def _is_by_state(event: Event) -> bool:
    return event.by_state


def _place(event: Event) -> Position:
    return event.position


def select(streams: Sequence[Stream], limit: int) -> tuple[list[Event], bool]:
    """Return the most urgent changes, and whether there are more.

    Where a cursor could not hold which of a source's changes were reported, its oldest come first.
    """
    pending = [event for stream in streams for event in stream.pending]
    most_urgent = set(sorted(pending, key=lambda event: event.turn)[:limit])
    shown: list[Event] = []
    for stream in streams:
        if stream.overflows(most_urgent):
            shown += stream.oldest_instead(most_urgent)
        else:
            shown += [event for event in stream.pending if event in most_urgent]
    return sorted(shown, key=lambda event: event.urgency), len(pending) > len(shown)
