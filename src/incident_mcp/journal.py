"""What must survive a lost reply or a crash: which writes were about to be sent, with which key, and what came of them.

SQLite in the state folder, safe for several processes, made on the first write. A row is one intent: an account, a
tool and a request. Its states: `pending` (about to be sent, or its process died), `unknown` (sent, no usable answer)
and `done` (with the answer). A refused write leaves no row. Rows older than a week are dropped.
"""

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    import filelock

from incident_mcp.models import Json

KEPT_SECONDS = 7 * 86_400
SAME_KEY_SECONDS = 86_400
"""For how long a call whose outcome is open is sent again with its first key."""

_log = logging.getLogger(__name__)

_COLUMNS = "intent, tool, account, key, state, result_id, answer, at, lands_by"
_TABLE = """
CREATE TABLE IF NOT EXISTS writes (
    intent TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'unknown', 'done')),
    result_id TEXT,
    answer TEXT,
    at REAL NOT NULL,
    lands_by REAL NOT NULL
)"""


@dataclass(frozen=True)
class Entry:
    """What the journal knows of an intent."""

    intent: str
    tool: str
    account: str
    key: str
    state: str
    answer: Json | None
    at: float
    """Unix seconds of the last change."""
    lands_by: float
    """Unix seconds after which a request without an answer is no longer carried out."""

    @property
    def age(self) -> float:
        """Seconds since the last change; none when the clock was set back meanwhile."""
        return max(0.0, time.time() - self.at)

    @property
    def may_land(self) -> float:
        """Seconds for which a request without an answer may still be carried out, whatever was done to the clock."""
        return min(self.lands_by - time.time(), self.lands_by - self.at)


def fingerprint(*parts: object) -> str:
    """Hash JSON-like parts, so that what they hold cannot be read back."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class _Turn:
    """Lets the tasks of this process at one intent, one after the other."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0


