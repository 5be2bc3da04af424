"""Ionhour's event timeline of an incident."""

from incident_mcp.ionhour.incidents.incident import require_incident
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Instant, Listed
from incident_mcp.tooling.dependencies import IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class Event(IonhourRecord):
    """Something that happened: OPENED, ACKNOWLEDGED, ALERT_SENT, RESOLVED, or newer kinds."""

    type: str | None = None
    message: str | None = None
    occurred_at: Instant | None = None


class Events(Listed):
    """An incident's events."""

    MARK = f"incident_timeline shows all of it; texts that end in … whole with a limit of {FEW} or less."
    LONGEST = 500
    events: list[Event]


LIST = Operation("GET", "/incident-events/{incident_id}")


async def read_events(api: Api, incident_id: int) -> Events:
    """Read an incident's events."""
    answer = await api.get(LIST.request(at={"incident_id": incident_id}), Page[Event])
    if not answer.items:
        await require_incident(api, incident_id)
    return Events(events=answer.items, has_more=answer.has_more, unreadable=answer.unreadable)


async def ionhour_list_events(api: IonhourApi, incident_id: IncidentId) -> Events:
    """List an Ionhour incident's events: opened, alerts sent, acknowledged, resolved."""
    return await read_events(api, incident_id)


TOOLS = [read_tool(ionhour_list_events, "List an Ionhour incident's events")]
