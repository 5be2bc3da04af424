"""What a person has been shown, shared by the replicas: the next call may reach another one."""

import contextlib
import json
from collections.abc import Mapping

from incident_mcp.serving.http.shared.connection import Connection, RedisAwayError, key_of
from incident_mcp.serving.http.shared.scripts import GET, PUT_ALL
from incident_mcp.transport.seen import MAX_SEEN, SEEN_SECONDS


class RedisSeen:
    """Implements `SeenRecords` for one person; while Redis is away, it remembers and finds nothing.

    Args:
        connection: The connection to Redis.
        person: Who it is.
    """

    def __init__(self, connection: Connection, person: str) -> None:
        self._connection = connection
        self._keys = [key_of("seen", person), key_of("seen at", person)]

    async def remember(self, records: Mapping[str, str]) -> None:
        """Remember records as they were shown."""
        kept = list(records.items())[-MAX_SEEN:]
        if kept:
            # As JSON, a lone surrogate can be stored, too.
            flat = [json.dumps(text) for pair in kept for text in pair]
            with contextlib.suppress(RedisAwayError):
                await self._connection.run(PUT_ALL, self._keys, [MAX_SEEN, SEEN_SECONDS, *flat])

    async def find(self, key: str) -> str | None:
        """Return what was remembered of a record."""
        try:
            found = await self._connection.run(GET, self._keys, [json.dumps(key), SEEN_SECONDS])
            return str(json.loads(found)) if found else None
        except (RedisAwayError, ValueError):
            return None
