"""What must survive a lost reply or a crash: which writes were about to be sent, with which key, and their outcome.

A row is one intent: an account, a tool and a request. Its states: `pending` (about to be sent, or its process died),
`unknown` (sent, no usable answer) and `done` (with the answer). A refused write leaves no row. Rows older than a week
are deleted. Beside the rows stand the last write to each thing and the writes of the last minutes, for the limits.

This process's own rows stay in memory whatever the disk does. A journal that is there and cannot be read is not an
empty one: `unreadable` then says why.
"""

import hashlib
import json
import logging
import math
import sqlite3
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    import filelock

from incident_mcp.records.record import Json
from incident_mcp.writing.journal.file import KEPT_SECONDS, Changes, Entry, JournalFile, Sent, Touch
from incident_mcp.writing.journal.folder import file_lock, private_folder, release
from incident_mcp.writing.limits import WINDOW_SECONDS, WriteLimit

SAME_KEY_SECONDS = 86_400
"""For how long a call whose outcome is open is sent again with its first key."""
AHEAD_SECONDS = 5.0
"""How far ahead of the clock a row may be before the clock counts as set back."""

_log = logging.getLogger(__name__)
_NO_LOCKS = "The state folder takes no locks: identical calls of several processes are not kept apart"
_FAILURES = (sqlite3.Error, OSError, ValueError, RuntimeError)


@dataclass(frozen=True)
class Known:
    """What the journal knows of an intent."""

    entry: Entry | None
    ended: bool = False
    """Another write to the same thing was made since."""


@dataclass
class Begun:
    """A write that is under way, and how to take it back if it was not carried out."""

    intent: str
    row: Entry | None
    """None of a write that is not remembered."""
    undo: Changes


def fingerprint(*parts: object) -> str:
    """Hash JSON-like parts, so that what they hold cannot be read back."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class _Turn:
    """Lets the tasks of this process at one intent, one after the other."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0


