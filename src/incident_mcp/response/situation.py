"""What is on fire, over both services, in one answer."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from incident_mcp.deps import AppSettings, BothServices
from incident_mcp.ionhour.incidents import IonhourIncident
from incident_mcp.models import Listed, Record, shorten
from incident_mcp.response.links import alert_id, alerts_in
from incident_mcp.response.situation_reader import OpenIncident, Reader, read_all
from incident_mcp.toolset import read

MOST_OF_NAME, FIRST_WORDS = 60, 45


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


def _links(reader: Reader, shown: Sequence[OpenIncident], alerts: Sequence[IonhourIncident]) -> list[Link]:
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


def _recovered(reader: Reader, incident: OpenIncident) -> bool:
    """Say whether every alert that an incident names has recovered, as far as that is known."""
    alerts = {alert_id(alert): alert for alert in reader.alerts or ()} | reader.linked
    named = [alerts.get(alert) for alert in alerts_in(incident.summary)]
    return bool(named) and all(alert is not None and _is_recovered(alert) for alert in named)


def _is_recovered(alert: IonhourIncident) -> bool:
    return alert.state != "ACTIVE" and bool(alert.recovered_at or alert.resolved_at)


def _gaps(
    reader: Reader,
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


def _incident(reader: Reader, row: OpenIncident) -> SituationIncident:
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


def _alert(reader: Reader, alert: IonhourIncident) -> SituationAlert:
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
    reader = Reader(services, datetime.now(UTC))
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
