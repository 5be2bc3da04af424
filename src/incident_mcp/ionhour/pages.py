"""Reading lists that Ionhour hands out by page number: here alone is decided whether there is more."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import cache
from typing import Any, Generic, TypeVar, cast

from pydantic import Field, model_validator

from incident_mcp.errors import TooLargeError
from incident_mcp.records.record import Json, Record, Whole
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

MOST_A_PAGE = 100
_SMALLER = 5
"""By how much pages shrink: 100, 20, 4, 1 rows, so that a smaller page begins where the larger one did."""


Row = TypeVar("Row", bound=Record)


class Page(Record, Generic[Row]):
    """One page of a list: Ionhour documents an envelope, and its own code reads a bare array."""

    items: list[Row]
    page: Whole | None = None
    page_count: Whole | None = Field(default=None, validation_alias="pageCount")
    total: Whole | None = None
    limit: Whole | None = None
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Rows without a readable identity."""

    @property
    def has_more(self) -> bool:
        """Whether a further page exists; an empty page is the last."""
        if not self.items:
            return False
        page = self.page or 1
        if self.page_count is not None:
            return page < self.page_count
        return self.total is not None and self.limit is not None and self.limit > 0 and page * self.limit < self.total

    @model_validator(mode="before")
    @classmethod
    def _enveloped(cls, value: object) -> object:
        if isinstance(value, list):
            return {"items": cast("list[object]", value)}
        if isinstance(value, dict) and "items" not in value:
            # The wrapper of notes and events is not documented: the only list in it is the one that was requested.
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
        TooLargeError: It is too large to read.
    """
    query = [*request.query, ("page", str(page)), ("limit", str(limit))]
    try:
        return await api.get(replace(request, query=query), _page_of(row))
    except TooLargeError as failure:
        raise failure.with_advice("Pass a smaller limit.") from None


async def each_page(api: Api, request: Request, row: type[Row], *, most: int) -> AsyncGenerator[Page[Row]]:
    """Read pages from the first on, until there is no more; a repeated row is left out.

    A page that is too large to read is read in smaller ones, from then on for this account.

    Args:
        api: Ionhour.
        request: The list with its filters.
        row: What is read of a row; rows are told apart by their ids.
        most: Rows after which to stop reading.
    """
    sizes, path = api.service.page_sizes, request.path
    seen: set[object] = set()
    size, number, received = sizes.get(path, MOST_A_PAGE), 1, 0
    while True:
        try:
            page = await read_page(api, request, row, page=number, limit=size)
        except TooLargeError:
            if size == 1 or not api.may_read:
                raise
            smaller = max(1, size // _SMALLER)
            number = (number - 1) * (size // smaller) + 1
            size = sizes[path] = smaller
            continue
        fresh = [each for each in page.items if _id(each) not in seen]
        seen.update(map(_id, fresh))
        received += len(fresh)
        # A service that ignores the number would be read for ever.
        more = page.has_more and bool(fresh or page.unreadable)
        last = page.model_copy(update={"items": fresh, "page": number if more else page.page})
        yield last if more else last.model_copy(update={"page_count": last.page or 1})
        number += 1
        if not more or received >= most or not api.may_read:
            return


def _id(row: Record) -> object:
    return getattr(row, "id", None) or object()
