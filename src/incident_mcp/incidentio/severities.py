"""Severities: the account's own scale, by rank; a lower rank is less severe."""

import time
from typing import Annotated

from incident_mcp.deps import IncidentioApi
from incident_mcp.http import Api
from incident_mcp.models import Listed, Record, cut_at
from incident_mcp.toolset import read


class Severity(Record):
    """A severity."""

    id: str
    name: str
    rank: int | None = None
    """Lower is less severe."""
    description: Annotated[str, cut_at(200, "… [cut]")] | None = None


class Severities(Listed):
    """All severities, the least severe first."""

    severities: list[Severity]


async def load_severities(api: Api) -> list[Severity]:
    """Read the severities, least severe first."""
    answer = await api.get("/v1/severities", Severities, scope="severities.view")
    return sorted(answer.severities, key=lambda row: row.rank or 0)


async def incidentio_list_severities(api: IncidentioApi) -> Severities:
    """List the account's severities, least severe first.

    Every account has its own: look before declaring an incident.
    """
    rows, _ = await api.cached("severity", lambda: load_severities(api), newer_than=time.monotonic())
    return Severities(severities=rows)


TOOLS = [read(incidentio_list_severities, "List severities")]
