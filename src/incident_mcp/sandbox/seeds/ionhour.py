"""Fill the Ionhour workspace from its data."""

from datetime import datetime, timedelta

from incident_mcp.sandbox.engine.clock import ago, rfc3339, ulid
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.ionhour.workspace import Ionhour

from . import ionhour_incidents as data


def seed_ionhour(workspace: Ionhour, start: datetime) -> None:
    """Fill the workspace; the data's times are relative to `start`."""
    workspace.users, workspace.user_id = data.USERS, data.ME
    for row in data.INCIDENTS:
        _add_incident(workspace, row, start)
    for number, when, author, body in data.NOTES:
        workspace.add_note(workspace.find(str(number)), author, body, start - ago(when))


def seed_ionhour_bulk(workspace: Ionhour, start: datetime, count: int) -> None:
    """Add `count` active incidents, the newest of the workspace, spread over the last ten minutes."""
    checks = list(data.CHECKS)
    for number in range(count):
        check = checks[number % len(checks)]
        row = data.Row(
            4600 + number,
            "0m",
            "ACTIVE",
            f"P{number % 4 + 1}",
            data.BULK_TITLES[number % len(data.BULK_TITLES)].format(data.CHECKS[check][0]),
            check,
            "DEPENDENCY_DOWN" if number % 4 == 1 else "SERVICE_DOWN",
            31 if number % 4 == 1 else None,
            signal=("FAIL", "probe eu-west", "0m"),
            success="15m",
        )
        _add_incident(workspace, row, start - timedelta(minutes=10 * (count - number) / count))


def _add_incident(workspace: Ionhour, row: data.Row, start: datetime) -> None:
    """Add an incident with its events."""
    incident = _incident(row, start)
    workspace.incidents.append(incident)
    workspace.add_event(incident, "OPENED", f"Incident opened: {row.title}", start - ago(row.ago))
    for number, when, message in data.ALERTS:
        if number == row.id:
            workspace.add_event(incident, "ALERT_SENT", message, start - ago(when))
    if row.acknowledged:
        user, when = row.acknowledged
        workspace.add_event(incident, "ACKNOWLEDGED", f"Acknowledged by {data.USERS[user]}", start - ago(when))
    if row.resolved:
        workspace.add_event(incident, "RESOLVED", "Resolved automatically on recovery", start - ago(row.resolved))


def _incident(row: data.Row, start: datetime) -> Json:
    def instant(duration: str | None) -> str | None:
        return rfc3339(start - ago(duration)) if duration else None

    name, project, token = data.CHECKS[row.check] if row.check else ("", 0, "")
    signal_type, signal_source, signal_ago = row.signal or (None, None, None)
    user, acknowledged_ago = row.acknowledged or (None, None)
    incident: Json = {
        "id": row.id,
        "publicId": ulid(start - ago(row.ago), f"ionhour incident {row.id}"),
        "checkId": row.check,
        "title": row.title,
        "summary": row.summary,
        "state": row.state,
        "reason": row.reason,
        "severity": row.severity,
        "startedAt": instant(row.ago),
        "recoveredAt": instant(row.recovered),
        "resolvedAt": instant(row.resolved),
        "acknowledgedBy": user,
        "acknowledgedAt": instant(acknowledged_ago),
        "dependencyId": row.dependency,
        "dependencyName": data.DEPENDENCIES.get(row.dependency or 0),
        "project": {"id": project, "name": data.PROJECTS[project]} if row.check else None,
        "check": {"id": row.check, "name": name, "token": f"sandbox-token-{token}"} if row.check else None,
        "lastSignalAt": instant(signal_ago),
        "lastSignalType": signal_type,
        "lastSignalSource": signal_source,
        "lastSuccessAt": instant(row.success),
    }
    if row.dependency:
        incident["dependency"] = {"id": row.dependency, "name": data.DEPENDENCIES[row.dependency]}
    if user:
        incident["acknowledgedByUser"] = {"id": user, "email": data.USERS[user]}
    return incident
