"""The tool that lists Ionhour checks."""

from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from incident_mcp.ionhour.checks.records import CheckRow, Checks
from incident_mcp.ionhour.incidents.filters import find_project
from incident_mcp.ionhour.pages import read_page
from incident_mcp.ionhour.search import page_fields, search_pages
from incident_mcp.ionhour.toolsets import CHECKS
from incident_mcp.ionhour.workspace import known_workspace
from incident_mcp.records.record import without_none
from incident_mcp.records.words import Search
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation, Query

LIST = Operation("GET", "/checks")
MAX_SEARCHED = 1000
"""Checks that a search reads."""


def upper(value: object) -> object:
    """Return a text in upper case; anything else unchanged."""
    return value.strip().upper() if isinstance(value, str) else value


Status = Annotated[Literal["NEW", "OK", "LATE", "DOWN", "PAUSED", "RESUMED"], BeforeValidator(upper)]
Mode = Annotated[Literal["INBOUND", "OUTBOUND"], BeforeValidator(upper)]
NameContains = Annotated[str | None, Field(description="Terms.")]
Page = Annotated[int, Field(ge=1, le=10_000, description="Page.")]
Limit = Annotated[int, Field(ge=1, le=100, description="Rows per page.")]


def list_query(workspace: int | None, project: int | None = None, mode: str | None = None) -> Query:
    """Return the query parameters of the service's filters."""
    filters = without_none(workspaceId=workspace, projectId=project, checkMode=mode)
    return [(name, str(value)) for name, value in filters.items()]


async def ionhour_list_checks(
    api: IonhourApi,
    settings: AppSettings,
    name_contains: NameContains = None,
    status: Annotated[Status | None, Field(description="PAUSED ones raise no alerts.")] = None,
    project_id: Annotated[str | None, Field(description="Project, name or ID.")] = None,
    mode: Annotated[Mode | None, Field(description="INBOUND waits for signals, OUTBOUND probes.")] = None,
    page: Page = 1,
    limit: Limit = 25,
) -> Checks:
    """List Ionhour checks: what is monitored, and what is down, late or paused."""
    workspace = known_workspace(settings)
    request = LIST.request(list_query(workspace, await find_project(api, project_id, workspace), mode))
    if name_contains is None and status is None:
        found = await read_page(api, request, CheckRow, page=page, limit=limit)
        return Checks(checks=found.rows, **page_fields(found, page))
    search = Search(name_contains, partial(_texts, status), "check")
    rows, result = await search_pages(api, request, CheckRow, search, page=page, limit=limit, most=MAX_SEARCHED)
    return Checks(checks=rows, **result)


def _texts(status: str | None, row: CheckRow) -> tuple[str | None, ...] | None:
    """Return the texts of a check to search; None if it has another status."""
    return (row.name, row.project) if status is None or (row.status or "").upper() == status else None


TOOLS = [
    read_tool(
        ionhour_list_checks,
        "List Ionhour checks",
        toolset=CHECKS,
        keywords="monitors monitored heartbeat probe paused down late silent why nothing fires health",
    )
]
