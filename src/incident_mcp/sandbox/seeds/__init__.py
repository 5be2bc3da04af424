"""The made-up incidents of one small company, in both services."""

from datetime import datetime

from incident_mcp.sandbox.incidentio.account import IncidentIO
from incident_mcp.sandbox.ionhour.workspace import Ionhour

from .incidentio import seed_incidentio, seed_incidentio_bulk
from .incidentio_alerts import seed_alerts
from .incidentio_follow_ups import seed_follow_ups
from .incidentio_on_call import seed_on_call
from .incidentio_post_mortems import seed_post_mortems
from .incidentio_status_pages import seed_status_pages
from .incidentio_timeline import seed_timeline
from .ionhour import seed_ionhour, seed_ionhour_bulk
from .ionhour_checks import seed_checks


def seed(account: IncidentIO, workspace: Ionhour, start: datetime, bulk: int) -> None:
    """Fill both services; the times are relative to `start`, and `bulk` plain incidents are added to each."""
    seed_ionhour(workspace, start)
    seed_checks(workspace, start)
    links = {row["id"]: f"Ionhour incident {row['id']} ({row['publicId']})" for row in workspace.incidents}
    seed_incidentio(account, start, links)
    seed_on_call(account, start)
    seed_alerts(account, start)
    seed_follow_ups(account, start)
    seed_post_mortems(account, start)
    seed_status_pages(account, start)
    seed_timeline(account, start)
    if bulk:
        seed_incidentio_bulk(account, start, bulk)
        seed_ionhour_bulk(workspace, start, bulk)
