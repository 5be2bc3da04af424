"""An escalation's course: whom it pages when, until somebody answers.

It follows the sandbox's clock. Every time that a person's phone rings is a row of `rings`.
"""

from collections.abc import Callable, Generator, Iterable
from datetime import datetime, timedelta
from itertools import groupby

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import Json

from .account import IncidentIO, by_id
from .escalation_targets import branch_of, nodes_of, people_of, rings
from .incident_values import slim_user
from .on_call import Run
from .weekly_hours import next_change

_DEFAULT_WAIT = timedelta(minutes=5)
"""How long a level without a time waits for somebody to acknowledge. The vendor does not say."""
_DIRECT_WAIT = 900
"""How long a page to people waits. The vendor does not say."""
_MOST_STEPS = 500
"""How many nodes an escalation visits at most, should its path be a circle."""

Course = Generator[datetime, None, str | None]
"""Yields the instant of its next part. Returns the id of the node to go back to, if any."""


def direct(user_ids: Iterable[str]) -> list[Json]:
    """Return the nodes of a page to people: all at once, with high urgency."""
    targets = [{"type": "user", "id": user_id, "urgency": "high"} for user_id in user_ids]
    return [{"id": "direct", "type": "level", "level": {"targets": targets, "time_to_ack_seconds": _DIRECT_WAIT}}]


def start(account: IncidentIO, run: Run, instant: datetime, until: datetime | None = None) -> None:
    """Let an escalation begin at an instant, or begin again after a snooze. Seeds follow it only `until` an instant."""
    run.course = _course(account, run)
    run.wakes_at = instant
    page_due(account, until)


def stop(run: Run, event: str, status: str, instant: datetime) -> None:
    """End the paging, for a reason."""
    run.wakes_at = None
    record(run, event, instant)
    run.escalation["status"] = status


def page_due(account: IncidentIO, until: datetime | None = None) -> None:
    """Carry out everything that was due up to now, in order."""
    now = until or account.clock.now
    while due := [run for run in account.paging.runs.values() if run.wakes_at and run.wakes_at <= now]:
        run = min(due, key=lambda run: run.wakes_at or run.at)
        run.at = run.wakes_at or run.at
        run.wakes_at = next(run.course, None)
        if run.wakes_at is None:
            stop(run, "expired", "expired", run.at)


def record(run: Run, event: str, instant: datetime, **fields: object) -> None:
    """Add an event to the escalation's history."""
    events: list[Json] = run.escalation["events"]
    event_id = ulid(instant, f"event {len(events)} of {run.escalation['id']}")
    events.append({"id": event_id, "event": event, "occurred_at": rfc3339(instant), **fields})
    run.escalation["updated_at"] = rfc3339(instant)


def _course(account: IncidentIO, run: Run) -> Course:
    run.escalation["status"] = "triggered"
    record(run, "triggered", run.at)
    yield from _follow(account, run, run.nodes, run.path or {})
    repeat: Json | None = (run.path or {}).get("repeat_config")
    while repeat and run.steps < _MOST_STEPS:
        run.escalation["status"] = "pending_repeat"
        yield run.at + timedelta(seconds=repeat["repeat_after_seconds"])
        run.escalation["status"] = "triggered"
        run.steps += 1
        yield from _follow(account, run, run.nodes, run.path or {})
    return None


def _follow(account: IncidentIO, run: Run, nodes: list[Json], path: Json) -> Course:
    """Visit nodes in turn. A node to go back to that is not among them is left to the branch around them."""
    index = 0
    while index < len(nodes) and run.steps < _MOST_STEPS:
        run.steps += 1
        back = yield from _visit(account, run, nodes[index], path)
        ids = [node["id"] for node in nodes]
        if back is not None and back not in ids:
            return back
        index = index + 1 if back is None else ids.index(back)
    return None


def _visit(account: IncidentIO, run: Run, node: Json, path: Json) -> Course:
    """Carry out one node. Voicemail, which has no documented fields, does nothing."""
    visit = _VISITS.get(node["type"])
    return (yield from visit(account, run, node, path)) if visit else None


def _level(account: IncidentIO, run: Run, node: Json, path: Json) -> Course:
    """Page a level and wait. A level that reaches nobody is left at once, which the vendor does not say."""
    level = node["level"]
    run.level += 1
    turn = account.paging.turns[node["id"]] if _is_round_robin(level) else 0
    account.paging.turns[node["id"]] += 1
    if not _ring(account, run, _targets(level, turn)):
        return None
    deadline = _deadline(run, level, path)
    for instant, later in _more_rings(level, run.at):
        if instant < deadline:
            yield instant
            _ring(account, run, _targets(level, turn + later))
    yield deadline
    return None


