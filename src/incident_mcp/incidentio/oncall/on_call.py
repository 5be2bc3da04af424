"""Who is on call: now, at an instant or over a window, for one schedule or all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, InputError, join_sentences
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.names.people import user_id
from incident_mcp.incidentio.oncall.entries import (
    NEXT_DAYS,
    Entries,
    Stretch,
    at_instant,
    merge_next,
    read_entries,
    stretches,
    with_next,
)
from incident_mcp.incidentio.oncall.schedules import LIST, SCHEDULES, Schedule, Shift, read_schedule
from incident_mcp.incidentio.oncall.zones import label, short
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import name_of_user
from incident_mcp.records.instants import instant_with_zone, to_second
from incident_mcp.records.record import Listed, Name, Record
from incident_mcp.records.text import one_line
from incident_mcp.records.tokens import tokens
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.parallel import read_each

WITH_NEXT, MOST_WITH_NEXT = 25, 75
"""Page size up to which the API returns next shifts, and the number of schedules that three such pages hold."""
MOST_READ = 45
"""Schedules whose entries are read in one call, one request each."""
MOST_ROWS, MOST_TOKENS = 10, 850
"""Schedules that are described at length; token budget of the lines in which more are described."""
SHIFT_DAYS = 14
"""How far a person's shifts are looked up."""
MOST_DAYS = 92
MOST_STRETCHES = 20


OR_LATER = " or later"


class OnCallRow(Record):
    """Who is on call on one schedule."""

    schedule: Name
    on_call: list[str] | None = None
    until: str | None = None
    next: list[str] | None = None
    next_from: str | None = None
    """Only where nobody is on call in between."""
    shifts: list[str] | None = None
    """For a window: who is on call when, and when nobody is."""
    warning: str | None = None


