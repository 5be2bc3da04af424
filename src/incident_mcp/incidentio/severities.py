"""Severities: the account's own scale, by rank; a lower rank is less severe."""

from typing import Annotated

from incident_mcp.incidentio.pages import keep_rows
from incident_mcp.records.record import Listed, Record, Whole, cut_at
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api


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


async def read_severities(api: Api) -> Severities:
    """Read the severities, least severe first."""
    answer = await api.get("/v1/severities", Severities, scope="severities.view")
    rows = sorted(answer.severities, key=lambda row: row.rank or 0)
    return answer.model_copy(update={"severities": rows})


async def load_severities(api: Api) -> list[Severity]:
    """Read the rows alone, for names."""
    return (await read_severities(api)).severities


async def incidentio_list_severities(api: IncidentioApi) -> Severities:
    """List the account's severities, least severe first.

    Every account has its own: look before declaring an incident.
    """
    answer = await read_severities(api)
    await keep_rows(api, "severity", answer.severities)
    return answer


TOOLS = [read_tool(incidentio_list_severities, "List severities")]
