"""Guard rails for a model that loops: so many writes in ten minutes, and no more."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from incident_mcp.errors import GuardError

WINDOW_SECONDS = 600


@dataclass
class Rail:
    """At most `most` of something in ten minutes; 0 turns it off."""

    what: str
    most: int
    setting: str
    taken: deque[float] = field(default_factory=deque[float])
    clock: Callable[[], float] = time.monotonic

    def take(self) -> float:
        """Count one, and give its mark for `give_back`.

        Raises:
            GuardError: There were enough; the text says how long to wait.
        """
        now = self.clock()
        while self.taken and self.taken[0] <= now - WINDOW_SECONDS:
            self.taken.popleft()
        if self.most and len(self.taken) >= self.most:
            wait = self.taken[0] + WINDOW_SECONDS - now
            raise GuardError(
                f"Guard rail: this server made {len(self.taken)} {self.what} in the last 10 minutes, and {self.most} is"
                f" the most ({self.setting}). Ask a person whether this is wanted; there is room for one more in"
                f" {wait:.0f} s. Not sent."
            )
        self.taken.append(now)
        return now

    def give_back(self, mark: float) -> None:
        """Take back one that came to nothing."""
        if mark in self.taken:
            self.taken.remove(mark)
