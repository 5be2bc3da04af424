"""Severities: the account's own scale, by rank; a lower rank is less severe."""

from typing import Annotated

from incident_mcp.incidentio.pages import Rows, keep_rows, read_unpaged
from incident_mcp.records.record import Listed, Record, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class Severity(Record):
    """A severity."""

    id: str
    name: str
    rank: Whole | None = None
    """Lower is less severe."""
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class Severities(Listed):
    """All severities, the least severe first."""

    severities: list[Severity]


LIST = Operation("GET", "/v1/severities", scope="severities.view")


async def load_severities(api: Api) -> Rows[Severity]:
    """Read the account's severities, least severe first."""
    severities = await read_unpaged(api, LIST.request(), Severity)
    severities.sort(key=lambda row: row.rank or 0)
    return severities


async def incidentio_list_severities(api: IncidentioApi) -> Severities:
    """List the account's severities, least severe first.

    Every account has its own: check before declaring.
    """
    severities = await load_severities(api)
    await keep_rows(api, "severity", severities)
    return Severities(severities=severities, unreadable=severities.unreadable)


TOOLS = [read_tool(incidentio_list_severities, "List severities")]
