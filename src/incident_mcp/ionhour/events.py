"""Events of an Ionhour incident."""

from incident_mcp.ionhour.incidents.access import require_incident
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Instant, Listed
from incident_mcp.tooling.dependencies import IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class Event(IonhourRecord):
    """An event: OPENED, ACKNOWLEDGED, ALERT_SENT, RESOLVED, or a newer type."""

    type: str | None = None
    message: str | None = None
    occurred_at: Instant | None = None


class Events(Listed):
    """An incident's events."""

    MARK = f"incident_timeline shows all events, and texts that end in … in full with a limit of {FEW} or less."
    LONGEST = 500
    events: list[Event]


LIST = Operation("GET", "/incident-events/{incident_id}")


async def read_events(api: Api, incident_id: int) -> Events:
    """Read an incident's events."""
    page = await api.get(LIST.request(at={"incident_id": incident_id}), Page[Event])
    if not page.rows:
        await require_incident(api, incident_id)
    return Events(events=page.rows, has_more=page.has_more, unreadable=page.unreadable)


async def ionhour_list_events(api: IonhourApi, incident_id: IncidentId) -> Events:
    """List an Ionhour incident's events: opened, alerts sent, acknowledged, resolved."""
    return await read_events(api, incident_id)


TOOLS = [read_tool(ionhour_list_events, "List an Ionhour incident's events")]
