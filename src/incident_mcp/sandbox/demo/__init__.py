"""`incident-mcp demo`: an incident from first alert to close, through a real MCP client and a spawned server."""

from .start import run

__all__ = ["run"]
