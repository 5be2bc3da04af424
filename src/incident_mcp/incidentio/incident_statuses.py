"""Incident statuses: the account's own steps, each in a category, from triage to closed."""

from typing import Annotated, Literal

from pydantic import Field

from incident_mcp.incidentio.pages import keep_rows
from incident_mcp.records.record import Listed, Record, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

Category = Literal["triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused"]


class IncidentStatus(Record):
    """A status."""

    id: str
    name: str
    category: str | None = None
    rank: Whole | None = None
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentStatuses(Listed):
    """Statuses, by rank."""

    incident_statuses: list[IncidentStatus]


async def read_statuses(api: Api) -> IncidentStatuses:
    """Read the statuses, by rank."""
    answer = await api.get("/v1/incident_statuses", IncidentStatuses, scope="incident_statuses.view")
    rows = sorted(answer.incident_statuses, key=lambda row: row.rank or 0)
    return answer.model_copy(update={"incident_statuses": rows})


async def load_statuses(api: Api) -> list[IncidentStatus]:
    """Read the rows alone, for names."""
    return (await read_statuses(api)).incident_statuses


async def incidentio_list_statuses(
    api: IncidentioApi,
    category: Annotated[Category | None, Field(description="Only this category.")] = None,
) -> IncidentStatuses:
    """List the account's incident statuses with their categories.

    live = active, learning = post-incident, closed = done.
    """
    answer = await read_statuses(api)
    await keep_rows(api, "status", answer.incident_statuses)
    rows = [row for row in answer.incident_statuses if category in (None, row.category)]
    return answer.model_copy(update={"incident_statuses": rows})


TOOLS = [read_tool(incidentio_list_statuses, "List incident statuses")]
