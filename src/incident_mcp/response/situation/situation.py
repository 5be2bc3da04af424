"""What is on fire, over both services, in one answer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from incident_mcp.incidentio.incidents.alert_links import MAX_ALERTS
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.records.instants import format_duration, parse_instant, to_second
from incident_mcp.records.record import Listed, Record, shorten
from incident_mcp.response.links import alert_id, day_of
from incident_mcp.response.situation.reader import OpenIncident, Reader, Update, read_all
from incident_mcp.tooling.dependencies import AppSettings, BothServices
from incident_mcp.tooling.tools import read_tool

MOST_OF_NAME, FIRST_WORDS = 60, 45


class LatestUpdate(Record):
    """The newest update of an incident."""

    ago: str | None = None
    """Left out while its instant is not known."""
    by: str | None = None
    text: str | None = None
    """First words of the message, or the status it was moved to."""
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
    """The status of an incident that is not open any more."""


class Gaps(Record):
    """What is missing among the rows that are shown."""

    not_declared: list[int] | None = None
    """Ionhour incidents that no incident names."""
    check_recovered: list[str] | None = None
    """Open incidents whose check has recovered."""
    no_lead: list[str] | None = None
    no_recent_update: list[str] | None = None


class Situation(Listed):
    """What is open in both services, what belongs together, and what is missing."""

    MARK = "Texts that end in … were cut to fit: get the one thing, or pass a smaller limit."
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

    def most_tokens(self, rows: int) -> float:
        """Return what the answer may cost: under 2,500 tokens for 20 of each."""
        rows = max(len(self.incidents or ()), len(self.ionhour_incidents or ()), 20)
        return 121 * rows


def _links(reader: Reader) -> list[Link]:
    """Pair incidents and alerts whose ids agree in both services, at least one of which is shown."""
    shown_alerts = {alert_id(alert) for alert in reader.shown_alerts}
    shown = {row.id for row in reader.shown}
    links = [
        Link(incident=row.reference, ionhour_incident=alert.number)
        for row in reader.open or ()
        for alert in row.alerts
        if alert in shown_alerts or (row.id in shown and alert in reader.known_alerts)
    ]
    linked = {link.ionhour_incident for link in links}
    return links + [
        Link(incident=row.reference, ionhour_incident=alert.number, incident_status=row.status)
        for row in reader.declared
        for alert in row.alerts
        if alert in shown_alerts and alert.number not in linked
    ]


def _recovered(reader: Reader, incident: OpenIncident) -> bool:
    """Return whether every alert that an incident names is known to have recovered."""
    if not 0 < len(incident.alerts) < MAX_ALERTS:
        return False
    named = [reader.known_alerts.get(alert) for alert in incident.alerts]
    return all(alert is not None and _is_recovered(alert) for alert in named)


def _is_recovered(alert: IonhourIncident) -> bool:
    # One that is down again keeps the instant at which it recovered before.
    state = (alert.state or "").upper()
    return state not in ("", "ACTIVE", "OPEN") and bool(alert.recovered_at or alert.resolved_at)


def _is_neglected(reader: Reader, incident: OpenIncident, stale: timedelta) -> bool:
    """Return whether an incident is known to have no update for longer than `stale`."""
    update = reader.latest(incident)
    since = update.created_at if update else incident.created_at
    return incident.id in reader.updates_known and since is not None and reader.now - since > stale


def _undeclared(reader: Reader, links: Sequence[Link]) -> list[int]:
    """Return the shown alerts that nobody declared; it is a problem where that is not known."""
    linked = {link.ionhour_incident for link in links}
    alerts = [alert for alert in reader.shown_alerts if alert.id not in linked]
    # Without its beginning an alert was not looked for among earlier incidents.
    unknown = [alert.id for alert in alerts if day_of(alert.started_at, reader.now) is None]
    if unknown and reader.open is not None:
        numbers = ", ".join(map(str, unknown))
        reader.problems.add(f"Whether Ionhour incident {numbers} is declared is not known: no readable start.")
    return [alert.id for alert in alerts if alert.id not in unknown] if reader.all_declared_known else []


def _gaps(reader: Reader, links: Sequence[Link], stale: timedelta) -> Gaps | None:
    gaps = Gaps(
        not_declared=_undeclared(reader, links) or None,
        check_recovered=[row.reference for row in reader.shown if _recovered(reader, row)] or None,
        no_lead=[row.reference for row in reader.shown if row.leaderless] or None,
        no_recent_update=[row.reference for row in reader.shown if _is_neglected(reader, row, stale)] or None,
    )
    return gaps if gaps.dump() else None


def _incident(reader: Reader, row: OpenIncident) -> SituationIncident:
    update = reader.latest(row)
    return SituationIncident(
        reference=row.reference,
        name=shorten(row.name or "", MOST_OF_NAME) or None,
        severity=row.severity,
        status=row.status,
        lead=row.lead,
        age=_since(reader.now, row.created_at),
        latest_update=_latest(reader, update) if update else None,
    )


def _latest(reader: Reader, update: Update) -> LatestUpdate:
    text = update.message or (update.status and f"now {update.status}")
    return LatestUpdate(
        ago=_since(reader.now, update.created_at),
        by=update.updater,
        text=shorten(" ".join(text.split()), FIRST_WORDS) if text else None,
        merged_into_incident_id=update.merged_into_incident_id,
        merged_into_reference=reader.references.get(update.merged_into_incident_id or ""),
    )


def _alert(reader: Reader, alert: IonhourIncident) -> SituationAlert:
    return SituationAlert(
        id=alert.id,
        title=shorten(alert.title or "", MOST_OF_NAME) or None,
        severity=alert.severity,
        state=None if alert.state == "ACTIVE" else alert.state,
        project=alert.project,
        acknowledged=alert.acknowledged_at is not None or None,
        age=_since(reader.now, parse_instant(alert.started_at)),
        since_success=_since(reader.now, parse_instant(alert.last_success_at)),
    )


def _since(now: datetime, instant: datetime | None) -> str | None:
    return None if instant is None else format_duration((now - instant).total_seconds())


async def situation(
    services: BothServices,
    settings: AppSettings,
    limit: Annotated[int, Field(ge=1, le=100, description="Most rows of each service.")] = 20,
) -> Situation:
    """Show what is on fire: open incidents, unresolved Ionhour alerts, the links between them, and gaps.

    Start here. Incidents come by severity, then age; alerts unacknowledged first. If a service is down, you get the
    other, and `problems` says what could not be read.
    """
    reader = Reader(services, datetime.now(UTC), limit)
    await read_all(reader, settings)
    shown, alerts = reader.shown, reader.shown_alerts
    links = _links(reader)
    gaps = _gaps(reader, links, timedelta(minutes=settings.stale_minutes))
    return Situation(
        as_of=to_second(reader.now),
        incidents=None if reader.open is None else [_incident(reader, row) for row in shown],
        incidents_not_shown=len(reader.open or ()) - len(shown) or None,
        ionhour_incidents=None if reader.alerts is None else [_alert(reader, alert) for alert in alerts],
        ionhour_incidents_not_shown=reader.alerts_total - len(alerts) or None,
        has_more=len(reader.open or ()) > limit or reader.alerts_total > limit,
        links=links or None,
        links_known_by="the alert's number and public id in the incident's summary" if links else None,
        gaps=gaps,
        problems=reader.problems.lines() or None,
    )


TOOLS = [read_tool(situation, "What is on fire")]
