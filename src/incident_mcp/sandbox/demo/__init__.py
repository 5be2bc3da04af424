"""`incident-mcp demo`: an incident from first alert to close, by a real MCP client on a spawned server."""

from .start import run

__all__ = ["run"]
