"""Incident roles."""

from .account import Routes
from .pages import list_all

ROUTES: Routes = {
    ("GET", "/v2/incident_roles"): lambda account, call: list_all(call, "incident_roles", account.roles),
}
