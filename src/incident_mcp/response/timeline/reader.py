"""Reading the entries of one incident's timeline, each source on its own."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio import incident_updates
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.names.incidents import incident_names
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.ionhour.events import read_events
from incident_mcp.ionhour.notes import Notes, read_notes
from incident_mcp.records.instants import parse_instant, to_second
from incident_mcp.records.record import Record, shorten
from incident_mcp.response.links import LinkedIncident
from incident_mcp.response.reading import Reading, When
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MOST_ENTRIES = 1000
"""Updates, and timeline items, that are read of one incident."""
_NO_INSTANT = "-"
"""What orders an entry without an instant: before all others."""
_CURSOR = re.compile(
    rf"(?P<at>{_NO_INSTANT}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}})"
    r" (?:update|item|event|note) (?P<rest>.+)"
)


class TimelineEntry(Record):
    """Something that happened."""

    at: str
    """Its instant, or "unknown"."""
    source: str
    """incident.io or Ionhour."""
    kind: str
    """update, timeline_item, note, or an Ionhour event in lower case: opened, alert_sent, ..."""
    who: str | None = None
    text: str | None = None
    status: str | None = None
    severity: str | None = None
    merged_into_incident_id: str | None = None
    merged_into_reference: str | None = None


class _Update(Record):
    id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: When | None = None


class _Item(Record):
    id: str
    title: str | None = None
    description: str | None = None
    creator: Actor = None
    timestamp: When | None = None


LIST_ITEMS = Operation("GET", "/v2/incident_timeline_items", scope="incidents.view")


class Story:
    """Collects the entries of one incident, each by a key that orders them and is the cursor behind it.

    A key is the instant, the kind of entry, the incident's reference or the alert's number, and what names the entry.
    """

    def __init__(self, services: Services, rows: int) -> None:
        self.services = services
        self.reading = Reading(services, rows, "A larger limit allows more.")
        self.problems = self.reading.problems
        self.entries: dict[str, TimelineEntry] = {}
        self.owners: set[str] = set()
        """References and numbers of all that may belong to the story."""
        self.owners_known = True
        """Whether those are all."""
        self._notes: dict[int, Notes] = {}

    def add(self, instant: datetime | None, name: str, entry: TimelineEntry) -> None:
        """Add an entry."""
        self.entries[f"{_sortable(instant)} {name}"] = entry

    async def read_updates(self, api: Api, incident: LinkedIncident) -> None:
        """Read an incident's updates; of status and severity an entry has only what the update changed."""
        request = incident_updates.LIST.request([("incident_id", incident.id)])
        rows = await read_rows(api, request, _Update, limit=MOST_ENTRIES)
        rows.sort(key=lambda row: _sortable(row.created_at))
        merged = await incident_names(api, [row.merged_into_incident_id for row in rows if row.merged_into_incident_id])
        status = severity = None
        for row in rows:
            into = merged.get(row.merged_into_incident_id or "")
            entry = TimelineEntry(
                at=_instant(row.created_at),
                source="incident.io",
                kind="update",
                who=row.updater,
                text=row.message,
                status=row.status if row.status != status else None,
                severity=row.severity if row.severity != severity else None,
                merged_into_incident_id=row.merged_into_incident_id,
                merged_into_reference=into.reference if into else None,
            )
            self.add(row.created_at, f"update {incident.reference} {row.id}", entry)
            if row.created_at is not None:
                status, severity = row.status or status, row.severity or severity
        self._check_rows(rows, "update")

    async def read_items(self, api: Api, incident: LinkedIncident) -> None:
        """Read an incident's timeline items."""
        request = LIST_ITEMS.request([("incident_id", incident.id)])
        rows = await read_rows(api, request, _Item, limit=MOST_ENTRIES)
        for row in rows:
            entry = TimelineEntry(
                at=_instant(row.timestamp),
                source="incident.io",
                kind="timeline_item",
                who=row.creator,
                text=": ".join(filter(None, (row.title, row.description))) or None,
            )
            self.add(row.timestamp, f"item {incident.reference} {row.id}", entry)
        self._check_rows(rows, "timeline item")

    async def read_events(self, api: Api, alert: int) -> None:
        """Read an alert's events, which have no id: their place in the list names them."""
        answer = await read_events(api, alert)
        rows = _oldest_first(answer.events, [event.occurred_at for event in answer.events])
        for number, event in enumerate(rows):
            when = parse_instant(event.occurred_at)
            entry = TimelineEntry(
                at=_instant(when), source="Ionhour", kind=(event.type or "event").lower(), text=event.message
            )
            self.add(when, f"event {alert} {number:06}", entry)
        self._check_list("event", alert, answer.unreadable, more=answer.has_more)

    async def read_notes(self, api: Api, alert: int) -> None:
        """Read an alert's notes."""
        answer = await self.notes_of(api, alert)
        rows = _oldest_first(answer.notes, [note.created_at for note in answer.notes])
        for number, note in enumerate(rows):
            when = parse_instant(note.made_at) or parse_instant(note.created_at)
            entry = TimelineEntry(at=_instant(when), source="Ionhour", kind="note", who=note.author, text=note.body)
            name = f"{number:06}" if note.id is None else f"{note.id:012}"
            self.add(when, f"note {alert} {name}", entry)
        self._check_list("note", alert, answer.unreadable, more=answer.has_more)

    async def notes_of(self, api: Api, alert: int) -> Notes:
        """Read an alert's notes, once."""
        if alert not in self._notes:
            self._notes[alert] = await read_notes(api, alert)
        return self._notes[alert]

    def _check_list(self, what: str, alert: int, unreadable: int | None, *, more: bool) -> None:
        self.problems.add_unreadable(unreadable, what, f" of Ionhour incident {alert}")
        if more:
            self.problems.add(f"Ionhour has more {what}s of incident {alert} than its first page, which was read.")

    def _check_rows(self, rows: Rows[Any], what: str) -> None:
        self.problems.add_unreadable(rows.unreadable, what)
        if not rows.complete:
            self.problems.add(f"There are more than {len(rows)} {what}s; the rest were not read.")

    def check_owner(self, after: str) -> None:
        """Refuse a cursor of another story, which would leave out entries or all of them.

        Raises:
            InputError: It is one.
        """
        found = _CURSOR.fullmatch(after)
        rest = found["rest"] if found else ""
        if self.owners_known and not any(rest.startswith(f"{owner} ") for owner in self.owners):
            raise InputError(
                f"after {shorten(after, 100)!r} belongs to the timeline of another incident. Pass `after` of the"
                " previous answer for this one, or leave it out to start with the oldest entry."
            )


def check_cursor(after: str) -> None:
    """Refuse what is no cursor.

    Raises:
        InputError: It is none.
    """
    found = _CURSOR.fullmatch(after)
    if found is None or (found["at"] != _NO_INSTANT and parse_instant(found["at"]) is None):
        raise InputError(
            f"after {shorten(after, 100)!r} is no cursor. Pass `after` of the previous answer unchanged, or leave it"
            " out to start with the oldest entry. Not sent."
        )


T = TypeVar("T")


def _oldest_first(rows: Sequence[T], instants: Sequence[str | None]) -> Sequence[T]:
    """Return a list that comes newest first in reverse, so that a newer row does not change the places of others."""
    known = [instant for instant in instants if instant]
    return rows[::-1] if known[:1] > known[-1:] else rows


def _sortable(instant: datetime | None) -> str:
    """Format an instant so that text order is time order."""
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") if instant else _NO_INSTANT


def _instant(instant: datetime | None) -> str:
    return to_second(instant) if instant else "unknown"
