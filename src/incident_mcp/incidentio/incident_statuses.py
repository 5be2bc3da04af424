"""Incident statuses: each account has its own, each in a category, from triage to closed."""

from typing import Annotated, Literal

from pydantic import Field

from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.record import Listed, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

Category = Literal["triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused"]


class IncidentStatus(NamedRow):
    """A status."""

    category: str | None = None
    rank: Whole | None = None
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentStatuses(Listed):
    """Statuses, by rank."""

    incident_statuses: list[IncidentStatus]


LIST = Operation("GET", "/v1/incident_statuses", scope="incident_statuses.view")


async def load_statuses(api: Api) -> Rows[IncidentStatus]:
    """Read the account's statuses, by rank."""
    statuses = await read_unpaged(api, LIST.request(), IncidentStatus)
    statuses.sort(key=lambda row: row.rank or 0)
    return statuses


STATUSES = CachedList("status", load_statuses)


def is_closed(status: IncidentStatus | None) -> bool:
    """Return whether a status closes an incident."""
    return status is not None and status.category == "closed"


async def incidentio_list_statuses(
    api: IncidentioApi,
    category: Annotated[Category | None, Field(description="Only this category.")] = None,
) -> IncidentStatuses:
    """List the account's incident statuses with their categories.

    live = active, learning = post-incident, closed = done.
    """
    statuses = await STATUSES.reload(api)
    rows = [row for row in statuses if category in (None, row.category)]
    return IncidentStatuses(incident_statuses=rows, **statuses.paging)


TOOLS = [read_tool(incidentio_list_statuses, "List incident statuses")]
