"""Incident timestamps."""

from incident_mcp.incidentio.names.timestamps import LIST_TIMESTAMPS
from incident_mcp.incidentio.pages import read_unpaged
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Listed, Name, Record, Whole
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool


class IncidentTimestamp(Record):
    """A timestamp that incidents can have."""

    id: str
    name: Name
    rank: Whole | None = None


class IncidentTimestamps(Listed):
    """A list of timestamps."""

    incident_timestamps: list[IncidentTimestamp]


async def incidentio_list_timestamps(api: IncidentioApi) -> IncidentTimestamps:
    """List the timestamps that incidents can have, such as Impact started or Fixed at."""
    rows = await read_unpaged(api, LIST_TIMESTAMPS.request(), IncidentTimestamp)
    return IncidentTimestamps(incident_timestamps=rows, unreadable=rows.unreadable)


TOOLS = [
    read_tool(
        incidentio_list_timestamps, "List timestamps", toolset=CATALOG, keywords="time impact started detected fixed"
    )
]
