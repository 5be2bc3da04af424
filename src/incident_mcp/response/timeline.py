"""The whole story of one incident, over both services, in the order in which it happened."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
from pydantic import AliasPath, Field

from incident_mcp.deps import BothServices, Services
from incident_mcp.errors import InputError
from incident_mcp.http import Api, fill
from incident_mcp.incidentio.incident_records import Actor
from incident_mcp.incidentio.incidents import path_id
from incident_mcp.incidentio.pages import Page, read_pages
from incident_mcp.ionhour.events import read_events
from incident_mcp.ionhour.incidents import IonhourIncident
from incident_mcp.ionhour.notes import read_notes
from incident_mcp.models import Listed, Record, cut_at, to_second
from incident_mcp.response.links import (
    MOST_NAMED,
    AlertId,
    LinkedIncident,
    LinkedIncidentAnswer,
    Problems,
    alert_id,
    alerts_in,
    declared_since,
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
        self.problems = Problems()

    def add(self, instant: str | None, name: str, entry: TimelineEntry) -> None:
        self.entries[f"{_sortable(instant)} {name}"] = entry

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
        told = await read_events(api, alert)
        for number, event in enumerate(told.events):
            entry = TimelineEntry(
                at=_told(event.occurred_at), source="Ionhour", kind=event.type.lower(), text=event.message
            )
            self.add(event.occurred_at, f"event {alert} {number:06}", entry)
        self._one_page("events", alert, more=told.has_more)

    async def read_notes(self, api: Api, alert: int) -> None:
        told = await read_notes(api, alert)
        for number, note in enumerate(told.notes):
            entry = TimelineEntry(
                at=_told(note.created_at), source="Ionhour", kind="note", who=note.author, text=note.body
            )
            name = f"{number:06}" if note.id is None else f"{note.id:012}"
            self.add(note.created_at, f"note {alert} {name}", entry)
        self._one_page("notes", alert, more=told.has_more)

    def _one_page(self, what: str, alert: int, *, more: bool) -> None:
        if more:
            self.problems.add(f"Ionhour told one page of the {what} of incident {alert} of several.")

    def _more(self, last: Page, what: str) -> None:
        if last.after:
            self.problems.add(f"There are more than {MOST_ENTRIES} {what}; the rest were not read.")


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
        when = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _told(instant: str | None) -> str:
    return str(to_second(instant or "unknown"))


async def _of_incident(
    services: Services, incident: str, story: _Story
) -> tuple[LinkedIncident, list[AlertId], str | None]:
    """Find an incident and the alerts that it names, in its summary or else in its attachments."""
    api = services.incidentio
    if api is None:
        raise InputError("There is no incident.io key: pass ionhour_incident_id instead. Not sent.")
    found = await _read_incident(api, incident)
    named = alerts_in(found.summary)
    if named:
        return found, named, "summary"

    async def read_attached() -> None:
        attached = await api.get("/v1/incident_attachments", _Attachments, [("incident_id", found.id)])
        named.extend(alert for row in attached.incident_attachments for alert in alerts_in(row.title))

    await story.problems.attempt("attachments", "", read_attached)
    return found, named[:MOST_NAMED], "attachment" if named else None


async def _of_alert(
    services: Services, number: int, story: _Story
) -> tuple[LinkedIncident | None, IonhourIncident, str | None]:
    """Find an alert and the incident whose summary names it: the one that its notes name, or one made since."""
    if services.ionhour is None:
        raise InputError("There is no Ionhour key: pass incident instead. Not sent.")
    alert = await services.ionhour.get(fill("/incidents/{incident_id}", incident_id=number), IonhourIncident)
    references: list[str] = []

    async def read_references() -> None:
        notes = (await read_notes(ionhour, number)).notes
        references.extend(dict.fromkeys(reversed(references_in(note.body for note in notes))))

    ionhour = services.ionhour
    await story.problems.attempt("Ionhour notes", "", read_references)
    api = services.incidentio
    if api is None:
        story.problems.add(f"The incident of Ionhour incident {number}: there is no key for incident.io.")
        return None, alert, None
    for reference in references:
        if found := await linked_incident(api, reference, alert, story.problems):
            return found, alert, "note and summary"
    declared: list[LinkedIncident] = []

    async def read_declared() -> None:
        row = (await declared_since(api, alert.started_at or "")).naming(alert_id(alert))
        declared.extend([row] if row else [])

    if alert.started_at:
        await story.problems.attempt("incidents made since", "", read_declared)
    return (declared[0], alert, "summary") if declared else (None, alert, None)


async def linked_incident(
    api: Api, reference: str, alert: IonhourIncident, problems: Problems
) -> LinkedIncident | None:
    """Read an incident that a note names; None, with the reason, unless its summary names the alert too."""
    found: list[LinkedIncident] = []

    async def read_named() -> None:
        found.append(await _read_incident(api, reference))

    if not await problems.attempt("", reference, read_named):
        return None
    if found[0].links(alert_id(alert)):
        return found[0]
    problems.add(f"A note names {reference}, but its summary does not name Ionhour incident {alert.id}.")
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
        found, named, known_by = await _of_incident(services, incident, story)
        alerts = await _verified(services, named, story)
    else:
        found, alert, known_by = await _of_alert(services, ionhour_incident_id or 0, story)
        alerts = [alert.id]
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
        problems=story.problems.told() or None,
    )


async def _verified(services: Services, named: list[AlertId], story: _Story) -> list[int]:
    """Keep the alerts whose public id agrees with what was named."""
    kept: list[int] = []

    async def check(api: Api, alert: AlertId) -> None:
        found = await api.get(fill("/incidents/{incident_id}", incident_id=alert.number), IonhourIncident)
        if alert_id(found) == alert:
            kept.append(found.id)
        else:
            story.problems.add(f"Ionhour incident {alert.number} has another public id than the one named.")

    for alert in dict.fromkeys(named):
        if services.ionhour is None:
            story.problems.add(f"Ionhour incident {alert.number}: there is no key for Ionhour.")
        else:
            await story.problems.attempt("Ionhour incident", str(alert.number), partial(check, services.ionhour, alert))
    return kept


async def _read(services: Services, story: _Story, incident: LinkedIncident | None, alerts: list[int]) -> None:
    """Read all sources at once."""
    works: list[tuple[str, Callable[[], Awaitable[None]]]] = []
    if incident is not None and (incidentio := services.incidentio) is not None:
        works.append(("updates", lambda: story.read_updates(incidentio, incident)))
        works.append(("timeline items", lambda: story.read_items(incidentio, incident)))
    if (ionhour := services.ionhour) is not None:
        for alert in alerts:
            works.append((f"events of Ionhour incident {alert}", partial(story.read_events, ionhour, alert)))
            works.append((f"notes of Ionhour incident {alert}", partial(story.read_notes, ionhour, alert)))
    async with anyio.create_task_group() as tasks:
        for what, work in works:
            tasks.start_soon(story.problems.attempt, what, "", work)


TOOLS = [read(incident_timeline, "One incident's whole story")]