class Journal:
    """The journal of one process.

    A journal that cannot be written never loses a call: what cannot be saved is saved with the next change that can
    be; until then `trouble` says why.

    Args:
        folder: Finds the state folder, on the first write; None keeps the journal in memory.
    """

    def __init__(self, folder: Callable[[], Path] | None) -> None:
        self.trouble: str | None = None
        self.unreadable: str | None = None
        """Why a journal that is there could not be read just now."""
        self.lost = False
        """Whether no journal was there to be read just now: what earlier processes wrote is not known."""
        self._folder = folder
        self._file = JournalFile(folder) if folder else None
        self._own = Changes()
        """All that this process saved or could not save."""
        self._unsaved = Changes()
        self._guard = threading.Lock()
        self._turns: dict[str, _Turn] = {}
        self._pruned = time.monotonic()
        self._warned = False
        self._lock_warned = False

    async def look(self, intent: str, asked: float = math.inf) -> Known:
        """Return what is known of an intent.

        Args:
            intent: Which one.
            asked: Unix seconds at which the call began to wait for its turn: later writes do not end an earlier one.
        """
        return await anyio.to_thread.run_sync(self._look, intent, asked)

    async def with_key(self, account: str, key: str) -> list[Entry]:
        """Return the writes made with a caller's idempotency key."""
        return await anyio.to_thread.run_sync(self._with_key, account, key)

    async def begin(self, row: Entry, *, limit: WriteLimit | None = None, remembered: bool = True) -> Begun:
        """Put on disk that a write is about to be sent.

        Args:
            row: The intent, with its key and what it writes to.
            limit: What it counts towards.
            remembered: Whether the row is kept, or only what it wrote to.

        Raises:
            WriteLimitError: There were too many in the last ten minutes.
        """
        return await anyio.to_thread.run_sync(self._begin, row, limit, remembered)

    async def use_key(self, begun: Begun, key: str) -> None:
        """Put on disk that the write is sent with another key."""
        if begun.row is not None:
            begun.row = replace(begun.row, key=key, turn=begun.row.turn + 1)
            await self._save(Changes(rows={begun.intent: begun.row}))

    async def done(self, begun: Begun, answer: Json, things: Sequence[str] = ()) -> None:
        """Put on disk what the outcome was, and what else it turned out to have written to."""
        now = time.time()
        changes = Changes(touches={thing: Touch(begun.intent, now) for thing in things})
        if begun.row is not None:
            row = replace(begun.row, things=tuple(dict.fromkeys((*begun.row.things, *things))))
            changes.rows[begun.intent] = _next(row, state="done", answer=answer, lands_by=now)
        await self._save(changes)

    async def unknown(self, begun: Begun, *, may_land: float) -> None:
        """Put on disk that it was sent and no usable answer came; it may be carried out for `may_land` seconds yet."""
        if begun.row is not None:
            row = _next(begun.row, state="unknown", answer=None, lands_by=time.time() + may_land)
            await self._save(Changes(rows={begun.intent: row}))

    async def undo(self, begun: Begun) -> None:
        """Take back a write that was not carried out; what was known before stays known."""
        undo = begun.undo
        if begun.row is not None:
            before = undo.rows.get(begun.intent)
            rows = {begun.intent: before and replace(before, turn=begun.row.turn + 1)}
            undo = Changes(rows, undo.touches, undo.sent)
        await self._save(undo)

    def _look(self, intent: str, asked: float) -> Known:
        with self._guard:
            row = self._row(intent)
            touches = self._touches(row.things) if row else {}
        ended = any(touch.intent != intent and row and row.at < touch.at < asked for touch in touches.values())
        return Known(row, ended)

    def _row(self, intent: str) -> Entry | None:
        row = None
        self.unreadable = None
        if self._file is not None:
            self.lost = not self._file.exists()
            try:
                row = self._file.row(intent)
            except _FAILURES as error:
                self.lost = True
                self._could_not_read(error)
        own = self._own.rows.get(intent)
        if intent in self._unsaved.rows or row is None or (own is not None and own.turn > row.turn):
            return own
        return row

    def _touches(self, things: Sequence[str]) -> dict[str, Touch]:
        touches: dict[str, Touch] = {}
        if self._file is not None:
            with suppress(*_FAILURES):
                touches = self._file.touches(things)
        for thing in things:
            own = self._own.touches.get(thing)
            if own and (thing not in touches or own.at > touches[thing].at):
                touches[thing] = own
        return touches

    def _with_key(self, account: str, key: str) -> list[Entry]:
        with self._guard:
            found: dict[str, Entry] = {}
            if self._file is not None:
                try:
                    found = {row.intent: row for row in self._file.with_key(account, key)}
                except _FAILURES as error:
                    self._could_not_read(error)
            own = [row for row in self._own.rows.values() if row and (row.account, row.key) == (account, key)]
            return list((found | {row.intent: row for row in own}).values())

    def _begin(self, row: Entry, limit: WriteLimit | None, remembered: bool) -> Begun:  # noqa: FBT001  # passed on by a thread
        now = time.time()
        with self._guard:
            before = self._row(row.intent) if remembered else None
            touches = self._touches(row.things)
            row = replace(row, turn=(before.turn if before else 0) + 1)
            changes = Changes(
                {row.intent: row} if remembered else {},
                {thing: Touch(row.intent, now) for thing in row.things},
                {uuid.uuid4().hex: Sent(limit.what, now)} if limit else {},
            )
            undo = Changes(
                {row.intent: before} if remembered else {},
                {thing: touches.get(thing) for thing in row.things},
                dict.fromkeys(changes.sent),
            )
            self._store(changes, limit)
        return Begun(row.intent, row if remembered else None, undo)

    async def _save(self, changes: Changes) -> None:
        await anyio.to_thread.run_sync(self._store_guarded, changes)

    def _store_guarded(self, changes: Changes) -> None:
        with self._guard:
            self._store(changes, None)

    def _store(self, changes: Changes, limit: WriteLimit | None) -> None:
        """Save changes; what cannot be saved is kept for the next time.

        Raises:
            WriteLimitError: There were too many writes of this kind.
        """
        now = time.time()
        if limit is not None and limit.most:
            self._check(limit, {}, now)
        unsaved = Changes()
        unsaved.add(self._unsaved)
        unsaved.add(changes)
        if self._file is not None:
            between = (now - WINDOW_SECONDS, now + AHEAD_SECONDS)
            kind, most = (limit.what, limit.most) if limit else ("", 0)
            try:
                full = self._file.save(unsaved, kind=kind, between=between, most=most)
            except _FAILURES as error:
                self._unsaved = unsaved
                self._warn(error)
            else:
                if full is not None and limit is not None:
                    self._check(limit, full, now)
                self._unsaved = Changes()
                self.trouble = None
                self._warned = False
        self._own.add(changes)
        self._prune(now)

    def _check(self, limit: WriteLimit, on_disk: dict[str, float], now: float) -> None:
        own = {number: sent.at for number, sent in self._own.sent.items() if sent and sent.kind == limit.what}
        # What lies ahead was written before the clock was set back.
        recent = sorted(at for at in (on_disk | own).values() if now - WINDOW_SECONDS < at < now + AHEAD_SECONDS)
        if len(recent) >= limit.most:
            raise limit.refuse(len(recent), recent[0] + WINDOW_SECONDS - now)

    def _prune(self, now: float) -> None:
        if time.monotonic() < self._pruned + WINDOW_SECONDS:
            return
        self._pruned = time.monotonic()
        own = self._own
        self._own = Changes(
            {name: row for name, row in own.rows.items() if row and row.at > now - KEPT_SECONDS},
            {name: touch for name, touch in own.touches.items() if touch and touch.at > now - 86_400},
            {name: sent for name, sent in own.sent.items() if sent and sent.at > now - WINDOW_SECONDS},
        )

    @asynccontextmanager
    async def alone(self, intent: str, deadline: float) -> AsyncGenerator[bool]:
        """Keep other processes and tasks from the same intent meanwhile; a lock dies with its process.

        Args:
            intent: What to be alone with.
            deadline: `anyio.current_time()` after which to give up.

        Yields:
            Whether it is alone. Without a usable state folder that is so among the tasks of this process.
        """
        turn = self._turns.setdefault(intent, _Turn())
        turn.users += 1
        try:
            if not await _taken(turn.lock, deadline):
                yield False
                return
            try:
                async with self._among_processes(intent, deadline) as alone:
                    yield alone
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[intent]

    @asynccontextmanager
    async def _among_processes(self, intent: str, deadline: float) -> AsyncGenerator[bool]:
        folder = await anyio.to_thread.run_sync(self._lock_folder)
        if folder is None:
            yield True
            return
        lock = file_lock(folder, intent)
        try:
            yield await self._acquire(lock, deadline)
        finally:
            release(lock)

    async def _acquire(self, lock: "filelock.FileLock", deadline: float) -> bool:
        while True:
            try:
                lock.acquire(blocking=False)
            except TimeoutError:
                if anyio.current_time() + 1 > deadline:
                    return False
                await anyio.sleep(0.05)
            except (OSError, ValueError, NotImplementedError) as error:
                if not self._lock_warned:
                    self._lock_warned = True
                    _log.warning("%s (%s: %s)", _NO_LOCKS, type(error).__name__, error)
                return True
            else:
                self._lock_warned = False
                return True

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            if self._file is not None:
                self._file.close()

    def _lock_folder(self) -> Path | None:
        if self._folder is None:
            return None
        try:
            return private_folder(self._folder())
        except (OSError, ValueError, RuntimeError) as error:
            self._warn(error)
            return None

    def _could_not_read(self, error: Exception) -> None:
        if self._file is not None and self._file.exists():
            self.unreadable = f"The journal cannot be read ({type(error).__name__}: {error})"
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        self.trouble = f"The journal cannot be written ({type(error).__name__}: {error})"
        if not self._warned:
            self._warned = True
            _log.warning("%s; going on in memory: repeats are recognised only until this process ends.", self.trouble)


def _next(row: Entry, *, state: str, answer: Json | None, lands_by: float) -> Entry:
    return replace(row, state=state, answer=answer, at=time.time(), lands_by=lands_by, turn=row.turn + 1)


async def _taken(lock: anyio.Lock, deadline: float) -> bool:
    with suppress(anyio.WouldBlock):
        lock.acquire_nowait()
        return True
    with anyio.move_on_after(max(0.0, deadline - 1 - anyio.current_time())):
        await lock.acquire()
        return True
    return False
