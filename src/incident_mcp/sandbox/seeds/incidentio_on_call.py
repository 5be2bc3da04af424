"""The escalation paths and escalations of the incident.io account."""

from collections.abc import Iterable
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO
from incident_mcp.sandbox.incidentio.weekly_hours import WEEKDAYS

from .incidentio_escalations import seed_escalations
from .incidentio_schedules import plain_schedule, seed_schedules

_OFFICE: Json = {
    "id": "office",
    "name": "Office hours",
    "timezone": "Europe/London",
    "weekday_intervals": [{"weekday": day, "start_time": "09:00", "end_time": "17:30"} for day in WEEKDAYS[:5]],
}
_IN_OFFICE_HOURS: Json = {
    "subject": {"label": "Working hours: Office hours", "reference": 'escalation.working_hours["office"]'},
    "operation": {"label": "is active", "value": "is_active"},
    "param_bindings": [],
}
_IS_P1: Json = {
    "subject": {"label": "Alert priority", "reference": "alert.priority"},
    "operation": {"label": "is one of", "value": "one_of"},
    "param_bindings": [{"array_value": [{"label": "P1", "literal": account_ulid("priority P1")}]}],
}
_PLAIN_PEOPLE = ("Ines Moreau", "Sam Okafor", "Sam Lindqvist", "Yuki Tanaka", "Diego Santos")


def seed_on_call(account: IncidentIO, start: datetime) -> None:
    """Add schedules, paths, and escalations that began before the start."""
    seed_schedules(account, start)
    account.on_call.path_templates = {
        account_ulid("template Standard"): [_level("standard", [_schedule("Payments primary")], minutes=5)]
    }
    account.on_call.paths = list(_paths())
    seed_escalations(account, start)


def add_plain_schedules(account: IncidentIO, start: datetime, count: int) -> list[Json]:
    """Add schedules on which one person is on call for a day."""
    rows = account.on_call.schedules
    first = len(rows) + 1
    for number in range(first, first + count):
        users = [_PLAIN_PEOPLE[(number + turn) % len(_PLAIN_PEOPLE)] for turn in range(3)]
        rows.append(plain_schedule(account, f"Service {number}", start, users))
    return rows[first - 1 :]


def add_plain_paths(account: IncidentIO, count: int) -> list[Json]:
    """Add paths that page one person."""
    rows = account.on_call.paths
    first = len(rows) + 1
    for number in range(first, first + count):
        person = _user(_PLAIN_PEOPLE[number % len(_PLAIN_PEOPLE)])
        rows.append(_path(f"Service {number}", [_level(f"service-{number}", [person], minutes=5)]))
    return rows[first - 1 :]


def _paths() -> Iterable[Json]:
    yield _path(
        "Payments",
        [
            _level("primary", [_schedule("Payments primary")], minutes=5),
            _level("lead", [_user("Sam Okafor")], minutes=10),
            _channel("announce", "C04PAYMENTS"),
            _node("again", "repeat", repeat_times=2, to_node="primary"),
        ],
    )
    yield _path("Database", [_level("database", [_user("Sam Lindqvist")], minutes=30)])
    yield _platform()
    yield _support()
    yield _path("Batch jobs", [_level("batch", [_schedule("Batch jobs")], minutes=5)])
    yield _path(
        "Legacy gateway",
        [
            _level("legacy", [_schedule("Legacy gateway"), _user("Oskar Nyman")], minutes=5),
            _level("leave", [_user("Noor Haddad"), _user("Tom Baker")], minutes=5),
        ],
    )
    yield _path(
        "Refunds",
        [
            _level("first", [_user("Noor Haddad")], minutes=5),
            _level("second", [_schedule("Ledger nights"), _schedule("Batch jobs")], minutes=5),
            _level("third", [_user("Yuki Tanaka")], minutes=5),
        ],
    )
    yield _search()
    for name, other in (("Follow the sun", "Follow the moon"), ("Follow the moon", "Follow the sun")):
        first = _level(f"{name} first", [_user("Diego Santos")], minutes=5)
        yield _path(name, [first, _node(f"{name} then", "escalation_path", escalation_path_id=_path_id(other))])
    yield _phone_line()
    yield _path("Growth", []) | {"kind": "templated", "template_id": account_ulid("template Standard")}


