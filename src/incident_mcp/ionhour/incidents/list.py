"""The tool that lists Ionhour incidents."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from incident_mcp.ionhour.incidents.access import LIST
from incident_mcp.ionhour.incidents.filters import find_check, find_project
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.ionhour.incidents.rows import IonhourIncidents, to_row
from incident_mcp.ionhour.incidents.search import search_incidents
from incident_mcp.ionhour.pages import read_page
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MAX_DETAILED = 50
"""Maximum number of rows with all their fields in one result."""


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


State = Annotated[Literal["ACTIVE", "RESOLVED", "OPEN", "MONITORING"], BeforeValidator(_upper)]


async def ionhour_list_incidents(
    api: IonhourApi,
    settings: AppSettings,
    state: Annotated[
        State | None, Field(description="ACTIVE and OPEN: not resolved. MONITORING: recovered, being watched.")
    ] = None,
    project_id: Annotated[str | None, Field(description="Project, name or ID.")] = None,
    check_id: Annotated[str | None, Field(description="Check, name or ID.")] = None,
    workspace_id: Annotated[int | None, Field(ge=1, description="Default: the key's.")] = None,
    name_contains: Annotated[
        str | None, Field(description="Terms in title or summary, in any order; searches up to 1,000.")
    ] = None,
    detail: Annotated[bool, Field(description="All fields of each row.")] = False,
    page: Annotated[int, Field(ge=1, le=10_000, description="Page.")] = 1,
    limit: Annotated[int, Field(ge=1, le=100, description="Rows per page.")] = 20,
) -> IonhourIncidents:
    """List Ionhour incidents. No active incidents does not mean healthy: maintenance and paused checks raise none."""
    page, rows = smaller_pages(page, limit) if detail else (page, limit)
    query = await _query(api, workspace_id or settings.ionhour_workspace_id, project_id, check_id, state)
    monitoring = state == "MONITORING"
    if name_contains is not None or monitoring:
        found = await search_incidents(
            api, query, name_contains, monitoring=monitoring, detail=detail, page=page, limit=rows
        )
    else:
        found = await _read_incidents(api, query, detail=detail, page=page, limit=rows)
    return found.model_copy(update={"limit": rows}) if found.has_more and rows != limit else found


def smaller_pages(page: int, limit: int) -> tuple[int, int]:
    """Return the page and the limit, within `MAX_DETAILED`, that begin at the same row."""
    if limit <= MAX_DETAILED:
        return page, limit
    before = (page - 1) * limit
    smaller = next(rows for rows in range(MAX_DETAILED, 0, -1) if before % rows == 0)
    return before // smaller + 1, smaller


async def _query(api: Api, workspace: int | None, project: str | None, check: str | None, state: State | None) -> Query:
    """Return the query parameters of the filters."""
    filters = {
        "workspaceId": workspace,
        "projectId": await find_project(api, project, workspace),
        "checkId": await find_check(api, check, workspace),
        # The API treats OPEN and MONITORING as ACTIVE, so a search picks the MONITORING ones.
        "state": state if state in (None, "RESOLVED") else "ACTIVE",
    }
    return [(name, str(value)) for name, value in filters.items() if value is not None]


async def _read_incidents(api: Api, query: Query, *, detail: bool, page: int, limit: int) -> IonhourIncidents:
    found = await read_page(api, LIST.request(query), IonhourIncident, page=page, limit=limit)
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in found.rows],
        detailed=detail,
        has_more=found.has_more,
        page=page + 1 if found.has_more else None,
        total=found.total,
        unreadable=found.unreadable,
    )


TOOLS = [read_tool(ionhour_list_incidents, "List Ionhour incidents")]
