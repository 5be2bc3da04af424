"""A journal in memory: it ends with its process."""

import math
import sqlite3
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio.to_thread

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, KEPT_SECONDS, Changes, CountedWrite, Entry, LastWrite
from incident_mcp.writing.journal.locks import TaskLocks
from incident_mcp.writing.journal.protocol import JournalError, Lookup, PendingWrite
from incident_mcp.writing.limits import WINDOW_SECONDS, WriteLimit

_PRUNED_EVERY_SECONDS = WINDOW_SECONDS
_LAST_WRITES_KEPT_SECONDS = 86_400
FAILURES = (sqlite3.Error, OSError, ValueError, RuntimeError)
"""What a file that cannot be read or written raises."""
T = TypeVar("T")


class MemoryJournal:
    """Implements `Journal` for the tasks of one process; a subclass also stores what is saved.

    Its methods run in threads, one at a time, because a subclass reads and writes files.
    """

    consequence = "a repeat of this call is recognised only until the server ends."

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.unreadable: str | None = None
        self.lost = False
        self._own = Changes()
        """All that this process saved or could not save."""
        self._guard = threading.Lock()
        self._task_locks = TaskLocks()
        self._used_codes = set[str]()
        self._pruned_at = time.monotonic()

    async def find(self, intent: str, asked_at: float = math.inf) -> Lookup:
        """Return what is known of an intent; writes after `asked_at` do not supersede it."""
        return await anyio.to_thread.run_sync(self._find, intent, asked_at)

    async def find_by_key(self, account: str, key: str) -> list[Entry]:
        """Return the writes that were made with a caller's idempotency key."""
        return await anyio.to_thread.run_sync(self._find_by_key, account, key)

    async def begin(self, entry: Entry, *, limit: WriteLimit | None = None, remember: bool = True) -> PendingWrite:
        """Record that a write is about to be sent.

        Raises:
            WriteLimitError: There were too many writes in the last ten minutes.
        """
        return await anyio.to_thread.run_sync(self._begin, entry, limit, remember)

    async def change_key(self, write: PendingWrite, key: str) -> None:
        """Record that the write is sent with another key."""
        if write.entry is not None:
            write.entry = replace(write.entry, key=key, version=write.entry.version + 1)
            await self._save(Changes(entries={write.intent: write.entry}))

    async def mark_done(self, write: PendingWrite, record: Json, targets: Sequence[str] = ()) -> None:
        """Record that the write took effect, with the tool's record and further targets."""
        now = unix_now()
        changes = Changes(last_writes={target: LastWrite(write.intent, now) for target in targets})
        if write.entry is not None:
            entry = replace(write.entry, targets=tuple(dict.fromkeys((*write.entry.targets, *targets))))
            changes.entries[write.intent] = _next_version(entry, state="done", record=record, settles_at=now)
        await self._save(changes)

    async def mark_unknown(self, write: PendingWrite, *, unsettled_seconds: float) -> None:
        """Record that the write was sent without a usable response, and for how long it may still take effect."""
        if write.entry is not None:
            settles_at = unix_now() + unsettled_seconds
            entry = _next_version(write.entry, state="unknown", record=None, settles_at=settles_at)
            await self._save(Changes(entries={write.intent: entry}))

    async def undo(self, write: PendingWrite) -> None:
        """Undo a write that did not take effect; what was known before stays known."""
        undo = write.undo
        if write.entry is not None:
            before = undo.entries.get(write.intent)
            entries = {write.intent: before and replace(before, version=write.entry.version + 1)}
            undo = Changes(entries, undo.last_writes, undo.counted)
        await self._save(undo)

    async def use_code(self, code: str) -> bool:
        """Record that a confirmation code is used; return whether it was unused.

        Raises:
            JournalError: It could not be saved.
        """
        return await self._save_or_fail(partial(self._use_code, code))

    async def prepare_codes(self) -> None:
        """Check that used codes can be saved.

        Raises:
            JournalError: They cannot.
        """
        await self._save_or_fail(self._prepare)

    async def _save_or_fail(self, save: Callable[[], T]) -> T:
        def guarded() -> T:
            with self._guard:
                return save()

        try:
            return await anyio.to_thread.run_sync(guarded)
        except FAILURES as error:
            raise JournalError(f"The journal cannot be written ({type(error).__name__}: {error})") from None

    def _use_code(self, code: str) -> bool:
        unused = code not in self._used_codes
        self._used_codes.add(code)
        return unused

    def _prepare(self) -> None:
        """Do nothing: memory can always be written."""

    @asynccontextmanager
    async def lock(self, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Keep other tasks from the same name, and yield whether that succeeded before the deadline."""
        async with self._task_locks.hold(name, deadline) as acquired:
            yield acquired

    def holds_locks(self) -> bool:
        """Return True: only the end of the process takes them away."""
        return True

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _find(self, intent: str, asked_at: float) -> Lookup:
        with self._guard:
            entry = self._entry(intent)
            last_writes = self._last_writes(entry.targets) if entry else {}
        superseded = any(
            entry and last.intent != intent and entry.changed_at < last.at < asked_at for last in last_writes.values()
        )
        return Lookup(entry, superseded)

    def _entry(self, intent: str) -> Entry | None:
        return self._own.entries.get(intent)

    def _last_writes(self, targets: Sequence[str]) -> dict[str, LastWrite]:
        return {target: last for target in targets if (last := self._own.last_writes.get(target))}

    def _find_by_key(self, account: str, key: str) -> list[Entry]:
        with self._guard:
            return self._entries_with_key(account, key)

    def _entries_with_key(self, account: str, key: str) -> list[Entry]:
        return [entry for entry in self._own.entries.values() if entry and (entry.account, entry.key) == (account, key)]

    def _begin(self, entry: Entry, limit: WriteLimit | None, remember: bool) -> PendingWrite:  # noqa: FBT001  # passed on by a thread
        now = unix_now()
        with self._guard:
            before = self._entry(entry.intent) if remember else None
            last_writes = self._last_writes(entry.targets)
            entry = replace(entry, version=(before.version if before else 0) + 1)
            changes = Changes(
                {entry.intent: entry} if remember else {},
                {target: LastWrite(entry.intent, now) for target in entry.targets},
                {uuid.uuid4().hex: CountedWrite(limit.kind, now)} if limit else {},
            )
            undo = Changes(
                {entry.intent: before} if remember else {},
                {target: last_writes.get(target) for target in entry.targets},
                dict.fromkeys(changes.counted),
            )
            self._store(changes, limit)
        return PendingWrite(entry.intent, entry if remember else None, undo)

    async def _save(self, changes: Changes) -> None:
        await anyio.to_thread.run_sync(self._store_guarded, changes)

    def _store_guarded(self, changes: Changes) -> None:
        with self._guard:
            self._store(changes, None)

    def _store(self, changes: Changes, limit: WriteLimit | None) -> None:
        """Save changes.

        Raises:
            WriteLimitError: There were too many writes of this kind.
        """
        now = unix_now()
        if limit is not None and limit.maximum:
            self._check(limit, {}, now)
        self._own.add(changes)
        self._prune(now)

    def _check(self, limit: WriteLimit, stored: Mapping[str, float], now: float) -> None:
        own = {number: write.at for number, write in self._own.counted.items() if write and write.kind == limit.kind}
        # Times in the future were written before the clock was set back.
        recent = sorted(at for at in {**stored, **own}.values() if now - WINDOW_SECONDS < at < now + AHEAD_SECONDS)
        if len(recent) >= limit.maximum:
            raise limit.error(len(recent), recent[0] + WINDOW_SECONDS - now)

    def _prune(self, now: float) -> None:
        if time.monotonic() < self._pruned_at + _PRUNED_EVERY_SECONDS:
            return
        self._pruned_at = time.monotonic()
        own = self._own
        oldest = now - KEPT_SECONDS, now - _LAST_WRITES_KEPT_SECONDS, now - WINDOW_SECONDS
        self._own = Changes(
            {intent: entry for intent, entry in own.entries.items() if entry and entry.changed_at > oldest[0]},
            {target: last for target, last in own.last_writes.items() if last and last.at > oldest[1]},
            {number: write for number, write in own.counted.items() if write and write.at > oldest[2]},
        )


def _next_version(entry: Entry, *, state: str, record: Json | None, settles_at: float) -> Entry:
    changed = replace(entry, state=state, record=record, settles_at=settles_at)
    return replace(changed, changed_at=unix_now(), version=entry.version + 1)
