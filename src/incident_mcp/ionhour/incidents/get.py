"""Getting one Ionhour incident."""

from incident_mcp.ionhour.incidents.access import read_full_incident
from incident_mcp.ionhour.incidents.records import FullIncident
from incident_mcp.ionhour.records import IncidentId
from incident_mcp.records.record import Offset
from incident_mcp.tooling.dependencies import IonhourApi
from incident_mcp.tooling.tools import read_tool


async def ionhour_get_incident(api: IonhourApi, incident_id: IncidentId, offset: Offset = None) -> FullIncident:
    """Get one Ionhour incident in full: check, project, dependency, last signals, who acknowledged it."""
    return (await read_full_incident(api, incident_id)).model_copy(update={"offset": offset or 0})


TOOLS = [read_tool(ionhour_get_incident, "Get an Ionhour incident")]
