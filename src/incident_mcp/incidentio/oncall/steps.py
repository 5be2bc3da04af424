"""The steps of an escalation path, in the order in which they are taken: targets, waits, conditions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from incident_mcp.incidentio.oncall.paths import MOST_DEPTH, EscalationPath
from incident_mcp.records.instants import format_duration
from incident_mcp.records.record import Json, part, parts

MOST_STEPS = 30
"""Steps of a path that are read, those of paths that it leads to included."""


@dataclass(frozen=True)
class Target:
    """Whom a step notifies."""

    kind: str
    """`schedule`, `user`, `slack_channel`, `msteams_channel`, or one that is newer."""
    id: str
    mode: str = "currently_on_call"
    """For a schedule: which of its users."""
    rotation: str | None = None
    """For a schedule: its only rotation that counts."""

    @property
    def takes(self) -> str:
        """For a schedule: whom of it, `all`, `currently`, `next`, or one that is newer."""
        return "all" if self.mode.startswith("all_users") else self.mode.partition("_on_")[0]

    @property
    def is_channel(self) -> bool:
        """Whether it is a chat channel."""
        return self.kind.endswith("channel")


@dataclass(frozen=True)
class Step:
    """One step."""

    when: str
    """`at once`, `after 5m`, `if Priority is P1, after 5m`."""
    targets: tuple[Target, ...] = ()
    note: str | None = None
    """What else is known of it, or why it could not be resolved."""
    is_unresolved: bool = False
    """Whether it may reach people that are not known."""


@dataclass(frozen=True)
class _When:
    """When a step is taken, if nobody answers."""

    seconds: int = 0
    conditions: tuple[str, ...] = ()
    window: bool = False
    """Whether it also waits for a time window to begin or end."""

    def __str__(self) -> str:
        wait = f"after {format_duration(self.seconds)}" if self.seconds else "at once"
        wait += " or later (it waits for a time window)" if self.window else ""
        return ", ".join((*self.conditions, wait))

    def later(self, seconds: object, window: object) -> "_When":
        """Return when the next step is taken."""
        more = seconds if isinstance(seconds, int) and seconds > 0 else 0
        return replace(self, seconds=self.seconds + more, window=self.window or bool(window and not more))


ReadPath = Callable[[str], Awaitable[EscalationPath | None]]


@dataclass
class Walk:
    """Walks through a path and the paths that it leads to.

    Args:
        read_path: Reads a path by its id; None if it cannot be read.
    """

    read_path: ReadPath
    steps: list[Step] = field(default_factory=list[Step])
    _seen: set[str] = field(default_factory=set[str])

    async def follow(self, path: EscalationPath, when: _When | None = None) -> None:
        """Add the steps of a path."""
        when = when or _When()
        if path.id in self._seen:
            self._add(when, note=f"continues with {path.name}, which is shown above")
            return
        self._seen.add(path.id)
        if path.nodes:
            await self._walk(path.nodes, when, 0)
            if path.repeat_after_seconds:
                again = format_duration(path.repeat_after_seconds)
                self.steps.append(Step("then", note=f"all of it repeats every {again}"))
            return
        # A path that is built from a template has no steps of its own.
        on_call = tuple(Target("user", user.id) for user in path.current_responders or ())
        if on_call:
            self._add(when, on_call)
        note = f"further steps of {path.name} are not known: it is built from a template"
        self.steps.append(Step("then" if on_call else str(when), note=note, is_unresolved=True))

    async def _walk(self, nodes: list[Json], when: _When, depth: int) -> None:
        for node in nodes:
            if depth >= MOST_DEPTH or len(self.steps) >= MOST_STEPS:
                self._add(when, note="further steps are not shown", unresolved=True)
                return
            when = await self._take(node, when, depth)

    async def _take(self, node: Json, when: _When, depth: int) -> _When:
        """Add a step, and return when the next one is taken."""
        kind = str(node.get("type"))
        inner = part(node, kind)
        match kind:
            case "level" | "notify_channel":
                self._add(when, _targets(inner), _how(inner))
                return when.later(inner.get("time_to_ack_seconds"), inner.get("time_to_ack_interval_condition"))
            case "delay":
                return when.later(inner.get("delay_seconds"), inner.get("delay_interval_condition"))
            case "if_else":
                await self._branch(inner, when, depth)
            case "escalation_path":
                await self._continue(str(inner.get("escalation_path_id")), when)
            case "repeat":
                self._add(when, note=f"repeats from an earlier step, {inner.get('repeat_times') or 'several'} times")
            case _:
                self._add(
                    when, note=f"{_text(node.get('type')) or 'a step'}: what it does is not known", unresolved=True
                )
        return when

    async def _branch(self, inner: Json, when: _When, depth: int) -> None:
        condition = " and ".join(map(_condition, parts(inner, "conditions"))) or "a condition"
        for branch, words in (("then_path", f"if {condition}"), ("else_path", f"unless {condition}")):
            later = replace(when, conditions=(*when.conditions, words))
            await self._walk(parts(inner, branch), later, depth + 1)

    async def _continue(self, path: str, when: _When) -> None:
        found = await self.read_path(path)
        if found is None:
            note = f"continues with the escalation path {path}, which could not be read"
            self._add(when, note=note, unresolved=True)
        else:
            await self.follow(found, when)

    def _add(
        self, when: _When, targets: tuple[Target, ...] = (), note: str | None = None, *, unresolved: bool = False
    ) -> None:
        if len(self.steps) <= MOST_STEPS:
            self.steps.append(Step(str(when), targets, note, unresolved))


def _targets(inner: Json) -> tuple[Target, ...]:
    return tuple(
        Target(
            str(row.get("type")),
            str(row["id"]),
            _text(row.get("schedule_mode")) or "currently_on_call",
            _text(row.get("selected_rota_id")),
        )
        for row in parts(inner, "targets")
        if row.get("id")
    )


def _how(inner: Json) -> str | None:
    """Describe how a level notifies its targets, where that is not all of them once."""
    targets, turn, retry = parts(inner, "targets"), part(inner, "round_robin_config"), part(inner, "retry_config")
    notes: list[str] = []
    if turn.get("enabled") is True:
        notes.append(_turn(turn.get("rotate_after_seconds")))
    elif inner.get("ack_mode") == "all" and len(targets) > 1:
        notes.append("each has to acknowledge")
    attempts, interval = retry.get("attempts"), retry.get("interval_seconds")
    if _is_count(attempts) and _is_count(interval):
        notes.append(f"{attempts} attempts, {format_duration(interval)} apart")
    notes += ["low urgency: it may not ring"] if {row.get("urgency") for row in targets} == {"low"} else []
    return "; ".join(notes) or None


def _turn(rotates: object) -> str:
    return "only one of them" + (f", the next after {format_duration(rotates)}" if _is_count(rotates) else "")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value > 0


def _condition(condition: Json) -> str:
    """Describe a condition by the labels that the dashboard shows."""
    values: list[str] = []
    for binding in parts(condition, "param_bindings"):
        bound = [part(binding, "value"), *parts(binding, "array_value")]
        values += [str(value["label"]) for value in bound if value.get("label")]
    operation = part(condition, "operation").get("label")
    if operation == "is one of" and len(values) == 1:
        operation = "is"
    words = [part(condition, "subject").get("label"), operation, " or ".join(values)]
    return " ".join(str(word) for word in words if word) or "a condition"


def _text(value: Any) -> str | None:  # noqa: ANN401  # the JSON edge
    return value if isinstance(value, str) and value else None
