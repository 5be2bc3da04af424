"""The whole story of one incident, over both services, in the order in which it happened."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import anyio
from pydantic import AliasPath, Field

from incident_mcp.deps import BothServices, Services
from incident_mcp.errors import IncidentMcpError, InputError
from incident_mcp.http import Api, fill
from incident_mcp.incidentio.incident_records import Actor
from incident_mcp.incidentio.incidents import path_id
from incident_mcp.incidentio.pages import Page, read_pages
from incident_mcp.ionhour.events import read_events
from incident_mcp.ionhour.incidents import IonhourIncident
from incident_mcp.ionhour.notes import read_notes
from incident_mcp.models import Listed, Record, cut_at, to_second
from incident_mcp.response.links import (
    AlertId,
    LinkedIncident,
    LinkedIncidentAnswer,
    alert_id,
    alerts_in,
    references_in,
)
from incident_mcp.toolset import read

MOST_ENTRIES = 1000
"""Updates, and timeline items, that are read of one incident."""


class TimelineEntry(Record):
    """Something that happened."""

    at: str
    source: str
    """incident.io or Ionhour."""
    kind: str
    """update, timeline_item, note, or an Ionhour event in lower case: opened, alert_sent, ..."""
    who: str | None = None
    text: Annotated[str, cut_at(400, "… [cut]")] | None = None
    status: str | None = None
    severity: str | None = None


class Timeline(Listed):
    """What happened, oldest first."""

    incident: str | None = None
    """The incident.io incident's reference."""
    ionhour_incidents: list[int] | None = None
    known_by: str | None = None
    """How it is known that they belong together."""
    entries: list[TimelineEntry]
    after: str | None = None
    problems: list[str] | None = None
    """What could not be read."""


class _Update(Record):
    id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("new_severity", "name"))
    updater: Actor | None = None
    created_at: str


class _UpdatePage(Page):
    rows: list[_Update] = Field(validation_alias="incident_updates")


class _Item(Record):
    id: str
    title: str
    description: str | None = None
    creator: Actor | None = None
    timestamp: str


class _ItemPage(Page):
    rows: list[_Item] = Field(validation_alias="incident_timeline_items")


class _Attachment(Record):
    title: str | None = Field(default=None, validation_alias=AliasPath("resource", "title"))


class _Attachments(Record):
    incident_attachments: list[_Attachment]


