"""Notes on Ionhour's incidents."""

from typing import Any, cast

from incident_mcp.sandbox.engine.clock import rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .pages import list_of_incident
from .workspace import Ionhour, read_id


def list_notes(workspace: Ionhour, call: Call) -> Reply:
    """GET /incident-notes/:incidentId, without deleted ones."""
    return list_of_incident(workspace, call, workspace.notes)


def create_note(workspace: Ionhour, call: Call) -> Reply:
    """POST /incident-notes/:incidentId."""
    incident = workspace.find(call.path["id"])
    body = _read_body(call.body)
    return Reply(201, workspace.add_note(incident, workspace.user_id, body, workspace.clock.tick()))


def update_note(workspace: Ionhour, call: Call) -> Reply:
    """PATCH /incident-notes/:incidentId/:noteId."""
    note = _find_own(workspace, call)
    note |= {"body": _read_body(call.body), "updatedAt": rfc3339(workspace.clock.tick())}
    return Reply(200, note)


def delete_note(workspace: Ionhour, call: Call) -> Reply:
    """DELETE /incident-notes/:incidentId/:noteId. The note is kept for audit and no longer listed."""
    note = _find_own(workspace, call)
    note["deletedAt"] = rfc3339(workspace.clock.tick())
    return Reply(200, None)


def _read_body(body: object) -> str:
    values = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    problems = [Problem(f"property {key} should not exist", key) for key in values if key != "body"]
    text = values.get("body")
    if not isinstance(text, str):
        problems.append(Problem("body must be a string", "body"))
    if not text:
        problems.append(Problem("body should not be empty", "body"))
    if problems:
        raise ApiError(400, *problems)
    return str(text)


def _find_own(workspace: Ionhour, call: Call) -> Json:
    """Return the note in the path if the key's user wrote it."""
    incident, number = workspace.find(call.path["id"]), read_id(call.path["note_id"])
    for note in workspace.notes:
        if (note["id"], note["incidentId"]) == (number, incident["id"]) and "deletedAt" not in note:
            if note["authorId"] != workspace.user_id:
                raise ApiError(403, "Only the author can modify this note")
            return note
    raise ApiError(404, f"Note with ID {number} not found")


ROUTES = {
    ("GET", "/api/incident-notes/{id}"): list_notes,
    ("POST", "/api/incident-notes/{id}"): create_note,
    ("PATCH", "/api/incident-notes/{id}/{note_id}"): update_note,
    ("DELETE", "/api/incident-notes/{id}/{note_id}"): delete_note,
}
