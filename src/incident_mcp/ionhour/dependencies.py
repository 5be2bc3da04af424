"""What Ionhour's checks depend on: databases, caches, other services."""

from typing import Annotated, cast

from pydantic import BeforeValidator, Field

from incident_mcp.ionhour.checks.list import Limit, NameContains, Page
from incident_mcp.ionhour.checks.records import Address
from incident_mcp.ionhour.pages import read_page
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.ionhour.search import Searched, page_fields, search_pages
from incident_mcp.ionhour.toolsets import CHECKS
from incident_mcp.ionhour.workspace import require_workspace
from incident_mcp.records.record import Name, parts
from incident_mcp.records.words import Search
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/dependencies")
GET = Operation("GET", "/dependencies/{dependency_id}")
MAX_SEARCHED = 500
"""Dependencies that a search reads."""


class DependencyRow(IonhourRecord):
    """A dependency in a list."""

    id: int
    name: Name | None = None
    status: str | None = None
    """NEW, OK, DOWN, or a newer one."""
    category: str | None = None
    description: Name | None = None


class LinkedCheck(IonhourRecord):
    """A check that depends on it. Its token is omitted on purpose: a ping to it fakes a recovery."""

    id: int | None = None
    name: Name | None = None
    status: str | None = None


def _objects(value: object) -> object:
    return parts({"rows": value}, "rows") if isinstance(value, list) else None


def _count_others(value: object) -> object:
    if not isinstance(value, list):
        return None
    return len(cast("list[object]", value)) - len(parts({"rows": value}, "rows")) or None


class Dependency(DependencyRow):
    """A dependency in full."""

    name: str | None = None
    description: str | None = None
    url: Address | None = None
    checks: Annotated[list[LinkedCheck] | None, BeforeValidator(_objects)] = None
    unreadable: Annotated[int | None, BeforeValidator(_count_others)] = Field(default=None, validation_alias="checks")
    """Number of further checks, which could not be read."""


class Dependencies(Searched):
    """A list of dependencies."""

    MARK = "ionhour_get_dependency shows one in full."
    dependencies: list[DependencyRow]


async def ionhour_list_dependencies(
    api: IonhourApi, settings: AppSettings, name_contains: NameContains = None, page: Page = 1, limit: Limit = 25
) -> Dependencies:
    """List what Ionhour checks depend on, such as databases and other services, with status."""
    request = LIST.request([("workspaceId", str(require_workspace(settings)))])
    if name_contains is None:
        found = await read_page(api, request, DependencyRow, page=page, limit=limit)
        return Dependencies(dependencies=found.rows, **page_fields(found, page))
    search = Search[DependencyRow](name_contains, lambda row: (row.name, row.description, row.category), "dependency")
    rows, result = await search_pages(api, request, DependencyRow, search, page=page, limit=limit, most=MAX_SEARCHED)
    return Dependencies(dependencies=rows, **result)


async def ionhour_get_dependency(
    api: IonhourApi, dependency_id: Annotated[int, Field(ge=1, description="Its number.")]
) -> Dependency:
    """Get one dependency and the checks that it affects."""
    return await api.get(GET.request(at={"dependency_id": dependency_id}), Dependency)


TOOLS = [
    read_tool(
        ionhour_list_dependencies,
        "List Ionhour dependencies",
        toolset=CHECKS,
        keywords="depends upstream third party provider database cache outage",
    ),
    read_tool(
        ionhour_get_dependency,
        "Get an Ionhour dependency",
        toolset=CHECKS,
        keywords="affected impacted services blast radius upstream",
    ),
]
