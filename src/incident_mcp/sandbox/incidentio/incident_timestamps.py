"""Incident timestamps."""

from .account import Routes
from .pages import list_all

ROUTES: Routes = {
    ("GET", "/v2/incident_timestamps"): lambda account, call: list_all(call, "incident_timestamps", account.timestamps),
}
