"""Status pages and their components. No operation needs a scope, only a valid key."""

from collections.abc import Iterator

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .pages import list_page, read_query


def list_status_pages(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/status_pages."""
    return list_page(call, "status_pages", account.rows["status_pages"])


def get_structure(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/status_page_structures/{status_page_id}."""
    read_query(call)
    found = by_id(account.rows["status_page_structures"], call.path["status_page_id"])
    if found is None:
        raise ApiError(404, "The status page could not be found")
    return Reply(200, {name: value for name, value in found.items() if name != "id"})


def components_of(account: IncidentIO, page: str) -> set[str]:
    """Return the ids of a page's components."""
    structure = by_id(account.rows["status_page_structures"], page) or {}
    items: list[Json] = structure.get("current_structure", {}).get("items", [])
    return set(_ids(items))


def _ids(items: list[Json]) -> Iterator[str]:
    for item in items:
        if "component" in item:
            yield item["component"]["component_id"]
        yield from (row["component_id"] for row in item.get("group", {}).get("components", []))
        yield from _ids(item.get("sub_page", {}).get("items", []))


ROUTES: Routes = {
    ("GET", "/v2/status_pages"): list_status_pages,
    ("GET", "/v2/status_page_structures/{status_page_id}"): get_structure,
}
