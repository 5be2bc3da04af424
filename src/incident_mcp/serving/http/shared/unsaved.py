"""Changes that Redis did not take: they are tried again, in the background and before the next step of any write."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from incident_mcp.serving.http.shared.connection import Connection, RedisAwayError

MAX_KEPT = 1_000
"""Beyond it the oldest are dropped: their rows stay pending, and what they did is looked up as after a crash."""
RETRY_EVERY_SECONDS = 1.0
MAX_REFUSALS = 100
"""Of one change, by a Redis that answers: full, read-only, or a key of another type. Then it is dropped, too."""
MAX_RETRIES = 600
"""In the background, after the last change that was added."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """A script that is run after a write was sent.

    Args:
        script: The script.
        keys: Its keys.
        arguments: Returns its arguments, for the number of seconds since the change.
    """

    script: str
    keys: Sequence[str]
    arguments: Callable[[float], Sequence[str | float]]


class Unsaved:
    """Saves changes in their order."""

    def __init__(self, connection: Connection) -> None:
        self.trouble: str | None = None
        """Why the last change could not be saved."""
        self._connection = connection
        self._kept: deque[tuple[float, Change]] = deque(maxlen=MAX_KEPT)
        self._refusals = 0
        """Of the first change."""
        self._retrying: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()

    async def save(self, change: Change) -> None:
        """Save a change; if that fails, keep it for later. It never raises."""
        self._kept.append((time.monotonic(), change))
        with contextlib.suppress(RedisAwayError):
            await self.flush()

    def keep(self, change: Change) -> None:
        """Keep a change for later, without trying now."""
        self._kept.append((time.monotonic(), change))
        self._retry_later()

    async def flush(self) -> None:
        """Save what was kept.

        Raises:
            RedisAwayError: Something is still unsaved.
        """
        async with self._saving:
            while self._kept:
                at, change = first = self._kept[0]
                try:
                    await self._connection.run(change.script, change.keys, change.arguments(time.monotonic() - at))
                except RedisAwayError as error:
                    self._failed(error)
                    self._refusals += error.refused
                    if self._refusals < MAX_REFUSALS:
                        raise
                    _log.warning("Redis keeps refusing a change (%s): it is dropped, and looked up if repeated.", error)
                self._refusals = 0
                if self._kept and self._kept[0] is first:
                    self._kept.popleft()
        self.trouble = None

    async def close(self) -> None:
        """Try once more, and stop."""
        if self._retrying is not None:
            self._retrying.cancel()
            await asyncio.wait([self._retrying])
        with contextlib.suppress(RedisAwayError):
            await self.flush()
        if self._retrying is not None:
            self._retrying.cancel()

    def _failed(self, error: RedisAwayError) -> None:
        if self.trouble is None:
            _log.warning("The shared journal (Redis) cannot be written (%s): changes are kept and saved later.", error)
        self.trouble = f"The shared journal (Redis) cannot be written ({error})"
        self._retry_later()

    def _retry_later(self) -> None:
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry())

    async def _retry(self) -> None:
        for _ in range(MAX_RETRIES):
            await asyncio.sleep(RETRY_EVERY_SECONDS)
            with contextlib.suppress(RedisAwayError):
                await self.flush()
            if not self._kept:
                return
