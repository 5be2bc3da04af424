"""Write limits, against a runaway model: n writes in ten minutes, over all processes that share a journal.

The journal counts, since a write and its count are saved together.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from incident_mcp.errors import WriteLimitError

WINDOW_SECONDS = 600


class WriteLimit(Protocol):
    """What the journal must know of a limit."""

    @property
    def kind(self) -> str:
        """Which writes count towards it."""
        ...

    @property
    def maximum(self) -> int:
        """Maximum number of writes in ten minutes; 0 turns the limit off."""
        ...

    def error(self, count: int, free_in: float) -> WriteLimitError:
        """Return the error of one write too many: how many there were, and in how many seconds one more is allowed."""
        ...


@dataclass(frozen=True)
class SettingLimit:
    """A limit that a setting sets; implements `WriteLimit`."""

    what: str
    maximum: int
    setting: str
    person: str = ""
    """Whose writes count, where several people share a server."""

    @property
    def kind(self) -> str:
        """Which writes count towards it."""
        return f"{self.what} by {self.person}" if self.person else self.what

    def error(self, count: int, free_in: float) -> WriteLimitError:
        """Return the error that names the setting."""
        who = " of this person" if self.person else ""
        return WriteLimitError(
            f"Write limit: {count} {self.what}{who} in the last 10 minutes, and the maximum is {self.maximum}"
            f" ({self.setting}). Ask the user whether this is intended; one more is allowed in {math.ceil(free_in)} s."
            " Not sent."
        )
