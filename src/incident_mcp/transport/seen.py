"""What a caller has been shown of records that others change, too: a write to something that changed since is stale."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Protocol

from incident_mcp.transport.service import Service

SEEN_SECONDS = 30 * 60
"""For how long a reading counts."""
MAX_SEEN = 2_000
"""Records that are remembered for a caller: the oldest are forgotten first."""


class SeenRecords(Protocol):
    """What one caller has been shown, by `record_key`. Asynchronous, since replicas may share it."""

    async def remember(self, records: Mapping[str, str]) -> None:
        """Remember records as they were shown: key to `updated_at` as the service sent it, or what stands for it."""
        ...

    async def find(self, key: str) -> str | None:
        """Return what was remembered of a record; None if it was not shown in the last `SEEN_SECONDS`."""
        ...


def record_key(service: Service, kind: str, number: str) -> str:
    """Return a record's key: other accounts and other services have other keys."""
    account = hashlib.sha256(json.dumps([service.base_url, service.key.get_secret_value()]).encode()).hexdigest()
    return f"{service.name} {account[:16]} {kind} {number.upper()}"


class MemorySeen:
    """What one caller has been shown, in memory."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str]] = {}

    async def remember(self, records: Mapping[str, str]) -> None:
        """Remember records as they were shown."""
        now = time.monotonic()
        for key, value in records.items():
            # The order is that of the last reading.
            self._seen.pop(key, None)
            self._seen[key] = (now, value)
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    async def find(self, key: str) -> str | None:
        """Return what was remembered of a record."""
        at, value = self._seen.get(key, (0.0, ""))
        if key in self._seen and time.monotonic() - at <= SEEN_SECONDS:
            return value
        self._seen.pop(key, None)
        return None
