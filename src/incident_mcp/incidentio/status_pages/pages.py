"""Status pages and their components."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names.finding import distinct, find, fold
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import STATUS_PAGES
from incident_mcp.records.record import Json, Listed, part, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/status_pages")
STRUCTURE = Operation("GET", "/v2/status_page_structures/{page}")
MOST_PAGES = 500

ComponentStatus = Literal["operational", "degraded_performance", "partial_outage", "full_outage"]
Components = Annotated[
    dict[str, ComponentStatus] | None,
    Field(description='Name or ID to status: {"API": "full_outage"}.'),
]


class StatusPage(NamedRow):
    """A status page."""

    description: str | None = None
    public_url: str | None = None

    @property
    def public(self) -> str:
        """Who can read it, as far as that is known: the API only says where, if it is public."""
        return f"yes, {self.public_url}" if self.public_url else "unknown: the service names no public URL"


class Component(NamedRow):
    """A component of a status page; one of several with the same name has its group in its name."""

    group: str | None = None
    sub_page: str | None = None
    hidden: bool | None = None
    plain: str = Field(default="", exclude=True)
    """Its own name."""

    @property
    def other_names(self) -> tuple[str, ...]:
        """Its own name, and with its group in front."""
        return (self.plain, f"{self.group}: {self.plain}") if self.group else (self.plain,)


class StatusPageStructure(BaseModel):
    """The items of a page: components, groups of them, and sub-pages."""

    items: list[Any] = Field(validation_alias=AliasPath("current_structure", "items"))


async def _load_pages(api: Api) -> Rows[StatusPage]:
    return await read_rows(api, LIST.request(), StatusPage, limit=MOST_PAGES)


PAGES = CachedList("page", _load_pages)


def components_of(page: str, name: str) -> CachedList[Component]:
    """Return the list of a page's components, by the page's id and name."""

    async def load(api: Api) -> Rows[Component]:
        structure = await api.get(STRUCTURE.request(at={"page": page}), StatusPageStructure)
        return _named(list(_walk(parts({"items": structure.items}, "items"))))

    return CachedList("component", load, owner_id=page, owner=f" of status page {name}")


def _walk(items: list[Json], sub_page: str | None = None) -> Iterator[Json]:
    """Yield the components of a page, each with where it is."""
    for item in items:
        if "component" in item:
            yield part(item, "component") | {"sub_page": sub_page}
        group = part(item, "group")
        for row in parts(group, "components"):
            yield row | {"sub_page": sub_page, "group": group.get("name")}
        if sub_page is None:
            inner = part(item, "sub_page")
            yield from _walk(parts(inner, "items"), str(inner.get("name") or "sub-page"))


def _named(found: list[Json]) -> Rows[Component]:
    """Return the components that have an id and a name, each once."""
    readable = [row for row in found if _text(row.get("component_id")) and _text(row.get("name"))]
    distinct_rows = list({row["component_id"]: row for row in reversed(readable)}.values())[::-1]
    number = Counter(fold(row["name"]) for row in distinct_rows)
    rows = Rows(_component(row, is_alone=number[fold(row["name"])] == 1) for row in distinct_rows)
    rows.unreadable = len(found) - len(readable) or None
    return rows


def _component(row: Json, *, is_alone: bool) -> Component:
    group, sub_page = _text(row.get("group")), _text(row.get("sub_page"))
    place = None if is_alone else group or sub_page
    return Component(
        id=row["component_id"],
        name=f"{place}: {row['name']}" if place else row["name"],
        group=group,
        sub_page=sub_page,
        hidden=True if row.get("hidden") is True else None,
        plain=row["name"],
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


async def component_names(api: Api, page: str) -> tuple[dict[str, str], str | None]:
    """Return the names of a page's components by id, and why they could not be read."""
    try:
        rows, _ = await components_of(page, page).read(api)
    except IncidentMcpError as failure:
        return {}, f"The names of the components could not be read: {failure}"
    return {row.id: row.name for row in rows}, None


@dataclass(frozen=True)
class NewStatus:
    """A component, and the status that it gets."""

    component: Component
    status: str

    @property
    def text(self) -> str:
        """Both, for a preview."""
        hidden = " (hidden on the page)" if self.component.hidden else ""
        return f"{self.component.name}: {self.status}{hidden}"


async def new_statuses(api: Api, page: StatusPage, components: dict[str, ComponentStatus] | None) -> list[NewStatus]:
    """Return the components that are named, with their new statuses.

    Raises:
        InputError: A name is unknown, ambiguous, or names the same component as another one.
    """
    known = components_of(page.id, page.name)
    found = [NewStatus(await find(api, known, name), status) for name, status in (components or {}).items()]
    distinct([{"id": row.component.id} for row in found], "id", "components")
    return found


def statuses_body(statuses: Sequence[NewStatus]) -> Json:
    """Return the fields of a request body that set statuses of components."""
    rows = [{"component_id": row.component.id, "component_status": row.status} for row in statuses]
    return {"component_statuses": rows} if rows else {}


class StatusPages(Listed):
    """Status pages; of one page also its components."""

    MARK = "Pass a page to see its components."
    status_pages: list[StatusPage]
    components: list[Component] | None = None


async def incidentio_list_status_pages(
    api: IncidentioApi,
    page: Annotated[str | None, Field(description="Name or ID, to see its components.")] = None,
) -> StatusPages:
    """List status pages, or one with its components."""
    if page is None:
        rows, _ = await PAGES.read(api)
        return StatusPages(status_pages=list(rows), has_more=not rows.complete, unreadable=rows.unreadable)
    found = await find(api, PAGES, page)
    components = await components_of(found.id, found.name).reload(api)
    return StatusPages(status_pages=[found], components=list(components), unreadable=components.unreadable)


TOOLS = [
    read_tool(
        incidentio_list_status_pages,
        "List status pages",
        toolset=STATUS_PAGES,
        keywords="public customers website statuspage components services",
    )
]
