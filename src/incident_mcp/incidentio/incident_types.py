"""Incident types."""

from typing import Annotated

from incident_mcp.incidentio.pages import keep_rows
from incident_mcp.records.record import Listed, Record, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api


class IncidentType(Record):
    """A type."""

    id: str
    name: str
    is_default: bool | None = None
    private_incidents_only: bool | None = None
    create_in_triage: str | None = None
    """`always` or `optional`."""
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentTypes(Listed):
    """All types."""

    incident_types: list[IncidentType]


async def read_types(api: Api) -> IncidentTypes:
    """Read the types."""
    return await api.get("/v1/incident_types", IncidentTypes, scope="incident_types.view")


async def load_types(api: Api) -> list[IncidentType]:
    """Read the rows alone, for names."""
    return (await read_types(api)).incident_types


async def incidentio_list_types(api: IncidentioApi) -> IncidentTypes:
    """List the account's incident types and which is the default."""
    answer = await read_types(api)
    await keep_rows(api, "incident_type", answer.incident_types)
    return answer


TOOLS = [read_tool(incidentio_list_types, "List incident types")]
