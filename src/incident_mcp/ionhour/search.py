"""Searching Ionhour's lists for what the API has no filter for."""

from contextlib import aclosing
from typing import TypeVar

from incident_mcp.ionhour.pages import Page, each_page
from incident_mcp.records.record import Json, Listed, Record
from incident_mcp.records.words import Search
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

Row = TypeVar("Row", bound=Record)


class Searched(Listed):
    """A list that may be the result of a search, and the number of its next page."""

    page: int | None = None
    """The next page."""
    total: int | None = None
    """Number of rows in the service's list."""
    looked_at: int | None = None
    """With a filter that the service does not have: number of rows searched."""
    looked_at_all: bool | None = None
    """With such a filter: true if all rows that match the other filters were searched."""
    note: str | None = None


def page_fields(found: Page[Row], page: int) -> Json:
    """Return the fields of a result that is one page of the service's list."""
    return {
        "has_more": found.has_more,
        "page": page + 1 if found.has_more else None,
        "total": found.total,
        "unreadable": found.unreadable,
    }


async def search_pages(  # a list, what to find in it, and which part of that
    api: Api, request: Request, row: type[Row], search: Search[Row], *, page: int, limit: int, most: int
) -> tuple[list[Row], Json]:
    """Search a list until one page of matches is full, or `most` rows are searched.

    Returns:
        The page's rows, and the other fields of the result.
    """
    end, complete = page * limit, False
    pages = each_page(api, request, row, limit=most)
    async with aclosing(pages):
        async for batch in pages:
            await search.add(batch.rows, batch.unreadable)
            complete = not batch.has_more
            if len(search.matches) > end:
                break
    has_more = len(search.results) > end
    return search.results[end - limit : end], {
        "has_more": has_more,
        "page": page + 1 if has_more else None,
        "looked_at": search.searched,
        "looked_at_all": complete,
        "unreadable": search.unreadable,
        "note": search.note(None if complete or has_more else "narrow the filters"),
    }
