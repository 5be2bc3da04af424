"""Cached names of incidents, dropped when a webhook reports a change."""

from incident_mcp.serving.subscriptions.events import Event
from incident_mcp.transport.service import Service

_LISTS = ("open", "names of incidents")
_ONE = "incident "


def forget_incidents(service: Service, event: Event) -> None:
    """Drop what is cached of incidents, so that the next call reads what the event reports.

    Args:
        service: incident.io, as a caller has it.
        event: What was reported.
    """
    if event.missed or "incident" in event.kinds:
        for name in [name for name in service.cache if name in _LISTS or name.startswith(_ONE)]:
            del service.cache[name]
