"""The journal on disk: SQLite in the state folder, safe for several processes, made on the first write."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from incident_mcp.records.record import Json
from incident_mcp.writing.journal import database
from incident_mcp.writing.journal.database import COLUMNS
from incident_mcp.writing.journal.folder import NAME, private_folder, sweep_locks

KEPT_SECONDS = 7 * 86_400
RETRY_SECONDS = 2.0
"""How long a locked journal counts as not readable: one call must not wait for it at every step."""
_PRUNED_EVERY_SECONDS = 86_400
_PRUNED_AT_ONCE = 100
"""How many old rows of a table one write deletes: the rest is left to the next ones."""


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
    turn: int = 1
    """Counts the changes: of two versions of a row the higher one is the newer, whatever the clock did."""
    began: float = 0.0
    """Unix seconds, by the service's clock, at which the first attempt began."""
    before: tuple[str, ...] | None = None
    """Ids of what was there before it; None if that was not read."""
    things: tuple[str, ...] = ()
    """What it writes to: a later write to one of them ends the time for which a repeat is recognised."""

    @property
    def age(self) -> float:
        """Seconds since the last change; negative when the clock was set back meanwhile."""
        return time.time() - self.at

    @property
    def may_land(self) -> float:
        """Seconds for which a request without an answer may still be carried out, whatever was done to the clock."""
        return min(self.lands_by - time.time(), self.lands_by - self.at)


@dataclass(frozen=True)
class Touch:
    """The last write to something."""

    intent: str
    at: float


@dataclass(frozen=True)
class Sent:
    """A write that counts towards a limit."""

    kind: str
    at: float


@dataclass
class Changes:
    """Rows to save by their keys; None deletes one."""

    rows: dict[str, Entry | None] = field(default_factory=dict[str, Entry | None])
    touches: dict[str, Touch | None] = field(default_factory=dict[str, Touch | None])
    sent: dict[str, Sent | None] = field(default_factory=dict[str, Sent | None])

    def add(self, later: "Changes") -> None:
        """Take over later changes."""
        self.rows |= later.rows
        self.touches |= later.touches
        self.sent |= later.sent


class JournalFile:
    """The database.

    Args:
        folder: Finds the state folder.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._db: sqlite3.Connection | None = None
        self._files: tuple[int, ...] = ()
        """The inodes of what is open; none when it is open to be read this once."""
        self._prepared = False
        self._failed: tuple[float, Exception] | None = None

    def exists(self) -> bool:
        """Return whether a journal is there, readable or not."""
        try:
            os.lstat(self._folder() / NAME)
        except (FileNotFoundError, NotADirectoryError, RuntimeError):
            return False
        except OSError:
            return True
        return True

    def row(self, intent: str) -> Entry | None:
        """Read a row; None when there is none, or no journal yet."""
        db = self._open(create=False)
        if db is None:
            return None
        with self._watched():
            return _entry(db.execute(f"SELECT {COLUMNS} FROM writes WHERE intent = ?", (intent,)).fetchone())  # noqa: S608  # our own words

    def touches(self, things: Sequence[str]) -> dict[str, Touch]:
        """Read the last writes to some things."""
        db = self._open(create=False)
        if db is None:
            return {}
        with self._watched():
            query = "SELECT intent, at FROM touches WHERE thing = ?"
            rows = {thing: db.execute(query, (thing,)).fetchone() for thing in things}
            return {thing: _touch(*row) for thing, row in rows.items() if row}

    def with_key(self, account: str, key: str) -> list[Entry]:
        """Read the rows of a caller's idempotency key."""
        db = self._open(create=False)
        if db is None:
            return []
        with self._watched():
            query = f"SELECT {COLUMNS} FROM writes WHERE account = ? AND key = ?"  # noqa: S608  # our own words
            rows = db.execute(query, (account, key)).fetchall()
        return [entry for row in rows if (entry := _entry(row))]

    def save(
        self, changes: Changes, *, kind: str = "", between: tuple[float, float] = (0, 0), most: int = 0
    ) -> dict[str, float] | None:
        """Save changes in one transaction, unless that would be one write of a kind too many.

        Returns:
            None, or the writes of the kind between two instants, by id, when they are the most already.
        """
        db = self._open(create=True)
        if db is None:
            raise sqlite3.OperationalError("the journal could not be made")
        with self._watched(), db:
            db.execute("BEGIN IMMEDIATE")
            if most:
                query = "SELECT id, at FROM sent WHERE kind = ? AND at > ? AND at < ?"
                rows = db.execute(query, (kind, *between)).fetchall()
                if len(rows) >= most:
                    return dict(rows)
            _prune(db, time.time())
            _put_all(db, changes)
        return None

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()
            self._db, self._files = None, ()

    def _watched(self) -> "_Watched":
        return _Watched(self._fail)

    def _fail(self, error: Exception) -> None:
        with suppress(sqlite3.Error):
            self.close()
        self._db = None
        if "locked" in str(error):
            self._failed = (time.monotonic(), error)

    def _open(self, *, create: bool) -> sqlite3.Connection | None:
        if self._failed and time.monotonic() < self._failed[0] + RETRY_SECONDS:
            raise self._failed[1]
        self._failed = None
        with self._watched():
            path = self._folder() / NAME
            files = _inodes(path)
            if self._db is not None and not (files and files == self._files):
                # One of its files was removed or replaced while this process had it open.
                self.close()
            if self._db is None:
                if not files and not create:
                    return None
                if not files:
                    database.create(path)
                self._db = self._connect(path, create=create)
            else:
                database.check_version(self._db)
            if create and not self._prepared:
                database.prepare_to_write(self._db, path)
                self._files, self._prepared = _inodes(path), True
        return self._db

    def _connect(self, path: Path, *, create: bool) -> sqlite3.Connection:
        try:
            db = database.connect(path)
        except sqlite3.OperationalError as error:
            # SQLite writes beside the file even to read it, which a full disk or a read-only folder refuses.
            if create or "locked" in str(error) or not database.is_whole(path):
                raise
            return database.connect(path, read_only=True)
        self._files, self._prepared = _inodes(path), False
        with suppress(OSError):
            private_folder(path.parent)
        sweep_locks(path.parent)
        return db


