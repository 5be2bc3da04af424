"""Webhooks that were received already: the sender repeats one that it got no answer to, and an attacker may."""

from collections import OrderedDict
from enum import Enum
from typing import Protocol

import anyio

REMEMBERED_SECONDS = 660
"""Longer than a signature is accepted: five minutes before its time to five minutes after it."""
CLAIMED_SECONDS = 15
"""How long a webhook counts as being read, if its reader has stopped."""
_MOST = 20_000


class Claim(Enum):
    """Whether a webhook is to be read."""

    NEW = "new"
    IN_WORK = "in work"
    DONE = "done"


class Replays(Protocol):
    """Remembers the IDs of webhooks, for all replicas."""

    async def claim(self, number: str) -> Claim:
        """Claim a webhook for reading, unless it was read or is being read.

        Raises:
            EventsAwayError: It cannot be known.
        """
        ...

    async def finish(self, number: str) -> None:
        """Remember that it was read.

        Raises:
            EventsAwayError: It cannot be stored.
        """
        ...

    async def release(self, number: str) -> None:
        """Give a claim up: it was not read. Where that fails, the claim expires."""
        ...


class EventsAwayError(Exception):
    """What replicas share cannot be reached."""


class LocalReplays:
    """Remembers the IDs of webhooks in this process."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, tuple[float, Claim]] = OrderedDict()

    async def claim(self, number: str) -> Claim:
        """Claim a webhook for reading, unless it was read or is being read."""
        until, claim = self._until.get(number, (0.0, Claim.NEW))
        if until > anyio.current_time():
            return claim
        self._set(number, CLAIMED_SECONDS, Claim.IN_WORK)
        return Claim.NEW

    async def finish(self, number: str) -> None:
        """Remember that it was read."""
        self._set(number, REMEMBERED_SECONDS, Claim.DONE)

    async def release(self, number: str) -> None:
        """Give a claim up."""
        self._until.pop(number, None)

    def _set(self, number: str, seconds: float, claim: Claim) -> None:
        self._until.pop(number, None)
        while len(self._until) >= _MOST:
            self._until.popitem(last=False)
        self._until[number] = (anyio.current_time() + seconds, claim)
