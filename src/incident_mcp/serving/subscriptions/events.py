"""Events: what a receiver of webhooks publishes, and every process that has listeners hears."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio.lowlevel

from incident_mcp.records.instants import parse_instant

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """Something changed at incident.io. It says what to read again, and nothing that a listener might not see."""

    kinds: frozenset[str] = frozenset()
    """What changed: incident, page, alert, follow_up, action, post_mortem, schedule, status_page."""
    incidents: frozenset[str] = frozenset()
    """IDs of the incidents concerned, in capitals."""
    at: float = 0.0
    """Unix seconds."""
    private: bool = False
    """It concerns something private: whoever listens finds out with the own key whether anything changed."""
    missed: bool = False
    """Events may have been lost: everything may have changed."""
    stamp: str = field(default="", compare=False)
    """The incident's version if the event shows it, as `stamp_of` returns it."""


def stamp_of(updated_at: str | None, status_id: str | None) -> str:
    """Return a text that differs between two versions of an incident; the same from a webhook and from the API."""
    instant = parse_instant(updated_at)
    return f"{instant.isoformat() if instant else updated_at} {status_id}"


Listener = Callable[[Event], None]
"""Hears an event; it neither waits nor raises."""


class Events(Protocol):
    """Carries events to all listeners, of other processes too."""

    async def publish(self, event: Event) -> None:
        """Deliver an event to every listener."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, and return a function that removes it."""
        ...


class LocalEvents:
    """Carries events within this process."""

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    async def publish(self, event: Event) -> None:
        """Deliver an event to every listener of this process."""
        self.deliver(event)
        await anyio.lowlevel.checkpoint()

    def deliver(self, event: Event) -> None:
        """Deliver an event; a listener that fails does not keep it from the others."""
        for listener in list(self._listeners.values()):
            try:
                listener(event)
            except Exception:  # noqa: BLE001  # one faulty listener must not silence the others
                _log.exception("A listener failed")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, and return a function that removes it."""
        token = object()
        self._listeners[token] = listener
        return lambda: self._listeners.pop(token, None) and None
