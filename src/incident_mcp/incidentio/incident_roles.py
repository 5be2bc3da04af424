"""Incident roles."""

from incident_mcp.incidentio.names.roles import LIST_ROLES
from incident_mcp.incidentio.pages import read_unpaged
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Listed, Name, Record
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool


class IncidentRole(Record):
    """A role that people have in an incident."""

    id: str
    name: Name
    shortform: str | None = None
    role_type: str | None = None
    description: str | None = None


class IncidentRoles(Listed):
    """A list of roles."""

    incident_roles: list[IncidentRole]


async def incidentio_list_roles(api: IncidentioApi) -> IncidentRoles:
    """List the roles that people can have in an incident: lead, reporter, custom ones."""
    rows = await read_unpaged(api, LIST_ROLES.request(), IncidentRole)
    return IncidentRoles(incident_roles=rows, unreadable=rows.unreadable)


TOOLS = [
    read_tool(
        incidentio_list_roles,
        "List incident roles",
        toolset=CATALOG,
        keywords="incident lead communications commander assign",
    )
]
