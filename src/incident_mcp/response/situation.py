"""What is on fire, over both services, in one answer."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import anyio
from pydantic import AfterValidator, AliasPath, BeforeValidator, Field

from incident_mcp.deps import AppSettings, BothServices, Services
from incident_mcp.http import Api, fill
from incident_mcp.incidentio.incident_records import Actor, lead_of
from incident_mcp.incidentio.pages import MOST_A_PAGE, Page, read_pages
from incident_mcp.ionhour.incidents import IonhourIncident, priority, unresolved_incidents
from incident_mcp.models import Listed, Record, shorten
from incident_mcp.response.links import AlertId, LinkedIncident, Problems, alert_id, alerts_in, declared_since
from incident_mcp.settings import KEY_VARIABLES
from incident_mcp.toolset import read

MOST_OPEN = 500
"""Open incidents that are read before the worst are picked."""
MOST_UPDATES = 1000
"""Updates of one incident that are read for the latest, where they do not come newest first."""
MOST_LINKED = 40
"""Alerts that are looked up because an incident names them."""
AT_ONCE = 8
MOST_OF_NAME, FIRST_WORDS = 60, 45


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


class _Update(Record):
    incident_id: str
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    updater: Actor | None = None
    created_at: _When


class _UpdatePage(Page):
    rows: list[_Update] = Field(validation_alias="incident_updates")


class LatestUpdate(Record):
    """The newest update of an incident."""

    ago: str
    by: str | None = None
    text: str | None = None
    """First words of the message, or the status it was moved to."""


class SituationIncident(Record):
    """An open incident.io incident."""

    reference: str
    name: str | None = None
    severity: str | None = None
    status: str | None = None
    lead: str | None = None
    age: str | None = None
    latest_update: LatestUpdate | None = None


class SituationAlert(Record):
    """An unresolved Ionhour incident."""

    id: int
    title: str | None = None
    severity: str | None = None
    state: str | None = None
    """Left out while it is ACTIVE."""
    project: str | None = None
    acknowledged: bool | None = None
    """Left out while nobody has."""
    age: str | None = None
    since_success: str | None = None


class Link(Record):
    """An incident and an alert that are the same outage."""

    incident: str
    ionhour_incident: int
    incident_status: str | None = None
    """Of an incident that is not open any more."""


class Gaps(Record):
    """What is missing, of what is shown."""

    not_declared: list[int] | None = None
    """Ionhour incidents that no incident names."""
    check_recovered: list[str] | None = None
    """Open incidents whose check has recovered."""
    no_lead: list[str] | None = None
    no_recent_update: list[str] | None = None


class Situation(Listed):
    """What is open in both services, what belongs together, and what is missing."""

    as_of: str
    incidents: list[SituationIncident] | None = None
    incidents_not_shown: int | None = None
    ionhour_incidents: list[SituationAlert] | None = None
    ionhour_incidents_not_shown: int | None = None
    links: list[Link] | None = None
    links_known_by: str | None = None
    gaps: Gaps | None = None
    problems: list[str] | None = None
    """What could not be read."""

    def most_tokens(self, rows: int) -> int:
        """Say what the answer may cost: under 2,500 tokens for 20 of each."""
        rows = max(len(self.incidents or ()), len(self.ionhour_incidents or ()), 20)
        return 121 * rows


def ago(seconds: float) -> str:
    """Tell a span of time shortly: 42m, 3h10m, 2d4h."""
    minutes = max(0, int(seconds // 60))
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days}d{hours}h"
    return f"{hours}h{minutes % 60}m" if hours else f"{minutes}m"


_Work = tuple[str, str, Callable[[], Awaitable[None]]]
"""What is read, of what, and how."""


class _Reader:
    """Reads what the situation needs; what cannot be read becomes a problem and not a failure."""

    def __init__(self, services: Services, now: datetime) -> None:
        self.services = services
        self.now = now
        self.problems = Problems()
        self.open: list[OpenIncident] | None = None
        self.updates: dict[str, _Update] = {}
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
        query = [("status_category[one_of]", "live"), ("status_category[one_of]", "triage")]
        pages = await read_pages(api, "/v2/incidents", _OpenPage, query, limit=MOST_OPEN)
        rows = [row for page in pages for row in page.rows]
        self.open = sorted(rows, key=lambda row: (-(-1 if row.rank is None else row.rank), row.created_at or self.now))
        if pages[-1].after:
            self.problems.add(f"incident.io has more than {MOST_OPEN} open incidents; the newest were read.")

    async def read_alerts(self, api: Api, workspace: int | None) -> None:
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

    def keep(self, rows: Sequence[_Update]) -> None:
        for row in rows:
            known = self.updates.get(row.incident_id)
            if known is None or known.created_at < row.created_at:
                self.updates[row.incident_id] = row

    async def read_linked(self, api: Api, alert: AlertId) -> None:
        path = fill("/incidents/{incident_id}", incident_id=alert.number)
        found = await api.get(path, IonhourIncident)
        if found.public_id == alert.public_id:
            self.linked[alert] = found

    async def read_declared(self, api: Api, since: str) -> None:
        declared = await declared_since(api, since)
        self.declared, self.all_declared_known = declared.rows, declared.complete
        if not declared.complete:
            self.problems.add(
                f"More than {len(declared.rows)} incidents were made since the oldest alert that no open one names:"
                " which alerts nobody declared is not known."
            )


def _newest_first(rows: Sequence[_Update]) -> bool:
    """Say whether a page comes newest first: the order is not documented, and only then it holds the newest of all."""
    instants = [row.created_at for row in rows]
    return instants == sorted(instants, reverse=True) and instants[:1] > instants[-1:]


def _urgency(alert: IonhourIncident) -> tuple[bool, int, str]:
    """Unacknowledged first, then P1 before P4, then the oldest."""
    return alert.acknowledged_at is not None, priority(alert.severity) or 9, alert.started_at or "~"


async def read_all(reader: _Reader, settings: AppSettings, limit: int) -> None:
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


async def _updates_left(reader: _Reader, api: Api, shown: Sequence[OpenIncident]) -> list[_Work]:
    """Read everybody's updates, and give what that page did not reach."""
    if not await reader.problems.attempt("updates", "", partial(reader.read_updates, api)):
        return []
    return [
        ("updates of", row.reference, partial(reader.read_updates_of, api, row))
        for row in shown
        if row.id not in reader.updates_known
    ]