class _Story:
    """Collects entries by a key that orders them; what cannot be read becomes a problem and not a failure."""

    def __init__(self) -> None:
        self.entries: dict[str, TimelineEntry] = {}
        self.problems: list[str] = []

    def add(self, instant: str | None, name: str, entry: TimelineEntry) -> None:
        self.entries[f"{_sortable(instant)} {name}"] = entry

    async def attempt(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except IncidentMcpError as failure:
            self.problems.append(f"{what}: {failure}")

    async def read_updates(self, api: Api, incident: LinkedIncident) -> None:
        query = [("incident_id", incident.id)]
        pages = await read_pages(api, "/v2/incident_updates", _UpdatePage, query, limit=MOST_ENTRIES)
        rows = sorted((row for page in pages for row in page.rows), key=lambda row: _sortable(row.created_at))
        status = severity = None
        for row in rows:
            self.add(row.created_at, f"update {row.id}", _update(row, status, severity))
            status, severity = row.status or status, row.severity or severity
        self._more(pages[-1], "updates")

    async def read_items(self, api: Api, incident: LinkedIncident) -> None:
        query = [("incident_id", incident.id)]
        pages = await read_pages(api, "/v2/incident_timeline_items", _ItemPage, query, limit=MOST_ENTRIES)
        for row in (row for page in pages for row in page.rows):
            text = f"{row.title}: {row.description}" if row.description else row.title
            entry = TimelineEntry(
                at=_told(row.timestamp), source="incident.io", kind="timeline_item", who=row.creator, text=text
            )
            self.add(row.timestamp, f"item {row.id}", entry)
        self._more(pages[-1], "timeline items")

    async def read_events(self, api: Api, alert: int) -> None:
        for number, event in enumerate((await read_events(api, alert)).events):
            entry = TimelineEntry(
                at=_told(event.occurred_at), source="Ionhour", kind=event.type.lower(), text=event.message
            )
            self.add(event.occurred_at, f"event {alert} {number:06}", entry)

    async def read_notes(self, api: Api, alert: int) -> None:
        for note in (await read_notes(api, alert)).notes:
            entry = TimelineEntry(
                at=_told(note.created_at), source="Ionhour", kind="note", who=note.author, text=note.body
            )
            self.add(note.created_at, f"note {alert} {note.id}", entry)

    def _more(self, last: Page, what: str) -> None:
        if last.after:
            self.problems.append(f"There are more than {MOST_ENTRIES} {what}; the rest were not read.")


def _update(row: _Update, status: str | None, severity: str | None) -> TimelineEntry:
    """Tell an update, and of status and severity only what it changed."""
    return TimelineEntry(
        at=_told(row.created_at),
        source="incident.io",
        kind="update",
        who=row.updater,
        text=row.message,
        status=row.status if row.status != status else None,
        severity=row.severity if row.severity != severity else None,
    )


def _sortable(instant: str | None) -> str:
    """Write an instant so that text order is time order."""
    try:
        when = datetime.fromisoformat(instant or "")
    except ValueError:
        return ""
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _told(instant: str | None) -> str:
    return str(to_second(instant or "unknown"))


async def _of_incident(services: Services, incident: str) -> tuple[LinkedIncident, list[AlertId], str | None]:
    """Find an incident and the alerts that it names, in its summary or else in its attachments."""
    if services.incidentio is None:
        raise InputError("There is no incident.io key: pass ionhour_incident_id instead. Not sent.")
    found = await _read_incident(services.incidentio, incident)
    if named := alerts_in(found.summary):
        return found, named, "summary"
    try:
        query = [("incident_id", found.id)]
        attached = await services.incidentio.get("/v1/incident_attachments", _Attachments, query)
    except IncidentMcpError:
        return found, [], None
    named = [alert for row in attached.incident_attachments for alert in alerts_in(row.title)]
    return found, named, "attachment" if named else None


async def _of_alert(services: Services, number: int, story: _Story) -> tuple[LinkedIncident | None, IonhourIncident]:
    """Find an alert and the incident that its notes name; the incident's summary must name the alert, too."""
    if services.ionhour is None:
        raise InputError("There is no Ionhour key: pass incident instead. Not sent.")
    alert = await services.ionhour.get(fill("/incidents/{incident_id}", incident_id=number), IonhourIncident)
    notes = (await read_notes(services.ionhour, number)).notes
    for reference in dict.fromkeys(reversed(references_in(note.body for note in notes))):
        if services.incidentio is None:
            story.problems.append(f"{reference} in incident.io: there is no key for it.")
            continue
        found = await linked_incident(services.incidentio, reference, alert, story.problems)
        if found:
            return found, alert
    return None, alert


async def linked_incident(
    api: Api, reference: str, alert: IonhourIncident, problems: list[str]
) -> LinkedIncident | None:
    """Read an incident that a note names; None, with the reason, unless its summary names the alert too."""
    try:
        found = await _read_incident(api, reference)
    except IncidentMcpError as failure:
        problems.append(f"{reference}: {failure}")
        return None
    if found.links(alert_id(alert)):
        return found
    problems.append(f"A note names {reference}, but its summary does not name Ionhour incident {alert.id}.")
    return None


async def _read_incident(api: Api, incident: str) -> LinkedIncident:
    path = fill("/v2/incidents/{incident}", incident=path_id(incident))
    return (await api.get(path, LinkedIncidentAnswer)).incident


async def incident_timeline(
    services: BothServices,
    incident: Annotated[str | None, Field(min_length=1, description="INC-123, 123 or id.")] = None,
    ionhour_incident_id: Annotated[int | None, Field(ge=1, description="The alert's number.")] = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Most entries.")] = 50,
    after: Annotated[str | None, Field(description="`after` of the answer before.")] = None,
) -> Timeline:
    """The whole story of one incident of either service, oldest first.

    Updates, changes of status and severity, timeline items, and the events and notes of the linked Ionhour incident.
    """
    if (incident is None) == (ionhour_incident_id is None):
        raise InputError("Pass either incident or ionhour_incident_id. Not sent.")
    story = _Story()
    if incident is not None:
        found, named, known_by = await _of_incident(services, incident)
        alerts = await _verified(services, named, story)
    else:
        found, alert = await _of_alert(services, ionhour_incident_id or 0, story)
        alerts, known_by = [alert.id], "note and summary" if found else None
    await _read(services, story, found, alerts)
    keys = [key for key in sorted(story.entries) if after is None or key > after]
    more = len(keys) > limit
    return Timeline(
        incident=found.reference if found else None,
        ionhour_incidents=alerts or None,
        known_by=known_by if found and alerts else None,
        entries=[story.entries[key] for key in keys[:limit]],
        has_more=more,
        after=keys[limit - 1] if more else None,
        problems=story.problems or None,
    )


async def _verified(services: Services, named: list[AlertId], story: _Story) -> list[int]:
    """Keep the alerts whose public id agrees with what was named."""
    kept: list[int] = []
    for alert in dict.fromkeys(named):
        if services.ionhour is None:
            story.problems.append(f"Ionhour incident {alert.number}: there is no key for Ionhour.")
            continue
        path = fill("/incidents/{incident_id}", incident_id=alert.number)
        try:
            found = await services.ionhour.get(path, IonhourIncident)
        except IncidentMcpError as failure:
            story.problems.append(f"Ionhour incident {alert.number}: {failure}")
            continue
        if alert_id(found) == alert:
            kept.append(found.id)
        else:
            story.problems.append(f"Ionhour incident {alert.number} has another public id than the one named.")
    return kept


async def _read(services: Services, story: _Story, incident: LinkedIncident | None, alerts: list[int]) -> None:
    """Read all sources at once."""
    works: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    if incident is not None and (incidentio := services.incidentio) is not None:
        works.append(("updates", lambda: story.read_updates(incidentio, incident)))
        works.append(("timeline items", lambda: story.read_items(incidentio, incident)))
    if (ionhour := services.ionhour) is not None:
        for alert in alerts:
            works.append(("Ionhour events", lambda alert=alert: story.read_events(ionhour, alert)))
            works.append(("Ionhour notes", lambda alert=alert: story.read_notes(ionhour, alert)))
    async with anyio.create_task_group() as tasks:
        for what, work in works:
            tasks.start_soon(story.attempt, what, work)


TOOLS = [read(incident_timeline, "One incident's whole story")]
