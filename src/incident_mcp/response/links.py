"""Which incident.io incident and which Ionhour incident are the same outage.

The links live in the services: a line in the incident's summary names the alert by number and public id, a note on the
alert names the incident. Both are text that people can edit, so a link counts only where the ids agree; a name never
makes one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.http import Api
from incident_mcp.incidentio.pages import Page, read_pages
from incident_mcp.ionhour.incidents import IonhourIncident
from incident_mcp.models import Record

_LINE = re.compile(r"^Ionhour incident ([0-9]{1,18}) \(([0-9A-Za-z]{20,32})\)\s*$", re.MULTILINE)
_NOTE = re.compile(r"^Declared in incident\.io as (INC-[0-9]{1,18})(?:: (\S+))?\s*$", re.MULTILINE)
MOST_DECLARED = 1000
"""Incidents that are looked through for one that links an alert."""


@dataclass(frozen=True)
class AlertId:
    """What names an alert: its number and its public id, which must agree."""

    number: int
    public_id: str


def alert_id(alert: IonhourIncident) -> AlertId:
    """Give what names an alert."""
    return AlertId(alert.id, alert.public_id or "")


def summary_line(alert: IonhourIncident) -> str:
    """Write the line that links an incident to an alert."""
    return f"Ionhour incident {alert.id} ({alert.public_id})"


def note_text(reference: str, permalink: str | None) -> str:
    """Write the note that links an alert to an incident."""
    return f"Declared in incident.io as {reference}" + (f": {permalink}" if permalink else "")


def alerts_in(summary: str | None) -> list[AlertId]:
    """Find the alerts that a summary names."""
    return [AlertId(int(number), public_id) for number, public_id in _LINE.findall(summary or "")]


def references_in(notes: Iterable[str | None]) -> list[str]:
    """Find the incidents that notes name, the newest last."""
    return [reference for note in notes for reference, _ in _NOTE.findall(note or "")]


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

    def links(self, alert: AlertId) -> bool:
        """Say whether the summary names this alert, number and public id."""
        return alert in alerts_in(self.summary)


class LinkedIncidentAnswer(BaseModel):
    """How one incident travels."""

    incident: LinkedIncident


class _LinkedPage(Page):
    rows: list[LinkedIncident] = Field(validation_alias="incidents")


async def declared_since(api: Api, started_at: str) -> list[LinkedIncident]:
    """Read the incidents made since an alert began, whatever became of them, oldest first."""
    query = [
        ("mode[one_of]", "standard"),
        ("mode[one_of]", "retrospective"),
        ("mode[one_of]", "test"),
        ("created_at[gte]", started_at[:10]),
        ("sort_by", "created_at_oldest_first"),
    ]
    pages = await read_pages(api, "/v2/incidents", _LinkedPage, query, limit=MOST_DECLARED)
    return [row for page in pages for row in page.rows]
