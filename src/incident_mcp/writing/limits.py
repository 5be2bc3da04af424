"""Write limits for a model that loops: so many writes in ten minutes, over all processes that share a journal."""

import math
from dataclasses import dataclass

from incident_mcp.errors import WriteLimitError

WINDOW_SECONDS = 600


@dataclass(frozen=True)
class WriteLimit:
    """At most `most` of something in ten minutes; 0 turns it off."""

    what: str
    most: int
    setting: str

    def refuse(self, made: int, room_in: float) -> WriteLimitError:
        """Return the error that says how many were made and when there is room for one more, in seconds."""
        return WriteLimitError(
            f"Write limit: {made} {self.what} in the last 10 minutes, and {self.most} is the most"
            f" ({self.setting}). Ask a person whether this is wanted; there is room for one more in"
            f" {math.ceil(room_in)} s. Not sent."
        )
