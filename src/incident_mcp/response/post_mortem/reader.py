"""Reading what a draft rests on, each source independently."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from incident_mcp.incidentio.alerts import links as alert_links
from incident_mcp.incidentio.follow_ups import actions, follow_ups
from incident_mcp.incidentio.follow_ups.lists import read_of_incident
from incident_mcp.incidentio.follow_ups.records import Action, FollowUp, Work
from incident_mcp.incidentio.incidents.get import read_incident
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.incidentio.names.incidents import IncidentName
from incident_mcp.incidentio.oncall import escalations
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.timeline.activity import ActivityEntry, read_activity
from incident_mcp.incidentio.timeline.calls import read_sessions, read_transcript
from incident_mcp.records.instants import parse_instant
from incident_mcp.response.post_mortem.evidence import Fact
from incident_mcp.response.reading import Part
from incident_mcp.response.timeline.linked import find_alerts
from incident_mcp.response.timeline.reader import TimelineEntry, TimelineReader
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api

MAX_ROWS = 250
"""Rows of each source that are read."""
_ELSEWHERE = frozenset(
    {"incident_update", "status_change", "escalation_created", "action_created", "follow_up_created"}
)
"""Types of the activity log that other sources have in more detail."""
_KINDS = {"update": "U", "timeline_item": "T", "note": "N"}


class DraftReader:
    """Collects the facts of an incident, and which sources could not be read."""

    def __init__(self, api: Api, ionhour: Api | None) -> None:
        self._api = api
        self._timeline = TimelineReader(Services(api, ionhour), MAX_ROWS)
        self.problems = self._timeline.problems
        self.facts: list[Fact] = []
        self.read_sources: set[str] = set()
        """Kinds of facts of which everything was read."""

    async def read(self, reference: str) -> Incident:
        """Read everything about an incident.

        Raises:
            IncidentMcpError: The incident itself cannot be read.
        """
        incident = await read_incident(self._api, reference)
        linked = await find_alerts(self._timeline, incident.id)
        await self._timeline.read(linked.incident, linked.alerts)
        for key in self._timeline.keys_after(None):
            self.facts.append(_from_timeline(key, self._timeline.entries[key]))
        await self._timeline.reading.read(self._parts(incident))
        created = parse_instant(incident.made_at)
        self.facts.append(Fact("I", incident.id, created, who=incident.creator, text=incident.summary))
        return incident

    def _parts(self, incident: Incident) -> list[Part]:
        sources = {
            "attached alerts": self._read_alerts,
            "pages": self._read_pages,
            "activity": self._read_activity,
            "calls": self._read_calls,
            "follow-ups": self._read_follow_ups,
            "actions": self._read_actions,
        }
        return [Part(name, "", self._api, partial(read, incident), requests=2) for name, read in sources.items()]

    def _check(self, kind: str, row: str, rows: Rows[Any]) -> None:
        """Note whether a source was read in full."""
        self.problems.add_unreadable(rows.unreadable, row)
        if not rows.complete:
            self.problems.add(f"There are more than {len(rows)} {row}s; the rest were not read.")
        if rows.complete and not rows.unreadable:
            self.read_sources.add(kind)

    async def _read_alerts(self, incident: Incident) -> None:
        request = alert_links.LIST.request([("incident_id", incident.id)])
        rows = await read_rows(self._api, request, alert_links.AlertLink, limit=MAX_ROWS)
        for row in rows:
            at = parse_instant(row.alert_created_at)
            self.facts.append(Fact("A", row.id, at, text=row.title, status=row.alert_status))
        self._check("A", "attached alert", rows)

    async def _read_pages(self, incident: Incident) -> None:
        request = escalations.LIST.request([("incident[one_of]", incident.id)])
        rows = await read_rows(self._api, request, escalations.Escalation, limit=MAX_ROWS)
        for row in rows:
            self.facts.append(_from_page(row))
        self._check("P", "page", rows)

    async def _read_activity(self, incident: Incident) -> None:
        rows = await read_activity(self._api, incident.id, limit=MAX_ROWS)
        for row in rows:
            if row.type not in _ELSEWHERE:
                self.facts.append(_from_activity(row))
        self._check("L", "activity log entry", rows)

    async def _read_calls(self, incident: Incident) -> None:
        sessions = await read_sessions(self._api, incident.id)
        found = await read_transcript(self._api, sessions, limit=MAX_ROWS)
        for row in found.entries:
            self.facts.append(Fact("C", row.cursor, parse_instant(row.said_at), who=row.who, text=row.text))
        self.problems.add_unreadable(sessions.unreadable, "call")
        self.problems.add_unreadable(found.unreadable, "transcript entry")
        if found.problem is not None:
            self.problems.add(found.problem)
        elif found.after is not None:
            self.problems.add(f"There are more than {len(found.entries)} transcript entries; the rest were not read.")
        if found.empty:
            self.problems.add(
                f"The transcript of {len(found.empty)} of {len(sessions)} calls is empty or not available."
            )

    async def _read_follow_ups(self, incident: Incident) -> None:
        rows = await read_of_incident(self._api, follow_ups.LIST, _named(incident), FollowUp)
        self._add_work("F", [(row, row.title) for row in rows])
        self._check("F", "follow-up", rows)

    async def _read_actions(self, incident: Incident) -> None:
        rows = await read_of_incident(self._api, actions.LIST, _named(incident), Action)
        self._add_work("K", [(row, row.description) for row in rows])
        self._check("K", "action", rows)

    def _add_work(self, kind: str, rows: Sequence[tuple[Work, str | None]]) -> None:
        for row, text in rows:
            at = parse_instant(row.made_at)
            self.facts.append(Fact(kind, row.id, at, who=row.assignee, text=text, status=row.status))


def _named(incident: Incident) -> IncidentName:
    return IncidentName(id=incident.id, reference=incident.reference, name=incident.name, mode=incident.mode)


def _from_activity(row: ActivityEntry) -> Fact:
    text = "; ".join(filter(None, (row.title, *(row.details or ()))))
    return Fact("L", row.id, parse_instant(row.occurred_at), who=row.actor, text=text or None, event=row.type)


def _from_timeline(key: str, entry: TimelineEntry) -> Fact:
    kind = _KINDS.get(entry.kind, "E") if entry.source == "incident.io" or entry.kind == "note" else "E"
    event = entry.kind if kind == "E" else None
    at = parse_instant(entry.at)
    who = f"user {entry.who}" if entry.who and entry.who.isdigit() else entry.who
    return Fact(kind, key, at, who, entry.text, event, entry.status, entry.severity)


def _from_page(row: escalations.Escalation) -> Fact:
    acked = row.last("acked")
    answer = f"acknowledged at {acked.at}" if acked and acked.at else None
    return Fact(
        "P",
        row.id,
        parse_instant(row.made_at),
        who=", ".join(row.notified) or None,
        text=row.title,
        event=answer,
        status=row.status,
    )
