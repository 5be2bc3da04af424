"""The toolset of what joins both services beyond the core."""

from incident_mcp.tooling.tools import Toolset

INSIGHT = Toolset("insight", "What changed, what was similar, how long it took, handovers and post-mortem drafts.")
