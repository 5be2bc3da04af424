"""Which incident.io incident and which Ionhour incident are the same outage.

The links live in the services: a line in the incident's summary names the alert by number and public id, a note on the
alert names the incident. Both are text that people can edit, so a link counts only where the ids agree; a name never
makes one.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from pydantic import AliasPath, BaseModel, Field

from incident_mcp.errors import IncidentMcpError
from incident_mcp.http import Api
from incident_mcp.incidentio.pages import Page, read_pages
from incident_mcp.ionhour.incidents import IonhourIncident
from incident_mcp.models import Record, shorten

_LINE = re.compile(r"^Ionhour incident ([0-9]{1,18}) \(([0-9A-Za-z]{20,32})\)\s*$", re.MULTILINE)
_NOTE = re.compile(r"^Declared in incident\.io as (INC-[0-9]{1,18})(?:: (\S+))?\s*$", re.MULTILINE)
MOST_DECLARED = 1000
"""Incidents that are looked through for one that links an alert."""
MOST_NAMED = 20
"""Alerts that one text may link."""


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
    named = (AlertId(int(number), public_id) for number, public_id in _LINE.findall(summary or ""))
    return list(dict.fromkeys(named))[:MOST_NAMED]


def references_in(notes: Iterable[str | None]) -> list[str]:
    """Find the incidents that notes name, the newest last."""
    return [reference for note in notes for reference, _ in _NOTE.findall(note or "")]


class Problems:
    """What could not be read: told beside the rest, and no failure of the whole."""

    MOST_NAMED = 5
    LONGEST = 300

    def __init__(self) -> None:
        self._said: list[str] = []
        self._failed: dict[str, list[tuple[str, str]]] = {}

    def add(self, said: str) -> None:
        """Note a problem."""
        self._said.append(said)

    async def attempt(self, what: str, which: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Try something, and say whether it succeeded; what fails alike is told once.

        Args:
            what: What is read, like "updates of".
            which: Of what.
            work: Reads it.
        """
        try:
            await work()
        except IncidentMcpError as failure:
            self._failed.setdefault(what, []).append((which, str(failure)))
            return False
        return True

    def told(self) -> list[str]:
        """Give the problems, each in a line."""
        lines = list(self._said)
        for what, failed in self._failed.items():
            names = [which for which, _ in failed if which]
            more = f" and {len(names) - self.MOST_NAMED} more" if len(names) > self.MOST_NAMED else ""
            lines.append(f"{what} {', '.join(names[: self.MOST_NAMED])}{more}".strip() + f": {failed[0][1]}")
        return [shorten(line, self.LONGEST) for line in lines]


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


@dataclass(frozen=True)
class Declared:
    """The incidents made since an instant, oldest first, whatever became of them."""

    rows: list[LinkedIncident]
    complete: bool
    """Whether those are all."""

    def naming(self, alert: AlertId) -> LinkedIncident | None:
        """Find the first that names an alert."""
        return next((row for row in self.rows if row.links(alert)), None)


async def declared_since(api: Api, started_at: str) -> Declared:
    """Read the incidents made since an alert began."""
    query = [
        ("mode[one_of]", "standard"),
        ("mode[one_of]", "retrospective"),
        ("mode[one_of]", "test"),
        ("created_at[gte]", started_at[:10]),
        ("sort_by", "created_at_oldest_first"),
    ]
    pages = await read_pages(api, "/v2/incidents", _LinkedPage, query, limit=MOST_DECLARED)
    return Declared([row for page in pages for row in page.rows], complete=pages[-1].after is None)
