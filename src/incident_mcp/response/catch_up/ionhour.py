"""Changes of Ionhour's alerts, whose list has no filter by time: differences from what the cursor knows."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from incident_mcp.ionhour.incidents.access import LIST, unresolved_incidents
from incident_mcp.ionhour.incidents.records import IonhourIncident, severity_rank
from incident_mcp.ionhour.pages import MAX_PAGE_SIZE, each_page
from incident_mcp.records.instants import parse_instant
from incident_mcp.response.catch_up.cursor import MAX_ALERT, fit_alerts
from incident_mcp.response.catch_up.events import MAX_NAME, Change, Event, Position, format_time, one_line
from incident_mcp.transport.api import Api

MAX_RESOLVED = 500
"""Resolved alerts that are read, if the newest page does not reach back far enough."""


@dataclass
class Alerts:
    """The alerts that were read."""

    unresolved: list[IonhourIncident]
    unresolved_total: int
    resolved: list[IonhourIncident] = field(default_factory=list[IonhourIncident])
    unreadable: int = 0
    """Number of further, unreadable resolved ones."""
    reaches_back: bool = False
    """Whether all that were resolved since the watermark are among them, as far as the list shows."""

    @property
    def still_unresolved(self) -> list[IonhourIncident]:
        """Those that were not resolved while the lists were read."""
        resolved = {row.id for row in self.resolved}
        return [row for row in self.unresolved if row.id not in resolved]

    @property
    def all_unresolved_known(self) -> bool:
        """Whether an alert that is not among the unresolved ones is resolved."""
        return self.unresolved_total <= len(self.unresolved)


async def read_alerts(api: Api, workspace: int | None, mark: Position) -> Alerts:
    """Read the unresolved alerts, then the resolved ones back to a watermark; usually one page of each."""
    alerts = Alerts(*await unresolved_incidents(api, workspace))
    query = [*([("workspaceId", str(workspace))] if workspace else []), ("state", "RESOLVED")]
    pages = each_page(api, LIST.request(query), IonhourIncident, limit=MAX_RESOLVED)
    async with aclosing(pages):
        async for page in pages:
            alerts.resolved += page.rows
            alerts.unreadable += page.unreadable or 0
            alerts.reaches_back = not page.has_more or _reaches(alerts.resolved, mark)
            if alerts.reaches_back:
                break
    return alerts


def _reaches(rows: Sequence[IonhourIncident], mark: Position) -> bool:
    """Return whether rows are sorted newest first and go back before a watermark."""
    starts = [at for row in rows if (at := parse_instant(row.started_at))]
    is_sorted = starts == sorted(starts, reverse=True) and starts[:1] > starts[-1:]
    return is_sorted and len(rows) >= MAX_PAGE_SIZE and Position.of(starts[-1]) < mark


@dataclass(frozen=True)
class Known:
    """What the cursor knows of unresolved alerts."""

    alerts: Mapping[int, bool] | None
    """Number to whether it had recovered; None if they were never read."""
    tracked_from: int = 0

    @property
    def firing(self) -> list[int]:
        """The numbers of those that had not recovered."""
        return [number for number, recovered in (self.alerts or {}).items() if not recovered]

    def tracks(self, number: int) -> bool:
        """Return whether an alert that is not among them was not unresolved then."""
        return self.alerts is not None and max(1, self.tracked_from) <= number < MAX_ALERT


def alert_events(read: Alerts, known: Known) -> list[Event]:
    """Return for each alert that it opened, or that it recovered."""
    changed = [_of_unresolved(row, known) for row in read.still_unresolved]
    events = [event for event in changed if event] + [_of_resolved(row, known) for row in read.resolved]
    if read.all_unresolved_known:
        numbers = {row.id for row in [*read.unresolved, *read.resolved]}
        events += [_gone(number) for number in known.firing if number not in numbers]
    return events


def _of_unresolved(row: IonhourIncident, known: Known) -> Event | None:
    was = (known.alerts or {}).get(row.id)
    recovered = _has_recovered(row, was=was)
    if was is recovered:
        return None
    at = parse_instant(row.recovered_at if recovered else row.started_at)
    return _event(row, "recovered" if recovered else "opened", at, by_state=was is not None or known.tracks(row.id))


def _of_resolved(row: IonhourIncident, known: Known) -> Event:
    # One that the cursor does not know opened since, or was resolved before: its time tells.
    was = (known.alerts or {}).get(row.id)
    at = parse_instant(row.resolved_at) or parse_instant(row.recovered_at)
    return _event(row, "resolved", at, by_state=was is False, reported=was is True)


def _has_recovered(row: IonhourIncident, *, was: bool | None) -> bool:
    return bool(was) if row.state is None else row.state.upper() == "MONITORING"


def _event(row: IonhourIncident, what: str, at: datetime | None, *, by_state: bool, reported: bool = False) -> Event:
    change = Change(
        kind="alert_opened" if what == "opened" else "alert_recovered",
        at=at and format_time(at),
        severity=one_line(row.severity, MAX_NAME) if what == "opened" else None,
        ionhour_incident=row.id,
        title=one_line(row.title, MAX_NAME),
    )
    key = f"{what} {row.id} {at and Position.of(at).micros}"
    # What a cursor holds is bounded, and the oldest are dropped first: so they are reported first.
    weight = -(severity_rank(row.severity) or 9)
    return Event(key, at, change, by_state=by_state, reported=reported, weight=weight, oldest_first=True)


def _gone(number: int) -> Event:
    """Return the change of an alert that is unresolved no more, and that no list shows."""
    change = Change(kind="alert_recovered", ionhour_incident=number, text="no longer in the list of unresolved alerts")
    return Event(f"gone {number}", None, change, by_state=True)


def dropped(read: Alerts, after: Known, left: Sequence[Event]) -> list[Event]:
    """Return the opening of each unresolved alert that a cursor holds no more although it was reported."""
    waiting = {event.change.ionhour_incident for event in left}
    held = after.alerts or {}
    rows = [row for row in read.still_unresolved if row.id not in held and row.id not in waiting]
    return [_event(row, "opened", parse_instant(row.started_at), by_state=False) for row in rows]


def next_known(read: Alerts, known: Known, left: Sequence[Event]) -> Known:
    """Return what the next cursor knows of unresolved alerts; those with changes that are reported later, unchanged."""
    old = dict(known.alerts or {})
    now = {row.id: _has_recovered(row, was=old.get(row.id)) for row in read.still_unresolved}
    for event in left:
        now.pop(event.change.ionhour_incident or 0, None)
    unchanged = {event.change.ionhour_incident for event in left}
    over = old.keys() if read.all_unresolved_known else {row.id for row in read.resolved}
    kept = {number: old[number] for number in old.keys() - (over - unchanged)}
    return Known(*fit_alerts(kept | now))
