"""Ionhour's incidents."""

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .pages import page, read_query
from .workspace import Ionhour

_STATES = {
    "ACTIVE": {"ACTIVE", "MONITORING"},
    "OPEN": {"ACTIVE", "MONITORING"},
    "MONITORING": {"ACTIVE", "MONITORING"},
    "RESOLVED": {"RESOLVED"},
}
_NUMBERS = ("workspaceId", "projectId", "checkId")


def list_incidents(workspace: Ionhour, call: Call) -> Reply:
    """GET /incidents, newest first, though no order is documented."""
    query = read_query(call, _NUMBERS, {"state": (_STATES, "ACTIVE, RESOLVED")})
    wanted = {key: int(query[key]) for key in _NUMBERS if key in query}
    states = _STATES[query["state"].upper()] if "state" in query else None

    def matches(row: Json) -> bool:
        project: Json = row["project"] or {}
        ids = {"workspaceId": workspace.workspace_id, "projectId": project.get("id"), "checkId": row["checkId"]}
        return wanted.items() <= ids.items() and (states is None or row["state"] in states)

    rows = sorted(filter(matches, workspace.incidents), key=lambda row: row["id"], reverse=True)
    body = page(rows, query)
    body["items"] = [_with_duration(workspace, row) for row in body["items"]]
    return Reply(200, body)


def get_incident(workspace: Ionhour, call: Call) -> Reply:
    """GET /incidents/:id."""
    return Reply(200, _with_duration(workspace, workspace.find(call.path["id"])))


def acknowledge_incident(workspace: Ionhour, call: Call) -> Reply:
    """POST /incidents/:id/acknowledge. A second call changes nothing; a resolved incident answers 409."""
    incident = workspace.find(call.path["id"])
    if incident["state"] == "RESOLVED":
        raise ApiError(409, "Cannot acknowledge a resolved incident")
    if incident["acknowledgedBy"] is None:
        user, instant = workspace.user_id, workspace.clock.tick()
        email = workspace.users[user]
        incident |= {
            "acknowledgedBy": user,
            "acknowledgedAt": rfc3339(instant),
            "acknowledgedByUser": {"id": user, "email": email},
        }
        workspace.add_event(incident, "ACKNOWLEDGED", f"Acknowledged by {email}", instant)
    return Reply(201, _with_duration(workspace, incident))


def _with_duration(workspace: Ionhour, incident: Json) -> Json:
    """Return the incident with the one figure that depends on the time of the call."""
    success = read_instant(incident["lastSuccessAt"] or "")
    since = int((workspace.clock.now - success).total_seconds() * 1000) if success else None
    return {**incident, "durationSinceSuccessMs": since}


ROUTES = {
    ("GET", "/api/incidents"): list_incidents,
    ("GET", "/api/incidents/{id}"): get_incident,
    ("POST", "/api/incidents/{id}/acknowledge"): acknowledge_incident,
}
