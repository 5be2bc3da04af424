"""The schedules of the incident.io account, and how its people are notified.

Shifts are relative to the sandbox's start: the first person of each rotation is on call then.
"""

from datetime import UTC, datetime, time, timedelta

from incident_mcp.sandbox.engine.clock import OPENED, account_ulid, ago, rfc3339, ulid
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name
from incident_mcp.sandbox.incidentio.incident_values import slim_user
from incident_mcp.sandbox.incidentio.schedule_overrides import add_override
from incident_mcp.sandbox.incidentio.weekly_hours import WEEKDAYS, zone

_STAMPS = {"created_at": rfc3339(OPENED), "updated_at": rfc3339(OPENED)}
_OFFICE = [{"weekday": day, "start_time": "09:00", "end_time": "17:00"} for day in WEEKDAYS[:5]]
WEEKLY, DAILY, HALF_DAYS = ("weekly", 1), ("daily", 1), ("hourly", 12)

_PAUSES = (
    # name, starts, ends (durations after the start; "-" before it), reason
    ("Noor Haddad", "-1d", "2d", "Annual leave"),
    ("Lena Fischer", "1d", "3d", "Moving house"),
    ("Diego Santos", "-5h", "-1h", "Dentist"),
)
_METHODS = {
    "Mei Chen": (),
    "Kofi Mensah": (("phone", "•••••••0142", False),),
    "Grace Achieng": (("email", "grace.achieng@paysand.example", True),),
    "Oskar Nyman": (("email", "oskar.nyman@paysand.example", True),),
    "Ruth Adeyemi": (),
    "Ada Brandt": (),
    "Tom Baker": (),
}
"""Name to (type, address, is_usable), of those who have not both the app and a phone."""
_LOW_ONLY = {"Grace Achieng"}
"""Who has rules for low urgency alone."""


def seed_schedules(account: IncidentIO, start: datetime) -> None:
    """Add schedules, an override, pauses, notification methods and rules."""
    account.on_call.schedules = [
        _payments(account, start),
        _platform(account, start),
        _support(account, start),
        _batch(account, start),
        plain_schedule(account, "Ledger nights", start, ["Noor Haddad", "Kofi Mensah"], handover=WEEKLY),
        plain_schedule(account, "Legacy gateway", start, ["Mei Chen"]),
        _search(account, start),
        plain_schedule(account, "Retired products", start, []),
        _schedule("Vendor hotline", "UTC", None),
    ]
    ledger = by_name(account.on_call.schedules, "Ledger nights")
    [rotation] = ledger["config"]["rotations"]
    where = {"schedule_id": ledger["id"], "rotation_id": rotation["id"], "layer_id": rotation["layers"][0]["id"]}
    ines = slim_user(by_name(account.users, "Ines Moreau"))
    hour = start.replace(minute=0, second=0, microsecond=0)
    override = add_override(account, where, (hour - ago("1h"), hour + ago("4h")), ines, start - ago("1d"))
    override["id"] = account_ulid("override Ledger nights")
    account.on_call.pauses = [_pause(account, start, *row) for row in _PAUSES]
    for user in account.users:
        account.on_call.methods[user["id"]] = _methods(user)
        account.on_call.rules[user["id"]] = _rules(user, account.on_call.methods[user["id"]])


def _payments(account: IncidentIO, start: datetime) -> Json:
    """One person for a week, from Monday 09:00 in Berlin."""
    users = ["Yuki Tanaka", "Sam Lindqvist", "Ines Moreau"]
    monday = _latest(start, "Europe/Berlin", 9, weekday=0)
    return _schedule("Payments primary", "Europe/Berlin", [_rotation(account, "Payments", users, monday, WEEKLY)])


def _platform(account: IncidentIO, start: datetime) -> Json:
    """Two people at once, day by day, and a manager on a rotation of their own."""
    day = _latest(start, "UTC", 8)
    users = ["Sam Okafor", "Lena Fischer", "Diego Santos"]
    primary = _rotation(account, "Platform", users, day, DAILY, layers=("Primary", "Shadow"))
    managers = _rotation(account, "Platform managers", ["Priya Raman", "Ines Moreau"], day, WEEKLY)
    return _schedule("Platform primary", "UTC", [primary, managers], team="Platform")


def _support(account: IncidentIO, start: datetime) -> Json:
    """Office hours in New York: nobody at night and at weekends."""
    monday = _latest(start, "America/New_York", 9, weekday=0)
    rotation = _rotation(account, "Support", ["Priya Raman", "Grace Achieng"], monday, WEEKLY)
    rotation["working_intervals"] = _OFFICE
    return _schedule("Support hours", "America/New_York", [rotation])


def _batch(account: IncidentIO, start: datetime) -> Json:
    """Six hours a day that begin four hours after the sandbox's start: nobody is on call at the start."""
    rotation = _rotation(account, "Batch jobs", ["Sam Lindqvist"], _latest(start, "UTC", 0), DAILY)
    opens = start.astimezone(UTC).replace(minute=0) + ago("4h")
    hours = {"start_time": f"{opens:%H:%M}", "end_time": f"{opens + ago('6h'):%H:%M}"}
    rotation["working_intervals"] = [{"weekday": day, **hours} for day in WEEKDAYS]
    return _schedule("Batch jobs", "UTC", [rotation])


