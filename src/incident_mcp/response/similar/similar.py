"""Closed incidents that resemble an incident or a description."""

from collections.abc import Mapping
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.records.instants import parse_instant, to_second
from incident_mcp.records.record import Instant, Listed, Name, Record
from incident_mcp.response.insight import INSIGHT
from incident_mcp.response.similar.closed import ClosedIncidents
from incident_mcp.response.similar.ranking import Match, rank
from incident_mcp.response.similar.records import ClosedIncident
from incident_mcp.response.similar.store import Store
from incident_mcp.tooling.dependencies import CurrentCaller, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.writing.intents import account_of


class SimilarIncident(Record):
    """A closed incident that shares words."""

    reference: str
    name: Name | None = None
    score: float
    """Comparable within one result."""
    shared: list[str]
    """Words in common, the rarest first."""
    severity: str | None = None
    status: str | None = None
    created_at: Instant | None = None
    visibility: str | None = None
    """Only if it is not public."""
    last_message: str | None = None
    """Of its updates: usually how it ended."""
    last_message_at: Instant | None = None
    postmortem_document_url: str | None = None
    postmortem_document_ids: list[str] | None = None


class SimilarIncidents(Listed):
    """Closed incidents, the most similar first."""

    MARK = "Texts that end in … were cut: incidentio_get_incident and incidentio_list_updates show them in full."
    LONGEST = 300
    incidents: list[SimilarIncident]
    looked_at: int
    """Closed incidents that were compared, the newest."""
    looked_at_all: bool
    """True if there are no others."""
    note: str | None = None
    problems: list[str] | None = None
    """What could not be read."""


async def similar_incidents(
    api: IncidentioApi,
    caller: CurrentCaller,
    incident: Annotated[str | None, Field(description="INC-123, 123, ID or link.")] = None,
    text: Annotated[str | None, Field(description="Or symptoms in your words.")] = None,
    limit: Annotated[int, Field(ge=1, le=20, description="Maximum rows.")] = 5,
) -> SimilarIncidents:
    """Find closed incidents like this one: how they ended, and their post-mortems."""
    if (incident is None) == (text is None):
        raise InputError("Pass either incident or text. Not sent.")
    itself = await read_incident(api, incident) if incident is not None else None
    closed = ClosedIncidents(api, Store(caller.state_folder, account_of(api)))
    await closed.read()
    others = [at for at, row in enumerate(closed.rows) if row.id != (itself and itself.id)]
    matches = await anyio.to_thread.run_sync(rank, [closed.rows[at] for at in others], _words(text, itself), limit + 1)
    shown = {others[match.index]: match for match in matches[:limit]}
    await closed.complete_messages([*shown])
    await closed.keep()
    return _answer(closed, shown, looked_at=len(others), has_more=len(matches) > limit)


def _words(text: str | None, incident: Incident | None) -> str:
    return text or "\n".join(filter(None, (incident.name, incident.summary) if incident else ()))


def _answer(closed: ClosedIncidents, shown: Mapping[int, Match], *, looked_at: int, has_more: bool) -> SimilarIncidents:
    return SimilarIncidents(
        incidents=[_row(closed.rows[at], match) for at, match in shown.items()],
        has_more=has_more,
        looked_at=looked_at,
        looked_at_all=closed.complete and not closed.unreadable,
        unreadable=closed.unreadable,
        note=None if shown else "No closed incident that was compared shares a word with it.",
        problems=closed.problems.lines() or None,
    )


def _row(incident: ClosedIncident, match: Match) -> SimilarIncident:
    last = incident.last_message if incident.last_message_known else None
    return SimilarIncident(
        reference=incident.reference,
        name=incident.name,
        score=round(match.score, 1),
        shared=match.shared,
        severity=incident.severity,
        status=incident.status,
        visibility=None if incident.visibility == "public" else incident.visibility,
        created_at=_second(incident.created_at),
        last_message=last and last.text,
        last_message_at=_second(last and last.at),
        postmortem_document_url=incident.postmortem_document_url,
        postmortem_document_ids=incident.postmortem_document_ids or None,
    )


def _second(text: str | None) -> str | None:
    instant = parse_instant(text)
    return to_second(instant) if instant else None


TOOLS = [
    read_tool(
        similar_incidents,
        "Similar past incidents",
        toolset=INSIGHT,
        keywords="seen happened before past earlier history recurring precedent known problem last year",
    )
]
