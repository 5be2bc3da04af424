"""The maintenance windows of the incident.io account."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_mcp.sandbox.engine.clock import account_ulid, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.incident_values import slim_user


@dataclass(frozen=True)
class Row:
    """One seeded window, in hours before (below 0) and after the start."""

    name: str
    begins: float
    ends: float
    lead: str
    services: tuple[str, ...]
    message: str = ""
    resolves: bool = False
    incident: int = 0


WINDOWS = (
    Row("Load test of the dashboard", -75, -73, "Priya Raman", ("merchant-dashboard",), incident=115),
    Row(
        "Ledger database upgrade",
        -0.5,
        1.5,
        "Sam Lindqvist",
        ("ledger", "payouts"),
        "Replica lag is expected.",
        resolves=True,
    ),
    Row("Router firmware in eu-west-1", 21, 23, "workflow", ()),
)


def windows(account: IncidentIO, start: datetime) -> Iterator[Json]:
    """Return the windows."""
    incidents = {number_of(incident): incident["id"] for incident in account.incidents}
    for row in WINDOWS:
        yield _window(account, row, start, incidents.get(row.incident))


def _window(account: IncidentIO, row: Row, start: datetime, incident: str | None) -> Json:
    made = rfc3339(start + timedelta(hours=row.begins) - timedelta(days=1))
    lead: Json = {"workflow": {"id": account_ulid("workflow"), "name": "Declare from support tickets"}}
    if row.lead != "workflow":
        lead = {"user": slim_user(by_name(account.users, row.lead))}
    window: Json = {
        "id": account_ulid(f"maintenance window {row.name}"),
        "name": row.name,
        "start_at": rfc3339(start + timedelta(hours=row.begins)),
        "end_at": rfc3339(start + timedelta(hours=row.ends)),
        "lead": lead,
        "alert_condition_groups": [{"conditions": [_is_of(row.services)]}] if row.services else [],
        "notify_channels": [{"channel_id": "C04OPS", "channel_name": "ops", "channel_type": "public"}],
        "show_in_sidebar": True,
        "resolve_on_end": row.resolves,
        "reroute_on_end": not row.resolves,
        "created_at": made,
        "updated_at": made,
    }
    optional = {"notification_message": row.message, "incident_id": incident}
    return window | {name: value for name, value in optional.items() if value}


def _is_of(services: tuple[str, ...]) -> Json:
    attribute = account_ulid("alert attribute Service")
    return {
        "subject": {"label": "Alert → Service", "reference": f'alert.attributes["{attribute}"]'},
        "operation": {"label": "is one of", "value": "one_of"},
        "param_bindings": [{"array_value": [{"label": name, "literal": name} for name in services]}],
    }
