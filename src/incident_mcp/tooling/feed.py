"""The feed: what webhooks report and no list of a service shows, for `catch_up`."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from incident_mcp.records.clock import unix_now

MAX_ENTRIES = 500
KEPT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class FeedEntry:
    """One change: who is on call, the status of a post-mortem, or an update on a status page."""

    key: str
    """Identifies it: a webhook that is sent twice is one entry."""
    kind: str
    at: float
    """Unix seconds."""
    incident_id: str | None = None
    title: str | None = None
    """The name of the schedule, document or status page incident."""
    status: str | None = None
    text: str | None = None


class Feed(Protocol):
    """Keeps the newest 500 entries for up to 24 hours."""

    async def append(self, entry: FeedEntry) -> None:
        """Add an entry."""
        ...

    async def entries(self) -> Sequence[FeedEntry]:
        """Return the entries.

        Raises:
            NotSentError: They cannot be read now.
        """
        ...


class LocalFeed:
    """Keeps the feed in this process."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, FeedEntry] = OrderedDict()

    async def append(self, entry: FeedEntry) -> None:
        """Add an entry."""
        self._entries.setdefault(entry.key, entry)
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    async def entries(self) -> Sequence[FeedEntry]:
        """Return the entries."""
        return [entry for entry in self._entries.values() if entry.at > unix_now() - KEPT_SECONDS]
