"""Which incident.io incident and which Ionhour incident are the same outage.

The links live in the services: a line in the incident's summary names the alert by number and public id, a note on the
alert names the incident. Both are text that people can edit, so a link counts only where the ids agree; a name never
makes one.
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
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Record
from incident_mcp.response.reading import Problems
from incident_mcp.transport.api import Api

_NOTE = re.compile(r"^Declared in incident\.io as (INC-[0-9]{1,18})(?:: \S+)?[^\S\n]*$", re.MULTILINE)
MOST_OF_ADDRESS = 2_000
"""Characters of the longest address that a note repeats."""
MOST_DECLARED = 1000
"""Incidents that are looked through for one that links an alert."""
_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Older than any incident of either service."""


def alert_id(alert: IonhourIncident) -> AlertId:
    """Return what names an alert."""
    return AlertId(alert.id, alert.public_id or "")


def summary_line(alert: IonhourIncident) -> str:
    """Return the line of a summary that links an incident to an alert."""
    return f"Ionhour incident {alert.id} ({alert.public_id})"


def note_text(reference: str, permalink: str | None) -> str:
    """Return the note that links an alert to an incident."""
    address = f": {permalink}" if permalink and len(permalink) <= MOST_OF_ADDRESS else ""
    return f"Declared in incident.io as {reference}{address}"


def references_in(notes: Iterable[str | None]) -> list[str]:
    """Find the incidents that notes name, the newest last."""
    return [reference for note in notes for reference in _NOTE.findall((note or "")[:MAX_SUMMARY])]


class LinkedIncident(Record):
    """An incident with just what a link needs."""

    id: str
    reference: str
    name: str | None = None
    summary: str | None = None
    permalink: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    mode: str | None = None

    @cached_property
    def alerts(self) -> Sequence[AlertId]:
        """The alerts that the summary names."""
        return alerts_in(self.summary)

    def links(self, alert: AlertId) -> bool:
        """Return whether the summary names this alert, number and public id."""
        return alert in self.alerts


class _LinkedAnswer(BaseModel):
    incident: LinkedIncident


async def read_linked(api: Api, incident: str) -> LinkedIncident:
    """Read an incident by any of its spellings.

    Raises:
        InputError: It is no reference.
    """
    return (await read_one(api, incident, _LinkedAnswer)).incident


async def confirmed_link(api: Api, reference: str, alert: IonhourIncident, problems: Problems) -> LinkedIncident | None:
    """Read an incident that a note names; None, with the reason, unless its summary names the alert too."""
    found: list[LinkedIncident] = []

    async def read_named() -> None:
        found.append(await read_linked(api, reference))

    if not await problems.attempt("", reference, read_named):
        return None
    if found[0].links(alert_id(alert)):
        return found[0]
    problems.add(f"A note names {reference}, but its summary does not name Ionhour incident {alert.id}.")
    return None


@dataclass(frozen=True)
class Declared:
    """The incidents made since an instant, oldest first, whatever their status is now."""

    rows: list[LinkedIncident]
    unreadable: int
    """Further ones that could not be read."""
    more: bool
    """Whether there are further ones, beyond those that are read at most."""

    @property
    def complete(self) -> bool:
        """Whether those are all."""
        return not self.more and not self.unreadable

    @cached_property
    def _by_alert(self) -> dict[AlertId, LinkedIncident]:
        index: dict[AlertId, LinkedIncident] = {}
        for row in self.rows:
            for alert in row.alerts:
                index.setdefault(alert, row)
        return index

    def naming(self, alert: AlertId) -> LinkedIncident | None:
        """Return the first that names an alert."""
        return self._by_alert.get(alert)


def day_of(started_at: str | None, now: datetime) -> str | None:
    """Return the day on which an alert began, None if that is not known: before 2000 or in the future it is wrong."""
    instant = parse_instant(started_at)
    if instant is None or not _OLDEST <= instant <= now + timedelta(days=1):
        return None
    return instant.date().isoformat()


async def declared_since(api: Api, started_at: str | None) -> Declared:
    """Read the incidents made since an alert began; the newest ones if that is not known."""
    day = day_of(started_at, datetime.fromtimestamp(api.now(), UTC))
    query = [("mode[one_of]", mode) for mode in ("standard", "retrospective", "test")]
    query += [("created_at[gte]", day)] if day else []
    query += [("sort_by", "created_at_oldest_first" if day else "created_at_newest_first")]
    rows = await read_rows(api, LIST.request(query), LinkedIncident, limit=MOST_DECLARED)
    return Declared(rows if day else rows[::-1], rows.unreadable or 0, more=not rows.complete)
