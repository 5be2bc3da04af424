"""Finding the incident and the alerts of a timeline: the services store which ones belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.incidents.alert_links import MAX_ALERTS, AlertId, alerts_in
from incident_mcp.incidentio.pages import read_unpaged
from incident_mcp.incidentio.timeline import attachments
from incident_mcp.ionhour.incidents.access import read_incident as read_alert
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.records.record import Record
from incident_mcp.response.links import (
    LinkedIncident,
    alert_id,
    confirmed_link,
    declared_since,
    read_linked,
    references_in,
)
from incident_mcp.response.reading import Part
from incident_mcp.response.timeline.reader import TimelineReader
from incident_mcp.transport.api import Api


class _Attachment(Record):
    title: str | None = Field(default=None, validation_alias=AliasPath("resource", "title"))


@dataclass(frozen=True)
class Linked:
    """An incident and its alerts."""

    incident: LinkedIncident | None
    alerts: Sequence[int]
    known_by: str | None
    """Where the link is stored."""

    @property
    def reference(self) -> str | None:
        """The incident's reference."""
        return self.incident.reference if self.incident else None


async def find_alerts(reader: TimelineReader, reference: str) -> Linked:
    """Read an incident and find its alerts, in its summary or else in its attachments."""
    api = reader.services.incidentio
    if api is None:
        raise InputError("There is no incident.io key: pass ionhour_incident_id instead. Not sent.")
    incident = await read_linked(api, reference)
    reader.owners.add(incident.reference)
    named, known_by = incident.alerts, "summary"
    if not named:
        named, known_by = await _attached(reader, api, incident), "attachment"
    reader.owners.update(str(alert.number) for alert in named)
    alerts = await _verified(reader, named)
    return Linked(incident, alerts, known_by if alerts else None)


async def _attached(reader: TimelineReader, api: Api, incident: LinkedIncident) -> Sequence[AlertId]:
    """Return the alerts in the titles of an incident's attachments."""
    named: dict[AlertId, None] = {}

    async def read_attached() -> None:
        rows = await read_unpaged(api, attachments.LIST.request([("incident_id", incident.id)]), _Attachment)
        named.update(dict.fromkeys(alert for row in rows for alert in alerts_in(row.title)))
        reader.problems.add_unreadable(rows.unreadable, "attachment")
        reader.owners_known = not rows.unreadable

    if not await reader.problems.attempt("attachments", "", read_attached):
        reader.owners_known = False
    if len(named) > MAX_ALERTS:
        reader.problems.add(f"Attachments name {len(named)} Ionhour alerts; {MAX_ALERTS} were read.")
    return list(named)[:MAX_ALERTS]


async def _verified(reader: TimelineReader, named: Sequence[AlertId]) -> list[int]:
    """Return the numbers of the alerts that have the named public ID."""
    verified: set[int] = set()

    async def verify(api: Api, alert: AlertId) -> None:
        found = await read_alert(api, alert.number)
        if alert_id(found) == alert:
            verified.add(found.id)
        else:
            reader.problems.add(f"Ionhour alert {alert.number} has another public ID than the one named.")

    api = reader.services.ionhour
    if api is None:
        for alert in named:
            reader.problems.add(f"Ionhour alert {alert.number}: there is no key for Ionhour.")
        return []
    parts = [Part("Ionhour alert", str(alert.number), api, partial(verify, api, alert)) for alert in named]
    await reader.reading.read(parts)
    return [alert.number for alert in named if alert.number in verified]


async def find_incident(reader: TimelineReader, number: int) -> Linked:
    """Read an alert and find the incident whose summary names it: from its notes, or among those created since."""
    if (ionhour := reader.services.ionhour) is None:
        raise InputError("There is no Ionhour key: pass incident instead. Not sent.")
    alert = await read_alert(ionhour, number)
    reader.owners.add(str(alert.id))
    references = await _noted(reader, ionhour, number)
    api = reader.services.incidentio
    if api is None:
        reader.owners_known = False
        reader.problems.add(f"The incident of Ionhour alert {number}: there is no key for incident.io.")
        return Linked(None, [alert.id], None)
    for reference in references:
        if incident := await confirmed_link(api, reference, alert, reader.problems):
            return Linked(incident, [alert.id], "note and summary")
    incident = await _declared(reader, api, alert)
    return Linked(incident, [alert.id], "summary" if incident else None)


async def _noted(reader: TimelineReader, api: Api, number: int) -> Sequence[str]:
    """Return the references in an alert's notes, the newest first."""
    references: dict[str, None] = {}

    async def read_references() -> None:
        notes = (await reader.notes_of(api, number)).notes
        references.update(dict.fromkeys(reversed(references_in(note.body for note in notes))))

    if not await reader.problems.attempt("Ionhour notes", "", read_references):
        reader.owners_known = False
    reader.owners.update(references)
    if len(references) > MAX_ALERTS:
        reader.problems.add(f"Notes name {len(references)} incidents; the {MAX_ALERTS} newest were looked up.")
    return list(references)[:MAX_ALERTS]


async def _declared(reader: TimelineReader, api: Api, alert: Alert) -> LinkedIncident | None:
    """Return the first incident created since an alert began whose summary names it."""
    found: list[LinkedIncident] = []

    async def read_declared() -> None:
        recent = await declared_since(api, alert.started_at)
        if incident := recent.find(alert_id(alert)):
            found.append(incident)
        elif not recent.complete:
            reader.owners_known = False
            reader.problems.add(
                f"Only {len(recent.rows)} of the incidents created since Ionhour alert {alert.id} began were searched"
                " for one that names it."
            )

    if not await reader.problems.attempt("incidents created since", "", read_declared):
        reader.owners_known = False
    reader.owners.update(row.reference for row in found)
    return found[0] if found else None
