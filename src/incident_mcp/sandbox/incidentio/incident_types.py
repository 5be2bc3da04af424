"""Incident types."""

from .account import Routes
from .pages import get_one, list_all

ROUTES: Routes = {
    ("GET", "/v1/incident_types"): lambda account, call: list_all(call, "incident_types", account.types),
    ("GET", "/v1/incident_types/{id}"): lambda account, call: get_one(call, "incident_type", account.types),
}
