"""How long an open incident's impact has lasted, and whether its checks have recovered."""

from collections.abc import Iterable
from datetime import datetime

from incident_mcp.incidentio.incidents.alert_links import MAX_ALERTS
from incident_mcp.incidentio.incidents.impact import impact_for, lasted
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.records.instants import parse_instant
from incident_mcp.response.situation.reader import OpenIncident, SituationReader


def impact_of(reader: SituationReader, incident: OpenIncident) -> str | None:
    """Return how long an incident's impact has lasted: by its own timestamps, else by the alerts that it names."""
    if incident.end_unreadable:
        return None
    return impact_for(incident.timestamps, reader.now, incident.status_category) or _alerts_lasted(reader, incident)


def _alerts_lasted(reader: SituationReader, incident: OpenIncident) -> str | None:
    """Return the time from the start of the first alert to the recovery of the last; None unless all are known.

    Alerts that began after the incident was declared do not say when the impact began.
    """
    alerts = _known_alerts(reader, incident)
    starts = _instants(alert.started_at for alert in alerts)
    if not 0 < len(starts) == len(alerts) or min(starts) > (incident.created_at or reader.now):
        return None
    ends = _instants(alert.recovered_at or alert.resolved_at for alert in alerts)
    return lasted(min(starts), max(ends) if is_recovered(reader, incident) else None, reader.now)


def is_recovered(reader: SituationReader, incident: OpenIncident) -> bool:
    """Return whether all alerts that an incident names are known to have recovered."""
    alerts = _known_alerts(reader, incident)
    return bool(alerts) and all(map(_has_recovered, alerts))


def _known_alerts(reader: SituationReader, incident: OpenIncident) -> list[Alert]:
    """Return the alerts that an incident names; none unless all of them were read."""
    alerts = [alert for each in incident.alerts if (alert := reader.known_alerts.get(each))]
    return alerts if len(alerts) == len(incident.alerts) < MAX_ALERTS else []


def _has_recovered(alert: Alert) -> bool:
    # One that is down again keeps the time of its earlier recovery.
    state = (alert.state or "").upper()
    return state not in ("", "ACTIVE", "OPEN") and bool(alert.recovered_at or alert.resolved_at)


def _instants(texts: Iterable[str | None]) -> list[datetime]:
    return [instant for text in texts if (instant := parse_instant(text))]
