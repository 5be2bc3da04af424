"""Incident statuses: the account's own steps, each in a category, from triage to closed."""

import time
from typing import Annotated, Literal

from pydantic import Field

from incident_mcp.deps import IncidentioApi
from incident_mcp.http import Api
from incident_mcp.models import Listed, Record, cut_at
from incident_mcp.toolset import read

Category = Literal["triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused"]


class IncidentStatus(Record):
    """A status."""

    id: str
    name: str
    category: str | None = None
    rank: int | None = None
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class IncidentStatuses(Listed):
    """Statuses, by rank."""

    incident_statuses: list[IncidentStatus]


async def load_statuses(api: Api) -> list[IncidentStatus]:
    """Read the statuses, by rank."""
    answer = await api.get("/v1/incident_statuses", IncidentStatuses, scope="incident_statuses.view")
    return sorted(answer.incident_statuses, key=lambda row: row.rank or 0)


async def incidentio_list_statuses(
    api: IncidentioApi,
    category: Annotated[Category | None, Field(description="Only statuses of this category.")] = None,
) -> IncidentStatuses:
    """List the account's incident statuses with their categories.

    live = active, learning = post-incident, closed = done.
    """
    rows, _ = await api.cached("status", lambda: load_statuses(api), newer_than=time.monotonic())
    return IncidentStatuses(incident_statuses=[row for row in rows if category in (None, row.category)])


TOOLS = [read(incidentio_list_statuses, "List incident statuses")]