def _notify_channel(_: IncidentIO, run: Run, node: Json, path: Json) -> Course:
    channels = [_channel(target) for target in node["notify_channel"]["targets"]]
    record(run, "notified_channels", run.at, channels=channels)
    yield _deadline(run, node["notify_channel"], path)
    return None


def _delay(_: IncidentIO, run: Run, node: Json, path: Json) -> Course:
    run.escalation["status"] = "delayed"
    yield _delayed_until(run, node["delay"], path)
    run.escalation["status"] = "triggered"
    return None


def _if_else(account: IncidentIO, run: Run, node: Json, path: Json) -> Course:
    branch = branch_of(node, path, run.escalation["priority"]["name"], run.at)
    return (yield from _follow(account, run, branch, path))


def _repeat(_: IncidentIO, run: Run, node: Json, __: Json) -> Course:
    yield from ()
    run.repeats[node["id"]] += 1
    return node["repeat"]["to_node"] if run.repeats[node["id"]] <= node["repeat"]["repeat_times"] else None


def _other_path(account: IncidentIO, run: Run, node: Json, _: Json) -> Course:
    """Follow another path to its end. It is not told apart from the first in the escalation."""
    other = by_id(account.on_call.paths, node["escalation_path"]["escalation_path_id"])
    if other:
        yield from _follow(account, run, nodes_of(account, other), other)
    return None


_VISITS: dict[str, Callable[[IncidentIO, Run, Json, Json], Course]] = {
    "level": _level,
    "notify_channel": _notify_channel,
    "delay": _delay,
    "if_else": _if_else,
    "repeat": _repeat,
    "escalation_path": _other_path,
}


def _is_round_robin(level: Json) -> bool:
    return level.get("round_robin_config", {}).get("enabled", False)


def _targets(level: Json, turn: int) -> list[Json]:
    targets: list[Json] = level["targets"]
    return [targets[turn % len(targets)]] if _is_round_robin(level) else targets


def _more_rings(level: Json, first: datetime) -> list[tuple[datetime, int]]:
    """Return when a level pages again, and by how many places its round robin has moved then."""
    retry = level.get("retry_config", {"attempts": 1, "interval_seconds": 0})
    more = [
        (first + timedelta(seconds=retry["interval_seconds"] * number), 0) for number in range(1, retry["attempts"])
    ]
    rotate: int | None = level.get("round_robin_config", {}).get("rotate_after_seconds")
    if rotate and _is_round_robin(level):
        places = range(1, len(level["targets"]))
        more += [(first + timedelta(seconds=rotate * number), number) for number in places]
    return sorted(more)


def _ring(account: IncidentIO, run: Run, targets: list[Json]) -> bool:
    """Page the people of the targets who can be reached, and return whether there was one."""
    paged: dict[str, tuple[str, Json]] = {}
    for target in targets:
        for user in people_of(account, target, run.at):
            if rings(account, user, run.at):
                paged.setdefault(user["id"], (target["urgency"], user))
    for urgency, group in groupby(sorted(paged.values(), key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        users = [user for _, user in group]
        record(run, "notified_users", run.at, urgency=urgency, users=[slim_user(user) for user in users])
        for user in users:
            _add_ring(account, run, user, urgency)
    return bool(paged)


def _add_ring(account: IncidentIO, run: Run, user: Json, urgency: str) -> None:
    rows = account.rows["rings"]
    rows.append(
        {
            "id": ulid(run.at, f"ring {len(rows)}"),
            "escalation_id": run.escalation["id"],
            "title": run.escalation["title"],
            "user": user["name"],
            "at": rfc3339(run.at),
            "level": run.level,
            "urgency": urgency,
        }
    )


def _channel(target: Json) -> Json:
    key = "slack_channel_id" if target["type"] == "slack_channel" else "microsoft_teams_channel_id"
    return {key: target["id"]}


def _deadline(run: Run, wait: Json, path: Json) -> datetime:
    """Return when a level or a channel has had its time to acknowledge."""
    if wait.get("time_to_ack_seconds"):
        return run.at + timedelta(seconds=wait["time_to_ack_seconds"])
    return _window(run, wait, path, "time_to_ack") or run.at + _DEFAULT_WAIT


def _delayed_until(run: Run, delay: Json, path: Json) -> datetime:
    if delay.get("delay_seconds"):
        return run.at + timedelta(seconds=delay["delay_seconds"])
    return _window(run, delay, path, "delay") or run.at


def _window(run: Run, wait: Json, path: Json, prefix: str) -> datetime | None:
    """Return when the working hours that a wait is relative to open or close."""
    hours = by_id(path.get("working_hours", []), wait.get(f"{prefix}_weekday_interval_config_id"))
    opening = wait.get(f"{prefix}_interval_condition", "active") == "active"
    return next_change(hours, run.at, opening=opening) if hours else None


TIMERS = (page_due,)
