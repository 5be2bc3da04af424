"""What is open in both services, in one result."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import anyio
from pydantic import Field

from incident_mcp.incidentio.incidents.alert_links import AlertId
from incident_mcp.incidentio.incidents.seen import remember_rows
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.records.clock import utc_now
from incident_mcp.records.fitting import is_larger
from incident_mcp.records.instants import format_duration, parse_instant, to_second
from incident_mcp.records.record import Json, Listed, Record, shorten
from incident_mcp.response.links import LinkedIncident, alert_id, start_day
from incident_mcp.response.situation.impact import impact_of, is_recovered
from incident_mcp.response.situation.reader import OpenIncident, SituationReader, Update
from incident_mcp.response.situation.silences import Silence, SilenceReader
from incident_mcp.settings import Settings
from incident_mcp.tooling.dependencies import AppSettings, BothServices
from incident_mcp.tooling.tools import read_tool

MAX_NAME, MAX_EXCERPT = 60, 45
"""Characters of a name, and of an update's text."""


class LatestUpdate(Record):
    """An incident's latest update."""

    ago: str | None = None
    """Absent if unknown."""
    by: str | None = None
    text: str | None = None
    """The start of the message, or the new status."""
    merged_into_incident_id: str | None = None
    merged_into_reference: str | None = None


class SituationIncident(Record):
    """An open incident.io incident."""

    reference: str
    name: str | None = None
    severity: str | None = None
    status: str | None = None
    lead: str | None = None
    age: str | None = None
    impact_for: str | None = None
    """How long customers have been affected, by its timestamps or its alerts; absent if unknown."""
    latest_update: LatestUpdate | None = None


class SituationAlert(Record):
    """An unresolved Ionhour alert."""

    id: int
    title: str | None = None
    severity: str | None = None
    state: str | None = None
    """Absent if ACTIVE."""
    project: str | None = None
    acknowledged: bool | None = None
    """Absent if not acknowledged."""
    age: str | None = None
    since_success: str | None = None


class Link(Record):
    """An incident and an alert of the same outage."""

    incident: str
    ionhour_incident: int
    incident_status: str | None = None
    """The status of an incident that is no longer open."""


class Gaps(Record):
    """What is missing among the rows shown."""

    not_declared: list[int] | None = None
    """Ionhour alerts that no incident names."""
    check_recovered: list[str] | None = None
    """Open incidents with a recovered check."""
    no_lead: list[str] | None = None
    no_recent_update: list[str] | None = None


class Situation(Listed):
    """What is open in both services, how it is linked, and what is missing."""

    MARK = "Texts that end in … were cut to fit: get a single incident, or pass a smaller limit."
    as_of: str
    incidents: list[SituationIncident] | None = None
    incidents_not_shown: int | None = None
    ionhour_incidents: list[SituationAlert] | None = None
    ionhour_incidents_not_shown: int | None = None
    links: list[Link] | None = None
    links_known_by: str | None = None
    gaps: Gaps | None = None
    silenced_by: list[Silence] | None = None
    """Why nothing may fire: active maintenance windows and paused checks."""
    problems: list[str] | None = None
    """What could not be read."""

    def most_tokens(self, rows: int) -> float:
        """Return the token budget of the result: under 2,500 for 20 rows of each service."""
        rows = max(len(self.incidents or ()), len(self.ionhour_incidents or ()), 20)
        return 125 * rows

    def _fitted(self, dump: Json, most: float) -> Json:
        # Very short texts with the mark of a cut cost more than is estimated.
        return super()._fitted(dump, most * 0.96) if is_larger(dump, most) else dump


def links_and_gaps(reader: SituationReader, settings: Settings) -> tuple[list[Link], Gaps | None]:
    """Return how what was read is linked, and what is missing."""
    links = _links(reader)
    return links, _gaps(reader, links, timedelta(minutes=settings.stale_minutes))


def _links(reader: SituationReader) -> list[Link]:
    """Return the links of which at least one side is shown: those whose IDs agree in both services."""
    alerts = {alert_id(alert) for alert in reader.shown_alerts}
    links = _open_links(reader, alerts)
    linked = {link.ionhour_incident for link in links}
    return links + [
        Link(incident=row.reference, ionhour_incident=alert.number, incident_status=row.status)
        for row, alert in _named(reader.declared)
        if alert in alerts and alert.number not in linked
    ]


def _open_links(reader: SituationReader, shown_alerts: set[AlertId]) -> list[Link]:
    shown = {row.id for row in reader.shown}
    return [
        Link(incident=row.reference, ionhour_incident=alert.number)
        for row, alert in _named(reader.open or ())
        if alert in shown_alerts or (row.id in shown and alert in reader.known_alerts)
    ]


def _named(incidents: Iterable[LinkedIncident]) -> Iterable[tuple[LinkedIncident, AlertId]]:
    """Return each incident with each alert that it names."""
    return ((incident, alert) for incident in incidents for alert in incident.alerts)


def _gaps(reader: SituationReader, links: Sequence[Link], stale: timedelta) -> Gaps | None:
    def references(has_gap: Callable[[OpenIncident], bool]) -> list[str] | None:
        return [row.reference for row in reader.shown if has_gap(row)] or None

    gaps = Gaps(
        not_declared=_undeclared(reader, links) or None,
        check_recovered=references(lambda row: is_recovered(reader, row)),
        no_lead=references(lambda row: row.has_no_lead),
        no_recent_update=references(lambda row: _is_neglected(reader, row, stale)),
    )
    return gaps if gaps.dump() else None


