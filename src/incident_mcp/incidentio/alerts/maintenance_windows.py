"""Maintenance windows, during which alerts are held."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.incidents.records import value_text
from incident_mcp.incidentio.names.incidents import IncidentName, incident_names
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import ALERTS
from incident_mcp.records.record import Instant, Json, Listed, Name, Record, part, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MOST_WINDOWS = 50
"""Windows that are read of one status: a page."""
LIST = Operation("GET", "/v1/maintenance_windows", scope="maintenance_windows.view", page_size=MOST_WINDOWS)
Status = Literal["active", "upcoming", "past"]
_OPEN: tuple[Status, ...] = ("active", "upcoming")


def _conditions(value: object) -> object:
    """Return the conditions of each group on one line; an alert must meet all conditions of a group."""
    groups = parts({"groups": value}, "groups")
    texts = [" and ".join(filter(None, map(_condition, parts(group, "conditions")))) for group in groups]
    return [text for text in texts if text] or None


def _condition(condition: Json) -> str:
    """Return a condition in the words of the dashboard: `Alert → Service is one of ledger, payouts`."""
    bindings = parts(condition, "param_bindings")
    values = [value for binding in bindings for value in (part(binding, "value"), *parts(binding, "array_value"))]
    texts = [_label(part(condition, "subject")), _label(part(condition, "operation"))]
    return " ".join(filter(None, [*texts, ", ".join(filter(None, map(_label, values)))]))


def _label(value: Json) -> str:
    return value_text({key: value[key] for key in ("label", "literal") if key in value})


class MaintenanceWindow(Record):
    """A maintenance window."""

    id: str
    name: Name | None = None
    status: str | None = Field(default=None, validation_alias="the status that was asked for")
    start_at: Instant | None = None
    end_at: Instant | None = None
    lead: Actor = None
    holds: Annotated[list[str] | None, BeforeValidator(_conditions)] = Field(
        default=None, validation_alias="alert_condition_groups"
    )
    """Which alerts: those that meet one of these."""
    notification_message: str | None = None
    incident: str | None = Field(default=None, validation_alias="incident_id")
    """The reference of the incident that held alerts are attached to; its id if unknown."""
    resolve_on_end: bool | None = None
    reroute_on_end: bool | None = None
    archived_at: Instant | None = None


class MaintenanceWindows(Listed):
    """Maintenance windows."""

    maintenance_windows: list[MaintenanceWindow]


async def incidentio_list_maintenance(
    api: IncidentioApi,
    status: Annotated[Status | None, Field(description="Default: active and upcoming.")] = None,
) -> MaintenanceWindows:
    """List maintenance windows: which alerts are held, and until when."""
    windows = await _read_windows(api, (status,) if status else _OPEN)
    names = await incident_names(api, (row.incident for row in windows if row.incident))
    shown = [_with_reference(row, names.get(row.incident or "")) for row in windows]
    return MaintenanceWindows(maintenance_windows=shown, has_more=not windows.complete, unreadable=windows.unreadable)


async def _read_windows(api: Api, statuses: Sequence[Status]) -> Rows[MaintenanceWindow]:
    windows = Rows[MaintenanceWindow]()
    for status in statuses:
        rows = await read_rows(api, LIST.request([("status", status)]), MaintenanceWindow, limit=MOST_WINDOWS)
        windows += [row.model_copy(update={"status": status}) for row in rows]
        windows.after = windows.after or rows.after
        windows.unreadable = (windows.unreadable or 0) + (rows.unreadable or 0) or None
    return windows


def _with_reference(window: MaintenanceWindow, incident: IncidentName | None) -> MaintenanceWindow:
    """Return a window with the reference of its incident, if that is known."""
    return window.model_copy(update={"incident": (incident and incident.reference) or window.incident})


TOOLS = [
    read_tool(
        incidentio_list_maintenance,
        "List maintenance windows",
        toolset=ALERTS,
        keywords="planned silence silenced known window suppressed",
    )
]
