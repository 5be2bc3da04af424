"""An Ionhour incident: its record, the reads, and the tool that gets one."""

from pydantic import AliasChoices, AliasPath, Field

from incident_mcp.ionhour.pages import each_page
from incident_mcp.ionhour.records import IncidentId, IonhourRecord
from incident_mcp.records.record import (
    HtmlText,
    Instant,
    Long,
    Offset,
    Whole,
)
from incident_mcp.tooling.dependencies import IonhourApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/incidents")
GET = Operation("GET", "/incidents/{incident_id}")


class IonhourIncident(IonhourRecord, Long):
    """An incident; the check's token is left out on purpose: a ping to it fakes a recovery."""

    REST = ": ionhour_get_incident with offset={offset} shows the rest"
    id: int
    title: str | None = None
    state: str | None = None
    severity: str | None = None
    reason: str | None = None
    summary: str | None = None
    """As the service has it: HTML or plain text, converted only where it is shown or searched."""
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    check: str | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    check_id: int | None = Field(default=None, validation_alias=AliasChoices("checkId", AliasPath("check", "id")))
    dependency_name: str | None = Field(
        default=None, validation_alias=AliasChoices("dependencyName", AliasPath("dependency", "name"))
    )
    dependency_id: int | None = Field(
        default=None, validation_alias=AliasChoices("dependencyId", AliasPath("dependency", "id"))
    )
    started_at: Instant | None = None
    recovered_at: Instant | None = None
    resolved_at: Instant | None = None
    acknowledged_at: Instant | None = None
    acknowledged_by: int | None = None
    acknowledged_by_email: str | None = Field(default=None, validation_alias=AliasPath("acknowledgedByUser", "email"))
    last_signal_at: Instant | None = None
    last_signal_type: str | None = None
    last_signal_source: str | None = None
    last_success_at: Instant | None = None
    duration_since_success_ms: Whole | None = None
    """Milliseconds, when the answer was made."""
    public_id: str | None = None


class WholeIncident(IonhourIncident):
    """An incident with its summary as text."""

    summary: HtmlText | None = None


_PRIORITIES = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "CRITICAL": 1, "WARNING": 3}


def priority(severity: str | None) -> int | None:
    """Rank a severity, 1 the worst; the vendor's older guide and hosted tools still say CRITICAL and WARNING."""
    return _PRIORITIES.get((severity or "").strip().upper())


async def unresolved_incidents(api: Api, workspace_id: int | None) -> tuple[list[IonhourIncident], int]:
    """Read the unresolved incidents, whole, up to 500.

    Returns:
        The incidents and how many there are in all, with those that cannot be read; as far as that is known.
    """
    query = [*([("workspaceId", str(workspace_id))] if workspace_id else []), ("state", "ACTIVE")]
    rows: list[IonhourIncident] = []
    received = total = 0
    async for page in each_page(api, LIST.request(query), IonhourIncident, most=500):
        rows += page.items
        received += len(page.items) + (page.unreadable or 0)
        total = max(received, (page.total or received + 1) if page.has_more else received)
    return rows, total


async def read_incident(api: Api, incident_id: int) -> IonhourIncident:
    """Read an incident, its summary unread."""
    return await api.get(GET.request(at={"incident_id": incident_id}), IonhourIncident)


async def read_whole(api: Api, incident_id: int) -> WholeIncident:
    """Read an incident, its summary as text."""
    return await api.get(GET.request(at={"incident_id": incident_id}), WholeIncident)


async def require_incident(api: Api, incident_id: int) -> None:
    """Make sure that there is such an incident: an empty list of its notes or events is no proof.

    Raises:
        RefusedError: There is none, or this key may not see it.
    """
    await read_incident(api, incident_id)


async def ionhour_get_incident(api: IonhourApi, incident_id: IncidentId, offset: Offset = None) -> WholeIncident:
    """Get one Ionhour incident in full: check, project, dependency, last signals, who acknowledged it."""
    return (await read_whole(api, incident_id)).model_copy(update={"offset": offset or 0})


TOOLS = [
    read_tool(ionhour_get_incident, "Get an Ionhour incident"),
]
