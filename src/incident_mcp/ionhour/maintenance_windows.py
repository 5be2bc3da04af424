"""Ionhour's maintenance windows, during which it raises no alerts or sends none."""

from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field

from incident_mcp.ionhour.checks.list import upper
from incident_mcp.ionhour.pages import Page
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.ionhour.toolsets import CHECKS
from incident_mcp.ionhour.workspace import require_workspace
from incident_mcp.records.record import Instant, Listed, Name, parts
from incident_mcp.tooling.dependencies import AppSettings, IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation, Request

LIST = Operation("GET", "/maintenance-windows")
State = Annotated[Literal["SCHEDULED", "ACTIVE", "COMPLETED", "CANCELLED"], BeforeValidator(upper)]
_OPEN = ("ACTIVE", "SCHEDULED")


def _names(value: object) -> object:
    return [row["name"] for row in parts({"rows": value}, "rows") if isinstance(row.get("name"), str)] or None


def _numbers(value: object) -> object:
    if not isinstance(value, list):
        return None
    return [row for row in cast("list[object]", value) if isinstance(row, int) and not isinstance(row, bool)] or None


class MaintenanceWindow(IonhourRecord):
    """A maintenance window."""

    id: int
    name: Name | None = None
    state: str | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    projects: Annotated[list[Name] | None, BeforeValidator(_names)] = None
    project_ids: Annotated[list[int] | None, BeforeValidator(_numbers)] = None
    suppress_alerts: bool | None = None
    """Nobody is notified."""
    suppress_incidents: bool | None = None
    """No incident is created."""
    description: str | None = None
    recurring_cron: str | None = None
    timezone: str | None = None
    """Of `recurring_cron`; the instants are in UTC."""

    @property
    def hides_alerts(self) -> bool:
        """Whether an active one suppresses something, as it does by default."""
        return self.state in (None, "ACTIVE") and not (
            self.suppress_alerts is False and self.suppress_incidents is False
        )


class MaintenanceWindows(Listed):
    """Maintenance windows."""

    maintenance_windows: list[MaintenanceWindow]


def list_request(workspace: int, state: str) -> Request:
    """Return the request for the windows in a state. The document has no page for it."""
    return LIST.request([("workspaceId", str(workspace)), ("state", state)])


async def ionhour_list_maintenance(
    api: IonhourApi,
    settings: AppSettings,
    state: Annotated[State | None, Field(description="Default: ACTIVE and SCHEDULED.")] = None,
) -> MaintenanceWindows:
    """List Ionhour maintenance windows, which suppress alerts or incidents of projects."""
    workspace = require_workspace(settings)
    windows: dict[int, MaintenanceWindow] = {}
    has_more, unreadable = False, 0
    for each in (state,) if state else _OPEN:
        page = await api.get(list_request(workspace, each), Page[MaintenanceWindow])
        windows |= {row.id: row for row in page.rows}
        has_more = has_more or page.has_more
        unreadable += page.unreadable or 0
    return MaintenanceWindows(
        maintenance_windows=list(windows.values()), has_more=has_more, unreadable=unreadable or None
    )


TOOLS = [
    read_tool(
        ionhour_list_maintenance,
        "List Ionhour maintenance windows",
        toolset=CHECKS,
        keywords="planned work silence suppressed why nothing fires window",
    )
]
