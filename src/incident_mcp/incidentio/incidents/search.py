"""Searching the names and summaries of incidents: the API has no filter for that."""

from contextlib import aclosing

from pydantic import Field

from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.incidents.records import IncidentRow, Incidents
from incident_mcp.incidentio.pages import each_page
from incident_mcp.records.words import Search
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MAX_SEARCHED = 1000
"""Incidents that a search reads."""


class _SearchedRow(IncidentRow):
    """An incident with the texts to search."""

    full_name: str | None = Field(default=None, validation_alias="name", exclude=True)
    summary: str | None = Field(default=None, exclude=True)


async def search(api: Api, query: Query, terms: str, *, limit: int, after: str | None) -> Incidents:
    """Search up to 1,000 incidents for terms in name and summary."""
    found = Search[_SearchedRow](terms, lambda row: (row.full_name, row.summary))
    pages = each_page(api, LIST.request(query), _SearchedRow, limit=MAX_SEARCHED, after=after)
    async with aclosing(pages):
        async for page in pages:
            await found.add(page.rows, page.unreadable)
            after = page.after
            if len(found.matches) > limit:
                break
    rest = None if after is None else "narrow the filters, or continue from `after`"
    return Incidents(
        incidents=[*found.results[:limit]],
        sorted_by_hits=not found.matches,
        has_more=len(found.matches) > limit or after is not None,
        # The API's cursor is the id of the last row.
        after=found.matches[limit - 1].id if len(found.matches) > limit else after,
        looked_at=found.searched,
        looked_at_all=after is None,
        unreadable=found.unreadable,
        note=found.note(rest, "Test incidents are hidden unless `mode` includes them."),
    )
