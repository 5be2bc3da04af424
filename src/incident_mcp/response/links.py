"""Links between incident.io incidents and Ionhour alerts.

The services store the links: a line in the incident's summary contains the alert's number and public ID, and a note on
the alert contains the incident's reference. Users can edit both texts, so a link counts only if the IDs agree. Similar
names never make a link.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.incidentio.access import LIST, read_one
from incident_mcp.incidentio.incidents.alert_links import MAX_SUMMARY, AlertId, alerts_in
from incident_mcp.incidentio.pages import read_rows
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Record
from incident_mcp.response.reading import Problems
from incident_mcp.transport.api import Api

_NOTE = re.compile(r"^Declared in incident\.io as (INC-[0-9]{1,18})(?:: \S+)?[^\S\n]*$", re.MULTILINE)
MAX_ADDRESS = 2_000
"""Maximum length of a permalink that a note contains."""
MAX_DECLARED = 1000
"""Incidents that are searched for one that links an alert."""
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Earlier than any incident of either service."""


def alert_id(alert: Alert) -> AlertId:
    """Return an alert's number and public ID."""
    return AlertId(alert.id, alert.public_id or "")


def summary_line(alert: Alert) -> str:
    """Return the line in a summary that links an incident to an alert."""
    return f"Ionhour incident {alert.id} ({alert.public_id})"


def note_text(reference: str, permalink: str | None) -> str:
    """Return the note that links an alert to an incident."""
    address = f": {permalink}" if permalink and len(permalink) <= MAX_ADDRESS else ""
    return f"Declared in incident.io as {reference}{address}"


def references_in(notes: Iterable[str | None]) -> list[str]:
    """Return the references of the incidents in notes, the newest last."""
    return [reference for note in notes for reference in _NOTE.findall((note or "")[:MAX_SUMMARY])]


class LinkedIncident(Record):
    """An incident with the fields that links need."""

    id: str
    reference: str
    name: str | None = None
    summary: str | None = None
    permalink: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    mode: str | None = None
    changed_at: str | None = Field(default=None, validation_alias="updated_at", exclude=True)

    @cached_property
    def alerts(self) -> Sequence[AlertId]:
        """The alerts in the summary."""
        return alerts_in(self.summary)

    def links(self, alert: AlertId) -> bool:
        """Return whether the summary contains this alert's number and public ID."""
        return alert in self.alerts


class _Response(BaseModel):
    incident: LinkedIncident


async def read_linked(api: Api, incident: str) -> LinkedIncident:
    """Read an incident by any accepted reference.

    Raises:
        InputError: The reference is not valid.
    """
    return (await read_one(api, incident, _Response)).incident


async def confirmed_link(api: Api, reference: str, alert: Alert, problems: Problems) -> LinkedIncident | None:
    """Read the incident in a note; None, and a problem, unless its summary contains the alert."""
    found: list[LinkedIncident] = []

    async def read_named() -> None:
        found.append(await read_linked(api, reference))

    if not await problems.attempt("", reference, read_named):
        return None
    if found[0].links(alert_id(alert)):
        return found[0]
    problems.add(f"A note names {reference}, but its summary does not name Ionhour alert {alert.id}.")
    return None


@dataclass(frozen=True)
class DeclaredIncidents:
    """The incidents created since a time, oldest first, regardless of their status."""

    rows: list[LinkedIncident]
    unreadable: int
    """Number of further, unreadable ones."""
    more: bool
    """True if there are more than were read."""

    @property
    def complete(self) -> bool:
        """True if these are all incidents."""
        return not self.more and not self.unreadable

    @cached_property
    def _by_alert(self) -> dict[AlertId, LinkedIncident]:
        index: dict[AlertId, LinkedIncident] = {}
        for row in self.rows:
            for alert in row.alerts:
                index.setdefault(alert, row)
        return index

    def find(self, alert: AlertId) -> LinkedIncident | None:
        """Return the first incident with an alert in its summary."""
        return self._by_alert.get(alert)


def start_day(started_at: str | None, now: datetime) -> str | None:
    """Return the day on which an alert began; None if unknown or implausible: before 2000 or in the future."""
    instant = parse_instant(started_at)
    if instant is None or not _OLDEST <= instant <= now + timedelta(days=1):
        return None
    return instant.date().isoformat()


async def declared_since(api: Api, started_at: str | None) -> DeclaredIncidents:
    """Read the incidents created since an alert began; the newest ones if its start is unknown."""
    day = start_day(started_at, datetime.fromtimestamp(api.now(), UTC))
    query = [("mode[one_of]", mode) for mode in ("standard", "retrospective", "test")]
    query += [("created_at[gte]", day)] if day else []
    query += [("sort_by", "created_at_oldest_first" if day else "created_at_newest_first")]
    rows = await read_rows(api, LIST.request(query), LinkedIncident, limit=MAX_DECLARED)
    return DeclaredIncidents(rows if day else rows[::-1], rows.unreadable or 0, more=not rows.complete)