def _linked_left(reader: _Reader, api: Api, shown: Sequence[OpenIncident]) -> list[_Work]:
    """Give the alerts to look up: incidents name them, and they are not among the unresolved ones."""
    unresolved = {alert_id(alert) for alert in reader.alerts or ()}
    named = dict.fromkeys(alert for row in shown for alert in alerts_in(row.summary) if alert not in unresolved)
    if len(named) > MOST_LINKED:
        reader.problems.add(f"Incidents name {len(named)} more Ionhour incidents; {MOST_LINKED} were looked up.")
    return [
        ("Ionhour incident", str(alert.number), partial(reader.read_linked, api, alert))
        for alert in list(named)[:MOST_LINKED]
    ]


def _links(reader: _Reader, shown: Sequence[OpenIncident], alerts: Sequence[IonhourIncident]) -> list[Link]:
    """Pair incidents and alerts whose ids agree in both services, of which one at least is shown."""
    unresolved = {alert_id(alert) for alert in reader.alerts or ()}
    told = {alert_id(alert) for alert in alerts}
    here = {row.id for row in shown}
    links = [
        Link(incident=row.reference, ionhour_incident=alert.number)
        for row in reader.open or ()
        for alert in alerts_in(row.summary)
        if alert in told or (row.id in here and (alert in unresolved or alert in reader.linked))
    ]
    linked = {link.ionhour_incident for link in links}
    return links + [
        Link(incident=row.reference, ionhour_incident=alert.id, incident_status=row.status)
        for row in reader.declared
        for alert in alerts
        if alert.id not in linked and row.links(alert_id(alert))
    ]


def _recovered(reader: _Reader, incident: OpenIncident) -> bool:
    """Say whether every alert that an incident names has recovered, as far as that is known."""
    alerts = {alert_id(alert): alert for alert in reader.alerts or ()} | reader.linked
    named = [alerts.get(alert) for alert in alerts_in(incident.summary)]
    return bool(named) and all(alert is not None and _is_recovered(alert) for alert in named)


