"""Who a page would ring now: a path's steps resolved through schedules to people, or people named directly."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, ServiceError
from incident_mcp.incidentio.oncall.paths import PATHS, EscalationPath, read_path
from incident_mcp.incidentio.oncall.reachability import (
    NO,
    READ_SECONDS,
    YES,
    Reachability,
    reachability_of,
    rows_of,
)
from incident_mcp.incidentio.oncall.schedules import SCHEDULES, Schedule, Shift, read_schedule
from incident_mcp.incidentio.oncall.steps import Step, Target, Walk
from incident_mcp.incidentio.users import User, name_of_user, read_users
from incident_mcp.records.record import quoted
from incident_mcp.records.text import one_line
from incident_mcp.transport.api import Api
from incident_mcp.transport.parallel import read_each
from incident_mcp.writing.result import Preview

MOST_SCHEDULES = 15
"""Schedules that one preview reads, one request each."""
MOST_ASKED = 20
"""People that a question names."""
MOST_CANDIDATES = 5
"""People that are checked to find one who can be reached."""


class Paged(Preview):
    """Who would be paged now."""

    whom: str = Field(exclude=True)
    """The people, for a question that a person answers."""

    escalation_path: str | None = None
    incident: str | None = None
    """The incident that the page is attached to."""
    steps: list[str]
    """Whom it rings, in this order while nobody acknowledges it: `after 5m: Yuki Tanaka via Payments primary`."""
    warning: str | None = None
    """Why it may reach nobody."""
    problems: list[str] | None = None
    """What could not be read."""


@dataclass(frozen=True)
class Resolved:
    """Who would be paged, with everybody's reachability."""

    paged: Paged
    people: list[Reachability]
    """In the order in which they are paged."""
    certain: bool
    """Whether nobody else can be reached: every target was read, and none is a channel."""
    schedules: Sequence[Schedule] = ()
    """The schedules that it goes through."""

    @property
    def reaches_nobody(self) -> bool:
        """Whether it certainly reaches nobody."""
        return self.certain and all(person.reachable == NO for person in self.people)


async def path_paged(api: Api, path: EscalationPath) -> Resolved:
    """Return who a page to an escalation path rings now; what cannot be read is told, and never an error."""
    walk = Walk(partial(_read_path, api))
    try:
        now = await read_path(api, path.id)
    except ServiceError:
        now = None
    is_read = now is not None and now.id == path.id
    await walk.follow(now if now and is_read else path)
    return await _resolve(api, walk.steps, path.name, unread=not is_read)


async def people_paged(api: Api, users: Sequence[User]) -> Resolved:
    """Return whether people who are paged directly can be reached."""
    return await _resolve(api, [Step("at once", tuple(Target("user", user.id) for user in users))], None)


async def _read_path(api: Api, path: str) -> EscalationPath | None:
    try:
        rows, _ = await PATHS.read(api)
    except IncidentMcpError:
        return None
    return next((row for row in rows if row.id == path), None)


async def _resolve(api: Api, steps: Sequence[Step], path: str | None, *, unread: bool = False) -> Resolved:
    targets = await _read_targets(api, steps)
    rung = [targets.people_of(step) for step in steps]
    reachable = {each.id: each for each in await reachability_of(api, chain.from_iterable(rung))}
    people = list(reachable.values())
    described = [targets.describe(step, reachable) for step in steps]
    shown = None if unread or targets.problems else _shown(described, people)
    certain = targets.certain and not any(step.is_unresolved for step in steps)
    resolved = Resolved(
        Paged(escalation_path=path, steps=described, whom=_whom(people, path, certain=certain), shown=shown),
        people,
        certain=certain,
        schedules=list(targets.schedules.values()),
    )
    more = {"warning": _warn(resolved, _first(rung, reachable)), "problems": targets.problems or None}
    return replace(resolved, paged=resolved.paged.model_copy(update=more))


def _shown(steps: Sequence[str], people: Iterable[Reachability]) -> str | None:
    return "\n".join(steps) if all(person.is_read for person in people) else None


def _first(rung: Sequence[list[User]], reachable: dict[str, Reachability]) -> set[str]:
    """Return whether the people of the first step can be reached."""
    return {reachable[user.id].reachable for users in rung[:1] for user in users}


def _whom(people: Iterable[Reachability], path: str | None, *, certain: bool) -> str:
    names = list(dict.fromkeys(person.user for person in people))
    whom = ", ".join(map(quoted, names[:MOST_ASKED])) or "nobody that is known"
    more = f" and {len(names) - MOST_ASKED} more people" if len(names) > MOST_ASKED else ""
    more += "" if certain else ", and whoever else is not known here,"
    return f"{whom}{more}" + (f" by the escalation path {quoted(path)}" if path else "")


async def _read_targets(api: Api, steps: Sequence[Step]) -> "_Targets":
    """Read the users and the schedules of some steps."""
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        target.id: partial(read_schedule, api, target.id)
        for step in steps
        for target in step.targets
        if target.kind == "schedule"
    }
    reads = {"users": partial(read_users, api, include_inactive=True), **dict(islice(reads.items(), MOST_SCHEDULES))}
    found = await read_each(reads, seconds=READ_SECONDS)
    users = {user.id: user for user in rows_of(found.pop("users"), User) or ()}
    schedules = {key: value for key, value in found.items() if isinstance(value, Schedule)}
    problems = [f"schedule {key}: {found[key]}" for key in found.keys() - schedules.keys()]
    return _Targets(users, schedules, problems, datetime.fromtimestamp(api.now(), UTC))


