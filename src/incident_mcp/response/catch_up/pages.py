"""Changes of pages and of incident.io's alerts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from incident_mcp.incidentio.oncall.escalations import Escalation
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, Record, parts
from incident_mcp.response.catch_up.events import MAX_NAME, MAX_TEXT, Change, Event, Position, format_time, one_line
from incident_mcp.response.reading import Timestamp

MAX_NAMED = 3
"""Incidents or people that a change of a page names."""
_OUTCOMES = {
    "acked": "page_answered",
    "expired": "page_expired",
    "cancelled": "page_ended",
    "resolved": "page_ended",
}
_SILENT = frozenset({"pending", "acked", "resolved", "expired", "cancelled", "snoozed"})
"""Statuses of pages that ring nobody. An unknown status counts as unanswered."""


class _Moment(NamedTuple):
    """When something happened to a page."""

    at: datetime
    event: str
    by: str


def _moments(value: object) -> object:
    """Return the readable events that matter here, oldest first."""
    if not isinstance(value, list):
        return None
    found = [_moment(row) for row in parts({"events": value}, "events")]
    return sorted(moment for moment in found if moment)


def _moment(row: Json) -> _Moment | None:
    event, at = row.get("event"), parse_instant(row.get("occurred_at"))
    if at is None or event not in ("triggered", *_OUTCOMES):
        return None
    names = [name for user in parts(row, "users") if isinstance(name := user.get("name"), str)]
    return _Moment(at, str(event), ", ".join(names[:MAX_NAMED]))


class Page(Escalation):
    """A page, with the times of its events unrounded."""

    moments: Annotated[list[_Moment] | None, BeforeValidator(_moments)] = Field(
        default=None, validation_alias="events", exclude=True
    )
    paged_at: Timestamp | None = Field(default=None, validation_alias="created_at", exclude=True)

    @property
    def outcomes(self) -> list[_Moment]:
        """What ended each time that it rang."""
        found: list[_Moment] = []
        rings = True
        for moment in self.moments or ():
            if moment.event == "triggered":
                rings = True
            elif rings:
                found.append(moment)
                rings = False
        return found

    @property
    def rang_at(self) -> datetime | None:
        """When it last began to ring."""
        return max((moment.at for moment in self.moments or () if moment.event == "triggered"), default=self.paged_at)


class FiredAlert(Record):
    """An alert of incident.io."""

    id: str
    title: str | None = None
    status: str | None = None
    created_at: Timestamp | None = None
    resolved_at: Timestamp | None = None


def page_events(pages: Iterable[Page]) -> list[Event]:
    """Return for each page that it rings unanswered, and how its ringing ended."""
    events: list[Event] = []
    for page in pages:
        events += [_ended(page, moment) for moment in page.outcomes]
        events.append(_rings(page))
    return events


def _about(page: Page) -> Json:
    incidents = ", ".join((page.incidents or [])[:MAX_NAMED])
    return {"incident": one_line(incidents, 80), "title": one_line(page.title, MAX_NAME)}


def _rings(page: Page) -> Event:
    at = page.rang_at
    change = Change(
        kind="page_unanswered",
        at=at and format_time(at),
        escalation_id=page.id,
        status=None if page.status == "triggered" else one_line(page.status, MAX_NAME),
        text=_people("paged ", page.notified),
        **_about(page),
    )
    key = f"rings {page.id} {at and Position.of(at).micros}"
    return Event(key, at, change, hidden=page.status in _SILENT or page.status is None)


def _people(before: str, names: Sequence[str]) -> str | None:
    if not names:
        return None
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return one_line(before + ", ".join(names[:MAX_NAMED]) + more, MAX_TEXT)


def _ended(page: Page, moment: _Moment) -> Event:
    kind = _OUTCOMES[moment.event]
    change = Change(
        kind=kind,
        at=format_time(moment.at),
        escalation_id=page.id if kind == "page_expired" else None,
        status=moment.event if kind == "page_ended" else None,
        by=one_line(moment.by, MAX_NAME),
        text=_people("paged ", page.notified) if kind == "page_expired" else None,
        **_about(page),
    )
    return Event(f"{moment.event} {page.id} {Position.of(moment.at).micros}", moment.at, change)


def alert_events(alerts: Iterable[FiredAlert]) -> list[Event]:
    """Return for each alert that it fires, or that it fires no more."""
    events: list[Event] = []
    for alert in alerts:
        is_over = alert.status == "resolved"
        title = one_line(alert.title, MAX_NAME) or alert.id
        opened, over = (Change(kind=kind, title=title) for kind in ("alert_opened", "alert_recovered"))
        events += [
            Event(f"opened {alert.id}", alert.created_at, _at(opened, alert.created_at), hidden=is_over),
            Event(f"resolved {alert.id}", alert.resolved_at, _at(over, alert.resolved_at), hidden=not is_over),
        ]
    return events


def _at(change: Change, at: datetime | None) -> Change:
    return change.model_copy(update={"at": at and format_time(at)})