def _platform() -> Json:
    """Everybody on call at once if it is urgent, else quietly and after a delay; again after half an hour."""
    urgent = _level("urgent", [_schedule("Platform primary")], minutes=5, ack_mode="first")
    quiet = _level("quiet", [_schedule("Platform primary", rota="Platform")], minutes=15, urgency="low")
    nodes = [_if(_IS_P1, [urgent], [_node("wait", "delay", delay_seconds=120), quiet])]
    return _path("Platform", nodes) | {
        "repeat_config": {"repeat_after_seconds": 1800, "delay_repeat_on_activity": False}
    }


def _support() -> Json:
    """The support schedule in office hours, else the path of payments."""
    inside = [_level("support", [_schedule("Support hours")], minutes=10)]
    outside = [_node("hand-over", "escalation_path", escalation_path_id=_path_id("Payments"))]
    return _path("Support", [_if(_IN_OFFICE_HOURS, inside, outside)]) | {"working_hours": [_OFFICE]}


def _search() -> Json:
    """One after another, each twice, then everybody on the rotation and whoever is next."""
    robin = _level("robin", [_user("Diego Santos"), _user("Yuki Tanaka"), _user("Lena Fischer")], minutes=10)
    robin["level"]["round_robin_config"] = {"enabled": True, "rotate_after_seconds": 180}
    robin["level"]["retry_config"] = {"attempts": 2, "interval_seconds": 60}
    everybody = [_schedule("Search primary", mode="all_users"), _schedule("Payments primary", mode="next_on_call")]
    return _path("Search", [robin, _level("everybody", everybody, minutes=10)])


def _phone_line() -> Json:
    """A call that nobody takes goes to voicemail, then waits for office hours."""
    delay = _node("morning", "delay", delay_weekday_interval_config_id="office", delay_interval_condition="active")
    nodes = [{"id": "voicemail", "type": "voicemail"}, delay, _level("ines", [_user("Ines Moreau")], minutes=5)]
    return _path("Phone line", nodes) | {"working_hours": [_OFFICE]}


def _path_id(name: str) -> str:
    return account_ulid(f"path {name}")


def _path(name: str, nodes: list[Json]) -> Json:
    return {
        "id": _path_id(name),
        "name": name,
        "kind": "standalone",
        "path": nodes,
        "team_ids": [account_ulid("team Payments")],
    }


def _node(node_id: str, kind: str, **fields: object) -> Json:
    return {"id": node_id, "type": kind, kind: fields}


def _level(node_id: str, targets: list[Json], *, minutes: int, ack_mode: str = "all", urgency: str = "high") -> Json:
    targets = [{**target, "urgency": urgency} for target in targets]
    wait = int(ago(f"{minutes}m").total_seconds())
    return _node(node_id, "level", targets=targets, ack_mode=ack_mode, time_to_ack_seconds=wait)


def _channel(node_id: str, channel: str) -> Json:
    targets = [{"type": "slack_channel", "id": channel, "urgency": "high"}]
    return _node(node_id, "notify_channel", targets=targets, time_to_ack_seconds=60)


def _if(condition: Json, then_path: list[Json], else_path: list[Json]) -> Json:
    return _node("start", "if_else", conditions=[condition], then_path=then_path, else_path=else_path)


def _user(name: str) -> Json:
    return {"type": "user", "id": account_ulid(name)}


def _schedule(name: str, *, mode: str = "currently_on_call", rota: str = "") -> Json:
    target: Json = {"type": "schedule", "id": account_ulid(f"schedule {name}"), "schedule_mode": mode}
    if rota:
        target |= {"schedule_mode": f"{mode}_for_rota", "selected_rota_id": account_ulid(f"rotation {rota}")}
    return target
