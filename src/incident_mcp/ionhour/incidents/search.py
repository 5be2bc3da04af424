"""Searching Ionhour incidents by terms and by state: the API has no filter for either."""

from contextlib import aclosing

from incident_mcp.ionhour.incidents.access import LIST
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.ionhour.incidents.rows import IonhourIncidents, to_row
from incident_mcp.ionhour.pages import each_page
from incident_mcp.records.html import start_to_text
from incident_mcp.records.words import MAX_TEXT, Search
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query

MAX_SEARCHED = 1000
"""Incidents that a search reads."""


async def search_incidents(
    api: Api, query: Query, terms: str | None, *, monitoring: bool, detail: bool, page: int, limit: int
) -> IonhourIncidents:
    """Search up to 1,000 incidents for terms in title and summary, for the state MONITORING, or for both."""
    search = Search(terms, _monitoring_texts if monitoring else _texts)
    end, complete = page * limit, False
    pages = each_page(api, LIST.request(query), IonhourIncident, limit=MAX_SEARCHED)
    async with aclosing(pages):
        async for batch in pages:
            await search.add(batch.rows, batch.unreadable)
            complete = not batch.has_more
            if len(search.matches) > end:
                break
    has_more = len(search.results) > end
    return IonhourIncidents(
        incidents=[to_row(row, detail=detail) for row in search.results[end - limit : end]],
        detailed=detail,
        has_more=has_more,
        page=page + 1 if has_more else None,
        looked_at=search.searched,
        looked_at_all=complete,
        unreadable=search.unreadable,
        note=search.note(None if complete or has_more else "narrow the filters"),
    )


def _texts(row: IonhourIncident) -> tuple[str | None, str]:
    return row.title, start_to_text(row.summary or "", MAX_TEXT)


def _monitoring_texts(row: IonhourIncident) -> tuple[str | None, str] | None:
    return _texts(row) if (row.state or "").upper() == "MONITORING" else None
