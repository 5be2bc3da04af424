"""Getting one incident."""

from incident_mcp.incidentio.access import read_one
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incidents.records import Incident, IncidentResponse
from incident_mcp.incidentio.incidents.seen import remember_incident
from incident_mcp.records.record import Offset
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api


async def read_incident(api: Api, incident: str) -> Incident:
    """Read an incident by any accepted reference, to show it."""
    found = (await read_one(api, incident, IncidentResponse)).incident
    await remember_incident(api, found)
    return found


async def incidentio_get_incident(api: IncidentioApi, incident: IncidentRef, offset: Offset = None) -> Incident:
    """Get one incident in full: summary, roles, custom fields, timestamps, links."""
    return (await read_incident(api, incident)).model_copy(update={"offset": offset or 0})


TOOLS = [read_tool(incidentio_get_incident, "Get an incident")]
