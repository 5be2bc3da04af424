"""Finding incidents by words of their name or summary."""

from contextlib import aclosing

import anyio.lowlevel
from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.incidents.records import IncidentRow, Incidents
from incident_mcp.incidentio.pages import each_page
from incident_mcp.records import words
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MOST_LOOKED_AT = 1000
"""Incidents that are looked through for words."""


class _SearchedRow(IncidentRow):
    """An incident that is looked for by words."""

    whole_name: str | None = Field(default=None, validation_alias="name", exclude=True)
    summary: str | None = Field(default=None, exclude=True)


async def search(api: Api, query: Query, text: str, *, limit: int, after: str | None) -> Incidents:
    """Look through names and summaries of up to 1,000 incidents, for the API has no filter for that."""
    wanted = words.parse(text)
    if not wanted:
        raise InputError("name_contains has no words to look for. Pass some, or leave it out.")
    found: list[_SearchedRow] = []
    partly: list[tuple[int, _SearchedRow]] = []
    looked_at = unreadable = 0
    pages = each_page(api, LIST.request(query), _SearchedRow, limit=MOST_LOOKED_AT, after=after)
    async with aclosing(pages):
        async for page in pages:
            looked_at += len(page.rows)
            unreadable += page.unreadable or 0
            for row in page.rows:
                # Others get their turn, however long the texts are.
                await anyio.lowlevel.checkpoint()
                hits = words.matched(wanted, row.whole_name, row.summary)
                if hits == len(wanted):
                    found.append(row)
                elif hits:
                    partly.append((hits, row))
            after = page.after
            if len(found) > limit:
                break
    return _found(found, partly, after, limit=limit, looked_at=looked_at, unreadable=unreadable)


def _found(
    found: list[_SearchedRow],
    partly: list[tuple[int, _SearchedRow]],
    after: str | None,
    *,
    limit: int,
    looked_at: int,
    unreadable: int,
) -> Incidents:
    """Return what a search found; rows with some of the words where none has all of them."""
    rest = None if after is None else "narrow the filters, or go on from `after`"
    note = words.describe_result(
        bool(found), bool(partly), rest, " Test incidents are hidden unless `mode` asks for them."
    )
    if not found and partly:
        best = [row for _, row in sorted(partly, key=lambda each: -each[0])[:limit]]
        return Incidents(
            incidents=[*best],
            sorted_by_hits=True,
            has_more=after is not None,
            after=after,
            looked_at=looked_at,
            looked_at_all=after is None,
            unreadable=unreadable or None,
            note=note,
        )
    return Incidents(
        incidents=[*found[:limit]],
        has_more=len(found) > limit or after is not None,
        # The API's cursor is the id of the last record.
        after=found[limit - 1].id if len(found) > limit else after,
        looked_at=looked_at,
        looked_at_all=after is None,
        unreadable=unreadable or None,
        note=note,
    )
