"""Who a page would ring now: a path's steps resolved through schedules to people, or people named directly."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.oncall.paths import PATHS, EscalationPath
from incident_mcp.incidentio.oncall.reachability import (
    NO,
    YES,
    Reachability,
    name_of_user,
    reachability_of,
    rows_of,
)
from incident_mcp.incidentio.oncall.schedules import SCHEDULES, Schedule, Shift, read_schedule
from incident_mcp.incidentio.oncall.steps import Step, Target, Walk
from incident_mcp.incidentio.users import User, read_users
from incident_mcp.records.record import Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.parallel import read_each

MOST_SCHEDULES = 15
"""Schedules that one preview reads, one request each."""
MOST_CANDIDATES = 5
"""People that are checked to find one who can be reached."""


class Ring(Record):
    """A person whom a page would ring."""

    user: str
    via: str | None = None
    """The schedule that puts the person on call."""
    reachable: str | None = None
    """Left out for yes."""
    why: str | None = None


class PagedStep(Record):
    """A step of a page, in the order in which they are taken while nobody acknowledges it."""

    when: str
    people: list[Ring] | None = None
    channels: list[str] | None = None
    nobody: list[str] | None = None
    """Targets that reach nobody now."""
    note: str | None = None


class Paged(Record):
    """Who would be paged now."""

    escalation_path: str | None = None
    steps: list[PagedStep]
    warning: str | None = None
    """Why it may reach nobody."""
    problems: list[str] | None = None
    """What could not be read."""


@dataclass(frozen=True)
class Resolved:
    """Who would be paged, with everybody's reachability."""

    paged: Paged
    people: list[Reachability]
    """In the order in which they are rung."""
    certain: bool
    """Whether nobody else can be rung: every target was read."""

    @property
    def reaches_nobody(self) -> bool:
        """Whether it certainly reaches nobody."""
        return self.certain and all(person.reachable == NO for person in self.people)

    @property
    def names(self) -> str:
        """The people who are rung, for a question."""
        return ", ".join(dict.fromkeys(person.user for person in self.people)) or "nobody that is known"


async def path_paged(api: Api, path: EscalationPath) -> Resolved:
    """Return who a page to an escalation path rings now; what cannot be read is told, and never an error."""
    walk = Walk(partial(_read_path, api))
    await walk.follow(path)
    return await _resolve(api, walk.steps, path.name)


async def people_paged(api: Api, users: Sequence[User]) -> Resolved:
    """Return whether people who are paged directly can be reached."""
    return await _resolve(api, [Step("at once", tuple(Target("user", user.id) for user in users))], None)


async def _read_path(api: Api, path: str) -> EscalationPath | None:
    try:
        rows, _ = await PATHS.read(api)
    except IncidentMcpError:
        return None
    return next((row for row in rows if row.id == path), None)


async def _resolve(api: Api, steps: Sequence[Step], path: str | None) -> Resolved:
    targets = await _read_targets(api, steps)
    people = [user for step in steps for target in step.targets for user in targets.people(target) or ()]
    reachable = {each.id: each for each in await reachability_of(api, people)}
    described = [targets.describe(step, reachable) for step in steps]
    certain = targets.certain and all(step.note is None or step.targets for step in steps)
    resolved = Resolved(Paged(escalation_path=path, steps=described), list(reachable.values()), certain)
    more = {"warning": _warn(resolved, described), "problems": targets.problems or None}
    return replace(resolved, paged=resolved.paged.model_copy(update=more))


async def _read_targets(api: Api, steps: Sequence[Step]) -> "_Targets":
    """Read the users and the schedules of some steps."""
    wanted = dict.fromkeys(target.id for step in steps for target in step.targets if target.kind == "schedule")
    reads: dict[str, Callable[[], Awaitable[object]]] = {"users": partial(read_users, api, include_inactive=True)}
    for schedule in list(wanted)[:MOST_SCHEDULES]:
        reads[schedule] = partial(read_schedule, api, schedule)
    found = await read_each(reads)
    users = {user.id: user for user in rows_of(found.pop("users"), User) or ()}
    schedules = {key: value for key, value in found.items() if isinstance(value, Schedule)}
    return _Targets(users, schedules, [f"schedule {key}: {found[key]}" for key in found if key not in schedules])


def _warn(resolved: Resolved, steps: Sequence[PagedStep]) -> str | None:
    if resolved.reaches_nobody:
        return "This page reaches nobody: " + (
            "; ".join(f"{person.user} {person.problem}" for person in resolved.people) or "nobody is on call"
        )
    if steps and not any(ring.reachable is None for ring in steps[0].people or ()):
        return "It is not certain that the first step reaches anyone; the next one follows only after its wait."
    return None


