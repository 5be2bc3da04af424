"""Incident statuses: each account has its own, each in a category, from triage to closed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from incident_mcp.incidentio.named_rows import NamedRow, unpaged_list
from incident_mcp.records.record import Listed, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation

Category = Literal["triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused"]

_OTHER_WORDS = {"active": "live", "post-incident": "learning"}
SlimCategory = Annotated[str, AfterValidator(lambda category: _OTHER_WORDS.get(category, category))]
"""The category of an incident inside another record, where the API has other words for two of them."""


class IncidentStatus(NamedRow):
    """A status."""

    category: str | None = None
    rank: Whole | None = None
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentStatuses(Listed):
    """Statuses, by rank."""

    incident_statuses: list[IncidentStatus]


LIST = Operation("GET", "/v1/incident_statuses", scope="incident_statuses.view")
STATUSES = unpaged_list("status", LIST, IncidentStatus, key=lambda status: status.rank or 0)


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
