"""Reading lists that incident.io hands out page by page, through `pagination_meta.after`."""

from typing import Annotated, TypeVar

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.http import Api, Query

MOST_A_PAGE = 250
"""Of incidents, updates and custom field options; the vendor's schema says 500 for incidents, its text 250."""

Limit = Annotated[int, Field(ge=1, le=500, description="Most rows to return.")]
After = Annotated[str | None, Field(description="`after` of the answer before, with the same filters.")]


class Page(BaseModel):
    """The part of an answer that leads to the next page; the cursor is absent on the last one."""

    after: str | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "after"))
    total: int | None = Field(default=None, validation_alias=AliasPath("pagination_meta", "total_record_count"))


P = TypeVar("P", bound=Page)


async def read_pages(
    api: Api,
    path: str,
    page: type[P],
    query: Query,
    *,
    limit: int,
    after: str | None = None,
    scope: str = "incidents.view",
) -> list[P]:
    """Read pages until they hold `limit` rows or there is no more; the last page tells whether there is.

    Args:
        api: incident.io.
        path: The list's path.
        page: Its page, with the rows in a field `rows`.
        query: Filters.
        limit: Most rows.
        after: Where to go on, from an earlier page.
        scope: What the key needs.
    """
    pages: list[P] = []
    left = limit
    while True:
        cursor = [("after", after)] if after else []
        answer = await api.get(path, page, [*query, ("page_size", str(min(left, MOST_A_PAGE))), *cursor], scope=scope)
        pages.append(answer)
        # Each page has its rows under the API's own plural, so the base class cannot name them.
        left -= len(answer.rows)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportAttributeAccessIssue]
        if answer.after == after:
            # A service that hands out the same cursor again would be read for ever.
            answer.after = None
        if left <= 0 or not answer.after:
            return pages
        after = answer.after
