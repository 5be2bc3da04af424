"""Reading lists that incident.io hands out page by page: here alone is decided whether there is more."""

import time
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any, TypeVar, cast

from pydantic import AliasPath, BaseModel, Field, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from incident_mcp.errors import TooLargeError
from incident_mcp.records.record import is_foreign
from incident_mcp.transport.api import Api, Query

MOST_A_PAGE = 250
"""Of incidents, updates and custom field options; the vendor's schema allows 500 for incidents, its text 250."""

Limit = Annotated[int, Field(ge=1, le=500, description="Most rows.")]
After = Annotated[str | None, Field(description="`after` of the answer before, with the same filters.")]


class Page(BaseModel):
    """The part of an answer that leads to the next page; the cursor is absent on the last one."""

    after: str | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "after"))
    total: int | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "total_record_count"))
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Rows without a readable identity."""

    @field_validator("after", "total", mode="wrap")
    @classmethod
    def _leave_out_unreadable(cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return read(value)
        except ValueError:
            if not is_foreign(info):
                raise
            return None


P = TypeVar("P", bound=Page)
T = TypeVar("T")


def _rows(page: Page) -> list[Any]:
    # Each page has its rows under the API's own plural, so the base class cannot name them.
    return cast("list[Any]", page.rows)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


def last_with_id(rows: Sequence[Any], most: int) -> int:
    """Return how many rows to show, at most `most`, so that the last one has the id that is the cursor behind it."""
    return next((number for number in range(min(most, len(rows)), 0, -1) if rows[number - 1].id), 0)


def _identity(row: Any) -> object:  # noqa: ANN401  # any row
    return getattr(row, "id", None) or getattr(row, "reference", None) or object()


async def each_page(
    api: Api,
    path: str,
    page: type[P],
    query: Query,
    *,
    limit: int,
    after: str | None = None,
    scope: str = "incidents.view",
    most_a_page: int = MOST_A_PAGE,
) -> AsyncGenerator[P]:
    """Read pages one by one until they hold `limit` rows or there is no more; a page's `after` says whether there is.

    An empty cursor, one that was handed out before, an empty page and a page of rows that were there before end the
    reading. Rows that came before are left out. When the call has made its most requests, or a later row is too large
    to read, the reading ends too, and the last page's `after` leads on.

    Args:
        api: incident.io.
        path: The list's path.
        page: Its page, with the rows in a field `rows`.
        query: Filters.
        limit: Most rows.
        after: Where to go on, from an earlier page.
        scope: What the key needs.
        most_a_page: The most rows that the service hands out at once.
    """
    cursors, seen = {after or ""}, set[object]()
    left = limit
    while True:
        try:
            answer = await read_page(api, path, page, query, rows=min(left, most_a_page), after=after, scope=scope)
        except TooLargeError:
            # What was read before is returned; its cursor leads to the row that is too large.
            if not seen:
                raise
            return
        fresh = {key: row for row in _rows(answer) if (key := _identity(row)) not in seen}
        seen.update(fresh)
        ended = not answer.after or answer.after in cursors or not (fresh or answer.unreadable)
        cursors.add(answer.after or "")
        left -= len(fresh)
        after = answer.after
        yield answer.model_copy(update={"rows": list(fresh.values()), "after": None if ended else after})
        if left <= 0 or ended or not api.may_read:
            return


async def read_pages(  # what a list takes
    api: Api,
    path: str,
    page: type[P],
    query: Query,
    *,
    limit: int,
    after: str | None = None,
    scope: str = "incidents.view",
    most_a_page: int = MOST_A_PAGE,
) -> list[P]:
    """Read pages as `each_page` does, and return them all."""
    pages = each_page(api, path, page, query, limit=limit, after=after, scope=scope, most_a_page=most_a_page)
    return [answer async for answer in pages]


class Rows(list[T]):
    """Rows of a list."""

    complete = True
    """Whether they are all."""


async def read_rows(  # what a list takes
    api: Api,
    path: str,
    page: type[Page],
    query: Query,
    *,
    limit: int,
    scope: str = "incidents.view",
    most_a_page: int = MOST_A_PAGE,
) -> Rows[Any]:
    """Read the rows of a list, as far as `limit` and the call's most requests go."""
    pages = await read_pages(api, path, page, query, limit=limit, scope=scope, most_a_page=most_a_page)
    rows = Rows([row for page in pages for row in _rows(page)])
    rows.complete = pages[-1].after is None
    return rows


async def keep_rows(api: Api, name: str, rows: list[Any]) -> None:
    """Keep rows that were just read where `Api.cached` finds them under this name."""

    async def load() -> list[Any]:
        return rows

    await api.cached(name, load, newer_than=time.monotonic())


async def read_page(
    api: Api, path: str, page: type[P], query: Query, *, rows: int, scope: str, after: str | None = None
) -> P:
    """Read a page, in fewer rows where one of so many is too large to read, from then on for this account.

    Raises:
        TooLargeError: A single row is.
    """
    sizes = api.service.page_sizes
    cursor = [("after", after)] if after else []
    while True:
        size = min(rows, sizes.get(path, rows))
        try:
            return await api.get(path, page, [*query, ("page_size", str(size)), *cursor], scope=scope)
        except TooLargeError as failure:
            if size == 1 or not api.may_read:
                what = "one row alone is too large" if size == 1 else "smaller pages would take too many requests"
                advice = f"Here {what}: pass a smaller limit, or filters that leave it out."
                raise failure.with_advice(advice) from None
            sizes[path] = min(sizes.get(path, size), max(1, size // 4))
