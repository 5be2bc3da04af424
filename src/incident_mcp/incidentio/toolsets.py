"""The toolsets of incident.io beyond the core."""

from incident_mcp.tooling.tools import Toolset

ONCALL = Toolset("oncall", "Who is on call, paging people, escalations, schedules and overrides.", default=True)
ALERTS = Toolset("alerts", "Alerts, their links to incidents, their notes, and maintenance windows.", default=True)
CATALOG = Toolset("catalog", "Users, teams, roles, custom fields, timestamps, and the catalog.")
TIMELINE = Toolset("timeline", "Timeline items, activity, attachments, participants, calls and private access.")
