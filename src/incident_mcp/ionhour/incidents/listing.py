"""The tool that lists Ionhour incidents."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from incident_mcp.ionhour.incidents.filters import check_filter, project_filter
from incident_mcp.ionhour.incidents.incident import LIST, IonhourIncident
from incident_mcp.ionhour.incidents.rows import IonhourIncidents, to_row
from incident_mcp.ionhour.incidents.search import search_incidents
from incident_mcp.ionhour.pages import read_page
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


State = Annotated[Literal["ACTIVE", "RESOLVED", "OPEN", "MONITORING"], BeforeValidator(_upper)]


MOST_DETAILED = 50
"""Rows with all of their fields in one answer."""


def in_smaller_pages(page: int, limit: int) -> tuple[int, int]:
    """Return the page, and the rows a page, that begin where a page of more rows than an answer holds begins."""
    before = (page - 1) * limit
    smaller = next(rows for rows in range(MOST_DETAILED, 0, -1) if before % rows == 0)
    return before // smaller + 1, smaller


async def ionhour_list_incidents(
    api: IonhourApi,
    settings: AppSettings,
    state: Annotated[
        State | None, Field(description="ACTIVE and OPEN: not resolved. MONITORING: recovered, being watched.")
    ] = None,
    project_id: Annotated[str | None, Field(description="Project, name or id.")] = None,
    check_id: Annotated[str | None, Field(description="Check, name or id.")] = None,
    workspace_id: Annotated[int | None, Field(ge=1, description="Left out: the key's.")] = None,
    name_contains: Annotated[
        str | None, Field(description="Words of the title or summary, in any order; looks through up to 1,000.")
    ] = None,
    detail: Annotated[bool, Field(description="All fields of each row.")] = False,
    page: Annotated[int, Field(ge=1, le=10_000, description="Page.")] = 1,
    limit: Annotated[int, Field(ge=1, le=100, description="Rows a page.")] = 20,
) -> IonhourIncidents:
    """List Ionhour incidents. No active incidents does not mean healthy: maintenance and paused checks raise none."""
    smaller = None
    if detail and limit > MOST_DETAILED:
        page, limit = in_smaller_pages(page, limit)
        smaller = limit
    workspace = workspace_id or settings.ionhour_workspace_id
    filters = {
        "workspaceId": workspace,
        "projectId": await project_filter(api, project_id, workspace),
        "checkId": await check_filter(api, check_id, workspace),
        # The API takes OPEN and MONITORING for ACTIVE, so the rows of MONITORING are picked here.
        "state": "RESOLVED" if state == "RESOLVED" else "ACTIVE" if state else None,
    }
    query = [(name, str(value)) for name, value in filters.items() if value is not None]
    if name_contains is not None or state == "MONITORING":
        monitoring = state == "MONITORING"
        found = await search_incidents(
            api, query, name_contains, monitoring=monitoring, detail=detail, page=page, limit=limit
        )
        return found.model_copy(update={"limit": smaller if found.has_more else None})
    answer = await read_page(api, LIST.request(query), IonhourIncident, page=page, limit=limit)
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in answer.items],
        detailed=detail,
        has_more=answer.has_more,
        page=page + 1 if answer.has_more else None,
        limit=smaller if answer.has_more else None,
        total=answer.total,
        unreadable=answer.unreadable,
    )


TOOLS = [
    read_tool(ionhour_list_incidents, "List Ionhour incidents"),
]
