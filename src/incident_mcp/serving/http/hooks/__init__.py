"""The receiver of incident.io's webhooks."""

from incident_mcp.serving.http.hooks.replays import LocalReplays, Replays
from incident_mcp.serving.http.hooks.route import PATH, hook_route
from incident_mcp.serving.http.hooks.signature import FILE_VARIABLE, Signatures

__all__ = ["FILE_VARIABLE", "PATH", "LocalReplays", "Replays", "Signatures", "hook_route"]
