"""Reading Ionhour incidents: one, or all unresolved ones."""

from incident_mcp.ionhour.incidents.records import FullIncident, IonhourIncident
from incident_mcp.ionhour.pages import each_page
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/incidents")
GET = Operation("GET", "/incidents/{incident_id}")

MAX_UNRESOLVED = 500


async def unresolved_incidents(api: Api, workspace_id: int | None) -> tuple[list[IonhourIncident], int]:
    """Read up to 500 unresolved incidents.

    Returns:
        The incidents, and the number of all unresolved incidents if known, including unreadable ones.
    """
    query = [*([("workspaceId", str(workspace_id))] if workspace_id else []), ("state", "ACTIVE")]
    rows: list[IonhourIncident] = []
    received = total = 0
    async for page in each_page(api, LIST.request(query), IonhourIncident, limit=MAX_UNRESOLVED):
        rows += page.rows
        received += len(page.rows) + (page.unreadable or 0)
        total = max(received, (page.total or received + 1) if page.has_more else received)
    return rows, total


async def read_incident(api: Api, incident_id: int) -> IonhourIncident:
    """Read an incident with its summary unconverted."""
    return await api.get(GET.request(at={"incident_id": incident_id}), IonhourIncident)


async def read_full_incident(api: Api, incident_id: int) -> FullIncident:
    """Read an incident with its summary as text."""
    return await api.get(GET.request(at={"incident_id": incident_id}), FullIncident)


async def require_incident(api: Api, incident_id: int) -> None:
    """Check that an incident exists: an empty list of its notes or events does not prove it.

    Raises:
        RefusedError: The incident does not exist, or the key has no access to it.
    """
    await read_incident(api, incident_id)
