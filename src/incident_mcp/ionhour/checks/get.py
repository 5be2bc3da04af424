"""Getting one Ionhour check."""

from typing import Annotated

from pydantic import Field

from incident_mcp.ionhour.checks.list import LIST, MAX_SEARCHED, list_query
from incident_mcp.ionhour.checks.records import Check, CheckRow
from incident_mcp.ionhour.incidents.filters import pick, read_number
from incident_mcp.ionhour.pages import each_page
from incident_mcp.ionhour.toolsets import CHECKS
from incident_mcp.ionhour.workspace import known_workspace
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

GET = Operation("GET", "/checks/{check_id}")


async def ionhour_get_check(
    api: IonhourApi, settings: AppSettings, check: Annotated[str, Field(description="Name or number.")]
) -> Check:
    """Get one Ionhour check: status, last signal, schedule, what it probes."""
    number = read_number("check", check)
    if number is None:
        number = await _find(api, check, known_workspace(settings))
    return await api.get(GET.request(at={"check_id": number}), Check)


async def _find(api: Api, name: str, workspace: int | None) -> int:
    """Return the number of the check with a name.

    Raises:
        InputError: The name is unknown or ambiguous.
    """
    names: dict[int, str] = {}
    searched, complete = 0, True
    async for page in each_page(api, LIST.request(list_query(workspace)), CheckRow, limit=MAX_SEARCHED):
        searched += len(page.rows)
        complete = not page.has_more
        names |= {row.id: row.name for row in page.rows if row.name}
    return pick("check", name, names, f"none of the {'' if complete else 'first '}{searched} checks is")


TOOLS = [read_tool(ionhour_get_check, "Get an Ionhour check", toolset=CHECKS, keywords="monitor heartbeat probe url")]
