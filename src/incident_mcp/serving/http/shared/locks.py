"""Locks by name, among all tasks of all replicas.

A lock expires unless its holder renews it, so a holder that was killed blocks others for `LOCK_SECONDS` at most. A
holder that was paused for longer has lost it: it begins no write and sends no request any more.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import anyio

from incident_mcp.serving.http.shared.connection import Connection, RedisAwayError, key_of
from incident_mcp.serving.http.shared.scripts import LOCK, RELEASE, RENEW
from incident_mcp.writing.journal.locks import TaskLocks

LOCK_SECONDS = 10.0
RENEWED_EVERY_SECONDS = 3.0
MARGIN_SECONDS = 1.0
"""How long before it may expire a lock counts as lost: a request must leave before that."""
_SECONDS_BETWEEN_ATTEMPTS = (0.03, 0.1)


@dataclass
class Lease:
    """A lock that is held."""

    key: str
    expires_at: float
    """`time.monotonic()` after which another holder may have it."""
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    lost: bool = False

    @property
    def held(self) -> bool:
        """Whether no one else can have the lock."""
        return not self.lost and time.monotonic() < self.expires_at - MARGIN_SECONDS


_held: ContextVar[tuple[Lease, ...]] = ContextVar("held", default=())


def held_leases() -> tuple[Lease, ...]:
    """Return the locks of this task."""
    return _held.get()


class RedisLocks:
    """Locks by name.

    Args:
        connection: The connection to Redis.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._task_locks = TaskLocks()

    @asynccontextmanager
    async def hold(self, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Hold a lock, and yield whether it was acquired a second before the deadline.

        Raises:
            RedisAwayError: Redis cannot be reached.
        """
        async with self._task_locks.hold(name, deadline) as alone:
            lease = await self._acquire(name, deadline) if alone else None
            if lease is None:
                yield False
                return
            before = _held.get()
            renewing = asyncio.create_task(self._renew(lease))
            _held.set((*before, lease))
            try:
                yield True
            finally:
                _held.set(before)
                with anyio.CancelScope(shield=True):
                    await self._release(lease, renewing)

    async def _acquire(self, name: str, deadline: float) -> Lease | None:
        lease = Lease(key_of("lock", name), 0)
        while True:
            asked_at = time.monotonic()
            if await self._connection.run(LOCK, [lease.key], [lease.token, int(LOCK_SECONDS * 1000)]):
                lease.expires_at = asked_at + LOCK_SECONDS
                return lease
            if anyio.current_time() + 1 > deadline:
                return None
            await anyio.sleep(random.uniform(*_SECONDS_BETWEEN_ATTEMPTS))  # noqa: S311  # not a secret

    async def _renew(self, lease: Lease) -> None:
        """Renew a lock until it is lost or this task is cancelled."""
        wait = RENEWED_EVERY_SECONDS
        while not lease.lost and time.monotonic() < lease.expires_at:
            await asyncio.sleep(wait)
            asked_at = time.monotonic()
            try:
                renewed = await self._connection.run(RENEW, [lease.key], [lease.token, int(LOCK_SECONDS * 1000)])
            except RedisAwayError:
                wait = RENEWED_EVERY_SECONDS / 6
                continue
            wait = RENEWED_EVERY_SECONDS
            if renewed:
                lease.expires_at = asked_at + LOCK_SECONDS
            else:
                lease.lost = True

    async def _release(self, lease: Lease, renewing: asyncio.Task[None]) -> None:
        renewing.cancel()
        await asyncio.wait([renewing])
        if lease.lost:
            return
        with contextlib.suppress(RedisAwayError):
            # Otherwise it expires.
            await self._connection.run(RELEASE, [lease.key], [lease.token])
