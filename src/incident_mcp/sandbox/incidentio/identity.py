"""What the key may do."""

from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.engine.service import Json

from .account import Routes
from .pages import list_all

IDENTITY: Json = {
    "name": "Sandbox key",
    "dashboard_url": "https://app.incident.io/sandbox",
    "roles": ["viewer", "incident_creator", "incident_editor", "post_incident_flow_opt_out", "global_access"],
    "team_roles": ["catalog_editor"],
    "teams": [{"id": account_ulid("team Payments"), "name": "Payments"}],
}

ROUTES: Routes = {("GET", "/v1/identity"): lambda _, call: list_all(call, "identity", IDENTITY)}
