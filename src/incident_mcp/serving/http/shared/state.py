"""What the replicas of a server share, in one Redis: a single node or a primary behind one address, not a cluster."""

import logging
from typing import TYPE_CHECKING

from incident_mcp.serving.http.shared.connection import FAILURES, Connection, RedisAwayError, make_client
from incident_mcp.serving.http.shared.journal import PROBED, RedisJournal
from incident_mcp.serving.http.shared.locks import RedisLocks
from incident_mcp.serving.http.shared.questions import RedisQuestions
from incident_mcp.serving.http.shared.rate_limit import RedisRateLimit
from incident_mcp.serving.http.shared.scripts import PROBE
from incident_mcp.serving.http.shared.seen import RedisSeen
from incident_mcp.serving.http.shared.unsaved import Unsaved

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = logging.getLogger(__name__)


class SharedState:
    """What all replicas with one Redis share.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password never reaches a log or an error.

    Raises:
        SettingError: The address cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.client: Redis = make_client(url)
        """The client: texts in, texts out. It repeats no command by itself."""
        self._connection = Connection(self.client)
        self._locks = RedisLocks(self._connection)
        self._unsaved = Unsaved(self._connection)

    async def open(self) -> None:
        """Connect; if Redis is away, later calls try again."""
        if trouble := await self.trouble() or await self.eviction():
            _log.warning("%s", trouble)

    async def close(self) -> None:
        """Save what is left to save, and close the connections."""
        await self._unsaved.close()
        await self.client.aclose(close_connection_pool=True)

    async def trouble(self) -> str | None:
        """Return why writes are not sent, None if they are."""
        try:
            await self._connection.ping()
            await self._unsaved.flush()
            await self._connection.run(PROBE, [PROBED])
        except RedisAwayError as error:
            return f"Redis cannot be {error.verb} ({error}): reads work, writes are not sent."
        return None

    async def eviction(self) -> str | None:
        """Return by which policy Redis may delete rows, None if it does not."""
        try:
            # An ACL may forbid it.
            memory = await self.client.info("memory")  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]  # typed for both clients
        except FAILURES:
            return None
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if memory.get("maxmemory") and policy != "noeviction":
            return (
                f"Redis may delete rows of the journal (maxmemory-policy {policy}), so that a repeated write is not"
                " recognised: set maxmemory-policy to noeviction."
            )
        return None

    def journal_of(self, person: str) -> RedisJournal:
        """Return the same journal with write limits that count only this person's writes."""
        return RedisJournal(self._connection, self._locks, self._unsaved, person)

    def rate_limit(self, name: str, size: float, rate: float) -> RedisRateLimit:
        """Return the rate limit of this name, over all replicas."""
        return RedisRateLimit(self._connection, name, size, rate)

    def seen(self, person: str) -> RedisSeen:
        """Return what a person has been shown."""
        return RedisSeen(self._connection, person)

    def questions(self, person: str) -> RedisQuestions:
        """Return the open questions of a person."""
        return RedisQuestions(self._connection, person)
