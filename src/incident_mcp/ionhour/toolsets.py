"""The toolsets of Ionhour beyond the core."""

from incident_mcp.tooling.tools import Toolset

CHECKS = Toolset("checks", "Ionhour's checks, what they depend on, and its maintenance windows.")
