"""Ionhour's documented operations (section 1 of the reference).

Where the documents are silent the sandbox does what NestJS, on which Ionhour is built, does by itself: 201 for a POST,
an empty body after DELETE. Parameters and keys that are not documented are refused, so that a misspelling shows.
"""

from collections.abc import Callable
from typing import Any, cast

from incident_mcp.sandbox.clock import read_instant, tell
from incident_mcp.sandbox.service import Call, Handler, Json, Refusal, Reply, Routes
from incident_mcp.sandbox.shapes import Flaw

from .seeds import USERS
from .state import Ionhour, read_id

MOST = 100
"""A larger `limit` is lowered to this; the envelope tells what was applied."""
_STATES = {
    "ACTIVE": {"ACTIVE", "MONITORING"},
    "OPEN": {"ACTIVE", "MONITORING"},
    "MONITORING": {"ACTIVE", "MONITORING"},
    "RESOLVED": {"RESOLVED"},
}
_NUMBERS = ("workspaceId", "projectId", "checkId", "page", "limit")

Operation = Callable[[Ionhour, Call], Reply]


def list_incidents(workspace: Ionhour, call: Call) -> Reply:
    """GET /incidents, newest first, though no order is documented."""
    given = _read_query(call.query)
    numbers = {key: int(given[key]) for key in _NUMBERS if key in given}
    states = _STATES[given["state"].upper()] if "state" in given else None

    def fits(row: Json) -> bool:
        project: Json = row["project"] or {}
        return (
            numbers.get("workspaceId", workspace.workspace_id) == workspace.workspace_id
            and numbers.get("projectId") in {None, project.get("id")}
            and numbers.get("checkId") in {None, row["checkId"]}
            and (states is None or row["state"] in states)
        )

    rows = sorted((row for row in workspace.incidents if fits(row)), key=lambda row: row["id"], reverse=True)
    limit = min(numbers.get("limit", 20), MOST)
    page = numbers.get("page", 1)
    shown = [_enriched(workspace, row) for row in rows[(page - 1) * limit : page * limit]]
    return Reply(200, _envelope(shown, len(rows), page, limit))


def get_incident(workspace: Ionhour, call: Call) -> Reply:
    """GET /incidents/:id."""
    return Reply(200, _enriched(workspace, workspace.find(call.args[0])))


def acknowledge(workspace: Ionhour, call: Call) -> Reply:
    """POST /incidents/:id/acknowledge. A second time changes nothing; a resolved incident answers 409."""
    incident = workspace.find(call.args[0])
    if incident["state"] == "RESOLVED":
        raise Refusal(409, Flaw("", "Cannot acknowledge a resolved incident", ""))
    if incident["acknowledgedBy"] is None:
        user, instant = workspace.user_id, workspace.clock.tick()
        incident |= {
            "acknowledgedBy": user,
            "acknowledgedAt": tell(instant),
            "acknowledgedByUser": {"id": user, "email": USERS[user]},
        }
        workspace.add_event(incident, "ACKNOWLEDGED", f"Acknowledged by {USERS[user]}", instant)
    return Reply(201, _enriched(workspace, incident))


def list_events(workspace: Ionhour, call: Call) -> Reply:
    """GET /incident-events/:incidentId, oldest first."""
    return _rows(workspace, workspace.events, call)


def list_notes(workspace: Ionhour, call: Call) -> Reply:
    """GET /incident-notes/:incidentId, without deleted ones."""
    return _rows(workspace, workspace.notes, call)


def create_note(workspace: Ionhour, call: Call) -> Reply:
    """POST /incident-notes/:incidentId."""
    incident = workspace.find(call.args[0])
    body = _read_note(call.body)
    return Reply(201, workspace.add_note(incident, workspace.user_id, body, workspace.clock.tick()))