@dataclass
class _Targets:
    """Resolves targets to people."""

    users: dict[str, User]
    schedules: dict[str, Schedule]
    problems: list[str]
    certain: bool = True
    """Whether every target was resolved."""

    def people(self, target: Target) -> list[User] | None:
        """Return the people whom a target rings now; None if that is not known."""
        if target.kind == "user":
            return [self.users.get(target.id) or User(id=target.id)]
        schedule = self.schedules.get(target.id)
        if target.kind != "schedule" or schedule is None:
            return None
        return on_schedule(schedule, target)

    def describe(self, step: Step, reachable: dict[str, Reachability]) -> PagedStep:
        """Return a step with the names of people and channels."""
        rings: list[Ring] = []
        nobody: list[str] = []
        for target in step.targets:
            found = self.people(target)
            via = self._name(target)
            if found is None and not target.is_channel:
                self.certain = False
                rings.append(Ring(user=f"{target.kind} {via or target.id}", reachable="unknown", why="not read"))
            elif found == []:
                nobody.append(f"{via}: nobody is on call now, pages reach nobody")
            rings += [_ring(reachable.get(user.id), user, via) for user in found or ()]
        channels = [target.id for target in step.targets if target.is_channel]
        return PagedStep(
            when=step.when, people=rings or None, channels=channels or None, nobody=nobody or None, note=step.note
        )

    def _name(self, target: Target) -> str | None:
        if target.kind != "schedule":
            return None
        schedule = self.schedules.get(target.id)
        return schedule.name if schedule else target.id


def on_schedule(schedule: Schedule, target: Target) -> list[User] | None:
    """Return the people of a schedule whom a target rings now; None if that is not known."""
    if target.mode.startswith("all_users"):
        rotations = [each for each in schedule.rotations if target.rotation in (None, each.id)]
        return list({user.id: user for each in rotations for user in each.users}.values()) if rotations else None
    if target.mode.startswith("next_on_call"):
        return _users_on(schedule.next_shifts, target.rotation)
    if target.mode.startswith("currently_on_call") and schedule.current_shifts is not None:
        return _users_on(schedule.current_shifts, target.rotation)
    return None


def _users_on(shifts: Iterable[Shift], rotation: str | None) -> list[User]:
    return users_on(shift for shift in shifts if rotation in (None, shift.rotation_id))


def users_on(shifts: Iterable[Shift]) -> list[User]:
    """Return the users on some shifts, each once."""
    return list({shift.user.id: shift.user for shift in shifts if shift.user}.values())


def _ring(reachability: Reachability | None, user: User, via: str | None) -> Ring:
    if reachability is None:
        return Ring(user=name_of_user(user), via=via, reachable="unknown", why="not read")
    answers = reachability.model_dump(include={"active", "seat", "paused", "method"})
    unknown = [f"{field} {answer}" for field, answer in answers.items() if answer.startswith("unknown")]
    return Ring(
        user=reachability.user,
        via=via,
        reachable=None if reachability.reachable == YES else reachability.reachable,
        why=reachability.problem or "; ".join(unknown) or None,
    )


async def next_reachable(api: Api, resolved: Resolved) -> str | None:
    """Return the name of the next person who can be reached: of the same page, else of those on call now."""
    same = _best(resolved.people)
    if same is not None:
        return same.user
    try:
        schedules, _ = await SCHEDULES.read(api)
    except IncidentMcpError:
        return None
    known = {person.id for person in resolved.people}
    # Those who share a schedule with the people of the page come first.
    ordered = sorted(schedules, key=lambda each: not known & {user.id for user in _everybody(each)})
    users = [user for each in ordered for user in users_on([*(each.current_shifts or ()), *each.next_shifts])]
    others = list({user.id: user for user in users if user.id not in known}.values())[:MOST_CANDIDATES]
    best = _best(await reachability_of(api, others))
    return best and best.user


def _best(people: Iterable[Reachability]) -> Reachability | None:
    """Return the first one who can be reached, else the first one who perhaps can."""
    possible = [person for person in people if person.reachable != NO]
    return min(possible, key=lambda person: person.reachable != YES, default=None)


def _everybody(schedule: Schedule) -> list[User]:
    """Return all users of a schedule."""
    users = [user for rotation in schedule.rotations for user in rotation.users]
    return users + users_on(schedule.current_shifts or ())
