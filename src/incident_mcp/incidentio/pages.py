"""Reading incident.io's lists page by page: only this module decides whether there is more."""

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import (
    AliasPath,
    BaseModel,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    create_model,
    field_validator,
)

from incident_mcp.errors import TooLargeError
from incident_mcp.records.record import is_foreign
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

MAX_PAGE_SIZE = 250
"""Of incidents, updates and custom field options; the vendor's schema allows 500 for incidents, its text 250."""

Limit = Annotated[int, Field(ge=1, le=500, description="Most rows.")]
After = Annotated[str | None, Field(description="`after` of the answer before, with the same filters.")]


Row = TypeVar("Row", bound=BaseModel)


class Page(BaseModel, Generic[Row]):
    """One page of a list, and the cursor of the next page, which is absent on the last one."""

    rows: list[Row]
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


@cache
def _page_of(row: type[Row], key: str) -> type[Page[Row]]:
    """Return the page of rows that an answer has under a key."""
    rows: Any = (list[row], Field(validation_alias=key))
    return cast("type[Page[Row]]", create_model(f"page of {key}", __base__=Page, rows=rows))


class Rows(list[Row]):
    """Rows of a list, read from its first pages."""

    after: str | None = None
    """The cursor behind them; None if they are all."""
    total: int | None = None
    """How many there are in all, where the API says it."""
    unreadable: int | None = None
    """Further ones without a readable identity."""

    @property
    def complete(self) -> bool:
        """Whether these are all rows, as far as that is known."""
        return self.after is None


def last_with_id(rows: Sequence[Any], most: int) -> int:
    """Return how many rows to show, at most `most`, so that the last one has the id that is the cursor behind it."""
    return next((number for number in range(min(most, len(rows)), 0, -1) if rows[number - 1].id), 0)


def _identity(row: Any) -> object:  # noqa: ANN401  # any row
    return getattr(row, "id", None) or getattr(row, "reference", None) or object()


async def each_page(
    api: Api,
    request: Request,
    row: type[Row],
    *,
    limit: int,
    after: str | None = None,
    most_a_page: int = MAX_PAGE_SIZE,
) -> AsyncGenerator[Page[Row]]:
    """Read pages one by one until they hold `limit` rows or there is no more; a page's `after` says whether there is.

    An empty cursor, a repeated cursor, an empty page and a page of known rows end the reading. Repeated rows are left
    out. When the call has made its most requests, or a later row is too large to read, the reading ends too, and the
    last page's `after` leads on.

    Args:
        api: incident.io.
        request: The list with its filters.
        row: What is read of a row.
        limit: Most rows.
        after: Where to go on, from an earlier page.
        most_a_page: The most rows that the service returns at once.
    """
    cursors, seen = {after or ""}, set[object]()
    left = limit
    while True:
        try:
            page = await read_page(api, request, row, rows=min(left, most_a_page), after=after)
        except TooLargeError:
            # What was read before is returned; its cursor leads to the row that is too large.
            if not seen:
                raise
            return
        fresh = {key: each for each in page.rows if (key := _identity(each)) not in seen}
        seen.update(fresh)
        ended = not page.after or page.after in cursors or not (fresh or page.unreadable)
        cursors.add(page.after or "")
        left -= len(fresh)
        after = page.after
        yield page.model_copy(update={"rows": list(fresh.values()), "after": None if ended else after})
        if left <= 0 or ended or not api.may_read:
            return


async def read_rows(
    api: Api,
    request: Request,
    row: type[Row],
    *,
    limit: int,
    after: str | None = None,
    most_a_page: int = MAX_PAGE_SIZE,
) -> Rows[Row]:
    """Read the rows of a list as `each_page` does."""
    rows = Rows[Row]()
    async for page in each_page(api, request, row, limit=limit, after=after, most_a_page=most_a_page):
        rows += page.rows
        rows.after, rows.total = page.after, page.total
        rows.unreadable = (rows.unreadable or 0) + (page.unreadable or 0) or None
    return rows


async def read_unpaged(api: Api, request: Request, row: type[Row]) -> Rows[Row]:
    """Read the rows of a list that the service returns whole."""
    page = await api.get(request, _page_of(row, request.operation.rows_key))
    rows = Rows(page.rows)
    rows.unreadable = page.unreadable
    return rows


async def keep_rows(api: Api, name: str, rows: list[Any]) -> None:
    """Keep rows that were just read where `Api.cached` finds them under this name."""

    async def load() -> list[Any]:
        return rows

    await api.cached(name, load, newer_than=time.monotonic())


async def read_page(api: Api, request: Request, row: type[Row], *, rows: int, after: str | None = None) -> Page[Row]:
    """Read a page, in fewer rows where one of so many is too large to read, from then on for this account.

    Raises:
        TooLargeError: A single row is.
    """
    sizes = api.service.page_sizes
    path = request.path
    answer = _page_of(row, request.operation.rows_key)
    cursor = [("after", after)] if after else []
    while True:
        size = min(rows, sizes.get(path, rows))
        try:
            return await api.get(replace(request, query=[*request.query, ("page_size", str(size)), *cursor]), answer)
        except TooLargeError as failure:
            if size == 1 or not api.may_read:
                what = "one row alone is too large" if size == 1 else "smaller pages would take too many requests"
                advice = f"Here {what}: pass a smaller limit, or filters that leave it out."
                raise failure.with_advice(advice) from None
            sizes[path] = min(sizes.get(path, size), max(1, size // 4))