def _undeclared(reader: SituationReader, links: Sequence[Link]) -> list[int]:
    """Return the shown alerts that are not declared, if known."""
    linked = {link.ionhour_incident for link in links}
    alerts = [alert for alert in reader.shown_alerts if alert.id not in linked]
    unknown = _without_start(reader, alerts)
    return [alert.id for alert in alerts if alert.id not in unknown] if reader.all_declared_known else []


def _without_start(reader: SituationReader, alerts: Sequence[Alert]) -> list[int]:
    """Return the alerts without a start, which were not looked up among earlier incidents."""
    unknown = [alert.id for alert in alerts if start_day(alert.started_at, reader.now) is None]
    if unknown and reader.open is not None:
        numbers = ", ".join(map(str, unknown))
        reader.problems.add(f"It is unknown whether Ionhour alerts without a readable start are declared: {numbers}.")
    return unknown


def _is_neglected(reader: SituationReader, incident: OpenIncident, stale: timedelta) -> bool:
    """Return whether an incident is known to have had no update for longer than `stale`."""
    update = reader.latest(incident)
    since = update.created_at if update else incident.created_at
    return incident.id in reader.updates_known and since is not None and reader.now - since > stale


def _incidents(reader: SituationReader) -> list[SituationIncident] | None:
    return None if reader.open is None else [_incident(reader, row) for row in reader.shown]


def _incident(reader: SituationReader, row: OpenIncident) -> SituationIncident:
    update = reader.latest(row)
    return SituationIncident(
        reference=row.reference,
        name=shorten(row.name or "", MAX_NAME) or None,
        severity=row.severity,
        status=row.status,
        lead=row.lead,
        age=_since(reader.now, row.created_at),
        impact_for=impact_of(reader, row),
        latest_update=_latest(reader, update) if update else None,
    )


def _latest(reader: SituationReader, update: Update) -> LatestUpdate:
    text = update.message or (update.status and f"now {update.status}")
    return LatestUpdate(
        ago=_since(reader.now, update.created_at),
        by=update.updater,
        text=shorten(" ".join(text.split()), MAX_EXCERPT) if text else None,
        merged_into_incident_id=update.merged_into_incident_id,
        merged_into_reference=reader.references.get(update.merged_into_incident_id or ""),
    )


def _alerts(reader: SituationReader) -> list[SituationAlert] | None:
    return None if reader.alerts is None else [_alert(alert, reader.now) for alert in reader.shown_alerts]


def _alert(alert: Alert, now: datetime) -> SituationAlert:
    return SituationAlert(
        id=alert.id,
        title=shorten(alert.title or "", MAX_NAME) or None,
        severity=alert.severity,
        state=None if alert.state == "ACTIVE" else alert.state,
        project=alert.project,
        acknowledged=alert.acknowledged_at is not None or None,
        age=_since(now, parse_instant(alert.started_at)),
        since_success=_since(now, parse_instant(alert.last_success_at)),
    )


def _since(now: datetime, time: datetime | None) -> str | None:
    return None if time is None else format_duration((now - time).total_seconds())


def _problems(reader: SituationReader, silences: SilenceReader) -> list[str]:
    """Return what could not be read; of a service whose incidents could not be read, not what hides its alerts."""
    return [
        *reader.problems.lines(),
        *(silences.incidentio.lines() if reader.open is not None else ()),
        *(silences.ionhour.lines() if reader.alerts is not None else ()),
    ]


async def situation(
    services: BothServices,
    settings: AppSettings,
    limit: Annotated[int, Field(ge=1, le=100, description="Maximum rows of each service.")] = 20,
) -> Situation:
    """Show what is on fire: open incidents, unresolved Ionhour alerts, the links between them, and gaps.

    Start here. Incidents come by severity, then age; alerts unacknowledged first. If a service is down, you get the
    other, and `problems` lists what could not be read.
    """
    reader, silences = SituationReader(services, utc_now(), limit), SilenceReader(services, settings)
    async with anyio.create_task_group() as beside:
        beside.start_soon(silences.read)
        await reader.read(settings)
    if services.incidentio is not None:
        await remember_rows(services.incidentio, reader.shown)
    links, gaps = links_and_gaps(reader, settings)
    return _answer(reader, silences, links, gaps)


def _answer(reader: SituationReader, silences: SilenceReader, links: Sequence[Link], gaps: Gaps | None) -> Situation:
    total = len(reader.open or ())
    return Situation(
        as_of=to_second(reader.now),
        incidents=_incidents(reader),
        incidents_not_shown=total - len(reader.shown) or None,
        ionhour_incidents=_alerts(reader),
        ionhour_incidents_not_shown=reader.alerts_total - len(reader.shown_alerts) or None,
        has_more=max(total, reader.alerts_total) > reader.limit,
        links=list(links) or None,
        links_known_by="alert number and public id in the summary" if links else None,
        gaps=gaps,
        silenced_by=silences.rows(reader.known_alerts.values()) or None,
        problems=_problems(reader, silences) or None,
    )


TOOLS = [read_tool(situation, "What is on fire")]
