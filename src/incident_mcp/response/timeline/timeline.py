"""The whole story of one incident, over both services, in the order in which it happened."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Self

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.incidents.alert_links import MAX_ALERTS, AlertId, alerts_in
from incident_mcp.incidentio.pages import read_unpaged
from incident_mcp.ionhour.incidents.access import read_incident
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Listed, Record
from incident_mcp.response.links import (
    LinkedIncident,
    alert_id,
    confirmed_link,
    declared_since,
    read_linked,
    references_in,
)
from incident_mcp.response.reading import Part
from incident_mcp.response.timeline.reader import Story, TimelineEntry, check_cursor
from incident_mcp.tooling.dependencies import BothServices, Services
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class Timeline(Listed):
    """What happened, oldest first."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them whole."
    LONGEST = 400
    incident: str | None = None
    """The incident.io incident's reference."""
    ionhour_incidents: list[int] | None = None
    known_by: str | None = None
    """How it is known that they belong together."""
    entries: list[TimelineEntry]
    after: str | None = None
    problems: list[str] | None = None
    """What could not be read."""
    keys: list[str] = Field(default=[], exclude=True)
    """The cursor behind each entry."""

    def first(self, rows: int) -> Self | None:
        """Return the story up to an entry, and the cursor behind it."""
        keys = self.keys[:rows]
        if not keys:
            return None
        update = {"entries": self.entries[:rows], "has_more": True, "after": keys[-1]}
        return self.model_copy(update=update)

    def latest(self, rows: int) -> Self:
        """Return the last entries alone."""
        return self.model_copy(update={"entries": self.entries[-rows:], "keys": self.keys[-rows:]})


class _Attachment(Record):
    title: str | None = Field(default=None, validation_alias=AliasPath("resource", "title"))


LIST_ATTACHMENTS = Operation("GET", "/v1/incident_attachments", scope="attachments.view")


async def _of_incident(
    services: Services, incident: str, story: Story
) -> tuple[LinkedIncident, Sequence[AlertId], str | None]:
    """Find an incident and the alerts that it names, in its summary or else in its attachments."""
    api = services.incidentio
    if api is None:
        raise InputError("There is no incident.io key: pass ionhour_incident_id instead. Not sent.")
    found = await read_linked(api, incident)
    story.owners.add(found.reference)
    if found.alerts:
        return found, found.alerts, "summary"
    named: dict[AlertId, None] = {}

    async def read_attached() -> None:
        rows = await read_unpaged(api, LIST_ATTACHMENTS.request([("incident_id", found.id)]), _Attachment)
        named.update(dict.fromkeys(alert for row in rows for alert in alerts_in(row.title)))
        story.problems.add_unreadable(rows.unreadable, "attachment")
        story.owners_known = not rows.unreadable

    if not await story.problems.attempt("attachments", "", read_attached):
        story.owners_known = False
    if len(named) > MAX_ALERTS:
        story.problems.add(f"Attachments name {len(named)} Ionhour incidents; {MAX_ALERTS} were read.")
    return found, list(named)[:MAX_ALERTS], "attachment" if named else None


async def _of_alert(
    services: Services, number: int, story: Story
) -> tuple[LinkedIncident | None, IonhourIncident, str | None]:
    """Find an alert and the incident whose summary names it: the one that its notes name, or one made since."""
    if services.ionhour is None:
        raise InputError("There is no Ionhour key: pass incident instead. Not sent.")
    alert = await read_incident(services.ionhour, number)
    story.owners.add(str(alert.id))
    references = await _noted(services.ionhour, number, story)
    api = services.incidentio
    if api is None:
        story.owners_known = False
        story.problems.add(f"The incident of Ionhour incident {number}: there is no key for incident.io.")
        return None, alert, None
    for reference in references:
        if found := await confirmed_link(api, reference, alert, story.problems):
            return found, alert, "note and summary"
    declared = await _declared(api, alert, story)
    return declared, alert, "summary" if declared else None


async def _noted(api: Api, number: int, story: Story) -> Sequence[str]:
    """Return the incidents that an alert's notes name, the latest first."""
    references: dict[str, None] = {}

    async def read_references() -> None:
        notes = (await story.notes_of(api, number)).notes
        references.update(dict.fromkeys(reversed(references_in(note.body for note in notes))))

    if not await story.problems.attempt("Ionhour notes", "", read_references):
        story.owners_known = False
    story.owners.update(references)
    if len(references) > MAX_ALERTS:
        story.problems.add(f"Notes name {len(references)} incidents; the {MAX_ALERTS} latest were looked up.")
    return list(references)[:MAX_ALERTS]


