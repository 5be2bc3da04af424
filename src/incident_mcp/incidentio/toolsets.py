"""The toolsets of incident.io beyond the core."""

from incident_mcp.tooling.tools import Toolset

ONCALL = Toolset("oncall", "Who is on call, paging people, escalations, schedules and overrides.", default=True)
ALERTS = Toolset("alerts", "Alerts, their links to incidents, their notes, and maintenance windows.", default=True)
CATALOG = Toolset("catalog", "Users, teams, roles, custom fields, timestamps, and the catalog.")
FOLLOW_UPS = Toolset("follow_ups", "Follow-ups and actions of incidents: list, create, complete, assign.")
POST_MORTEMS = Toolset("post_mortems", "Post-mortem documents: list, read, store, and move through their statuses.")
STATUS_PAGES = Toolset("status_pages", "Status pages: what customers read, and publishing incidents and updates there.")
TIMELINE = Toolset("timeline", "Timeline items, activity, attachments, participants, calls and private access.")
