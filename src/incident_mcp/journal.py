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
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from incident_mcp.models import Json

KEPT_SECONDS = 7 * 86_400
SAME_KEY_SECONDS = 86_400
"""For how long a call whose outcome is open is sent again with its first key."""

T = TypeVar("T")
_log = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS writes (
    intent TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'unknown', 'done')),
    result_id TEXT,
    answer TEXT,
    at REAL NOT NULL
)"""


@dataclass(frozen=True)
class Entry:
    """What the journal knows of an intent."""

    key: str
    state: str
    answer: Json | None
    at: float
    """Unix seconds of the last change."""

    @property
    def age(self) -> float:
        """Seconds since the last change."""
        return max(0.0, time.time() - self.at)


def fingerprint(*parts: object) -> str:
    """Hash JSON-like parts, so that what they hold cannot be read back."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Journal:
    """The journal of one process.

    A journal that cannot be written never loses a call: it goes on in memory, and `trouble` says why.

    Args:
        folder: Finds the state folder, on the first write; None keeps the journal in memory.
    """

    folder: Callable[[], Path] | None
    trouble: str | None = None
    _connection: sqlite3.Connection | None = field(default=None, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    async def look(self, intent: str) -> Entry | None:
        """Give what is known of an intent."""
        return await self._run(lambda db: _look(db, intent))

    async def begin(self, intent: str, *, tool: str, account: str, key: str) -> None:
        """Put on disk that a write is about to be sent."""
        row = (intent, tool, account, key, "pending", time.time())
        sql = "INSERT OR REPLACE INTO writes (intent, tool, account, key, state, at) VALUES (?, ?, ?, ?, ?, ?)"
        await self._run(lambda db: db.execute(sql, row))

    async def done(self, intent: str, answer: Json) -> None:
        """Put on disk what came of it."""
        row = (str(answer.get("id", "")), json.dumps(answer), time.time(), intent)
        sql = "UPDATE writes SET state = 'done', result_id = ?, answer = ?, at = ? WHERE intent = ?"
        await self._run(lambda db: db.execute(sql, row))

    async def unknown(self, intent: str) -> None:
        """Put on disk that it was sent and no usable answer came."""
        sql = "UPDATE writes SET state = 'unknown', at = ? WHERE intent = ?"
        await self._run(lambda db: db.execute(sql, (time.time(), intent)))

    async def forget(self, intent: str) -> None:
        """Drop a write that was not done."""
        await self._run(lambda db: db.execute("DELETE FROM writes WHERE intent = ?", (intent,)))

    @asynccontextmanager
    async def alone(self, intent: str, deadline: float) -> AsyncGenerator[bool]:
        """Keep other processes and tasks from the same intent meanwhile; a lock dies with its process.

        Args:
            intent: What to be alone with.
            deadline: `anyio.current_time()` after which to give up.

        Yields:
            Whether the lock was had; without a usable state folder it always is.
        """
        lock = await anyio.to_thread.run_sync(self._lock_file, intent)
        if lock is None:
            yield True
            return
        import filelock  # noqa: PLC0415  # only a journalled write needs it

        with_lock = filelock.FileLock(lock, mode=0o600)
        held = False
        while not held:
            try:
                with_lock.acquire(blocking=False)
                held = True
            except filelock.Timeout:
                if anyio.current_time() + 1 > deadline:
                    break
                await anyio.sleep(0.05)
            except (OSError, NotImplementedError) as error:
                self._warn(error)
                break
        try:
            yield held or self.trouble is not None
        finally:
            with_lock.release()

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await anyio.to_thread.run_sync(self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._guard:
            try:
                return work(self._open())
            except (sqlite3.Error, OSError) as error:
                self._warn(error)
                self._connection = _in_memory()
                return work(self._connection)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        if self.folder is None:
            self._connection = _in_memory()
        else:
            path = private_folder(self.folder()) / "journal.sqlite3"
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = _connect(str(path))
            self._connection.execute("DELETE FROM writes WHERE at < ?", (time.time() - KEPT_SECONDS,))
        return self._connection

    def _lock_file(self, intent: str) -> Path | None:
        """One of 256 files, so that they need no sweeping."""
        if self.folder is None or self.trouble is not None:
            return None
        try:
            return private_folder(self.folder()) / f"lock-{intent[:2]}"
        except OSError as error:
            self._warn(error)
            return None

    def _warn(self, error: Exception) -> None:
        if self.trouble is None:
            self.trouble = f"The journal cannot be written ({type(error).__name__}: {error})"
            _log.warning("%s; going on in memory: repeats are recognised only until this process ends.", self.trouble)


def _look(db: sqlite3.Connection, intent: str) -> Entry | None:
    row = db.execute("SELECT key, state, answer, at FROM writes WHERE intent = ?", (intent,)).fetchone()
    return None if row is None else Entry(row[0], row[1], json.loads(row[2]) if row[2] else None, row[3])


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    db.execute(_TABLE)
    return db


def _in_memory() -> sqlite3.Connection:
    return _connect(":memory:")


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder
