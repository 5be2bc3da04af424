"""Reading what is open in both services, in as few requests as possible; what cannot be read is a problem."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import cached_property, partial
from typing import Annotated, cast

from pydantic import AliasPath, BeforeValidator, Field

from incident_mcp.incidentio import incident_updates
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.incidents.alert_links import AlertId
from incident_mcp.incidentio.incidents.records import Lead
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, each_page, read_rows
from incident_mcp.ionhour.incidents.access import read_incident, unresolved_incidents
from incident_mcp.ionhour.incidents.records import IonhourIncident, severity_rank
from incident_mcp.records.record import Json, Record, Whole, part
from incident_mcp.response.links import LinkedIncident, alert_id, day_of, declared_since
from incident_mcp.response.reading import Part, Reading, When
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api

MOST_OPEN = 500
"""Open incidents that are read before the worst are picked."""
MOST_UPDATES = 1000
"""Updates of one incident that are read for the latest, where they do not come newest first."""
MOST_LINKED = 40
"""Alerts that are looked up because an incident names them."""


def _is_leaderless(value: object) -> bool:
    """Return whether role assignments say that nobody leads; those that cannot be read do not say so."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in cast("list[object]", value)):
        return False
    roles = cast("list[Json]", value)
    return not any(part(entry, "role").get("role_type") == "lead" and entry.get("assignee") for entry in roles)


class OpenIncident(LinkedIncident):
    """A live or triage incident as the API lists it."""

    rank: Whole | None = Field(default=None, validation_alias=AliasPath("severity", "rank"))
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments")
    leaderless: Annotated[bool, BeforeValidator(_is_leaderless)] = Field(
        default=False, validation_alias="incident_role_assignments"
    )
    created_at: When | None = None


class Update(Record):
    """An update with what the situation shows of it."""

    id: str
    incident_id: str | None = None
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: When | None = None


class Reader:
    """Reads what the situation needs.

    Args:
        services: Both services.
        now: The present.
        limit: Most rows of each service that are shown.
    """

    def __init__(self, services: Services, now: datetime, limit: int) -> None:
        self.services = services
        self.now = now
        self.limit = limit
        self.reading = Reading(services, limit, "Pass a smaller limit.")
        self.problems = self.reading.problems
        self.open: list[OpenIncident] | None = None
        self.alerts: list[IonhourIncident] | None = None
        self.alerts_total = 0
        self.linked: dict[AlertId, IonhourIncident] = {}
        """Alerts that open incidents name and that are not among the unresolved ones."""
        self.declared: list[LinkedIncident] = []
        """Incidents made since the oldest alert that no open incident names."""
        self.all_declared_known = False
        self.updates_read = False
        """Whether the page of all incidents' updates was."""
        self.updates_known: set[str] = set()
        self._updates_partly_known: set[str] = set()
        """Incidents of whose updates some could not be read."""
        """Incidents whose latest update is known, or known not to exist."""
        self._updates: dict[str, Update] = {}

    @property
    def shown(self) -> Sequence[OpenIncident]:
        """The open incidents that are shown."""
        return (self.open or [])[: self.limit]

    @property
    def shown_alerts(self) -> Sequence[IonhourIncident]:
        """The alerts that are shown."""
        return (self.alerts or [])[: self.limit]

    @cached_property
    def known_alerts(self) -> Mapping[AlertId, IonhourIncident]:
        """All alerts that were read, once everything is."""
        return {alert_id(alert): alert for alert in self.alerts or ()} | self.linked

    @cached_property
    def references(self) -> Mapping[str, str]:
        """The references of the open incidents by their ids, once those are read."""
        return {row.id: row.reference for row in self.open or ()}

    def latest(self, incident: OpenIncident) -> Update | None:
        """Return an incident's newest update, None if it has none or it is not known."""
        known = incident.id in self.updates_known or incident.id in self._updates_partly_known
        return self._updates.get(incident.id) if known else None

    async def read_open(self, api: Api) -> None:
        """Read the live and triage incidents, the worst first."""
        query = [("status_category[one_of]", "live"), ("status_category[one_of]", "triage")]
        rows = await read_rows(api, LIST.request(query), OpenIncident, limit=MOST_OPEN)
        self.open = sorted(rows, key=lambda row: (-(-1 if row.rank is None else row.rank), row.created_at or self.now))
        self.problems.add_unreadable(rows.unreadable, "open incident")
        if not rows.complete:
            self.problems.add(f"incident.io has more than {len(rows)} open incidents; the others were not read.")

    async def read_alerts(self, api: Api, workspace: int | None) -> None:
        """Read the unresolved alerts, the most urgent first."""
        rows, self.alerts_total = await unresolved_incidents(api, workspace)
        self.alerts = sorted(rows, key=_urgency)
        if self.alerts_total > len(rows):
            self.problems.add(f"Ionhour has {self.alerts_total} unresolved incidents; {len(rows)} were read.")

    async def read_updates(self, api: Api) -> None:
        """Read one page of all incidents' updates; newest first, it has the latest of every incident on it."""
        rows = await read_rows(api, incident_updates.LIST.request(), Update, limit=MAX_PAGE_SIZE)
        self.updates_read = True
        self._keep(rows)
        if rows.unreadable or any(row.incident_id is None for row in rows):
            # It may be the latest of any incident, so that each one's are read.
            return
        if rows.complete:
            self.updates_known = {row.id for row in self.open or ()}
        elif _newest_first(rows):
            self.updates_known = {row.incident_id for row in rows if row.incident_id and row.created_at}

    async def read_updates_of(self, api: Api, incident: OpenIncident) -> None:
        """Read one incident's updates until the newest is sure to be among them."""
        rows: list[Update] = []
        unreadable, known = 0, False
        request = incident_updates.LIST.request([("incident_id", incident.id)])
        pages = each_page(api, request, Update, limit=MOST_UPDATES)
        async with aclosing(pages):
            async for page in pages:
                rows += page.rows
                unreadable += page.unreadable or 0
                known = page.after is None or _newest_first(rows)
                if known:
                    break
        self._keep(rows, incident.id)
        self.problems.add_unreadable(unreadable, "update", f" of {incident.reference}")
        if not known:
            self.problems.add(f"{incident.reference} has more than {len(rows)} updates; the latest is not known.")
        elif unreadable:
            # The problem says so; a newer one may be among them, so that nobody is said to have neglected it.
            self._updates_partly_known.add(incident.id)
        else:
            self.updates_known.add(incident.id)

    def _keep(self, rows: Sequence[Update], incident_id: str | None = None) -> None:
        """Keep the newest update of each incident; one without an instant only if there is no other."""
        for row in rows:
            of = row.incident_id or incident_id
            if of is not None and _is_newer(row, self._updates.get(of)):
                self._updates[of] = row

    async def read_linked(self, api: Api, alert: AlertId) -> None:
        """Read an alert that an incident names, and keep it if its public id agrees."""
        found = await read_incident(api, alert.number)
        if found.public_id == alert.public_id:
            self.linked[alert] = found

    async def read_declared(self, api: Api, since: str) -> None:
        """Read the incidents made since an alert began, for those that name it and are not open any more."""
        declared = await declared_since(api, since)
        self.declared, self.all_declared_known = declared.rows, declared.complete
        unknown = "which alerts nobody declared is not known."
        if declared.more:
            self.problems.add(
                f"More than {len(declared.rows)} incidents were made since the oldest alert that no open one names:"
                f" {unknown}"
            )
        elif declared.unreadable:
            self.problems.add_unreadable(declared.unreadable, "recent incident")
            self.problems.add(f"As recent incidents could not be read, {unknown}")


