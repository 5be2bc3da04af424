"""Severities."""

from .account import Routes
from .pages import get_one, list_all

ROUTES: Routes = {
    ("GET", "/v1/severities"): lambda account, call: list_all(call, "severities", account.severities),
    ("GET", "/v1/severities/{id}"): lambda account, call: get_one(call, "severity", account.severities),
}
