"""Run incidents in incident.io and Ionhour from an AI assistant: an MCP server, a command line and an Agent Skill."""

__version__ = "0.1.0"