@dataclass
class Journal:
    """The journal of one process.

    A journal that cannot be written never loses a call: what cannot be saved is kept in memory and saved with the next
    row that can be; until then `trouble` says why.

    Args:
        folder: Finds the state folder, on the first write; None keeps the journal in memory.
    """

    folder: Callable[[], Path] | None
    trouble: str | None = None
    _unsaved: dict[str, Entry | None] = field(default_factory=dict[str, "Entry | None"], repr=False)
    """Rows that are not on disk; None is a row that could not be dropped from it."""
    _connection: sqlite3.Connection | None = field(default=None, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _turns: dict[str, _Turn] = field(default_factory=dict[str, _Turn], repr=False)
    _warned: bool = False

    async def look(self, intent: str) -> Entry | None:
        """Give what is known of an intent."""
        return await anyio.to_thread.run_sync(self._look, intent)

    async def begin(self, intent: str, *, tool: str, account: str, key: str, may_land: float) -> None:
        """Put on disk that a write is about to be sent, which may be carried out for `may_land` seconds."""
        now = time.time()
        await self._save(intent, Entry(intent, tool, account, key, "pending", None, now, now + may_land))

    async def done(self, intent: str, answer: Json) -> None:
        """Put on disk what came of it."""
        await self._change(intent, state="done", answer=answer, may_land=0)

    async def unknown(self, intent: str, *, may_land: float) -> None:
        """Put on disk that it was sent and no usable answer came."""
        await self._change(intent, state="unknown", answer=None, may_land=may_land)

    async def forget(self, intent: str) -> None:
        """Drop a write that was not done."""
        await self._save(intent, None)

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
        file = await anyio.to_thread.run_sync(self._lock_file, intent)
        if file is None:
            yield True
            return
        lock = _file_lock(file)
        try:
            yield await self._acquire(lock, deadline)
        finally:
            lock.release()

    async def _acquire(self, lock: "filelock.FileLock", deadline: float) -> bool:
        while True:
            try:
                lock.acquire(blocking=False)
            except TimeoutError:
                if anyio.current_time() + 1 > deadline:
                    return False
                await anyio.sleep(0.05)
            except (OSError, NotImplementedError) as error:
                self._warn(error)
                return True
            else:
                return True

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _look(self, intent: str) -> Entry | None:
        with self._guard:
            if intent in self._unsaved or self.folder is None:
                return self._unsaved.get(intent)
            try:
                row = self._open(self.folder).execute(f"SELECT {_COLUMNS} FROM writes WHERE intent = ?", (intent,))  # noqa: S608  # our own words
                return _entry(row.fetchone())
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                self._warn(error)
                return None

    async def _change(self, intent: str, *, state: str, answer: Json | None, may_land: float) -> None:
        now = time.time()
        known = await self.look(intent)
        if known is not None:
            row = replace(known, state=state, answer=answer, at=now, lands_by=now + may_land)
            await self._save(intent, row)

    async def _save(self, intent: str, row: Entry | None) -> None:
        await anyio.to_thread.run_sync(self._store, intent, row)

    def _store(self, intent: str, row: Entry | None) -> None:
        with self._guard:
            self._unsaved[intent] = row
            oldest = time.time() - KEPT_SECONDS
            if self.folder is None:
                self._unsaved = {name: kept for name, kept in self._unsaved.items() if kept and kept.at > oldest}
                return
            try:
                with self._open(self.folder) as db:
                    db.execute("BEGIN IMMEDIATE")
                    db.execute("DELETE FROM writes WHERE at < ?", (oldest,))
                    for name, kept in self._unsaved.items():
                        _put(db, name, kept)
            except (sqlite3.Error, OSError, UnicodeError) as error:
                self._disconnect()
                self._warn(error)
            else:
                self._unsaved.clear()
                self.trouble = None

    def _open(self, folder: Callable[[], Path]) -> sqlite3.Connection:
        if self._connection is None:
            path = private_folder(folder()) / "journal.sqlite3"
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
            self._connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._connection.execute(_TABLE)
            _sweep(path.parent)
        return self._connection

    def _lock_file(self, intent: str) -> Path | None:
        if self.folder is None:
            return None
        try:
            return private_folder(self.folder()) / f"{_LOCK}{intent}"
        except OSError as error:
            self._warn(error)
            return None

    def _warn(self, error: Exception) -> None:
        self.trouble = f"The journal cannot be written ({type(error).__name__}: {error})"
        if not self._warned:
            self._warned = True
            _log.warning("%s; going on in memory: repeats are recognised only until this process ends.", self.trouble)


async def _taken(lock: anyio.Lock, deadline: float) -> bool:
    with suppress(anyio.WouldBlock):
        lock.acquire_nowait()
        return True
    with anyio.move_on_after(max(0.0, deadline - 1 - anyio.current_time())):
        await lock.acquire()
        return True
    return False


_LOCK = "lock-"
_OURS = (_LOCK, "journal.sqlite3")


def _file_lock(path: Path) -> "filelock.FileLock":
    import filelock  # noqa: PLC0415  # only a journalled write needs it

    # A soft lock would outlive a process that was killed.
    return filelock.FileLock(path, mode=0o600, fallback_to_soft=False)


def _sweep(folder: Path) -> None:
    """Drop lock files that nobody has used for a day."""
    for path in folder.glob(f"{_LOCK}*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - SAME_KEY_SECONDS:
                # Whoever waits for it meanwhile sees that the file is gone, and makes a new one.
                with _file_lock(path).acquire(blocking=False):
                    path.unlink()


def _entry(row: tuple[Any, ...] | None) -> Entry | None:
    if row is None:
        return None
    intent, tool, account, key, state, _, answer, at, lands_by = row
    return Entry(intent, tool, account, key, state, _json(answer), at, lands_by)


def _json(answer: str | None) -> Json | None:
    try:
        return json.loads(answer) if answer else None
    except ValueError:
        return None


def _put(db: sqlite3.Connection, intent: str, row: Entry | None) -> None:
    if row is None:
        db.execute("DELETE FROM writes WHERE intent = ?", (intent,))
        return
    result_id = None if row.answer is None else str(row.answer.get("id", ""))
    answer = None if row.answer is None else json.dumps(row.answer)
    values = (intent, row.tool, row.account, row.key, row.state, result_id, answer, row.at, row.lands_by)
    db.execute(f"INSERT OR REPLACE INTO writes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608  # our own words


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter; one that holds other things too is left as it is."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077 and all(path.name.startswith(_OURS) for path in folder.iterdir()):
        folder.chmod(0o700)
    return folder
