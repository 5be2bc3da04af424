"""incident.io's paginated lists: only this module decides whether there are more rows."""

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
from incident_mcp.records.record import Json, is_foreign
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request

MAX_PAGE_SIZE = 250

Limit = Annotated[int, Field(ge=1, le=500, description="Maximum rows.")]
After = Annotated[str | None, Field(description="`after` of the previous result, with the same filters.")]


Row = TypeVar("Row", bound=BaseModel)


class Page(BaseModel, Generic[Row]):
    """One page of a list, and the cursor of the next page, which is absent on the last one."""

    rows: list[Row]
    after: str | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "after"))
    total: int | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "total_record_count"))
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Number of rows without a readable identity."""

    @field_validator("after", "total", mode="wrap")
    @classmethod
    def _omit_unreadable(cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return read(value)
        except ValueError:
            if not is_foreign(info):
                raise
            return None


@cache
def _page_of(row: type[Row], key: str) -> type[Page[Row]]:
    """Return the model of a page with its rows under a key."""
    rows: Any = (list[row], Field(validation_alias=key))
    return cast("type[Page[Row]]", create_model(f"page of {key}", __base__=Page, rows=rows))


class Rows(list[Row]):
    """The first rows of a list."""

    after: str | None = None
    """The cursor of the next row; None if the list is complete."""
    total: int | None = None
    """Number of rows in the list, if the API reports it."""
    unreadable: int | None = None
    """Number of rows without a readable identity, which are not included."""

    @property
    def complete(self) -> bool:
        """True if there are no more rows, as far as is known."""
        return self.after is None

    @property
    def paging(self) -> Json:
        """The fields of a `Listed` that describe what is not among the rows."""
        return {
            "has_more": not self.complete,
            "after": self.after,
            "total": self.total,
            "unreadable": self.unreadable,
        }


def last_with_id(rows: Sequence[Any], limit: int) -> int:
    """Return the number of rows to show, up to `limit`, so that the last one has an id: the id is the cursor."""
    return next((number for number in range(min(limit, len(rows)), 0, -1) if rows[number - 1].id), 0)


def _identity(row: Any) -> object:  # noqa: ANN401  # any row
    return getattr(row, "id", None) or getattr(row, "reference", None) or object()


async def each_page(
    api: Api, request: Request, row: type[Row], *, limit: int, after: str | None = None
) -> AsyncGenerator[Page[Row]]:
    """Read pages until they hold `limit` rows or the list ends; a page's `after` is None at the end of the list.

    An empty cursor, a repeated cursor, an empty page and a page of known rows end the list. Repeated rows are skipped.
    Reading also stops at the call's request limit, or before a row that is too large to read; then the last page's
    `after` is the cursor to continue with.

    Args:
        api: incident.io.
        request: The list with its filters.
        row: The model of a row.
        limit: Maximum number of rows.
        after: Cursor from an earlier page.
    """
    cursors, seen, left = {after or ""}, set[object](), limit
    max_page_size = request.operation.page_size
    while True:
        try:
            page = await read_page(api, request, row, size=min(left, max_page_size), after=after)
        except TooLargeError:
            if not seen:
                raise
            return
        page = _without_repeats(page, seen, cursors)
        yield page
        left, after = left - len(page.rows), page.after
        if left <= 0 or after is None or not api.may_read:
            return


def _without_repeats(page: Page[Row], seen: set[object], cursors: set[str]) -> Page[Row]:
    """Return a page without rows that were seen before, and without its cursor if it ends the list.

    Args:
        page: The page.
        seen: Identities of the rows of earlier pages; this page's are added.
        cursors: Cursors that were used before; this page's is added.
    """
    fresh = {key: row for row in page.rows if (key := _identity(row)) not in seen}
    seen.update(fresh)
    is_last = not page.after or page.after in cursors or not (fresh or page.unreadable)
    cursors.add(page.after or "")
    return page.model_copy(update={"rows": list(fresh.values()), "after": None if is_last else page.after})


async def read_rows(api: Api, request: Request, row: type[Row], *, limit: int, after: str | None = None) -> Rows[Row]:
    """Read the rows of a list, as `each_page` does."""
    rows = Rows[Row]()
    async for page in each_page(api, request, row, limit=limit, after=after):
        rows += page.rows
        rows.after, rows.total = page.after, page.total
        rows.unreadable = (rows.unreadable or 0) + (page.unreadable or 0) or None
    return rows


async def read_unpaged(api: Api, request: Request, row: type[Row]) -> Rows[Row]:
    """Read the rows of a list that has no pages."""
    page = await api.get(request, _page_of(row, request.operation.rows_key))
    rows = Rows(page.rows)
    rows.unreadable = page.unreadable
    return rows


async def read_page(api: Api, request: Request, row: type[Row], *, size: int, after: str | None = None) -> Page[Row]:
    """Read a page. If it is too large to read, read a smaller one, and keep to that size for this account.

    Raises:
        TooLargeError: A single row is too large.
    """
    sizes = api.service.page_sizes
    path = request.path
    response = _page_of(row, request.operation.rows_key)
    cursor = [("after", after)] if after else []
    while True:
        size = min(size, sizes.get(path, size))
        try:
            return await api.get(replace(request, query=[*request.query, ("page_size", str(size)), *cursor]), response)
        except TooLargeError as failure:
            if size == 1 or not api.may_read:
                reason = "a single row is too large" if size == 1 else "smaller pages would take too many requests"
                advice = f"Here {reason}: pass a smaller limit, or filters that exclude it."
                raise failure.with_advice(advice) from None
            sizes[path] = min(sizes.get(path, size), max(1, size // 4))
