"""Severities: each account has its own scale, by rank."""

from typing import Annotated

from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.record import Listed, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation


class Severity(NamedRow):
    """A severity."""

    rank: Whole | None = None
    """Lower is less severe."""
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class Severities(Listed):
    """All severities, least severe first."""

    severities: list[Severity]


LIST = Operation("GET", "/v1/severities", scope="severities.view")


async def load_severities(api: Api) -> Rows[Severity]:
    """Read the account's severities, least severe first."""
    severities = await read_unpaged(api, LIST.request(), Severity)
    severities.sort(key=lambda row: row.rank or 0)
    return severities


SEVERITIES = CachedList("severity", load_severities)


async def incidentio_list_severities(api: IncidentioApi) -> Severities:
    """List the account's severities, least severe first.

    Every account has its own: check before declaring.
    """
    severities = await SEVERITIES.reload(api)
    return Severities(severities=severities, **severities.paging)


TOOLS = [read_tool(incidentio_list_severities, "List severities")]
