"""The records of the sandbox's Ionhour workspace, and Ionhour's error bodies."""

from collections.abc import Sequence
from datetime import datetime

from incident_mcp.sandbox.engine.clock import Clock, rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Backend, Json, RouteTable
from incident_mcp.sandbox.engine.shapes import Problem

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


class Ionhour(Backend):
    """One workspace's records, as the API's JSON."""

    name = "ionhour"
    wrong_method = 404  # as NestJS answers, on which Ionhour is built
    workspace_id = 1

    def __init__(self, clock: Clock, key: str, routes: RouteTable) -> None:
        super().__init__(clock, key, routes)
        self.users: dict[int, str] = {}
        """User id to email address."""
        self.user_id = 0
        """The user who owns the key: the author of its notes and acknowledgements."""
        self.enveloped = False
        """Whether events and notes come in the paging envelope: the documents do not settle it."""
        self.lists_unknown = False
        """Whether events and notes of an unknown incident answer an empty list, not 404: the vendor does not say."""
        self.incidents: list[Json] = []
        self.events: list[Json] = []
        self.notes: list[Json] = []
        """Deleted ones too, with `deletedAt`."""

    def error(self, status: int, problems: Sequence[Problem], retry_after: str | None = None) -> Json:
        """Return NestJS' error body: validation problems, which name a field, come as a list."""
        del retry_after
        named = [problem.message for problem in problems if problem.field]
        message = named or "; ".join(problem.message for problem in problems)
        return {"statusCode": status, "message": message, "error": _NAMES.get(status, "Error")}

    def missing_key(self, *, wrong: bool) -> Json:
        """Return the 401 body."""
        return self.error(401, [Problem("Invalid API key" if wrong else "Missing authorization header")])

    def state(self) -> Json:
        """Return every record that a call can change."""
        return {"incidents": self.incidents, "events": self.events, "notes": self.notes, **self.rows}

    def find(self, text: str) -> Json:
        """Return the incident with the id in the path."""
        number = read_id(text)
        for incident in self.incidents:
            if incident["id"] == number:
                return incident
        raise ApiError(404, f"Incident with ID {number} not found")

    def add_event(self, incident: Json, kind: str, message: str, instant: datetime) -> None:
        """Add an event to an incident's timeline."""
        event = {
            "id": 90_001 + len(self.events),
            "incidentId": incident["id"],
            "type": kind,
            "message": message,
            "occurredAt": rfc3339(instant),
        }
        self.events.append(event)

    def add_note(self, incident: Json, author: int, body: str, instant: datetime) -> Json:
        """Add a note to an incident."""
        note: Json = {
            "id": 701 + len(self.notes),
            "incidentId": incident["id"],
            "body": body,
            "authorId": author,
            "createdAt": rfc3339(instant),
            "updatedAt": rfc3339(instant),
        }
        self.notes.append(note)
        return note


def read_id(text: str) -> int:
    """Read a path's id, and reject others as NestJS' ParseIntPipe does."""
    if not (text.isascii() and text.isdigit()):
        raise ApiError(400, "Validation failed (numeric string is expected)")
    return int(text)
