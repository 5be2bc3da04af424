"""`subscriptions/listen`: what clients may watch, how changes are noticed, and how they are delivered."""

from incident_mcp.serving.subscriptions.events import Event, Events, LocalEvents
from incident_mcp.serving.subscriptions.forget import forget_incidents
from incident_mcp.serving.subscriptions.listen import Listen, ListenLimits
from incident_mcp.serving.subscriptions.poller import Budget, Pace

__all__ = ["Budget", "Event", "Events", "Listen", "ListenLimits", "LocalEvents", "Pace", "forget_incidents"]
