"""What happens to an incident when its status or severity changes, or somebody writes an update."""

from datetime import datetime

from incident_mcp.sandbox.clock import tell, ulid
from incident_mcp.sandbox.service import Json, Refusal
from incident_mcp.sandbox.shapes import Flaw

from .state import IncidentIO

_MOVES = {"triage": {"learning", "closed"}, "live": {"learning", "closed"}, "learning": {"closed"}}


def check_move(incident: Json, status: Json | None, at: str) -> None:
    """Refuse a status move that the edit operation does not list (section 1.8 of the reference).

    Listed are moves inside one category, from triage or live to learning or closed, and from learning to closed.
    """
    old = incident["incident_status"]
    if status is None or status["category"] in {old["category"], *_MOVES.get(old["category"], ())}:
        return
    message = f"Cannot move from {old['name']} ({old['category']}) to {status['name']} ({status['category']})"
    raise Refusal(422, Flaw("invalid_value", message, at))


def change(incident: Json, status: Json | None, severity: Json | None) -> bool:
    """Set status and severity; tell whether anything is different now."""
    before = (incident["incident_status"]["id"], incident.get("severity", {}).get("id"))
    if status is not None:
        incident["incident_status"] = status
    if severity is not None:
        incident["severity"] = severity
    return before != (incident["incident_status"]["id"], incident.get("severity", {}).get("id"))


def touch(incident: Json, instant: datetime, *, edited: bool = True) -> None:
    """Note activity on the incident, and that the incident itself was edited."""
    incident["last_activity_at"] = tell(instant)
    if edited:
        incident["updated_at"] = tell(instant)


def record_update(account: IncidentIO, incident: Json, instant: datetime, updater: Json, message: str = "") -> Json:
    """Add an update that shows the incident as it now is."""
    update: Json = {
        "id": ulid(instant, f"update {len(account.updates)}"),
        "incident_id": incident["id"],
        "new_incident_status": incident["incident_status"],
        "updater": updater,
        "created_at": tell(instant),
    }
    if message:
        update["message"] = message
    if "severity" in incident:
        update["new_severity"] = incident["severity"]
    account.updates.append(update)
    return update
