"""Events of Ionhour's incidents."""

from incident_mcp.sandbox.engine.service import Call, Reply

from .pages import list_of_incident
from .workspace import Ionhour


def list_events(workspace: Ionhour, call: Call) -> Reply:
    """GET /incident-events/:incidentId, oldest first."""
    return list_of_incident(workspace, call, workspace.events)


ROUTES = {("GET", "/api/incident-events/{id}"): list_events}
