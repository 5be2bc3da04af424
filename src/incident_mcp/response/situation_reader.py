"""Reading what is open in both services, in as few requests as will do; what cannot be read becomes a problem."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import anyio
from pydantic import AfterValidator, AliasPath, BeforeValidator, Field

from incident_mcp.deps import Services
from incident_mcp.http import Api, fill
from incident_mcp.incidentio.incident_records import Actor, lead_of
from incident_mcp.incidentio.pages import MOST_A_PAGE, Page, read_pages
from incident_mcp.ionhour.incidents import IonhourIncident, priority, unresolved_incidents
from incident_mcp.models import Record
from incident_mcp.response.links import AlertId, LinkedIncident, Problems, alert_id, alerts_in, declared_since
from incident_mcp.settings import KEY_VARIABLES, Settings

MOST_OPEN = 500
"""Open incidents that are read before the worst are picked."""
MOST_UPDATES = 1000
"""Updates of one incident that are read for the latest, where they do not come newest first."""
MOST_LINKED = 40
"""Alerts that are looked up because an incident names them."""
AT_ONCE = 8


def _aware(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


_When = Annotated[datetime, AfterValidator(_aware)]


class OpenIncident(LinkedIncident):
    """A live or triage incident as the API lists it."""

    rank: int | None = Field(default=None, validation_alias=AliasPath("severity", "rank"))
    lead: Annotated[str | None, BeforeValidator(lead_of)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    created_at: _When | None = None


class _OpenPage(Page):
    rows: list[OpenIncident] = Field(validation_alias="incidents")


class Update(Record):
    """An update, as far as the situation tells it."""

    incident_id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    updater: Actor | None = None
    created_at: _When


class _UpdatePage(Page):
    rows: list[Update] = Field(validation_alias="incident_updates")


_Work = tuple[str, str, Callable[[], Awaitable[None]]]
"""What is read, of what, and how."""


class Reader:
    """Reads what the situation needs; what cannot be read becomes a problem and not a failure."""

    def __init__(self, services: Services, now: datetime) -> None:
        self.services = services
        self.now = now
        self.problems = Problems()
        self.open: list[OpenIncident] | None = None
        self.updates: dict[str, Update] = {}
        self.updates_known: set[str] = set()
        self.alerts: list[IonhourIncident] | None = None
        self.alerts_total = 0
        self.linked: dict[AlertId, IonhourIncident] = {}
        """Alerts that open incidents name and that are not among the unresolved ones."""
        self.declared: list[LinkedIncident] = []
        """Incidents made since the oldest alert that no open incident names."""
        self.all_declared_known = False

    async def together(self, works: Sequence[_Work]) -> None:
        """Do several things, eight at once."""
        turns = anyio.Semaphore(AT_ONCE)

        async def one(work: _Work) -> None:
            async with turns:
                await self.problems.attempt(*work)

        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(one, work)

    async def read_open(self, api: Api) -> None:
        """Read the live and triage incidents, the worst first."""
        query = [("status_category[one_of]", "live"), ("status_category[one_of]", "triage")]
        pages = await read_pages(api, "/v2/incidents", _OpenPage, query, limit=MOST_OPEN)
        rows = [row for page in pages for row in page.rows]
        self.open = sorted(rows, key=lambda row: (-(-1 if row.rank is None else row.rank), row.created_at or self.now))
        if pages[-1].after:
            self.problems.add(f"incident.io has more than {MOST_OPEN} open incidents; the newest were read.")

    async def read_alerts(self, api: Api, workspace: int | None) -> None:
        """Read the unresolved alerts, the most urgent first."""
        rows, self.alerts_total = await unresolved_incidents(api, workspace)
        self.alerts = sorted(rows, key=_urgency)
        if self.alerts_total > len(rows):
            self.problems.add(f"Ionhour has {self.alerts_total} unresolved incidents; {len(rows)} were read.")

    async def read_updates(self, api: Api) -> None:
        """Read one page of everybody's updates; newest first, it settles every incident that is on it."""
        page = await api.get("/v2/incident_updates", _UpdatePage, [("page_size", str(MOST_A_PAGE))])
        self.keep(page.rows)
        if not page.after:
            self.updates_known = {row.id for row in self.open or ()}
        elif _newest_first(page.rows):
            self.updates_known = {row.incident_id for row in page.rows}

    async def read_updates_of(self, api: Api, incident: OpenIncident) -> None:
        """Read one incident's updates until the newest is sure to be among them."""
        query = [("incident_id", incident.id)]
        (page, *_) = await read_pages(api, "/v2/incident_updates", _UpdatePage, query, limit=MOST_A_PAGE)
        self.keep(page.rows)
        if page.after and not _newest_first(page.rows):
            left = MOST_UPDATES - MOST_A_PAGE
            pages = await read_pages(api, "/v2/incident_updates", _UpdatePage, query, limit=left, after=page.after)
            for page in pages:
                self.keep(page.rows)
            if pages[-1].after:
                return
        self.updates_known.add(incident.id)

    def keep(self, rows: Sequence[Update]) -> None:
        """Keep the newest update of each incident."""
        for row in rows:
            known = self.updates.get(row.incident_id)
            if known is None or known.created_at < row.created_at:
                self.updates[row.incident_id] = row

    async def read_linked(self, api: Api, alert: AlertId) -> None:
        """Read an alert that an incident names, and keep it if its public id agrees."""
        path = fill("/incidents/{incident_id}", incident_id=alert.number)
        found = await api.get(path, IonhourIncident)
        if found.public_id == alert.public_id:
            self.linked[alert] = found

    async def read_declared(self, api: Api, since: str) -> None:
        """Read the incidents made since an alert began, for those that name it and are not open any more."""
        declared = await declared_since(api, since)
        self.declared, self.all_declared_known = declared.rows, declared.complete
        if not declared.complete:
            self.problems.add(
                f"More than {len(declared.rows)} incidents were made since the oldest alert that no open one names:"
                " which alerts nobody declared is not known."
            )


