"""Changes of an incident's status and severity, and the updates that record them."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Json
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO

_MOVES = {"triage": {"learning", "closed"}, "live": {"learning", "closed"}, "learning": {"closed"}}


def check_move(incident: Json, status: Json | None, at: str) -> None:
    """Reject a status move that the edit operation does not document.

    Documented are moves within a category, from triage or live to learning or closed, and from learning to closed.
    """
    old = incident["incident_status"]
    if status is None or status["category"] in {old["category"], *_MOVES.get(old["category"], ())}:
        return
    message = f"Cannot move from {old['name']} ({old['category']}) to {status['name']} ({status['category']})"
    raise ApiError(422, Problem(message, at, "invalid_value"))


def change(incident: Json, status: Json | None, severity: Json | None) -> bool:
    """Set the status and severity, and return whether either changed."""
    before = (incident["incident_status"]["id"], incident.get("severity", {}).get("id"))
    if status is not None:
        incident["incident_status"] = status
    if severity is not None:
        incident["severity"] = severity
    return before != (incident["incident_status"]["id"], incident.get("severity", {}).get("id"))


def touch(incident: Json, instant: datetime, *, edited: bool = True) -> None:
    """Record activity on the incident and, if `edited`, a change of the incident itself."""
    incident["last_activity_at"] = rfc3339(instant)
    if edited:
        incident["updated_at"] = rfc3339(instant)


def record_update(account: IncidentIO, incident: Json, instant: datetime, updater: Json, message: str = "") -> Json:
    """Add an update with the incident's current status and severity."""
    update: Json = {
        "id": ulid(instant, f"update {len(account.updates)}"),
        "incident_id": incident["id"],
        "new_incident_status": incident["incident_status"],
        "updater": updater,
        "created_at": rfc3339(instant),
    }
    if message:
        update["message"] = message
    if "severity" in incident:
        update["new_severity"] = incident["severity"]
    account.updates.append(update)
    return update
