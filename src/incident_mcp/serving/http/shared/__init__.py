"""What replicas share, in Redis: the journal with its locks, rate limits, what was shown, and open questions."""

from incident_mcp.serving.http.shared.connection import PREFIX
from incident_mcp.serving.http.shared.state import SharedState

__all__ = ["PREFIX", "SharedState"]