def _warn(resolved: Resolved, first: set[str]) -> str | None:
    if resolved.reaches_nobody:
        problems = "; ".join(f"{person.user} {person.problem}" for person in resolved.people)
        return f"This page reaches nobody: {problems or 'nobody is on call'}."
    if first == {NO}:
        return "The first step reaches nobody. The next step starts only after its wait."
    if YES not in first:
        return "It is not certain that the first step reaches anyone. The next step starts only after its wait."
    return None


@dataclass
class _Targets:
    """Resolves targets to people."""

    users: dict[str, User]
    schedules: dict[str, Schedule]
    problems: list[str]
    now: datetime
    certain: bool = True
    """Whether every target was resolved to people."""

    def people(self, target: Target) -> list[User] | None:
        """Return the people whom a target rings now; None if that is not known."""
        if target.kind == "user":
            return [self.users.get(target.id) or User(id=target.id)]
        schedule = self.schedules.get(target.id)
        if target.kind != "schedule" or schedule is None:
            return None
        return on_schedule(schedule, target, self.now)

    def people_of(self, step: Step) -> list[User]:
        """Return the people whom a step rings now, as far as that is known."""
        found = [self.people(target) for target in step.targets]
        self.certain &= None not in found
        return list(chain.from_iterable(each or () for each in found))

    def describe(self, step: Step, reachable: dict[str, Reachability]) -> str:
        """Describe a step: when it is taken, and whom it rings."""
        words = [word for target in step.targets for word in self._describe_target(target, reachable)]
        return one_line(f"{step.when}: {'; '.join([*words, *([step.note] if step.note else [])])}")

    def _describe_target(self, target: Target, reachable: dict[str, Reachability]) -> list[str]:
        via = self._name(target)
        if target.is_channel:
            return [f"channel {target.id}"]
        found = self.people(target)
        if found is None:
            return [f"{target.kind} {via or target.id}: who is on call could not be read"]
        if not found:
            return [f"nobody ({via} has nobody {'next' if target.takes == 'next' else 'on call now'})"]
        where = {"all": f" (all of {via})", "next": f" (next on {via})"}.get(target.takes, f" via {via}") if via else ""
        return [describe_reachable(reachable.get(user.id), user, where) for user in found]

    def _name(self, target: Target) -> str | None:
        if target.kind != "schedule":
            return None
        schedule = self.schedules.get(target.id)
        return schedule.name if schedule else target.id


def on_schedule(schedule: Schedule, target: Target, now: datetime) -> list[User] | None:
    """Return the people of a schedule whom a target rings now; None if that is not known."""
    if target.takes == "all":
        rotations = [each for each in schedule.rotations_at(now) if target.rotation in (None, each.id)]
        return _distinct(chain.from_iterable(each.users for each in rotations)) if rotations else None
    shifts = {"next": schedule.next_shifts, "currently": schedule.current_shifts}.get(target.takes)
    return None if shifts is None else _users_on(shifts, target.rotation)


def _users_on(shifts: Iterable[Shift], rotation: str | None) -> list[User]:
    return users_on(shift for shift in shifts if rotation in (None, shift.rotation_id))


def users_on(shifts: Iterable[Shift]) -> list[User]:
    """Return the users on some shifts, each once."""
    return _distinct(shift.user for shift in shifts if shift.user)


def _distinct(users: Iterable[User]) -> list[User]:
    return list({user.id: user for user in users}.values())


def describe_reachable(reachability: Reachability | None, user: User, where: str = "") -> str:
    """Return a name, and why a page does not or may not reach that person."""
    named = (reachability.user if reachability else name_of_user(user)) + where
    if reachability is None:
        return f"{named} (may not be reached: was not checked)"
    if reachability.problem:
        return f"{named} (cannot be reached: {reachability.problem})"
    answers = reachability.model_dump(include={"active", "seat", "paused", "method"})
    unknown = [f"{field} {answer}" for field, answer in answers.items() if answer.startswith("unknown")]
    return f"{named} (may not be reached: {'; '.join(unknown)})" if unknown else named


async def next_reachable(api: Api, resolved: Resolved) -> str | None:
    """Return who can be reached, and why that person: of the same page, else of those on call now or next."""
    same = _best(resolved.people)
    if same is not None:
        return f"{same.user}, who can be reached"
    try:
        schedules, _ = await SCHEDULES.read(api)
    except IncidentMcpError:
        return None
    known = {person.id for person in resolved.people}
    # First the page's own schedules, which were read with their next shifts, then those of its people.
    near = sorted(schedules, key=lambda each: not known & {user.id for user in _everybody(each)})
    reasons: dict[str, str] = {}
    others: list[User] = []
    for user, why in chain.from_iterable(map(_on_duty, (*resolved.schedules, *near))):
        if user.id not in known and user.id not in reasons:
            reasons[user.id] = why
            others.append(user)
    best = _best(await reachability_of(api, others[:MOST_CANDIDATES]))
    return best and f"{best.user}, {reasons[best.id]}"


def _on_duty(schedule: Schedule) -> Iterator[tuple[User, str]]:
    """Yield who is on call and who is next, and why that person."""
    name = one_line(schedule.name)
    for user in users_on(schedule.current_shifts or ()):
        yield user, f"who is on call for {name}"
    for user in users_on(schedule.next_shifts):
        yield user, f"who is next on call for {name}"


def _best(people: Iterable[Reachability]) -> Reachability | None:
    """Return the first one who can be reached, else the first one who perhaps can."""
    possible = [person for person in people if person.reachable != NO]
    return min(possible, key=lambda person: person.reachable != YES, default=None)


def _everybody(schedule: Schedule) -> list[User]:
    """Return all users of a schedule."""
    users = [user for rotation in schedule.rotations for user in rotation.users]
    return users + users_on(schedule.current_shifts or ())