def update_note(workspace: Ionhour, call: Call) -> Reply:
    """PATCH /incident-notes/:incidentId/:noteId."""
    note = _own_note(workspace, call)
    note |= {"body": _read_note(call.body), "updatedAt": tell(workspace.clock.tick())}
    return Reply(200, note)


def delete_note(workspace: Ionhour, call: Call) -> Reply:
    """DELETE /incident-notes/:incidentId/:noteId: kept for audit, listed no more."""
    note = _own_note(workspace, call)
    note["deletedAt"] = tell(workspace.clock.tick())
    return Reply(200, None)


_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/api/incidents"): list_incidents,
    ("GET", "/api/incidents/{}"): get_incident,
    ("POST", "/api/incidents/{}/acknowledge"): acknowledge,
    ("GET", "/api/incident-events/{}"): list_events,
    ("GET", "/api/incident-notes/{}"): list_notes,
    ("POST", "/api/incident-notes/{}"): create_note,
    ("PATCH", "/api/incident-notes/{}/{}"): update_note,
    ("DELETE", "/api/incident-notes/{}/{}"): delete_note,
}


def ionhour_routes(workspace: Ionhour) -> Routes:
    """Every operation that the sandbox answers."""

    def bound(operation: Operation) -> Handler:
        return lambda call: operation(workspace, call)

    return {name: bound(operation) for name, operation in _OPERATIONS.items()}


def _read_query(query: list[tuple[str, str]]) -> dict[str, str]:
    given = dict(query)
    found: list[Flaw] = []
    for key, value in given.items():
        if key in _NUMBERS:
            least = 1 if key in {"page", "limit"} else 0
            if not value.isdecimal() or int(value) < least:
                found.append(Flaw("", f"{key} must be a number not less than {least}", key))
        elif key != "state":
            found.append(Flaw("", f"property {key} should not exist", key))
        elif value.upper() not in _STATES:
            found.append(Flaw("", "state must be one of the following values: ACTIVE, RESOLVED", key))
    if found:
        raise Refusal(400, *found)
    return given


def _read_note(body: object) -> str:
    given = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    found = [Flaw("", f"property {key} should not exist", key) for key in given if key != "body"]
    text = given.get("body")
    if not isinstance(text, str):
        found.append(Flaw("", "body must be a string", "body"))
    if not text:
        found.append(Flaw("", "body should not be empty", "body"))
    if found:
        raise Refusal(400, *found)
    return str(text)


def _own_note(workspace: Ionhour, call: Call) -> Json:
    incident, number = workspace.find(call.args[0]), read_id(call.args[1])
    for note in workspace.notes:
        if (note["id"], note["incidentId"]) == (number, incident["id"]) and "deletedAt" not in note:
            if note["authorId"] != workspace.user_id:
                raise Refusal(403, Flaw("", "Only the author can modify this note", ""))
            return note
    raise Refusal(404, Flaw("", f"Note with ID {number} not found", ""))


def _enriched(workspace: Ionhour, incident: Json) -> Json:
    """An incident with the one figure that depends on when one asks."""
    success = read_instant(incident["lastSuccessAt"] or "")
    since = int((workspace.clock.now - success).total_seconds() * 1000) if success else None
    return {**incident, "durationSinceSuccessMs": since}


def _rows(workspace: Ionhour, records: list[Json], call: Call) -> Reply:
    """The records of the incident in the path, without deleted ones."""
    number = read_id(call.args[0])
    if not workspace.lists_unknown:
        workspace.find(call.args[0])
    rows = [row for row in records if row["incidentId"] == number and "deletedAt" not in row]
    return Reply(200, _envelope(rows, len(rows), 1, max(20, len(rows))) if workspace.enveloped else rows)


def _envelope(shown: list[Json], total: int, page: int, limit: int) -> Json:
    return {
        "items": shown,
        "total": total,
        "page": page,
        "itemCount": len(shown),
        "pageCount": -(-total // limit),
        "limit": limit,
    }
