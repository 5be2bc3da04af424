"""Incident statuses."""

from .account import Routes
from .pages import get_one, list_all

ROUTES: Routes = {
    ("GET", "/v1/incident_statuses"): lambda account, call: list_all(call, "incident_statuses", account.statuses),
    ("GET", "/v1/incident_statuses/{id}"): lambda account, call: get_one(call, "incident_status", account.statuses),
}
