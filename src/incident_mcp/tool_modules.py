"""All tools, in the order in which they are listed. Generated: `uv run python -m tools.generate`."""

import incident_mcp.incidentio.alerts.alerts
import incident_mcp.incidentio.alerts.links
import incident_mcp.incidentio.alerts.maintenance_windows
import incident_mcp.incidentio.alerts.notes
import incident_mcp.incidentio.alerts.resolve
import incident_mcp.incidentio.catalog
import incident_mcp.incidentio.custom_fields
import incident_mcp.incidentio.identity
import incident_mcp.incidentio.incident_roles
import incident_mcp.incidentio.incident_statuses
import incident_mcp.incidentio.incident_timestamps
import incident_mcp.incidentio.incident_types
import incident_mcp.incidentio.incident_updates
import incident_mcp.incidentio.incidents.close
import incident_mcp.incidentio.incidents.create
import incident_mcp.incidentio.incidents.edit
import incident_mcp.incidentio.incidents.get
import incident_mcp.incidentio.incidents.list
import incident_mcp.incidentio.oncall.answer
import incident_mcp.incidentio.oncall.cancel
import incident_mcp.incidentio.oncall.check_reachable
import incident_mcp.incidentio.oncall.create_override
import incident_mcp.incidentio.oncall.delete_override
import incident_mcp.incidentio.oncall.escalations
import incident_mcp.incidentio.oncall.on_call
import incident_mcp.incidentio.oncall.page
import incident_mcp.incidentio.oncall.paths
import incident_mcp.incidentio.oncall.reassign
import incident_mcp.incidentio.oncall.schedules
import incident_mcp.incidentio.severities
import incident_mcp.incidentio.teams
import incident_mcp.incidentio.users
import incident_mcp.ionhour.events
import incident_mcp.ionhour.incidents.acknowledge
import incident_mcp.ionhour.incidents.get
import incident_mcp.ionhour.incidents.list
import incident_mcp.ionhour.notes
import incident_mcp.response.declare
import incident_mcp.response.situation.situation
import incident_mcp.response.timeline.timeline
from incident_mcp.tooling.tools import ToolSpec

TOOLS: list[ToolSpec] = [
    *incident_mcp.response.situation.situation.TOOLS,
    *incident_mcp.response.timeline.timeline.TOOLS,
    *incident_mcp.response.declare.TOOLS,
    *incident_mcp.incidentio.severities.TOOLS,
    *incident_mcp.incidentio.incident_statuses.TOOLS,
    *incident_mcp.incidentio.incident_types.TOOLS,
    *incident_mcp.incidentio.incidents.create.TOOLS,
    *incident_mcp.incidentio.incidents.get.TOOLS,
    *incident_mcp.incidentio.incidents.list.TOOLS,
    *incident_mcp.incidentio.incidents.edit.TOOLS,
    *incident_mcp.incidentio.incidents.close.TOOLS,
    *incident_mcp.incidentio.incident_updates.TOOLS,
    *incident_mcp.incidentio.oncall.escalations.TOOLS,
    *incident_mcp.incidentio.oncall.page.TOOLS,
    *incident_mcp.incidentio.oncall.paths.TOOLS,
    *incident_mcp.incidentio.oncall.schedules.TOOLS,
    *incident_mcp.incidentio.oncall.answer.TOOLS,
    *incident_mcp.incidentio.oncall.cancel.TOOLS,
    *incident_mcp.incidentio.oncall.reassign.TOOLS,
    *incident_mcp.incidentio.oncall.create_override.TOOLS,
    *incident_mcp.incidentio.oncall.delete_override.TOOLS,
    *incident_mcp.incidentio.oncall.on_call.TOOLS,
    *incident_mcp.incidentio.oncall.check_reachable.TOOLS,
    *incident_mcp.incidentio.alerts.alerts.TOOLS,
    *incident_mcp.incidentio.alerts.links.TOOLS,
    *incident_mcp.incidentio.alerts.maintenance_windows.TOOLS,
    *incident_mcp.incidentio.alerts.notes.TOOLS,
    *incident_mcp.incidentio.alerts.resolve.TOOLS,
    *incident_mcp.incidentio.catalog.TOOLS,
    *incident_mcp.incidentio.custom_fields.TOOLS,
    *incident_mcp.incidentio.identity.TOOLS,
    *incident_mcp.incidentio.incident_roles.TOOLS,
    *incident_mcp.incidentio.incident_timestamps.TOOLS,
    *incident_mcp.incidentio.teams.TOOLS,
    *incident_mcp.incidentio.users.TOOLS,
    *incident_mcp.ionhour.incidents.list.TOOLS,
    *incident_mcp.ionhour.incidents.get.TOOLS,
    *incident_mcp.ionhour.incidents.acknowledge.TOOLS,
    *incident_mcp.ionhour.events.TOOLS,
    *incident_mcp.ionhour.notes.TOOLS,
]
