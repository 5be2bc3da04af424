"""Reading what is open in both services, in as few requests as possible."""

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
from incident_mcp.incidentio.incidents.impact import has_unreadable_end
from incident_mcp.incidentio.incidents.records import Lead, Timestamps, flattened
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, each_page, read_rows
from incident_mcp.ionhour.incidents.access import read_incident as read_alert
from incident_mcp.ionhour.incidents.access import unresolved_incidents as unresolved_alerts
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.ionhour.incidents.records import severity_rank
from incident_mcp.records.record import Json, Record, Whole, part
from incident_mcp.response.links import LinkedIncident, alert_id, declared_since, start_day
from incident_mcp.response.reading import Part, Reading, Timestamp
from incident_mcp.response.situation.silences import MAX_REQUESTS
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api

MAX_OPEN = 500
"""Open incidents that are read, to show the most severe ones."""
MAX_UPDATES = 1000
"""Updates of one incident that are read for the latest one, if they are not sorted newest first."""
MAX_LINKED = 40
"""Alerts that are looked up because an incident names them."""


def _has_no_lead(value: object) -> bool:
    """Return whether role assignments are readable and contain no lead."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in cast("list[object]", value)):
        return False
    roles = cast("list[Json]", value)
    return not any(part(entry, "role").get("role_type") == "lead" and entry.get("assignee") for entry in roles)


class OpenIncident(LinkedIncident):
    """A live or triage incident."""

    rank: Whole | None = Field(default=None, validation_alias=AliasPath("severity", "rank"))
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments")
    has_no_lead: Annotated[bool, BeforeValidator(_has_no_lead)] = Field(
        default=False, validation_alias="incident_role_assignments"
    )
    created_at: Timestamp | None = None
    timestamps: Timestamps = Field(default=None, validation_alias="incident_timestamp_values")
    end_unreadable: Annotated[bool, flattened(has_unreadable_end)] = Field(
        default=False, validation_alias="incident_timestamp_values"
    )


class Update(Record):
    """An update of an incident."""

    id: str
    incident_id: str | None = None
    message: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("new_incident_status", "name"))
    updater: Actor = None
    merged_into_incident_id: str | None = None
    created_at: Timestamp | None = None


class SituationReader:
    """Reads what the situation shows.

    Args:
        services: Both services.
        now: The current time.
        limit: Maximum number of rows of each service to show.
    """

    def __init__(self, services: Services, now: datetime, limit: int) -> None:
        self.services = services
        self.now = now
        self.limit = limit
        self.reading = Reading(services, limit, "Pass a smaller limit.", beside=MAX_REQUESTS)
        self.problems = self.reading.problems
        self.open: list[OpenIncident] | None = None
        self.alerts: list[Alert] | None = None
        self.alerts_total = 0
        self.linked: dict[AlertId, Alert] = {}
        """Alerts that open incidents name and that are not among the unresolved ones."""
        self.declared: list[LinkedIncident] = []
        """Incidents created since the oldest alert that no open incident names."""
        self.all_declared_known = False
        self.updates_known: set[str] = set()
        """IDs of incidents with a known latest update, or known to have none."""
        self._updates_partly_known: set[str] = set()
        """IDs of incidents with unreadable updates."""
        self._updates: dict[str, Update] = {}
        self._first_updates_read = False

    @property
    def shown(self) -> Sequence[OpenIncident]:
        """The open incidents to show."""
        return (self.open or [])[: self.limit]

    @property
    def shown_alerts(self) -> Sequence[Alert]:
        """The alerts to show."""
        return (self.alerts or [])[: self.limit]

    @cached_property
    def known_alerts(self) -> Mapping[AlertId, Alert]:
        """All alerts that were read, once everything is read."""
        return {alert_id(alert): alert for alert in self.alerts or ()} | self.linked

    @cached_property
    def references(self) -> Mapping[str, str]:
        """The references of the open incidents by ID, once those are read."""
        return {row.id: row.reference for row in self.open or ()}

    def latest(self, incident: OpenIncident) -> Update | None:
        """Return an incident's latest update; None if it has none or it is unknown."""
        known = incident.id in self.updates_known or incident.id in self._updates_partly_known
        return self._updates.get(incident.id) if known else None

    async def read(self, settings: Settings) -> None:
        """Read what is open in both services, then what belongs to it, then updates that are still missing."""
        await self.reading.read(self._open_parts(settings))
        await self.reading.read(self._related_parts())
        if self._first_updates_read:
            await self.reading.read(self._update_parts())

    def _open_parts(self, settings: Settings) -> list[Part]:
        parts: list[Part] = []
        if (api := self.services.incidentio) is not None:
            parts.append(Part("incident.io's incidents", "", api, partial(self._read_open, api)))
        else:
            self.problems.add(f"incident.io's incidents: there is no key ({KEY_VARIABLES['incidentio']}).")
        if (api := self.services.ionhour) is not None:
            workspace = settings.ionhour_workspace_id
            parts.append(Part("Ionhour's alerts", "", api, partial(self._read_alerts, api, workspace)))
        else:
            self.problems.add(f"Ionhour's alerts: there is no key ({KEY_VARIABLES['ionhour']}).")
        return parts

    def _related_parts(self) -> list[Part]:
        parts: list[Part] = []
        if (api := self.services.incidentio) is not None and self.open is not None:
            if self.open:
                parts.append(Part("updates", "", api, partial(self._read_first_updates, api)))
            parts += self._declared_parts(api)
        if (api := self.services.ionhour) is not None and self.alerts is not None:
            parts += self._linked_parts(api)
        return parts

    def _declared_parts(self, api: Api) -> list[Part]:
        """Return the reading of the incidents created since the first alert that no open incident names."""
        named = {alert for row in self.open or () for alert in row.alerts}
        unnamed = [alert for alert in self.shown_alerts if alert_id(alert) not in named]
        days = [day for alert in unnamed if (day := start_day(alert.started_at, self.now))]
        if not days:
            return []
        return [Part("incidents declared earlier", "", api, partial(self._read_declared, api, min(days)), requests=4)]

    def _linked_parts(self, api: Api) -> list[Part]:
        """Return the reading of the alerts that incidents name and that are not among the unresolved ones."""
        unresolved = {alert_id(alert) for alert in self.alerts or ()}
        named = dict.fromkeys(alert for row in self.shown for alert in row.alerts if alert not in unresolved)
        if len(named) > MAX_LINKED:
            self.problems.add(f"Incidents name {len(named)} more Ionhour alerts; {MAX_LINKED} were looked up.")
        return [
            Part("Ionhour alert", str(alert.number), api, partial(self._read_linked, api, alert))
            for alert in list(named)[:MAX_LINKED]
        ]

    def _update_parts(self) -> list[Part]:
        """Return the reading of the updates of each incident whose latest one is still unknown."""
        if (api := self.services.incidentio) is None:
            return []
        return [
            Part("updates of", row.reference, api, partial(self._read_updates_of, api, row))
            for row in self.shown
            if row.id not in self.updates_known
        ]

    async def _read_open(self, api: Api) -> None:
        """Read the live and triage incidents, the most severe first, then the oldest."""
        query = [("status_category[one_of]", "live"), ("status_category[one_of]", "triage")]
        rows = await read_rows(api, LIST.request(query), OpenIncident, limit=MAX_OPEN)
        self.open = sorted(rows, key=lambda row: (-(-1 if row.rank is None else row.rank), row.created_at or self.now))
        self.problems.add_unreadable(rows.unreadable, "open incident")
        if not rows.complete:
            self.problems.add(f"incident.io has more than {len(rows)} open incidents; the others were not read.")

    async def _read_alerts(self, api: Api, workspace: int | None) -> None:
        """Read the unresolved alerts, the most urgent first."""
        rows, self.alerts_total = await unresolved_alerts(api, workspace)
        self.alerts = sorted(rows, key=_urgency)
        if self.alerts_total > len(rows):
            self.problems.add(f"Ionhour has {self.alerts_total} unresolved alerts; {len(rows)} were read.")

    async def _read_first_updates(self, api: Api) -> None:
        """Read one page of all incidents' updates: if sorted, it has the latest update of each incident on it."""
        rows = await read_rows(api, incident_updates.LIST.request(), Update, limit=MAX_PAGE_SIZE)
        self._first_updates_read = True
        self._keep_latest(rows)
        if rows.unreadable or any(row.incident_id is None for row in rows):
            # An unreadable one may be the latest of any incident, so the updates of each incident are read.
            return
        if rows.complete:
            self.updates_known = set(self.references)
        elif is_newest_first(rows):
            self.updates_known = {row.incident_id or "" for row in rows if row.created_at}

    async def _read_updates_of(self, api: Api, incident: OpenIncident) -> None:
        """Read one incident's updates until the latest is certainly among them."""
        rows: list[Update] = []
        unreadable, known = 0, False
        request = incident_updates.LIST.request([("incident_id", incident.id)])
        pages = each_page(api, request, Update, limit=MAX_UPDATES)
        async with aclosing(pages):
            async for page in pages:
                rows += page.rows
                unreadable += page.unreadable or 0
                known = page.after is None or is_newest_first(rows)
                if known:
                    break
        self._keep_latest(rows, incident.id)
        self.problems.add_unreadable(unreadable, "update", f" of {incident.reference}")
        if not known:
            self.problems.add(f"{incident.reference} has more than {len(rows)} updates; the latest is not known.")
        elif unreadable:
            # An unreadable one may be newer, so the incident does not count as neglected.
            self._updates_partly_known.add(incident.id)
        else:
            self.updates_known.add(incident.id)

    def _keep_latest(self, rows: Sequence[Update], incident_id: str | None = None) -> None:
        """Keep each incident's latest update; one without a timestamp only if there is no other."""
        for row in rows:
            key = row.incident_id or incident_id
            if key is not None and is_newer(row, self._updates.get(key)):
                self._updates[key] = row

    async def _read_linked(self, api: Api, alert: AlertId) -> None:
        """Read an alert that an incident names, and keep it if its public ID agrees."""
        found = await read_alert(api, alert.number)
        if found.public_id == alert.public_id:
            self.linked[alert] = found

    async def _read_declared(self, api: Api, since: str) -> None:
        """Read the incidents created since a day: they may name alerts although they are no longer open."""
        declared = await declared_since(api, since)
        self.declared, self.all_declared_known = declared.rows, declared.complete
        unknown = "it is unknown which alerts are not declared."
        if declared.more:
            self.problems.add(
                f"More than {len(declared.rows)} incidents were created since the oldest alert that no open incident"
                f" names: {unknown}"
            )
        elif declared.unreadable:
            self.problems.add_unreadable(declared.unreadable, "recent incident")
            self.problems.add(f"Recent incidents could not be read: {unknown}")


def is_newer(update: Update, than: Update | None) -> bool:
    """Return whether an update is newer than another; one without a timestamp is only newer than none."""
    if than is None or update.created_at is None:
        return than is None
    return than.created_at is None or update.created_at > than.created_at


def is_newest_first(rows: Sequence[Update]) -> bool:
    """Return whether rows are sorted newest first, which the API does not document."""
    times = [row.created_at for row in rows if row.created_at is not None]
    return times == sorted(times, reverse=True) and times[:1] > times[-1:]


def _urgency(alert: Alert) -> tuple[bool, int, str]:
    """Return a sort key: unacknowledged first, then P1 before P4, then the oldest."""
    return alert.acknowledged_at is not None, severity_rank(alert.severity) or 9, alert.started_at or "~"