def _is_newer(update: Update, than: Update | None) -> bool:
    if than is None or update.created_at is None:
        return than is None
    return than.created_at is None or update.created_at > than.created_at


def _newest_first(rows: Sequence[Update]) -> bool:
    """Return whether rows come newest first: the order is not documented, and only then the newest is among them."""
    instants = [row.created_at for row in rows if row.created_at is not None]
    return instants == sorted(instants, reverse=True) and instants[:1] > instants[-1:]


def _urgency(alert: IonhourIncident) -> tuple[bool, int, str]:
    """Unacknowledged first, then P1 before P4, then the oldest."""
    return alert.acknowledged_at is not None, severity_rank(alert.severity) or 9, alert.started_at or "~"


async def read_all(reader: Reader, settings: Settings) -> None:
    """Read both services: first what is open, then only what that leaves to be read."""
    incidentio, ionhour = reader.services.incidentio, reader.services.ionhour
    first: list[Part] = []
    if incidentio is not None:
        first.append(Part("incident.io's incidents", "", incidentio, partial(reader.read_open, incidentio)))
    else:
        reader.problems.add(f"incident.io's incidents: there is no key ({KEY_VARIABLES['incidentio']}).")
    if ionhour is not None:
        workspace = settings.ionhour_workspace_id
        first.append(Part("Ionhour's incidents", "", ionhour, partial(reader.read_alerts, ionhour, workspace)))
    else:
        reader.problems.add(f"Ionhour's incidents: there is no key ({KEY_VARIABLES['ionhour']}).")
    await reader.reading.together(first)
    second: list[Part] = []
    if incidentio is not None and reader.open:
        second.append(Part("updates", "", incidentio, partial(reader.read_updates, incidentio)))
    if incidentio is not None and reader.open is not None:
        second += _declared_left(reader, incidentio)
    if ionhour is not None and reader.alerts is not None:
        second += _linked_left(reader, ionhour)
    await reader.reading.together(second)
    if incidentio is not None and reader.updates_read:
        await reader.reading.together(_updates_left(reader, incidentio))


def _declared_left(reader: Reader, api: Api) -> list[Part]:
    """Return the reading of the incidents made since the first alert that no open incident names."""
    named = {alert for row in reader.open or () for alert in row.alerts}
    unnamed = [alert for alert in reader.shown_alerts if alert_id(alert) not in named]
    days = [day for alert in unnamed if (day := day_of(alert.started_at, reader.now))]
    if not days:
        return []
    return [Part("incidents declared earlier", "", api, partial(reader.read_declared, api, min(days)), requests=4)]


def _linked_left(reader: Reader, api: Api) -> list[Part]:
    """Return the reading of the alerts that incidents name and that are not among the unresolved ones."""
    unresolved = {alert_id(alert) for alert in reader.alerts or ()}
    named = dict.fromkeys(alert for row in reader.shown for alert in row.alerts if alert not in unresolved)
    if len(named) > MOST_LINKED:
        reader.problems.add(f"Incidents name {len(named)} more Ionhour incidents; {MOST_LINKED} were looked up.")
    return [
        Part("Ionhour incident", str(alert.number), api, partial(reader.read_linked, api, alert))
        for alert in list(named)[:MOST_LINKED]
    ]


def _updates_left(reader: Reader, api: Api) -> list[Part]:
    """Return the reading of each incident's updates that the page of all incidents' did not reach."""
    return [
        Part("updates of", row.reference, api, partial(reader.read_updates_of, api, row))
        for row in reader.shown
        if row.id not in reader.updates_known
    ]
