"""Searching Ionhour incidents by terms and by state."""

from contextlib import aclosing

import anyio.lowlevel

from incident_mcp.errors import InputError
from incident_mcp.ionhour.incidents.incident import LIST, IonhourIncident
from incident_mcp.ionhour.incidents.rows import IonhourIncidents, to_row
from incident_mcp.ionhour.pages import each_page
from incident_mcp.records import words
from incident_mcp.records.html import start_to_text
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MOST_LOOKED_AT = 1000
"""Incidents that are looked through for words, or for a state."""


async def search_incidents(
    api: Api, query: Query, text: str | None, *, monitoring: bool, detail: bool, page: int, limit: int
) -> IonhourIncidents:
    """Look through up to 1,000 incidents for words or a state, for the API has no filter for them."""
    wanted = words.parse(text) if text else []
    if text and not wanted:
        raise InputError("name_contains has no words to look for. Pass some, or leave it out.")
    found: list[IonhourIncident] = []
    partly: list[tuple[int, IonhourIncident]] = []
    looked_at, unreadable, more = 0, 0, True
    pages = each_page(api, LIST.request(query), IonhourIncident, most=MOST_LOOKED_AT)
    async with aclosing(pages):
        async for answer in pages:
            looked_at += len(answer.items)
            unreadable += answer.unreadable or 0
            more = answer.has_more
            for row in answer.items:
                if monitoring and (row.state or "").upper() != "MONITORING":
                    continue
                # Others get their turn, however long the texts are.
                await anyio.lowlevel.checkpoint()
                hits = words.matched(wanted, row.title, start_to_text(row.summary or "", words.MOST_TEXT))
                if hits == len(wanted):
                    found.append(row)
                elif hits:
                    partly.append((hits, row))
            if len(found) > page * limit:
                break
    shown = found or [row for _, row in sorted(partly, key=lambda each: -each[0])]
    further = len(shown) > page * limit
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in shown[(page - 1) * limit : page * limit]],
        detailed=detail,
        has_more=further,
        page=page + 1 if further else None,
        looked_at=looked_at,
        looked_at_all=not more,
        unreadable=unreadable or None,
        note=_search_note(bool(found), bool(partly), words_asked=bool(wanted), rest=more and not further),
    )


def _search_note(found: bool, partly: bool, *, words_asked: bool, rest: bool) -> str | None:
    narrow = "narrow the filters" if rest else None
    if words_asked:
        return words.describe_result(found, partly, narrow)
    return f"Not all was looked at: {narrow}." if narrow else None
