"""The timeline of one incident over both services."""

from typing import Annotated, Self

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.incidents.seen import remember_rows
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Listed
from incident_mcp.response.timeline.linked import Linked, find_alerts, find_incident
from incident_mcp.response.timeline.reader import TimelineEntry, TimelineReader, check_cursor
from incident_mcp.tooling.dependencies import BothServices
from incident_mcp.tooling.tools import read_tool


class Timeline(Listed):
    """The entries, oldest first."""

    MARK = f"Texts that end in … were cut to fit: a limit of {FEW} or less shows them in full."
    LONGEST = 400
    incident: str | None = None
    """The incident.io incident's reference."""
    ionhour_incidents: list[int] | None = None
    known_by: str | None = None
    """Where it is stored that they belong together."""
    entries: list[TimelineEntry]
    after: str | None = None
    problems: list[str] | None = None
    """What could not be read."""
    keys: list[str] = Field(default=[], exclude=True)
    """The cursor that follows each entry."""

    def first(self, rows: int) -> Self | None:
        """Return the timeline with only its first entries, and the cursor that follows them."""
        keys = self.keys[:rows]
        if not keys:
            return None
        update = {"entries": self.entries[:rows], "has_more": True, "after": keys[-1]}
        return self.model_copy(update=update)

    def latest(self, rows: int) -> Self:
        """Return the timeline with only its last entries."""
        return self.model_copy(update={"entries": self.entries[-rows:], "keys": self.keys[-rows:]})


async def incident_timeline(
    services: BothServices,
    incident: Annotated[str | None, Field(min_length=1, description="INC-123, 123, ID or link.")] = None,
    ionhour_incident_id: Annotated[int | None, Field(ge=1, description="Alert number.")] = None,
    limit: Annotated[int, Field(ge=1, le=500, description="Maximum entries.")] = 50,
    after: Annotated[str | None, Field(description="`after` from the previous result.")] = None,
) -> Timeline:
    """Get the full history of one incident or alert, oldest first.

    Updates, status and severity changes, timeline items, and the events and notes of the linked Ionhour alert.
    """
    if (incident is None) == (ionhour_incident_id is None):
        raise InputError("Pass either incident or ionhour_incident_id. Not sent.")
    if after is not None:
        check_cursor(after)
    reader = TimelineReader(services, limit)
    if incident is not None:
        linked = await find_alerts(reader, incident)
    else:
        linked = await find_incident(reader, ionhour_incident_id or 0)
    if linked.incident is not None and services.incidentio is not None:
        await remember_rows(services.incidentio, [linked.incident])
    if after is not None:
        reader.check_owner(after)
    await reader.read(linked.incident, linked.alerts)
    return _timeline(reader, linked, after, limit)


def _timeline(reader: TimelineReader, linked: Linked, after: str | None, limit: int) -> Timeline:
    """Return the entries that follow a cursor, up to the limit."""
    keys = reader.keys_after(after)
    shown, more = keys[:limit], len(keys) > limit
    return Timeline(
        incident=linked.reference,
        ionhour_incidents=[*linked.alerts] or None,
        known_by=linked.known_by,
        entries=[reader.entries[key] for key in shown],
        keys=shown,
        whole=limit <= FEW,
        has_more=more,
        after=shown[-1] if more else None,
        problems=reader.problems.lines() or None,
    )


TOOLS = [read_tool(incident_timeline, "Incident timeline")]