class OnCall(Listed):
    """Who is on call."""

    MARK = "Pass a schedule for the rest."
    on_call: list[OnCallRow] | None = None
    schedules: list[str] | None = None
    """Of more than ten schedules one line each; times in UTC."""
    now: str
    """The instant, in UTC and in the time zone of this machine."""
    note: str | None = None

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result."""
        return 900 if self.schedules else 2 * super().most_tokens(rows)


async def incidentio_list_on_call(
    api: IncidentioApi,
    settings: AppSettings,
    schedule: Annotated[str | None, Field(description="Name or ID; default: all.")] = None,
    at: Annotated[str | None, Field(description="RFC 3339 with time zone; default: now.")] = None,
    until: Annotated[str | None, Field(description="End of a window from `at`.")] = None,
    user: Annotated[str | None, Field(description="Only this person's shifts: email, name, ID, `me`.")] = None,
) -> OnCall:
    """List who is on call, until when, who is next, and gaps: now, at an instant, or over a window."""
    person = None if user is None else await user_id(api, "user", user, settings.me)
    chosen = None if schedule is None else await find(api, SCHEDULES, schedule)
    if at is None and until is None and person is None:
        return await _now(api, chosen)
    rows = [chosen] if chosen else (await SCHEDULES.read(api))[0]
    return await _over(api, rows, _read_window(api, at, until, person))


def _read_window(api: Api, at: str | None, until: str | None, person: str | None) -> "_Window":
    """Return the window that is asked for.

    Raises:
        InputError: Its ends are not instants, or not in order.
    """
    start = datetime.fromtimestamp(api.now(), UTC) if at is None else _instant("at", at)
    if until is None:
        end = start + timedelta(days=SHIFT_DAYS if person else 1)
        return _Window(start, end, at_once=person is None, person=person)
    end = _instant("until", until)
    if not timedelta() < end - start <= timedelta(days=MOST_DAYS):
        raise InputError(f"until must be later than at, by at most {MOST_DAYS} days.")
    return _Window(start, end, at_once=False, person=person)


def _instant(argument: str, value: str) -> datetime:
    instant = instant_with_zone(value)
    if instant is None:
        raise InputError(f"{argument} takes a timestamp with a time zone, like 2026-11-21T09:00:00Z.")
    return instant


async def _now(api: Api, chosen: Schedule | None) -> OnCall:
    """Return who is on call now."""
    states, now, note, unreadable = await states_now(api, chosen)
    if len(states) > MOST_ROWS:
        return _in_lines(states, label(now, None), note, unreadable)
    return OnCall(on_call=[state.row() for state in states], now=label(now, None), note=note, unreadable=unreadable)


async def states_now(api: Api, chosen: Schedule | None) -> tuple[Sequence["State"], datetime, str | None, int | None]:
    """Return the state of one schedule or of all, the instant, a note, and how many schedules could not be read."""
    if chosen is not None:
        rows, note = [await read_schedule(api, chosen.id)], None
    else:
        rows, note = await _read_with_next(api)
    # After a response: only then the service's clock is known.
    now = datetime.fromtimestamp(api.now(), UTC)
    unreadable = rows.unreadable if isinstance(rows, Rows) else None
    found = [merge_next(row) for row in rows] if len(rows) > MOST_ROWS else await _with_next(api, rows)
    return [_state(row, before, now) for row, before in zip(found, rows, strict=True)], now, note, unreadable


async def _with_next(api: Api, rows: Sequence[Schedule]) -> list[Schedule]:
    found = await read_each({row.id: partial(with_next, api, row) for row in rows})
    return [row if isinstance(each := found[row.id], IncidentMcpError) else each for row in rows]


async def _read_with_next(api: Api) -> tuple[Sequence[Schedule], str | None]:
    """Return all schedules, with the next shifts unless there are too many, and why they are missing."""
    rows = await read_rows(api, LIST.request(), Schedule, limit=WITH_NEXT)
    if rows.complete:
        return rows, None
    if rows.total is None or rows.total <= MOST_WITH_NEXT:
        more = await _read_pages(api, rows)
        if more.complete:
            return more, None
    return await SCHEDULES.reload(api), "Who is next was not read, since there are too many schedules: pass a schedule."


async def _read_pages(api: Api, rows: Rows[Schedule]) -> Rows[Schedule]:
    """Read two further pages."""
    for _ in range(2):
        page = await read_rows(api, LIST.request(), Schedule, limit=WITH_NEXT, after=rows.after)
        rows += page
        rows.after = page.after
        if page.complete:
            break
    return rows


@dataclass(frozen=True)
class State:
    """One schedule at an instant."""

    schedule: Schedule
    now: datetime
    is_open: bool = False
    """Whether those on call may go on after the end that is known."""

    @property
    def current(self) -> list[Shift]:
        """The shifts in which somebody is on call."""
        return [shift for shift in self.schedule.current_shifts or () if shift.user]

    @property
    def until(self) -> datetime | None:
        """When the first of them ends."""
        return min((shift.ends for shift in self.current), default=None)

    @property
    def begins(self) -> datetime | None:
        """When the next shift begins."""
        starts = (shift.begins for shift in self.schedule.next_shifts if shift.user and shift.begins > self.now)
        return min(starts, default=None)

    def names(self, shifts: Sequence[Shift]) -> list[str]:
        """Return the people on some shifts, with the rotation if there are several."""
        rotations = {row.id: row.name for row in self.schedule.rotations}
        found: list[str] = []
        for shift in shifts:
            rotation = rotations.get(shift.rotation_id or "")
            if shift.user:
                named = name_of_user(shift.user)
                found.append(f"{named} ({rotation})" if rotation and len(rotations) > 1 else named)
        return list(dict.fromkeys(found))

    @property
    def warning(self) -> str | None:
        """Why pages reach nobody."""
        if self.schedule.current_shifts is None:
            return "The service did not say who is on call."
        return None if self.current else "Nobody is on call: pages reach nobody."

    def row(self) -> OnCallRow:
        """Describe it at length."""
        zone, until, begins = self.schedule.timezone, self.until, self.begins
        gap = begins is not None and (until is None or begins > until)
        return OnCallRow(
            schedule=self.schedule.name,
            on_call=self.names(self.current) or None,
            until=until and label(until, zone) + (OR_LATER if self.is_open else ""),
            next=self.names(self.schedule.next_shifts) or None,
            next_from=label(begins, zone) if gap and begins else None,
            warning=self.warning,
        )

    def line(self, *, with_next: bool) -> str:
        """Describe it in a line."""
        people = ", ".join(self.names(self.current)) or "NOBODY"
        until = self.until or self.begins
        line = f"{self.schedule.name}: {people}" + (
            f" until {short(until, self.now)}{OR_LATER if self.is_open else ''}" if until else ""
        )
        following = ", ".join(self.names(self.schedule.next_shifts)) if with_next else ""
        return one_line(f"{line}, then {following}" if following else line)


def _state(schedule: Schedule, before: Schedule, now: datetime) -> State:
    """Return the state of a schedule whose next shifts were merged into its current ones."""
    state = State(schedule, now)
    known = max((shift.ends for shift in before.next_shifts), default=None)
    if schedule.next_shifts or known is None or state.until is None:
        return state
    # Either no more than these shifts was read, or all of the days in which the next person was looked for.
    return replace(state, is_open=state.until == known or state.until >= now + timedelta(days=NEXT_DAYS))


def _in_lines(states: Sequence[State], now: str, note: str | None, unreadable: int | None) -> OnCall:
    lines = [state.line(with_next=True) for state in states]
    if tokens(lines) > MOST_TOKENS:
        lines = [state.line(with_next=False) for state in states]
        note = "Who is next is left out: pass a schedule."
    return OnCall(schedules=lines, now=now, note=join_sentences("Times are in UTC.", note), unreadable=unreadable)


@dataclass(frozen=True)
class _Window:
    """The window of a question."""

    start: datetime
    end: datetime
    at_once: bool
    """Whether only its start matters."""
    person: str | None
    """The user whose shifts alone matter."""

    def of_person(self, found: Sequence[Stretch]) -> list[Stretch]:
        """Return the stretches of the person, or all."""
        return [each for each in found if self.person in (None, each.user and each.user.id)]

    @property
    def ends(self) -> tuple[str, str]:
        """Its start and end, RFC 3339."""
        return to_second(self.start), to_second(self.end)


async def _over(api: Api, schedules: Sequence[Schedule], window: _Window) -> OnCall:
    """Return who is on call over a window."""
    read = schedules[:MOST_READ]
    found = await read_each({row.id: partial(read_entries, api, row.id, *window.ends) for row in read})
    rows: list[OnCallRow] = []
    for row in read:
        entries = found[row.id]
        described = (
            OnCallRow(schedule=row.name, warning=f"not read: {entries}")
            if isinstance(entries, IncidentMcpError)
            else _describe(row, entries, window)
        )
        if described is not None:
            rows.append(described)
    left = len(schedules) - len(read)
    notes = [f"{left} schedules were not read: pass a schedule."] if left else []
    if window.person:
        none = "No shifts" if not rows else "Shifts"
        notes.append(f"{none} from {window.ends[0]} to {window.ends[1]}: until takes another end.")
    now = label(datetime.fromtimestamp(api.now(), UTC), None)
    return OnCall(on_call=rows, now=now, note=" ".join(notes) or None)


def _at_start(schedule: Schedule, entries: Entries, window: _Window) -> OnCallRow:
    """Describe a schedule at the start of a window, which its entries cover."""
    state = State(at_instant(schedule, entries, window.start), window.start)
    return replace(state, is_open=bool(state.until and state.until >= window.end)).row()


def _describe(schedule: Schedule, entries: Entries, window: _Window) -> OnCallRow | None:
    """Describe a schedule over a window; None if the person has no shift in it."""
    partly = None if entries.certain else "Not all shifts could be read: a gap is not certain."
    if window.at_once:
        row = _at_start(schedule, entries, window)
        return row if entries.certain else row.model_copy(update={"warning": partly})
    found = window.of_person(stretches(entries, *window.ends))
    if window.person and not found:
        return None
    shifts = [_words(each, schedule.timezone) for each in found[:MOST_STRETCHES]]
    more = f"{len(found) - len(shifts)} later shifts are not shown." if len(found) > len(shifts) else None
    return OnCallRow(schedule=schedule.name, shifts=shifts, warning=partly or more)


def _words(stretch: Stretch, zone: str | None) -> str:
    who = name_of_user(stretch.user) if stretch.user else "NOBODY, pages reach nobody"
    return f"{who}: {label(stretch.start, zone)} to {label(stretch.end, zone)}"


TOOLS = [
    read_tool(
        incidentio_list_on_call,
        "Who is on call",
        toolset=ONCALL,
        keywords="covering on the hook on duty rota shift tonight now next call about responsible takes over",
    )
]
