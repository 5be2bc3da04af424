"""incident.io's REST API over records in memory."""

from incident_mcp.sandbox.service import Call, Handler, Reply, Routes

from .around import create_attachment, create_timeline_item, list_attachments, list_timeline_items
from .filters import list_incidents
from .incidents import create, edit, show
from .reference_data import reference_routes
from .seeding import seed, seed_bulk
from .state import IncidentIO
from .updates import create_update, list_updates

__all__ = ["IncidentIO", "incidentio_routes", "seed", "seed_bulk"]

_OPERATIONS = {
    ("GET", "/v2/incidents"): list_incidents,
    ("POST", "/v2/incidents"): create,
    ("GET", "/v2/incidents/{}"): show,
    ("POST", "/v2/incidents/{}/actions/edit"): edit,
    ("GET", "/v2/incident_updates"): list_updates,
    ("POST", "/v2/incident_updates"): create_update,
    ("GET", "/v2/incident_timeline_items"): list_timeline_items,
    ("POST", "/v2/incident_timeline_items"): create_timeline_item,
    ("GET", "/v1/incident_attachments"): list_attachments,
    ("POST", "/v1/incident_attachments"): create_attachment,
}


def incidentio_routes(account: IncidentIO) -> Routes:
    """Every operation that the sandbox answers."""

    def bound(name: tuple[str, str]) -> Handler:
        def handler(call: Call) -> Reply:
            return _OPERATIONS[name](account, call)

        return handler

    return {name: bound(name) for name in _OPERATIONS} | reference_routes(account)
