"""Searching the names and summaries of incidents, because the API has no filter for that."""

from contextlib import aclosing
from dataclasses import dataclass, field

import anyio.lowlevel
from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.incidents.records import IncidentRow, Incidents
from incident_mcp.incidentio.pages import Page, each_page
from incident_mcp.records import words
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MAX_SEARCHED = 1000
"""Incidents that one search reads."""
_HIDDEN = " Test incidents are hidden unless `mode` includes them."


class _SearchedRow(IncidentRow):
    """An incident with the texts that are searched."""

    full_name: str | None = Field(default=None, validation_alias="name", exclude=True)
    summary: str | None = Field(default=None, exclude=True)


@dataclass
class _Matches:
    """The incidents found so far."""

    terms: list[str]
    complete: list[_SearchedRow] = field(default_factory=list[_SearchedRow])
    """Those that contain all search terms."""
    partial: list[tuple[int, _SearchedRow]] = field(default_factory=list[tuple[int, _SearchedRow]])
    """Those that contain some, with how many."""
    searched: int = 0
    unreadable: int = 0

    async def add(self, page: Page[_SearchedRow]) -> None:
        """Search a page."""
        for row in page.rows:
            # Let other tasks run: the texts can be long.
            await anyio.lowlevel.checkpoint()
            hits = words.matched(self.terms, row.full_name, row.summary)
            if hits == len(self.terms):
                self.complete.append(row)
            elif hits:
                self.partial.append((hits, row))
        self.searched += len(page.rows)
        self.unreadable += page.unreadable or 0

    def result(self, limit: int, after: str | None) -> Incidents:
        """Return the matches; if no incident contains all terms, those with the most terms first."""
        best = [row for _, row in sorted(self.partial, key=lambda match: -match[0])]
        rest = None if after is None else "narrow the filters, or continue from `after`"
        has_left_over = len(self.complete) > limit
        return Incidents(
            incidents=[*(self.complete or best)[:limit]],
            sorted_by_hits=not self.complete and bool(best),
            has_more=has_left_over or after is not None,
            # The cursor is the id of the last row.
            after=self.complete[limit - 1].id if has_left_over else after,
            looked_at=self.searched,
            looked_at_all=after is None,
            unreadable=self.unreadable or None,
            note=words.describe_result(bool(self.complete), bool(best), rest, _HIDDEN),
        )


async def search(api: Api, query: Query, text: str, *, limit: int, after: str | None) -> Incidents:
    """Search the names and summaries of up to 1,000 incidents."""
    terms = words.parse(text)
    if not terms:
        raise InputError("name_contains has no words to search for. Pass some, or omit it.")
    matches = _Matches(terms)
    async with aclosing(each_page(api, LIST.request(query), _SearchedRow, limit=MAX_SEARCHED, after=after)) as pages:
        async for page in pages:
            await matches.add(page)
            after = page.after
            if len(matches.complete) > limit:
                break
    return matches.result(limit, after)
