"""Who is on call when: the shifts of a schedule's rotations, and its overrides merged into them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339, ulid
from incident_mcp.sandbox.engine.service import Json

from .account import IncidentIO
from .weekly_hours import Span, open_spans, zone

_LOOKAHEAD = timedelta(days=30)
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Shift:
    """One person on one layer, without a break."""

    start: datetime
    end: datetime
    user: Json
    rotation_id: str
    layer_id: str
    fingerprint: str
    """The same for all the parts that an override cuts a shift into."""
    entry_id: str = ""

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Return whether the shift and a window share an instant."""
        return self.start < end and self.end > start

    def entry(self) -> Json:
        """Return the entry as the API lists it. It does not name the layer."""
        return {
            "entry_id": self.entry_id or ulid(self.start, f"entry {self.fingerprint}"),
            "fingerprint": self.fingerprint,
            "rotation_id": self.rotation_id,
            "start_at": rfc3339(self.start),
            "end_at": rfc3339(self.end),
            "user": self.user,
        }


@dataclass(frozen=True)
class Entries:
    """The shifts of a schedule that overlap a window, whole: they may begin before it and end after it."""

    scheduled: list[Shift]
    overrides: list[Shift]
    final: list[Shift]


def entries_of(account: IncidentIO, schedule: Json, start: datetime, end: datetime) -> Entries:
    """Return the shifts of a schedule that overlap a window, by start."""
    versions: list[Json] = schedule.get("config", {}).get("rotations", [])
    where = zone(schedule["timezone"])
    scheduled = [shift for version in versions for shift in _rotation(version, versions, where, start, end)]
    rows = [row for row in account.rows["schedule_overrides"] if row["schedule_id"] == schedule["id"]]
    overrides = [_override(row) for row in rows]
    final = [part for shift in scheduled for part in _without(shift, overrides)] + overrides

    def window(shifts: Iterable[Shift]) -> list[Shift]:
        return sorted((shift for shift in shifts if shift.overlaps(start, end)), key=lambda shift: shift.start)

    return Entries(window(scheduled), window(overrides), window(final))


def on_call_at(account: IncidentIO, schedule: Json, instant: datetime) -> list[Shift]:
    """Return the shifts that an instant lies in."""
    return entries_of(account, schedule, instant, instant + _MOMENT).final


def next_shifts(account: IncidentIO, schedule: Json, instant: datetime) -> list[Shift]:
    """Return who is on call right after the next shift begins. The vendor says "after the next changeover"."""
    later = entries_of(account, schedule, instant, instant + _LOOKAHEAD).final
    starts = [shift.start for shift in later if shift.start > instant]
    return on_call_at(account, schedule, min(starts)) if starts else []


def rotations_at(schedule: Json, instant: datetime) -> list[Json]:
    """Return the versions of a schedule's rotations that apply at an instant."""
    versions: list[Json] = schedule.get("config", {}).get("rotations", [])
    spans = [(version, _in_effect(version, versions)) for version in versions]
    return [version for version, (since, until) in spans if since <= instant < until]


def _rotation(version: Json, versions: list[Json], where: tzinfo, start: datetime, end: datetime) -> Iterator[Shift]:
    """Return the shifts of one version of a rotation that overlap the window."""
    since, until = _in_effect(version, versions)
    users: list[Json] = version["users"]
    for number, (opens, closes) in enumerate(_turns(version, where, min(end, until))):
        opens, closes = max(opens, since), min(closes, until)  # noqa: PLW2901  # a new version cuts a turn short
        if not users or opens >= closes or closes <= start:
            continue
        for place, layer in enumerate(version["layers"]):
            user = users[(number + place) % len(users)]
            for part in _working(version["working_intervals"], where, (opens, closes)):
                mark = ulid(part[0], f"shift {version['id']} {layer['id']}")
                yield Shift(*part, user, version["id"], layer["id"], mark)


def _in_effect(version: Json, versions: list[Json]) -> Span:
    """Return from when until when a version of a rotation applies."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    since = _instant(version["effective_from"]) if "effective_from" in version else first
    others = [
        _instant(row["effective_from"]) for row in versions if row["id"] == version["id"] and "effective_from" in row
    ]
    return since, min((other for other in others if other > since), default=last)


def _turns(version: Json, where: tzinfo, end: datetime) -> Iterator[Span]:
    """Return the turns of a rotation that begin before `end`, from its first handover on."""
    opens, number = _instant(version["handover_start_at"]), 0
    while opens < end:
        closes = _handover(opens, version["handovers"][number % len(version["handovers"])], where)
        yield opens, closes
        opens, number = closes, number + 1


def _handover(instant: datetime, handover: Json, where: tzinfo) -> datetime:
    """Return the next handover. Days and weeks keep the local time of day when the clocks change."""
    if handover["interval_type"] == "hourly":
        return instant + timedelta(hours=handover["interval"])
    days = handover["interval"] * (7 if handover["interval_type"] == "weekly" else 1)
    return (instant.astimezone(where) + timedelta(days=days)).astimezone(UTC)


def _working(intervals: list[Json], where: tzinfo, turn: Span) -> list[Span]:
    return open_spans(intervals, where, *turn) if intervals else [turn]


def _override(row: Json) -> Shift:
    span = (_instant(row["start_at"]), _instant(row["end_at"]))
    return Shift(*span, row["user"], row["rotation_id"], row["layer_id"], row["id"], row["id"])


def _without(shift: Shift, overrides: list[Shift]) -> Iterator[Shift]:
    """Return what is left of a shift beside the overrides of its layer."""
    opens = shift.start
    for override in sorted(overrides, key=lambda override: override.start):
        same = (override.rotation_id, override.layer_id) == (shift.rotation_id, shift.layer_id)
        if not same or not override.overlaps(opens, shift.end):
            continue
        if override.start > opens:
            yield replace(shift, start=opens, end=override.start)
        opens = override.end
    if opens < shift.end:
        yield replace(shift, start=opens)


def _instant(text: str) -> datetime:
    instant = read_instant(text)
    if instant is None:
        raise ValueError(text)
    return instant.astimezone(UTC)
