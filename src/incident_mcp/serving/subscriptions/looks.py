"""What a poll reads: one list of each service, whatever number of incidents is watched."""

from datetime import UTC, datetime

from incident_mcp.incidentio.access import LIST as INCIDENTS
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, read_page
from incident_mcp.ionhour.incidents.access import LIST as ALERTS
from incident_mcp.ionhour.incidents.records import IonhourIncident
from incident_mcp.ionhour.pages import MAX_PAGE_SIZE as MAX_ALERT_PAGE_SIZE
from incident_mcp.ionhour.pages import read_page as read_alert_page
from incident_mcp.response.catch_up.incidents import MODES
from incident_mcp.serving.subscriptions.poller import Budget, Look, Looked
from incident_mcp.serving.subscriptions.watched import IncidentRow, alert_key, alert_stamp
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service

MAX_PAGES = 4
"""Pages of one poll: 1,000 incidents that changed in a day, 400 unresolved alerts."""
OVERLAP = 300.0
"""Seconds by which polls overlap: rows may be written late."""


async def look_at_incidents(service: Service, budget: Budget, since: float) -> Looked:
    """Read the incidents that changed on the day of the last poll or later; the filter takes only a day."""
    day = datetime.fromtimestamp((since or Api(service).now()) - OVERLAP, UTC).date().isoformat()
    request = INCIDENTS.request([("updated_at[gte]", day), *(("mode[one_of]", mode) for mode in MODES)])
    stamps: dict[str, str] = {}
    after: str | None = None
    for _ in range(MAX_PAGES):
        await budget.take()
        page = await read_page(Api(service).once(), request, IncidentRow, size=MAX_PAGE_SIZE, after=after)
        stamps |= {row.key: row.stamp for row in page.rows}
        if not page.rows or not page.after or page.after == after:
            break
        after = page.after
    return Looked(stamps)


def look_at_alerts(workspace: int | None) -> Look:
    """Return what reads a workspace's unresolved Ionhour incidents."""
    query = [*([("workspaceId", str(workspace))] if workspace else []), ("state", "ACTIVE")]

    async def look(service: Service, budget: Budget, _: float) -> Looked:
        stamps: dict[str, str] = {}
        readable = True
        for number in range(1, MAX_PAGES + 1):
            await budget.take()
            page = await read_alert_page(
                Api(service).once(), ALERTS.request(query), IonhourIncident, page=number, limit=MAX_ALERT_PAGE_SIZE
            )
            stamps |= {alert_key(row): alert_stamp(row) for row in page.rows}
            readable = readable and not page.unreadable
            if not page.has_more:
                return Looked(stamps, complete=readable)
        return Looked(stamps)

    return look
