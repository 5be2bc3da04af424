"""What the sandboxed Ionhour workspace holds."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from incident_mcp.sandbox.clock import Clock, ago, tell, ulid
from incident_mcp.sandbox.service import Json, Refusal, Routes
from incident_mcp.sandbox.shapes import Flaw

from . import seeds

_NAMES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Ionhour:
    """One workspace's records, JSON-shaped as the API answers them."""

    name = "ionhour"
    workspace_id = 1
    user_id = seeds.ME
    """The user who owns the key: the author of its notes and acknowledgements."""

    def __init__(self, clock: Clock, key: str) -> None:
        self.clock = clock
        self.key = key
        self.routes: Routes = {}
        self.enveloped = False
        """Whether events and notes come in the paging envelope: the documents do not settle it."""
        self.lists_unknown = False
        """Whether events and notes of an unknown incident answer an empty list, not 404: the vendor does not say."""
        self.incidents: list[Json] = []
        self.events: list[Json] = []
        self.notes: list[Json] = []
        """Deleted ones too, with `deletedAt`."""

    def error(self, status: int, flaws: Sequence[Flaw], retry_after: str | None = None) -> Json:
        """NestJS' error body: validation flaws, which name a field, come as a list."""
        del retry_after
        named = [flaw.message for flaw in flaws if flaw.field]
        message = named or "; ".join(flaw.message for flaw in flaws)
        return {"statusCode": status, "message": message, "error": _NAMES.get(status, "Error")}

    def missing_key(self, *, given: bool) -> Json:
        """401."""
        message = "Invalid API key" if given else "Missing authorization header"
        return self.error(401, [Flaw("", message, "")])

    def headers(self) -> dict[str, str]:
        """No header is documented."""
        return {}

    def find(self, text: str) -> Json:
        """The incident of a path."""
        number = read_id(text)
        for incident in self.incidents:
            if incident["id"] == number:
                return incident
        raise Refusal(404, Flaw("", f"Incident with ID {number} not found", ""))

    def add_event(self, incident: Json, kind: str, message: str, instant: datetime) -> None:
        """Add to the timeline."""
        event = {
            "id": 90_001 + len(self.events),
            "incidentId": incident["id"],
            "type": kind,
            "message": message,
            "occurredAt": tell(instant),
        }
        self.events.append(event)

    def add_note(self, incident: Json, author: int, body: str, instant: datetime) -> Json:
        """Add a note."""
        note: Json = {
            "id": 701 + len(self.notes),
            "incidentId": incident["id"],
            "body": body,
            "authorId": author,
            "createdAt": tell(instant),
            "updatedAt": tell(instant),
        }
        self.notes.append(note)
        return note

    def state(self) -> Json:
        """Everything that calls can change."""
        return {"incidents": self.incidents, "events": self.events, "notes": self.notes}


def read_id(text: str) -> int:
    """An id of a path, refused as NestJS' ParseIntPipe does."""
    if not (text.isascii() and text.isdigit()):
        raise Refusal(400, Flaw("", "Validation failed (numeric string is expected)", ""))
    return int(text)


def public_id(number: int, started: datetime) -> str:
    """The ULID of an incident."""
    return ulid(started, f"ionhour incident {number}")


def seed(workspace: Ionhour, start: datetime) -> None:
    """Fill the workspace."""
    for row in seeds.INCIDENTS:
        incident = _incident(row, start)
        workspace.incidents.append(incident)
        _add_events(workspace, incident, row, start)
    for number, when, author, body in seeds.NOTES:
        workspace.add_note(workspace.find(str(number)), author, body, start - ago(when))


def seed_bulk(workspace: Ionhour, start: datetime, count: int) -> None:
    """Add `count` active incidents, the newest of the workspace, spread over the last ten minutes."""
    checks = list(seeds.CHECKS)
    for number in range(count):
        check = checks[number % len(checks)]
        minutes_ago = 10 * (count - number) / count
        row = seeds.Row(
            4600 + number,
            "0m",
            "ACTIVE",
            f"P{number % 4 + 1}",
            seeds.BULK_TITLES[number % len(seeds.BULK_TITLES)].format(seeds.CHECKS[check][0]),
            check,
            "DEPENDENCY_DOWN" if number % 4 == 1 else "SERVICE_DOWN",
            31 if number % 4 == 1 else None,
            signal=("FAIL", "probe eu-west", "0m"),
            success="15m",
        )
        incident = _incident(row, start - timedelta(minutes=minutes_ago))
        workspace.incidents.append(incident)
        workspace.add_event(incident, "OPENED", f"Incident opened: {row.title}", start - timedelta(minutes=minutes_ago))


def _incident(row: seeds.Row, start: datetime) -> Json:
    def told(span: str | None) -> str | None:
        return tell(start - ago(span)) if span else None

    name, project, token = seeds.CHECKS[row.check] if row.check else ("", 0, "")
    signal_type, signal_source, signal_ago = row.signal or (None, None, None)
    user, acknowledged_ago = row.acknowledged or (None, None)
    incident: Json = {
        "id": row.id,
        "publicId": public_id(row.id, start - ago(row.ago)),
        "checkId": row.check,
        "title": row.title,
        "summary": row.summary,
        "state": row.state,
        "reason": row.reason,
        "severity": row.severity,
        "startedAt": told(row.ago),
        "recoveredAt": told(row.recovered),
        "resolvedAt": told(row.resolved),
        "acknowledgedBy": user,
        "acknowledgedAt": told(acknowledged_ago),
        "dependencyId": row.dependency,
        "dependencyName": seeds.DEPENDENCIES[row.dependency] if row.dependency else None,
        "project": {"id": project, "name": seeds.PROJECTS[project]} if row.check else None,
        "check": {"id": row.check, "name": name, "token": f"sandbox-token-{token}"} if row.check else None,
        "lastSignalAt": told(signal_ago),
        "lastSignalType": signal_type,
        "lastSignalSource": signal_source,
        "lastSuccessAt": told(row.success),
    }
    if row.dependency:
        incident["dependency"] = {"id": row.dependency, "name": seeds.DEPENDENCIES[row.dependency]}
    if user:
        incident["acknowledgedByUser"] = {"id": user, "email": seeds.USERS[user]}
    return incident


def _add_events(workspace: Ionhour, incident: Json, row: seeds.Row, start: datetime) -> None:
    workspace.add_event(incident, "OPENED", f"Incident opened: {row.title}", start - ago(row.ago))
    for number, when, message in seeds.ALERTS:
        if number == row.id:
            workspace.add_event(incident, "ALERT_SENT", message, start - ago(when))
    if row.acknowledged:
        user, when = row.acknowledged
        workspace.add_event(incident, "ACKNOWLEDGED", f"Acknowledged by {seeds.USERS[user]}", start - ago(when))
    if row.resolved:
        workspace.add_event(incident, "RESOLVED", "Resolved automatically on recovery", start - ago(row.resolved))