async def _declared(api: Api, alert: IonhourIncident, story: Story) -> LinkedIncident | None:
    """Return the first incident made since an alert began whose summary names it."""
    found: list[LinkedIncident] = []

    async def read_declared() -> None:
        recent = await declared_since(api, alert.started_at)
        if row := recent.naming(alert_id(alert)):
            found.append(row)
        elif not recent.complete:
            story.owners_known = False
            story.problems.add(
                f"Only {len(recent.rows)} of the incidents made since Ionhour incident {alert.id} began were searched"
                " for one that names it."
            )

    if not await story.problems.attempt("incidents made since", "", read_declared):
        story.owners_known = False
    story.owners.update(row.reference for row in found)
    return found[0] if found else None


async def incident_timeline(
    services: BothServices,
    incident: Annotated[str | None, Field(min_length=1, description="INC-123, 123, id or link.")] = None,
    ionhour_incident_id: Annotated[int | None, Field(ge=1, description="Alert number.")] = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Most entries.")] = 50,
    after: Annotated[str | None, Field(description="`after` of the answer before.")] = None,
) -> Timeline:
    """Get the full history of one incident or alert, oldest first.

    Updates, changes of status and severity, timeline items, and the events and notes of the linked Ionhour alert.
    """
    if (incident is None) == (ionhour_incident_id is None):
        raise InputError("Pass either incident or ionhour_incident_id. Not sent.")
    if after is not None:
        check_cursor(after)
    story = Story(services, limit)
    if incident is not None:
        found, named, known_by = await _of_incident(services, incident, story)
        story.owners.update(str(alert.number) for alert in named)
        alerts = await _verified(services, named, story)
    else:
        found, alert, known_by = await _of_alert(services, ionhour_incident_id or 0, story)
        alerts = [alert.id]
    if after is not None:
        story.check_owner(after)
    await _read(services, story, found, alerts)
    keys = [key for key in sorted(story.entries) if after is None or key > after]
    more = len(keys) > limit
    return Timeline(
        incident=found.reference if found else None,
        ionhour_incidents=alerts or None,
        known_by=known_by if found and alerts else None,
        entries=[story.entries[key] for key in keys[:limit]],
        keys=keys[:limit],
        whole=limit <= FEW,
        has_more=more,
        after=keys[limit - 1] if more else None,
        problems=story.problems.lines() or None,
    )


async def _verified(services: Services, named: Sequence[AlertId], story: Story) -> list[int]:
    """Keep the alerts whose public id agrees with what was named."""
    kept: set[int] = set()

    async def check(api: Api, alert: AlertId) -> None:
        found = await read_incident(api, alert.number)
        if alert_id(found) == alert:
            kept.add(found.id)
        else:
            story.problems.add(f"Ionhour incident {alert.number} has another public id than the one named.")

    if (ionhour := services.ionhour) is None:
        for alert in named:
            story.problems.add(f"Ionhour incident {alert.number}: there is no key for Ionhour.")
        return []
    await story.reading.together(
        [Part("Ionhour incident", str(alert.number), ionhour, partial(check, ionhour, alert)) for alert in named]
    )
    return [alert.number for alert in named if alert.number in kept]


async def _read(services: Services, story: Story, incident: LinkedIncident | None, alerts: Sequence[int]) -> None:
    """Read all sources at once."""
    sources: list[Part] = []
    if incident is not None and (api := services.incidentio) is not None:
        sources.append(Part("updates", "", api, partial(story.read_updates, api, incident), requests=4))
        sources.append(Part("timeline items", "", api, partial(story.read_items, api, incident), requests=4))
    if (ionhour := services.ionhour) is not None:
        for alert in alerts:
            which = str(alert)
            sources.append(
                Part("events of Ionhour incident", which, ionhour, partial(story.read_events, ionhour, alert))
            )
            sources.append(Part("notes of Ionhour incident", which, ionhour, partial(story.read_notes, ionhour, alert)))
    await story.reading.together(sources)


TOOLS = [read_tool(incident_timeline, "One incident's full history")]
