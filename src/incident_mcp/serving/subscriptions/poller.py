"""Polling: one reader for all streams that watch the same account, within a budget for the whole process."""

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import anyio

from incident_mcp.errors import IncidentMcpError, ServiceError
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service

MAX_KNOWN = 5_000
"""Incidents of an account whose version is known."""
RESOLVED = "RESOLVED"
"""How the version of an Ionhour incident begins that is resolved, and of any that is in the list no more."""


class Budget:
    """The requests that all pollers of a process may make.

    Args:
        per_minute: The most in any 60 seconds.
    """

    def __init__(self, per_minute: int = 20) -> None:
        self._recent: deque[float] = deque(maxlen=per_minute)
        self._lock = anyio.Lock()

    async def take(self) -> None:
        """Wait until another request may be made."""
        async with self._lock:
            if len(self._recent) == self._recent.maxlen:
                await anyio.sleep(max(0.0, self._recent[0] + 60 - anyio.current_time()))
            self._recent.append(anyio.current_time())


@dataclass(frozen=True)
class Pace:
    """Seconds between two polls."""

    quick: float = 15.0
    """After a change."""
    slow: float = 60.0
    """The longest, when nothing changes."""
    fed: float = 300.0
    """While webhooks arrive: they can be missed."""
    failing: float = 300.0
    """The longest after failures."""
    least: float = 5.0
    """Between two polls that events cause."""
    growth: float = 1.5


@dataclass
class Looked:
    """What a poll read."""

    stamps: Mapping[str, str]
    """The version of each incident by its key."""
    complete: bool = False
    """Whether an incident that is not among them is resolved."""


Look = Callable[[Service, Budget, float], Awaitable[Looked]]
"""Reads what changed since a Unix time by the service's clock; 0 for the first poll."""
Hear = Callable[[frozenset[str]], None]
"""Hears the keys of what changed."""


@dataclass
class Poller:
    """Polls one account while streams watch it; the first of them does it for all."""

    look: Look
    budget: Budget
    pace: Pace
    _listeners: dict[object, Hear] = field(default_factory=dict[object, Hear])
    _known: dict[str, str] = field(default_factory=dict[str, str])
    _turn: anyio.Lock = field(default_factory=anyio.Lock)
    _due: anyio.Event = field(default_factory=anyio.Event)
    _announced: set[str] = field(default_factory=set[str])
    _since: float = 0.0
    """When the last successful poll began, by the service's clock; 0: there was none."""
    _fed: bool = False
    _wait: float = 0.0
    _is_failing: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return not self._listeners

    def add(self, hear: Hear, stamps: Mapping[str, str]) -> Callable[[], None]:
        """Add a listener with the versions it has seen, and return a function that removes it."""
        token = object()
        self._listeners[token] = hear
        for key, stamp in stamps.items():
            self._known.setdefault(key, stamp)
        return lambda: self._listeners.pop(token, None) and None

    def announce(self, key: str, stamp: str) -> None:
        """Note that an event already reported a change."""
        self._announced.add(key)
        if stamp:
            self._learn(key, stamp)
        self._fed = True

    def hurry(self) -> None:
        """Poll soon."""
        self._due.set()

    async def run(self, service: Service) -> None:
        """Poll for as long as this is not cancelled, whenever no other stream does."""
        async with self._turn:
            while True:
                await self.poll(service)
                # After a failure no event shortens the wait.
                least = self._wait if self._is_failing else min(self.pace.least, self._wait)
                await anyio.sleep(least)
                with anyio.move_on_after(self._wait - least):
                    await self._due.wait()
                self._due = anyio.Event()

    async def poll(self, service: Service) -> None:
        """Poll once, and report what changed."""
        began = Api(service).now()
        announced, self._announced = self._announced, set[str]()
        try:
            looked = await self.look(service, self.budget, self._since)
        except IncidentMcpError as failure:
            asked = failure.retry_after if isinstance(failure, ServiceError) else None
            self._is_failing = True
            self._announced |= announced
            self._wait = max(asked or 0.0, min(self.pace.failing, max(self.pace.quick, self._wait * 2)))
            return
        self._is_failing = False
        changed = self._compare(looked, first=not self._since)
        self._since = began
        if changed - announced:
            # A change that no webhook announced: they do not arrive, or not all of them.
            self._fed = False
        self._wait = self._next_wait(changed=bool(changed))
        if changed:
            for hear in list(self._listeners.values()):
                hear(changed)

    def _next_wait(self, *, changed: bool) -> float:
        if self._fed:
            return self.pace.fed
        slower = min(self.pace.slow, max(self.pace.quick, self._wait * self.pace.growth))
        return self.pace.quick if changed or self._wait > self.pace.slow else slower

    def _compare(self, looked: Looked, *, first: bool) -> frozenset[str]:
        """Return the keys of what changed, and learn the new versions."""
        changed: set[str] = set()
        for key, stamp in looked.stamps.items():
            if key in self._announced:
                # An event overtook this poll, whose row may be older: the next poll compares.
                continue
            if self._known.get(key, stamp if first else None) != stamp:
                changed.add(key)
            self._learn(key, stamp)
        if looked.complete:
            changed |= self._resolve_others(looked.stamps)
        return frozenset(changed)

    def _resolve_others(self, unresolved: Collection[str]) -> set[str]:
        """Learn that all other incidents are resolved, and return the keys of those that were not before."""
        gone = {key for key, stamp in self._known.items() if key not in unresolved and not stamp.startswith(RESOLVED)}
        self._known |= dict.fromkeys(gone, RESOLVED)
        return gone

    def _learn(self, key: str, stamp: str) -> None:
        self._known.pop(key, None)
        while len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[key] = stamp
