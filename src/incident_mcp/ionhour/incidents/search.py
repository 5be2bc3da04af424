"""Searching Ionhour incidents by terms and by state: the API has no filter for either."""

from incident_mcp.ionhour.incidents.access import LIST
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.ionhour.incidents.rows import IonhourIncidents, to_row
from incident_mcp.ionhour.search import search_pages
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
    rows, result = await search_pages(
        api, LIST.request(query), IonhourIncident, search, page=page, limit=limit, most=MAX_SEARCHED
    )
    return IonhourIncidents(incidents=[to_row(row, detail=detail) for row in rows], detailed=detail, **result)


def _texts(row: IonhourIncident) -> tuple[str | None, str]:
    return row.title, start_to_text(row.summary or "", MAX_TEXT)


def _monitoring_texts(row: IonhourIncident) -> tuple[str | None, str] | None:
    return _texts(row) if (row.state or "").upper() == "MONITORING" else None
