"""Paginated lists of Ionhour: only this module decides whether there is a next page."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import cache
from typing import Any, Generic, TypeVar, cast

from pydantic import Field, model_validator

from incident_mcp.errors import TooLargeError
from incident_mcp.records.record import Json, Record, Whole
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

MAX_PAGE_SIZE = 100
_SHRINK = 5
"""Divides the page size: 100, 20, 4, 1 rows. A smaller page begins where the larger one did."""


Row = TypeVar("Row", bound=Record)


class Page(Record, Generic[Row]):
    """One page of a list: Ionhour documents an envelope, and its own code reads a bare array."""

    rows: list[Row] = Field(validation_alias="items")
    page: Whole | None = None
    page_count: Whole | None = Field(default=None, validation_alias="pageCount")
    total: Whole | None = None
    limit: Whole | None = None
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Number of rows without a readable identity."""

    @property
    def has_more(self) -> bool:
        """True if there is a next page; an empty page is the last."""
        if not self.rows:
            return False
        page = self.page or 1
        if self.page_count is not None:
            return page < self.page_count
        return self.total is not None and self.limit is not None and self.limit > 0 and page * self.limit < self.total

    @model_validator(mode="before")
    @classmethod
    def _find_rows(cls, value: object) -> object:
        if isinstance(value, list):
            return {"items": cast("list[object]", value)}
        if isinstance(value, dict) and "items" not in value:
            # The envelope of notes and events is not documented: the only list in it holds the rows.
            envelope = cast("Json", value)
            lists = [name for name, item in envelope.items() if isinstance(item, list)]
            return {**envelope, "items": envelope[lists[0]]} if len(lists) == 1 else envelope
        return cast("object", value)


@cache
def _page_of(row: type[Row]) -> type[Page[Row]]:
    page: Any = Page
    return page[row]


async def read_page(api: Api, request: Request, row: type[Row], *, page: int, limit: int) -> Page[Row]:
    """Read one page.

    Raises:
        TooLargeError: The page is too large.
    """
    query = [*request.query, ("page", str(page)), ("limit", str(limit))]
    try:
        return await api.get(replace(request, query=query), _page_of(row))
    except TooLargeError as failure:
        raise failure.with_advice("Pass a smaller limit.") from None


async def each_page(api: Api, request: Request, row: type[Row], *, limit: int) -> AsyncGenerator[Page[Row]]:
    """Read pages from the first one until `limit` rows are read or there are no more; repeated rows are skipped.

    If a page is too large, this and all later reads of the list use smaller pages.

    Args:
        api: Ionhour.
        request: The list with its filters.
        row: The row's record; its id identifies a row.
        limit: Number of rows after which to stop.
    """
    sizes, path = api.service.page_sizes, request.path
    seen: set[object] = set()
    size, number, received = sizes.get(path, MAX_PAGE_SIZE), 1, 0
    while True:
        try:
            page = await read_page(api, request, row, page=number, limit=size)
        except TooLargeError:
            if size == 1 or not api.may_read:
                raise
            smaller = max(1, size // _SHRINK)
            number = (number - 1) * (size // smaller) + 1
            size = sizes[path] = smaller
            continue
        page, more = _without_repeats(page, number, seen)
        yield page
        number += 1
        received += len(page.rows)
        if not more or received >= limit or not api.may_read:
            return


def _without_repeats(page: Page[Row], number: int, seen: set[object]) -> tuple[Page[Row], bool]:
    """Return a page without the rows seen before, and whether to read the next one: only if this one has news."""
    rows = [row for row in page.rows if _id(row) not in seen]
    seen.update(map(_id, rows))
    # Without this, a service that ignores the page number would be read endlessly.
    if page.has_more and (rows or page.unreadable):
        return page.model_copy(update={"rows": rows, "page": number}), True
    return page.model_copy(update={"rows": rows, "page_count": page.page or 1}), False


def _id(row: Record) -> object:
    return getattr(row, "id", None) or object()