def _newest_first(rows: Sequence[Update]) -> bool:
    """Say whether a page comes newest first: the order is not documented, and only then it holds the newest of all."""
    instants = [row.created_at for row in rows]
    return instants == sorted(instants, reverse=True) and instants[:1] > instants[-1:]


def _urgency(alert: IonhourIncident) -> tuple[bool, int, str]:
    """Unacknowledged first, then P1 before P4, then the oldest."""
    return alert.acknowledged_at is not None, priority(alert.severity) or 9, alert.started_at or "~"


async def read_all(reader: Reader, settings: Settings, limit: int) -> None:
    """Read both services: first what is open, then only what that leaves open."""
    incidentio, ionhour = reader.services.incidentio, reader.services.ionhour
    first: list[_Work] = []
    if incidentio is not None:
        first.append(("incident.io's incidents", "", partial(reader.read_open, incidentio)))
    else:
        reader.problems.add(f"incident.io's incidents: there is no key ({KEY_VARIABLES['incidentio']}).")
    if ionhour is not None:
        workspace = settings.ionhour_workspace_id
        first.append(("Ionhour's incidents", "", partial(reader.read_alerts, ionhour, workspace)))
    else:
        reader.problems.add(f"Ionhour's incidents: there is no key ({KEY_VARIABLES['ionhour']}).")
    await reader.together(first)
    second: list[_Work] = []
    if incidentio is not None and reader.open:
        second += await _updates_left(reader, incidentio, reader.open[:limit])
    if ionhour is not None and reader.alerts is not None:
        second += _linked_left(reader, ionhour, (reader.open or [])[:limit])
    if incidentio is not None and reader.open is not None:
        named = {alert for row in reader.open for alert in alerts_in(row.summary)}
        shown = (reader.alerts or [])[:limit]
        unnamed = [alert.started_at for alert in shown if alert_id(alert) not in named and alert.started_at]
        if unnamed:
            second.append(("incidents declared earlier", "", partial(reader.read_declared, incidentio, min(unnamed))))
    await reader.together(second)


async def _updates_left(reader: Reader, api: Api, shown: Sequence[OpenIncident]) -> list[_Work]:
    """Read everybody's updates, and give what that page did not reach."""
    if not await reader.problems.attempt("updates", "", partial(reader.read_updates, api)):
        return []
    return [
        ("updates of", row.reference, partial(reader.read_updates_of, api, row))
        for row in shown
        if row.id not in reader.updates_known
    ]


def _linked_left(reader: Reader, api: Api, shown: Sequence[OpenIncident]) -> list[_Work]:
    """Give the alerts to look up: incidents name them, and they are not among the unresolved ones."""
    unresolved = {alert_id(alert) for alert in reader.alerts or ()}
    named = dict.fromkeys(alert for row in shown for alert in alerts_in(row.summary) if alert not in unresolved)
    if len(named) > MOST_LINKED:
        reader.problems.add(f"Incidents name {len(named)} more Ionhour incidents; {MOST_LINKED} were looked up.")
    return [
        ("Ionhour incident", str(alert.number), partial(reader.read_linked, api, alert))
        for alert in list(named)[:MOST_LINKED]
    ]
