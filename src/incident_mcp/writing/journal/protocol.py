"""What a journal must do, regardless of where it is stored, so that a write takes effect once.

The journal survives a lost response or a crash. It holds an entry for each intent, the last write to each target, and
the writes of the last minutes, which count towards the limits. A write that did not take effect leaves no entry.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from incident_mcp.records.record import Json
from incident_mcp.writing.journal.entry import Changes, Entry
from incident_mcp.writing.limits import WriteLimit


@dataclass(frozen=True)
class Lookup:
    """What the journal knows of an intent."""

    entry: Entry | None
    superseded: bool = False
    """Whether another write to one of its targets was made since."""


@dataclass
class PendingWrite:
    """A write in progress, and how to undo it if it does not take effect."""

    intent: str
    entry: Entry | None
    """None if no entry is kept."""
    undo: Changes


class JournalError(Exception):
    """What must be saved before a write could not be saved."""


class Journal(Protocol):
    """The journal of one caller.

    A journal that cannot be written never fails a call that was sent: `trouble` then contains the reason. A shared one
    may fail a call before that, with a `WriteError`.
    """

    @property
    def trouble(self) -> str | None:
        """Why the last change could not be saved."""
        ...

    consequence: str
    """What trouble means for a repeat of a call: the end of a sentence."""
    unreadable: str | None
    """Why an existing journal could not be read just now."""
    lost: bool
    """Whether no journal could be read just now: what earlier processes wrote is unknown."""

    async def find(self, intent: str, asked_at: float = math.inf) -> Lookup:
        """Return what is known of an intent.

        Args:
            intent: Its hash.
            asked_at: Unix seconds at which the call began to wait for its lock: later writes do not supersede an
                earlier one.
        """
        ...

    async def find_by_key(self, account: str, key: str) -> list[Entry]:
        """Return the writes that were made with a caller's idempotency key."""
        ...

    async def begin(self, entry: Entry, *, limit: WriteLimit | None = None, remember: bool = True) -> PendingWrite:
        """Record that a write is about to be sent.

        Args:
            entry: The intent, with its key and targets.
            limit: The limit that it counts towards.
            remember: Whether to keep the entry, or only which targets it wrote to.

        Raises:
            WriteLimitError: There were too many writes in the last ten minutes.
        """
        ...

    async def change_key(self, write: PendingWrite, key: str) -> None:
        """Record that the write is sent with another key."""
        ...

    async def mark_done(self, write: PendingWrite, record: Json, targets: Sequence[str] = ()) -> None:
        """Record that the write took effect, with the tool's record and further targets."""
        ...

    async def mark_unknown(self, write: PendingWrite, *, unsettled_seconds: float) -> None:
        """Record that the write was sent without a usable response, and for how long it may still take effect."""
        ...

    async def undo(self, write: PendingWrite) -> None:
        """Undo a write that did not take effect; what was known before stays known."""
        ...

    async def use_code(self, code: str) -> bool:
        """Record on disk that a confirmation code is used; return whether it was unused, over all processes.

        Raises:
            JournalError: It could not be saved.
        """
        ...

    async def prepare_codes(self) -> None:
        """Check that used codes can be saved.

        Raises:
            JournalError: They cannot.
        """
        ...

    def lock(self, name: str, deadline: float) -> AbstractAsyncContextManager[bool]:
        """Exclude other tasks and processes; a lock ends with its process.

        Args:
            name: What to lock: an intent.
            deadline: `anyio.current_time()` after which to give up.

        Returns:
            A context manager that yields whether the lock was acquired in time.
        """
        ...

    def holds_locks(self) -> bool:
        """Return whether all locks of this task are still held: without them nothing more may be sent."""
        ...

    def close(self) -> None:
        """Release what it holds open."""
        ...
