"""The entries of a journal: which writes were about to be sent, with which key, and their outcome."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json

KEPT_SECONDS = 7 * 86_400
"""For how long an entry is kept."""
SAME_KEY_SECONDS = 86_400
"""For how long a call with an unknown outcome is sent again with its first key."""
AHEAD_SECONDS = 5.0
"""How far in the future an entry may be dated before the clock counts as set back."""


@dataclass(frozen=True)
class Entry:
    """One intent: an account, a tool and a request."""

    intent: str
    """Its hash."""
    tool: str
    account: str
    key: str
    """The idempotency key; empty for a write that has none."""
    state: str
    """`pending` (about to be sent, or its process died), `unknown` (sent, no usable response) or `done`."""
    record: Json | None
    """What the tool returned; None unless it is done."""
    changed_at: float
    """Unix seconds of the last change."""
    settles_at: float
    """Unix seconds after which a request without a response can no longer take effect."""
    version: int = 1
    """Number of changes: the higher of two versions is the newer one, regardless of clock changes."""
    started_at: float = 0.0
    """Unix seconds, by the service's clock, at which the first attempt started."""
    existing_ids: tuple[str, ...] | None = None
    """IDs of what existed before the first attempt; None if that was not read."""
    targets: tuple[str, ...] = ()
    """The resources that it writes to: after a later write to one of them, an identical call is deliberate."""
    person: str = ""
    """Who made the call, where several people share a server."""

    @property
    def age(self) -> float:
        """Seconds since the last change; negative if the clock was set back since."""
        return unix_now() - self.changed_at

    @property
    def made(self) -> str:
        """When, and where several people share a server by whom: ` 20 s ago by alice@example.com`."""
        return f" {max(self.age, 0):.0f} s ago" + (f" by {self.person}" if self.person else "")

    @property
    def unsettled_seconds(self) -> float:
        """Seconds for which a request without a response may still take effect, regardless of clock changes."""
        return min(self.settles_at - unix_now(), self.settles_at - self.changed_at)


@dataclass(frozen=True)
class LastWrite:
    """The last write to a target."""

    intent: str
    at: float


@dataclass(frozen=True)
class CountedWrite:
    """A write that counts towards a limit."""

    kind: str
    at: float


@dataclass
class Changes:
    """What to save, by key; None deletes."""

    entries: dict[str, Entry | None] = field(default_factory=dict[str, Entry | None])
    last_writes: dict[str, LastWrite | None] = field(default_factory=dict[str, LastWrite | None])
    counted: dict[str, CountedWrite | None] = field(default_factory=dict[str, CountedWrite | None])

    def add(self, later: "Changes") -> None:
        """Apply later changes on top."""
        self.entries |= later.entries
        self.last_writes |= later.last_writes
        self.counted |= later.counted


def targets_for(person: str, targets: Sequence[str]) -> tuple[str, ...]:
    """Return the targets of a person's write: one of somebody else does not make a repeat deliberate."""
    return tuple(f"{target} by {person}" for target in targets) if person else tuple(targets)


def fingerprint(*parts: object) -> str:
    """Hash JSON-like parts, so that their content cannot be read back."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
