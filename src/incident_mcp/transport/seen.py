"""What a caller has been shown of records that others change, too: a write to something that changed since is stale."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from incident_mcp.transport.service import Service

SEEN_SECONDS = 30 * 60
"""For how long a reading counts."""
MAX_SEEN = 2_000
"""Records that are remembered for a caller: the oldest are forgotten first."""
MAX_OWN_WRITES = 10
"""Own writes that are remembered of a record."""


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
    return f"{service.account} {kind} {number.upper()}"


async def remember_own_write(seen: SeenRecords, keys: Iterable[str], start: float, end: float) -> None:
    """Remember that the caller wrote to records between two Unix times: that may have moved their `updated_at`."""
    for key in keys:
        writes = [*await own_writes(seen, key), (start, end)][-MAX_OWN_WRITES:]
        await seen.remember({_own_key(key): json.dumps(writes)})


async def own_writes(seen: SeenRecords, key: str) -> list[tuple[float, float]]:
    """Return when the caller wrote to a record: starts and ends, as Unix times by the service's clock."""
    try:
        return [(float(start), float(end)) for start, end in json.loads(await seen.find(_own_key(key)) or "[]")]
    except (ValueError, TypeError):
        return []


def _own_key(key: str) -> str:
    return f"{key} own writes"


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
