"""Incident types."""

from typing import Annotated

from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.record import Listed, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class IncidentType(NamedRow):
    """An incident type."""

    is_default: bool | None = None
    private_incidents_only: bool | None = None
    create_in_triage: str | None = None
    """`always` or `optional`."""
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentTypes(Listed):
    """All incident types."""

    incident_types: list[IncidentType]


LIST = Operation("GET", "/v1/incident_types", scope="incident_types.view")


async def load_types(api: Api) -> Rows[IncidentType]:
    """Read the account's incident types."""
    return await read_unpaged(api, LIST.request(), IncidentType)


TYPES = CachedList("incident_type", load_types)


async def incidentio_list_types(api: IncidentioApi) -> IncidentTypes:
    """List the account's incident types and which is the default."""
    types = await TYPES.reload(api)
    return IncidentTypes(incident_types=types, **types.paging)


TOOLS = [read_tool(incidentio_list_types, "List incident types")]
