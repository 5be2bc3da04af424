"""Reading the entries of one incident's timeline, each source independently."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio import incident_updates
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.names.incidents import IncidentName, incident_names
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.timeline import items
from incident_mcp.ionhour.events import read_events
from incident_mcp.ionhour.notes import Notes, read_notes
from incident_mcp.records.instants import parse_instant, to_second
from incident_mcp.records.record import Listed, Record, shorten
from incident_mcp.response.links import LinkedIncident
from incident_mcp.response.reading import Part, Reading, Timestamp
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api

MAX_ENTRIES = 1000
"""Updates and timeline items that are read of one incident."""
_NO_TIME = "-"
"""Sorts an entry without a timestamp before all others."""
_CURSOR = re.compile(
    rf"(?P<at>{_NO_TIME}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}\.[0-9]{{6}})"
    r" (?:update|item|event|note) (?P<rest>.+)"
)


class TimelineEntry(Record):
    """One entry."""

    at: str
    """Timestamp, or "unknown"."""
    source: str
    """incident.io or Ionhour."""
    kind: str
    """update, timeline_item, note, or the type of an Ionhour event in lower case: opened, alert_sent, ..."""
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
    created_at: Timestamp | None = None

    def to_entry(self, status: str | None, severity: str | None, merged_into: IncidentName | None) -> TimelineEntry:
        """Return an entry that has status and severity only if they differ from the ones before."""
        return TimelineEntry(
            at=_timestamp(self.created_at),
            source="incident.io",
            kind="update",
            who=self.updater,
            text=self.message,
            status=self.status if self.status != status else None,
            severity=self.severity if self.severity != severity else None,
            merged_into_incident_id=self.merged_into_incident_id,
            merged_into_reference=merged_into.reference if merged_into else None,
        )


class _Item(Record):
    id: str
    title: str | None = None
    description: str | None = None
    creator: Actor = None
    timestamp: Timestamp | None = None


class TimelineReader:
    """Collects the entries of a timeline by their keys.

    A key sorts its entry and is the cursor that follows it. It consists of the timestamp, the kind of entry, the
    incident's reference or the alert's number, and the entry's ID.
    """

    def __init__(self, services: Services, rows: int) -> None:
        self.services = services
        self.reading = Reading(services, rows, "A larger limit allows more.")
        self.problems = self.reading.problems
        self.entries: dict[str, TimelineEntry] = {}
        self.owners: set[str] = set()
        """References and numbers of the incident and alerts that the timeline's cursors may contain."""
        self.owners_known = True
        """True if `owners` is complete."""
        self._notes: dict[int, Notes] = {}

    async def read(self, incident: LinkedIncident | None, alerts: Sequence[int]) -> None:
        """Read all sources in parallel."""
        sources: list[Part] = []
        if incident is not None and (api := self.services.incidentio) is not None:
            sources.append(Part("updates", "", api, partial(self._read_updates, api, incident), requests=4))
            sources.append(Part("timeline items", "", api, partial(self._read_items, api, incident), requests=4))
        if (api := self.services.ionhour) is not None:
            for alert in alerts:
                name = str(alert)
                sources.append(Part("events of Ionhour alert", name, api, partial(self._read_events, api, alert)))
                sources.append(Part("notes of Ionhour alert", name, api, partial(self._read_notes, api, alert)))
        await self.reading.read(sources)

    def keys_after(self, cursor: str | None) -> list[str]:
        """Return the sorted keys that follow a cursor, or all."""
        return sorted(key for key in self.entries if cursor is None or key > cursor)

    def _add(self, time: datetime | None, name: str, entry: TimelineEntry) -> None:
        self.entries[f"{_sortable(time)} {name}"] = entry

    async def _read_updates(self, api: Api, incident: LinkedIncident) -> None:
        """Read an incident's updates."""
        request = incident_updates.LIST.request([("incident_id", incident.id)])
        rows = await read_rows(api, request, _Update, limit=MAX_ENTRIES)
        rows.sort(key=lambda row: _sortable(row.created_at))
        merged = await incident_names(api, [row.merged_into_incident_id for row in rows if row.merged_into_incident_id])
        status = severity = None
        for row in rows:
            entry = row.to_entry(status, severity, merged.get(row.merged_into_incident_id or ""))
            self._add(row.created_at, f"update {incident.reference} {row.id}", entry)
            if row.created_at is not None:
                status, severity = row.status or status, row.severity or severity
        self._check_rows(rows, "update")

    async def _read_items(self, api: Api, incident: LinkedIncident) -> None:
        """Read an incident's timeline items."""
        request = items.LIST.request([("incident_id", incident.id)])
        rows = await read_rows(api, request, _Item, limit=MAX_ENTRIES)
        for row in rows:
            entry = TimelineEntry(
                at=_timestamp(row.timestamp),
                source="incident.io",
                kind="timeline_item",
                who=row.creator,
                text=": ".join(filter(None, (row.title, row.description))) or None,
            )
            self._add(row.timestamp, f"item {incident.reference} {row.id}", entry)
        self._check_rows(rows, "timeline item")

    async def _read_events(self, api: Api, alert: int) -> None:
        """Read an alert's events, which have no IDs: their positions in the list identify them."""
        events = await read_events(api, alert)
        rows = _oldest_first(events.events, [event.occurred_at for event in events.events])
        for number, event in enumerate(rows):
            time = parse_instant(event.occurred_at)
            entry = TimelineEntry(
                at=_timestamp(time), source="Ionhour", kind=(event.type or "event").lower(), text=event.message
            )
            self._add(time, f"event {alert} {number:06}", entry)
        self._check_list("event", alert, events)

    async def _read_notes(self, api: Api, alert: int) -> None:
        """Read an alert's notes."""
        notes = await self.notes_of(api, alert)
        rows = _oldest_first(notes.notes, [note.created_at for note in notes.notes])
        for number, note in enumerate(rows):
            time = parse_instant(note.made_at) or parse_instant(note.created_at)
            entry = TimelineEntry(at=_timestamp(time), source="Ionhour", kind="note", who=note.author, text=note.body)
            name = f"{number:06}" if note.id is None else f"{note.id:012}"
            self._add(time, f"note {alert} {name}", entry)
        self._check_list("note", alert, notes)

    async def notes_of(self, api: Api, alert: int) -> Notes:
        """Read an alert's notes, once."""
        if alert not in self._notes:
            self._notes[alert] = await read_notes(api, alert)
        return self._notes[alert]

    def _check_list(self, row: str, alert: int, rows: Listed) -> None:
        self.problems.add_unreadable(rows.unreadable, row, f" of Ionhour alert {alert}")
        if rows.has_more:
            self.problems.add(f"Only the first page of {row}s of Ionhour alert {alert} was read; there are more.")

    def _check_rows(self, rows: Rows[Any], row: str) -> None:
        self.problems.add_unreadable(rows.unreadable, row)
        if not rows.complete:
            self.problems.add(f"There are more than {len(rows)} {row}s; the rest were not read.")

    def check_owner(self, after: str) -> None:
        """Check that a cursor belongs to this timeline: one of another timeline would skip entries.

        Raises:
            InputError: It belongs to another timeline.
        """
        found = _CURSOR.fullmatch(after)
        rest = found["rest"] if found else ""
        if self.owners_known and not any(rest.startswith(f"{owner} ") for owner in self.owners):
            raise InputError(
                f"after {shorten(after, 100)!r} belongs to the timeline of another incident. Pass `after` from the"
                " previous result for this one, or omit it to start with the oldest entry."
            )


def check_cursor(after: str) -> None:
    """Check the format of a cursor.

    Raises:
        InputError: It is not a cursor.
    """
    found = _CURSOR.fullmatch(after)
    if found is None or (found["at"] != _NO_TIME and parse_instant(found["at"]) is None):
        raise InputError(
            f"after {shorten(after, 100)!r} is not a cursor. Pass `after` from the previous result unchanged, or omit"
            " it to start with the oldest entry. Not sent."
        )


T = TypeVar("T")


def _oldest_first(rows: Sequence[T], times: Sequence[str | None]) -> Sequence[T]:
    """Return a list oldest first, so that a new row does not change the positions of others."""
    known = [time for time in times if time]
    return rows[::-1] if known[:1] > known[-1:] else rows


def _sortable(time: datetime | None) -> str:
    """Format a timestamp so that text order is time order."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") if time else _NO_TIME


def _timestamp(time: datetime | None) -> str:
    return to_second(time) if time else "unknown"