def _is_recovered(alert: IonhourIncident) -> bool:
    return alert.state != "ACTIVE" and bool(alert.recovered_at or alert.resolved_at)


def _gaps(
    reader: _Reader,
    shown: Sequence[OpenIncident],
    alerts: Sequence[IonhourIncident],
    links: Sequence[Link],
    stale: timedelta,
) -> Gaps | None:
    linked = {link.ionhour_incident for link in links}
    quiet = [
        row.reference
        for row in shown
        if row.id in reader.updates_known
        and (since := reader.updates[row.id].created_at if row.id in reader.updates else row.created_at)
        and reader.now - since > stale
    ]
    # Without its beginning an alert was not looked for among earlier incidents.
    undeclared = [alert.id for alert in alerts if alert.id not in linked and alert.started_at]
    gaps = Gaps(
        not_declared=(undeclared or None) if reader.all_declared_known else None,
        check_recovered=[row.reference for row in shown if _recovered(reader, row)] or None,
        no_lead=[row.reference for row in shown if row.lead is None] or None,
        no_recent_update=quiet or None,
    )
    return gaps if gaps.dump() else None


def _incident(reader: _Reader, row: OpenIncident) -> SituationIncident:
    update = reader.updates.get(row.id)
    said = update and (update.message or (update.status and f"now {update.status}"))
    return SituationIncident(
        reference=row.reference,
        name=shorten(row.name or "", MOST_OF_NAME) or None,
        severity=row.severity,
        status=row.status,
        lead=row.lead,
        age=ago((reader.now - row.created_at).total_seconds()) if row.created_at else None,
        latest_update=update
        and LatestUpdate(
            ago=ago((reader.now - update.created_at).total_seconds()),
            by=update.updater,
            text=shorten(" ".join(said.split()), FIRST_WORDS) if said else None,
        ),
    )


def _alert(reader: _Reader, alert: IonhourIncident) -> SituationAlert:
    return SituationAlert(
        id=alert.id,
        title=shorten(alert.title or "", MOST_OF_NAME) or None,
        severity=alert.severity,
        state=None if alert.state == "ACTIVE" else alert.state,
        project=alert.project,
        acknowledged=alert.acknowledged_at is not None or None,
        age=_since(reader.now, alert.started_at),
        since_success=_since(reader.now, alert.last_success_at),
    )


def _since(now: datetime, instant: str | None) -> str | None:
    try:
        return ago((now - datetime.fromisoformat(instant)).total_seconds()) if instant else None
    except (ValueError, TypeError):
        return None


async def situation(
    services: BothServices,
    settings: AppSettings,
    limit: Annotated[int, Field(ge=1, le=100, description="Most rows of each service.")] = 20,
) -> Situation:
    """What is on fire: open incidents and unresolved Ionhour incidents, what belongs together, and what is missing.

    Start here. incident.io by severity, then age; Ionhour unacknowledged first. One service down: the other's half,
    and `problems` says what could not be read.
    """
    reader = _Reader(services, datetime.now(UTC))
    await read_all(reader, settings, limit)
    shown, alerts = (reader.open or [])[:limit], (reader.alerts or [])[:limit]
    links = _links(reader, shown, alerts)
    return Situation(
        as_of=reader.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        incidents=None if reader.open is None else [_incident(reader, row) for row in shown],
        incidents_not_shown=len(reader.open or ()) - len(shown) or None,
        ionhour_incidents=None if reader.alerts is None else [_alert(reader, alert) for alert in alerts],
        ionhour_incidents_not_shown=reader.alerts_total - len(alerts) or None,
        has_more=len(reader.open or ()) > limit or reader.alerts_total > limit,
        links=links or None,
        links_known_by="the alert's number and public id in the incident's summary" if links else None,
        gaps=_gaps(reader, shown, alerts, links, timedelta(minutes=settings.stale_minutes)),
        problems=reader.problems.told() or None,
    )


TOOLS = [read(situation, "What is on fire")]
