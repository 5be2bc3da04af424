"""A service's rate limit, shared by the replicas that use the same key."""

import math
import time

from incident_mcp.serving.http.shared.connection import Connection, RedisAwayError, key_of
from incident_mcp.serving.http.shared.scripts import LOWER, PUT_BACK, TAKE
from incident_mcp.transport.rate_limit import LocalRateLimit

SHARE = 0.1
"""The part of the limit that a replica uses while Redis is away: several together stay inside it."""


class RedisRateLimit:
    """Implements `RateLimit` over all replicas; while Redis is away, this process uses a small share of its own.

    Args:
        connection: The connection to Redis.
        name: Which limit: a service and a key.
        size: Requests at once.
        rate: Requests a second after that.
    """

    def __init__(self, connection: Connection, name: str, size: float, rate: float) -> None:
        self._connection = connection
        self._key = key_of("rate", name)
        self._size, self._rate = size, rate
        self._own = LocalRateLimit(max(1.0, size * SHARE), rate * SHARE)
        self._away = False
        self._level, self._level_at = size, -math.inf
        """The shared level when it was last heard of, and when that was."""

    async def take(self) -> float:
        """Take one token, on credit if there is none, and return the seconds to wait before using it."""
        level = await self._run(TAKE)
        self._away = level is None
        return await self._own.take() if level is None else max(0.0, -level / self._rate)

    async def put_back(self) -> None:
        """Put back a token that was not used."""
        if self._away:
            await self._own.put_back()
        else:
            await self._run(PUT_BACK)

    async def observe_remaining(self, remaining: float) -> None:
        """Lower the level to what the service reports as remaining; Redis is only asked if that may lower it."""
        await self._own.observe_remaining(remaining)
        refilled = (time.monotonic() - self._level_at) * self._rate
        if remaining < min(self._size, self._level + refilled):
            await self._run(LOWER, remaining)

    async def _run(self, script: str, *arguments: float) -> float | None:
        try:
            level = float(await self._connection.run(script, [self._key], [self._size, self._rate, *arguments]))
        except RedisAwayError:
            return None
        self._level, self._level_at = level, time.monotonic()
        return level