@dataclass
class _Watched:
    """Passes what goes wrong with the database on, and remembers it."""

    fail: Callable[[Exception], None]

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            self.fail(error)


def _inodes(path: Path) -> tuple[int, ...]:
    """Return the inodes of the database and of what SQLite keeps beside it; none when there is no database."""
    try:
        found = path.stat().st_ino
    except FileNotFoundError:
        return ()
    return (found, *(inode for inode, _ in database.beside(path, "-wal", "-shm")))


def _prune(db: sqlite3.Connection, now: float) -> None:
    """Delete rows that are older than needed: once a day, and never so many that a write would wait."""
    (pruned,) = db.execute("SELECT pruned FROM upkeep").fetchone()
    # A day that lies ahead was written before the clock was set back.
    if now - _PRUNED_EVERY_SECONDS < pruned <= now:
        return
    left = False
    for table in ("writes", "touches", "sent"):
        query = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE at < ? LIMIT ?)"  # noqa: S608  # our own words
        left |= db.execute(query, (now - KEPT_SECONDS, _PRUNED_AT_ONCE)).rowcount == _PRUNED_AT_ONCE
    if not left:
        db.execute("UPDATE upkeep SET pruned = ?", (now,))


def _put_all(db: sqlite3.Connection, changes: Changes) -> None:
    for intent, row in changes.rows.items():
        if row is None:
            db.execute("DELETE FROM writes WHERE intent = ?", (intent,))
        else:
            marks = ", ".join("?" * 13)
            db.execute(f"INSERT OR REPLACE INTO writes ({COLUMNS}) VALUES ({marks})", _values(row))  # noqa: S608  # our own words
    for thing, touch in changes.touches.items():
        if touch is None:
            db.execute("DELETE FROM touches WHERE thing = ?", (thing,))
        else:
            db.execute("INSERT OR REPLACE INTO touches VALUES (?, ?, ?)", (thing, touch.intent, touch.at))
    for number, sent in changes.sent.items():
        if sent is None:
            db.execute("DELETE FROM sent WHERE id = ?", (number,))
        else:
            db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (number, sent.kind, sent.at))


def _values(row: Entry) -> tuple[Any, ...]:
    result_id = None if row.answer is None else str(row.answer.get("id", ""))
    answer = None if row.answer is None else json.dumps(row.answer)
    before = None if row.before is None else json.dumps(row.before)
    fixed = (row.intent, row.tool, row.account, row.key, row.state, result_id, answer, row.at, row.lands_by)
    return (*fixed, row.turn, row.began, before, json.dumps(row.things))


def _touch(intent: object, at: object) -> Touch:
    if not isinstance(intent, str) or not isinstance(at, int | float):
        raise sqlite3.DatabaseError("a row holds values of other kinds")
    return Touch(intent, at)


def _entry(row: tuple[Any, ...] | None) -> Entry | None:
    if row is None:
        return None
    intent, tool, account, key, state, _, answer, at, lands_by, turn, began, before, things = row
    texts, numbers = (intent, tool, account, key, state), (at, lands_by, turn, began)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, int | float) for each in numbers):
        raise sqlite3.DatabaseError("a row holds values of other kinds")
    ids, told = cast("list[str] | None", _json(before, list)), cast("Json | None", _json(answer, dict))
    return Entry(
        intent,
        tool,
        account,
        key,
        state,
        told,
        at,
        lands_by,
        turn,
        began,
        None if ids is None else tuple(ids),
        tuple(cast("list[str]", _json(things, list) or ())),
    )


def _json(text: str | None, kind: type) -> object:
    try:
        read = json.loads(text) if text else None
    except ValueError:
        return None
    return read if isinstance(read, kind) else None