def _search(account: IncidentIO, start: datetime) -> Json:
    """Half days, and a new version of the rotation that takes effect in ten days."""
    rotation = _rotation(account, "Search", ["Diego Santos", "Yuki Tanaka"], _latest(start, "Asia/Tokyo", 9), HALF_DAYS)
    later = _latest(start, "Asia/Tokyo", 9) + ago("10d")
    users = [slim_user(by_name(account.users, name)) for name in ("Lena Fischer", "Sam Okafor")]
    version = {**rotation, "effective_from": rfc3339(later), "handover_start_at": rfc3339(later), "users": users}
    return _schedule("Search primary", "Asia/Tokyo", [rotation, version])


def plain_schedule(
    account: IncidentIO, name: str, start: datetime, users: list[str], *, handover: tuple[str, int] = DAILY
) -> Json:
    """Return a schedule in UTC with one rotation of one layer."""
    return _schedule(name, "UTC", [_rotation(account, name, users, _latest(start, "UTC", 9), handover)])


def _schedule(name: str, timezone: str, rotations: list[Json] | None, *, team: str = "Payments") -> Json:
    """Return a schedule; without rotations it is one that another provider keeps, whose shifts are not known."""
    schedule_id = account_ulid(f"schedule {name}")
    config = {"config": {"rotations": rotations}} if rotations is not None else {}
    return {
        "id": schedule_id,
        "name": name,
        "timezone": timezone,
        "permalink": f"https://app.incident.io/sandbox/on-call/schedules/{schedule_id}",
        "team_ids": [account_ulid(f"team {team}")],
        "annotations": {},
        **config,
        **_STAMPS,
    }


def _rotation(  # noqa: PLR0913  # a rotation has that many parts
    account: IncidentIO,
    name: str,
    users: list[str],
    first: datetime,
    handover: tuple[str, int],
    *,
    layers: tuple[str, ...] = ("Layer 1",),
) -> Json:
    interval_type, interval = handover
    return {
        "id": account_ulid(f"rotation {name}"),
        "name": name,
        "handover_start_at": rfc3339(first),
        "handovers": [{"interval": interval, "interval_type": interval_type}],
        "layers": [{"id": account_ulid(f"layer {name}: {layer}"), "name": layer} for layer in layers],
        "users": [slim_user(by_name(account.users, user)) for user in users],
        "working_intervals": [],
        "scheduling_mode": "sequential",
    }


def _latest(start: datetime, timezone: str, hour: int, *, weekday: int | None = None) -> datetime:
    """Return the latest time that was this hour, on this weekday, at the start."""
    where = zone(timezone)
    at = datetime.combine(start.astimezone(where).date(), time(hour), where)
    while at > start or weekday not in {None, at.weekday()}:
        at -= timedelta(days=1)
    return at.astimezone(UTC)


def _pause(account: IncidentIO, start: datetime, name: str, *row: str) -> Json:
    starts, ends, reason = row
    instants = [start - ago(text[1:]) if text.startswith("-") else start + ago(text) for text in (starts, ends)]
    created = rfc3339(min(instants[0], start) - ago("1d"))
    return {
        "id": ulid(instants[0], f"pause {name}"),
        "user_id": by_name(account.users, name)["id"],
        "starts_at": rfc3339(instants[0]),
        "ends_at": rfc3339(instants[1]),
        "reason": reason,
        "created_at": created,
        "updated_at": created,
    }


def _methods(user: Json) -> list[Json]:
    both = (("app", f"{user['name'].split()[0]}'s phone", True), ("phone", "•••••••0100", True))
    return [
        {
            "id": account_ulid(f"method {kind} of {user['name']}"),
            "method_type": kind,
            "address": address,
            "is_usable": usable,
        }
        | ({"phone_details": {"supports_sms": True, "supports_voice": True}} if kind == "phone" else {})
        for kind, address, usable in _METHODS.get(user["name"], both)
    ]


def _rules(user: Json, methods: list[Json]) -> list[Json]:
    """Return rules that use each method in turn, two minutes apart, for both urgencies."""
    urgencies = ("low_urgency",) if user["name"] in _LOW_ONLY else ("high_urgency", "low_urgency")
    details: dict[str, Json] = {
        "app": {"app": {"push_notification_criticality": "critical"}},
        "phone": {"phone": {"channel": "voice"}},
    }
    return [
        {
            "id": account_ulid(f"rule {urgency} {method['id']}"),
            "rule_type": urgency,
            "method_type": method["method_type"],
            "method_target": {"type": "specific", "specific": {"id": method["id"]}},
            "delay_seconds": 120 * number,
            **details.get(method["method_type"], {}),
        }
        for urgency in urgencies
        for number, method in enumerate(methods)
    ]
