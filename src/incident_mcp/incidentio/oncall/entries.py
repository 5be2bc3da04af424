"""Schedule entries: who is on call on a schedule over a window of time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AliasPath, BaseModel, Field, field_validator

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.oncall.schedules import Schedule, Shift, is_readable
from incident_mcp.incidentio.users import User, name_of_user
from incident_mcp.records.instants import to_second
from incident_mcp.records.record import Record, parts, read_body
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/schedule_entries", scope="schedules.view")
MOST_PAGES = 10
NEXT_DAYS = 14
"""How far the person who is next is looked up."""
MOST_NAMED = 10
"""Stretches that a description of a window names."""


class _Lists(Record):
    final: list[dict[str, Any]]
    scheduled: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]])

    @field_validator("final", "scheduled", mode="before")
    @classmethod
    def _keep_objects(cls, value: object) -> object:
        return parts({"rows": value}, "rows") if isinstance(value, list) else value


class _Response(BaseModel):
    schedule_entries: _Lists
    after: str | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "after"))


class Entries(list[Shift]):
    """The shifts that overlap a window, in order, overrides included; adjacent ones of a user are one."""

    complete: bool = True
    unreadable: int = 0
    """Number of shifts that could not be read: without them a gap is not certain."""

    @property
    def certain(self) -> bool:
        """Whether a stretch in which nobody is on call is a gap."""
        return self.complete and not self.unreadable

    def split(self, rotation: str | None) -> tuple[list[Shift], list[Shift]]:
        """Return the shifts of a rotation, and those in which others have somebody."""
        mine = (None, rotation)
        own = [shift for shift in self if shift.rotation_id in mine]
        return own, [shift for shift in self if shift.user and shift.rotation_id not in mine]


async def read_entries(api: Api, schedule: str, start: str, end: str, *, overridden: bool = True) -> Entries:
    """Read who is on call over a window.

    Args:
        api: incident.io.
        schedule: The schedule's id.
        start: The window's start, RFC 3339.
        end: The window's end, RFC 3339.
        overridden: Whether overrides count; without them it is who the rotations have.
    """
    entries = Entries()
    cursors = {start}
    for _ in range(MOST_PAGES):
        query = [("schedule_id", schedule), ("entry_window_start", start), ("entry_window_end", end)]
        response = await api.get(LIST.request(query), _Response)
        rows = response.schedule_entries.final if overridden else response.schedule_entries.scheduled
        readable = [read_body(row, Shift) for row in rows if is_readable(row)]
        entries += readable
        entries.unreadable += len(rows) - len(readable)
        if not response.after or response.after in cursors or not api.may_read:
            entries.complete = not response.after or response.after in cursors
            break
        # The cursor takes the place of the window's start.
        start = response.after
        cursors.add(start)
    else:
        entries.complete = False
    # An entry that crosses the end of a page is on both pages, so they overlap.
    merged = Entries(merge(entries))
    merged.complete, merged.unreadable = entries.complete, entries.unreadable
    return merged


def merge(shifts: Iterable[Shift], *, across_rotations: bool = False) -> list[Shift]:
    """Return shifts in order, those of one user that touch or overlap merged into one.

    Args:
        shifts: The shifts of one schedule.
        across_rotations: Whether shifts of different rotations are merged, too.
    """
    found: list[Shift] = []
    places: dict[tuple[str | None, str | None], int] = {}
    for shift in sorted(shifts, key=lambda each: (each.begins, each.ends)):
        key = (shift.user and shift.user.id, None if across_rotations else shift.rotation_id)
        place = places.get(key)
        if place is None or shift.begins > found[place].ends:
            places[key] = len(found)
            found.append(shift)
        elif shift.ends > found[place].ends:
            found[place] = found[place].model_copy(update={"end_at": shift.end_at})
    return found


def merge_next(schedule: Schedule) -> Schedule:
    """Return a schedule with the next shifts of its current users merged into their current ones."""
    last = max((shift.begins for shift in schedule.current_shifts or ()), default=None)
    if last is None:
        return schedule
    merged = merge([*(schedule.current_shifts or ()), *schedule.next_shifts])
    return schedule.model_copy(
        update={
            "current_shifts": [shift for shift in merged if shift.begins <= last],
            "next_shifts": [shift for shift in merged if shift.begins > last],
        }
    )


async def with_next(api: Api, schedule: Schedule) -> Schedule:
    """Return a schedule whose next shifts are of somebody else, without any if nobody else is known.

    The service's next shifts may be of the people who are on call now: then its entries are read.
    """
    merged = merge_next(schedule)
    if merged.next_shifts or not schedule.next_shifts:
        return merged
    now = datetime.fromtimestamp(api.now(), UTC)
    try:
        entries = await read_entries(api, schedule.id, to_second(now), to_second(now + timedelta(days=NEXT_DAYS)))
    except IncidentMcpError:
        return merged
    found = at_instant(schedule, entries, now)
    return found if found.current_shifts and entries.certain else merged


def at_instant(schedule: Schedule, entries: Iterable[Shift], instant: datetime) -> Schedule:
    """Return a schedule as it is at an instant, by its entries."""
    shifts = list(entries)
    later = [shift for shift in shifts if shift.begins > instant]
    first = min((shift.begins for shift in later), default=None)
    return schedule.model_copy(
        update={
            "current_shifts": [shift for shift in shifts if shift.begins <= instant < shift.ends],
            "next_shifts": [shift for shift in later if shift.begins == first],
        }
    )


def overlaps(shift: Shift, start: str, end: str) -> bool:
    """Return whether a shift overlaps a window."""
    return shift.begins < datetime.fromisoformat(end) and shift.ends > datetime.fromisoformat(start)


@dataclass(frozen=True)
class Stretch:
    """A part of a window, with who is on call."""

    start: datetime
    end: datetime
    user: User | None
    """None: nobody is on call, pages reach nobody."""

    def __str__(self) -> str:
        window = f"{to_second(self.start)} to {to_second(self.end)}"
        return f"nobody, {window}: pages reach nobody" if self.user is None else f"{name_of_user(self.user)}, {window}"

    def in_rotation(self, others: Iterable[Shift]) -> str:
        """Describe a part of a rotation's window; pages reach those whom other rotations have."""
        window = to_second(self.start), to_second(self.end)
        gaps = [gap for gap in stretches(others, *window) if gap.user is None]
        if self.user is not None or [(gap.start, gap.end) for gap in gaps] == [(self.start, self.end)]:
            return str(self)
        return "; ".join((f"nobody in this rotation, {' to '.join(window)}", *map(str, gaps)))


def stretches(shifts: Iterable[Shift], start: str, end: str) -> list[Stretch]:
    """Return who is on call over a window, in order, and the parts in which nobody is."""
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    found: list[Stretch] = []
    covered = first
    for shift in merge(shifts, across_rotations=True):
        if shift.user is None or not overlaps(shift, start, end):
            continue
        if shift.begins > covered:
            found.append(Stretch(covered, shift.begins, None))
        found.append(Stretch(max(shift.begins, first), min(shift.ends, last), shift.user))
        covered = max(covered, shift.ends)
    return found if covered >= last else [*found, Stretch(covered, last, None)]


def describe_window(entries: Entries, rotation: str | None, start: str, end: str) -> list[str]:
    """Describe who is on call in a rotation over a window; a gap only if it is certain."""
    own, others = entries.split(rotation)
    found = [stretch for stretch in stretches(own, start, end) if stretch.user or entries.certain]
    lines = [stretch.in_rotation(others) for stretch in found[:MOST_NAMED]]
    lines += [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return lines if entries.certain else [*lines, "not all shifts could be read"]
