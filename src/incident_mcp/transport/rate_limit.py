"""Staying inside a service's rate limit."""

import time
from dataclasses import dataclass, field
from typing import Protocol


class RateLimit(Protocol):
    """A token bucket of a service's requests. Asynchronous, since replicas may share it."""

    async def take(self) -> float:
        """Take one token, on credit if there is none, and return the seconds to wait before using it."""
        ...

    async def put_back(self) -> None:
        """Put back a token that was not used."""
        ...

    async def observe_remaining(self, remaining: float) -> None:
        """Lower the level to what the service reports as remaining."""
        ...


@dataclass
class LocalRateLimit:
    """Implements `RateLimit` for this process: `size` requests at once, refilled at `rate` a second."""

    size: float
    rate: float
    level: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.filled_at = self.size, time.monotonic()

    async def take(self) -> float:
        """Take one token, on credit if there is none, and return the seconds to wait before using it."""
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        self.level -= 1
        return max(0.0, -self.level / self.rate)

    async def put_back(self) -> None:
        """Put back a token that was not used."""
        self.level += 1

    async def observe_remaining(self, remaining: float) -> None:
        """Lower the level to what the service reports as remaining."""
        self.level = min(self.level, remaining)
