"""Alert sources: the monitoring systems that send alerts."""

from incident_mcp.sandbox.engine.service import Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .pages import list_all

_EXTERNALLY_RESOLVED = ("datadog",)
"""Kinds of sources whose alerts only the source can resolve; the vendor names one of them."""


def list_alert_sources(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/alert_sources, which is not paged."""
    return list_all(call, "alert_sources", account.rows["alert_sources"])


def source_of(account: IncidentIO, alert: Json) -> Json:
    """Return the source of an alert."""
    return by_id(account.rows["alert_sources"], alert["alert_source_id"]) or {}


def is_externally_resolved(account: IncidentIO, alert: Json) -> bool:
    """Return whether only the source can resolve an alert."""
    return source_of(account, alert)["source_type"] in _EXTERNALLY_RESOLVED


ROUTES: Routes = {("GET", "/v2/alert_sources"): list_alert_sources}
SCOPES = dict.fromkeys(ROUTES, ("alert_sources.view",))
