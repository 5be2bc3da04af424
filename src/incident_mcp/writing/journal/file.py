"""The journal on disk: SQLite in the state folder, safe for several processes, created on the first write."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json
from incident_mcp.writing.journal import database
from incident_mcp.writing.journal.database import COLUMNS
from incident_mcp.writing.journal.entry import KEPT_SECONDS, Changes, Entry, LastWrite
from incident_mcp.writing.journal.folder import NAME, private_folder, sweep_locks

RETRY_SECONDS = 2.0
"""How long a locked journal counts as unreadable: a call must not wait for it at every step."""
_PRUNED_EVERY_SECONDS = 86_400
_PRUNED_AT_ONCE = 100
"""Maximum number of old rows that one write deletes from a table; later writes delete the rest."""


class JournalFile:
    """The database.

    Args:
        folder: Finds the state folder.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._db: sqlite3.Connection | None = None
        self._files: tuple[int, ...] = ()
        """The inodes of the open files; empty if the database is open for a single read."""
        self._prepared = False
        self._columns = COLUMNS
        """Of the open file, for reading."""
        self._failed: tuple[float, Exception] | None = None

    def exists(self) -> bool:
        """Return whether a journal exists, readable or not."""
        try:
            os.lstat(self._folder() / NAME)
        except (FileNotFoundError, NotADirectoryError, RuntimeError):
            return False
        except OSError:
            return True
        return True

    def entry(self, intent: str) -> Entry | None:
        """Return an entry; None if it does not exist, or no journal yet."""
        db = self._open(create=False)
        if db is None:
            return None
        with self._closed_on_failure():
            return _entry(db.execute(f"SELECT {self._columns} FROM writes WHERE intent = ?", (intent,)).fetchone())  # noqa: S608  # our own words

    def last_writes(self, targets: Sequence[str]) -> dict[str, LastWrite]:
        """Return the last writes to some targets, by target."""
        db = self._open(create=False)
        if db is None:
            return {}
        with self._closed_on_failure():
            query = "SELECT intent, at FROM touches WHERE thing = ?"
            rows = {target: db.execute(query, (target,)).fetchone() for target in targets}
            return {target: _last_write(*row) for target, row in rows.items() if row}

    def entries_with_key(self, account: str, key: str) -> list[Entry]:
        """Return the entries with a caller's idempotency key."""
        db = self._open(create=False)
        if db is None:
            return []
        with self._closed_on_failure():
            query = f"SELECT {self._columns} FROM writes WHERE account = ? AND key = ?"  # noqa: S608  # our own words
            rows = db.execute(query, (account, key)).fetchall()
        return [entry for row in rows if (entry := _entry(row))]

    def save(
        self, changes: Changes, *, kind: str = "", between: tuple[float, float] = (0, 0), maximum: int = 0
    ) -> dict[str, float] | None:
        """Save changes in one transaction, unless that would exceed the maximum number of writes of a kind.

        Returns:
            None if they were saved; otherwise the times of the writes of that kind in the interval, by ID.
        """
        db = self._open(create=True)
        if db is None:
            raise sqlite3.OperationalError("the journal could not be created")
        with self._closed_on_failure(), db:
            db.execute("BEGIN IMMEDIATE")
            if maximum:
                query = "SELECT id, at FROM sent WHERE kind = ? AND at > ? AND at < ?"
                rows = db.execute(query, (kind, *between)).fetchall()
                if len(rows) >= maximum:
                    return dict(rows)
            _prune(db, unix_now())
            _put_all(db, changes)
        return None

    def use_code(self, code: str) -> bool:
        """Save that a confirmation code is used; return whether it was unused."""
        db = self._open(create=True)
        if db is None:
            raise sqlite3.OperationalError("the journal could not be created")
        with self._closed_on_failure():
            query = "INSERT OR IGNORE INTO used_codes VALUES (?, ?)"
            return db.execute(query, (code, unix_now())).rowcount == 1

    def prepare(self) -> None:
        """Open the journal for writing."""
        self._open(create=True)

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()
            self._db, self._files = None, ()

    @contextmanager
    def _closed_on_failure(self) -> Generator[None]:
        """Close the database if something fails; a locked one counts as unreadable for a while."""
        try:
            yield
        except Exception as error:
            with suppress(sqlite3.Error):
                self.close()
            self._db = None
            if "locked" in str(error):
                self._failed = (time.monotonic(), error)
            raise

    def _open(self, *, create: bool) -> sqlite3.Connection | None:
        if self._failed and time.monotonic() < self._failed[0] + RETRY_SECONDS:
            raise self._failed[1]
        self._failed = None
        with self._closed_on_failure():
            path = self._folder() / NAME
            files = _inodes(path)
            if self._db is not None and not (files and files == self._files):
                # A file was removed or replaced while this process had it open.
                self.close()
            if self._db is None:
                if not files and not create:
                    return None
                if not files:
                    database.create(path)
                self._db = self._connect(path, create=create)
                self._columns = database.columns_of(self._db)
            else:
                database.check_version(self._db)
            if create and not self._prepared:
                database.prepare_to_write(self._db, path)
                self._files, self._prepared, self._columns = _inodes(path), True, COLUMNS
        return self._db

    def _connect(self, path: Path, *, create: bool) -> sqlite3.Connection:
        try:
            db = database.connect(path)
        except sqlite3.OperationalError as error:
            # Even a read makes SQLite write next to the file, which fails on a full disk or in a read-only folder.
            if create or "locked" in str(error) or not database.is_whole(path):
                raise
            return database.connect(path, read_only=True)
        self._files, self._prepared = _inodes(path), False
        with suppress(OSError):
            private_folder(path.parent)
        sweep_locks(path.parent)
        return db


def _inodes(path: Path) -> tuple[int, ...]:
    """Return the inodes of the database and of SQLite's files next to it; empty if there is no database."""
    try:
        found = path.stat().st_ino
    except FileNotFoundError:
        return ()
    return (found, *(inode for inode, _ in database.beside(path, "-wal", "-shm")))


def _prune(db: sqlite3.Connection, now: float) -> None:
    """Delete rows that are no longer needed: once a day, and only so many that no write has to wait."""
    (pruned,) = db.execute("SELECT pruned FROM upkeep").fetchone()
    # A date in the future was written before the clock was set back.
    if now - _PRUNED_EVERY_SECONDS < pruned <= now:
        return
    left = False
    for table in ("writes", "touches", "sent", "used_codes"):
        query = f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE at < ? LIMIT ?)"  # noqa: S608  # our own words
        left |= db.execute(query, (now - KEPT_SECONDS, _PRUNED_AT_ONCE)).rowcount == _PRUNED_AT_ONCE
    if not left:
        db.execute("UPDATE upkeep SET pruned = ?", (now,))


def _put_all(db: sqlite3.Connection, changes: Changes) -> None:
    for intent, entry in changes.entries.items():
        if entry is None:
            db.execute("DELETE FROM writes WHERE intent = ?", (intent,))
        else:
            values = _values(entry)
            marks = ", ".join("?" * len(values))
            db.execute(f"INSERT OR REPLACE INTO writes ({COLUMNS}) VALUES ({marks})", values)  # noqa: S608  # our own words
    for target, last in changes.last_writes.items():
        if last is None:
            db.execute("DELETE FROM touches WHERE thing = ?", (target,))
        else:
            db.execute("INSERT OR REPLACE INTO touches VALUES (?, ?, ?)", (target, last.intent, last.at))
    for number, write in changes.counted.items():
        if write is None:
            db.execute("DELETE FROM sent WHERE id = ?", (number,))
        else:
            db.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", (number, write.kind, write.at))


def _values(entry: Entry) -> tuple[Any, ...]:
    """Return an entry in the order of `COLUMNS`."""
    result_id = None if entry.record is None else str(entry.record.get("id", ""))
    record = None if entry.record is None else json.dumps(entry.record)
    existing_ids = None if entry.existing_ids is None else json.dumps(entry.existing_ids)
    return (
        *(entry.intent, entry.tool, entry.account, entry.key, entry.state, result_id, record),
        *(entry.changed_at, entry.settles_at, entry.version, entry.started_at, existing_ids, json.dumps(entry.targets)),
        entry.person,
    )


def _last_write(intent: object, at: object) -> LastWrite:
    if not isinstance(intent, str) or not isinstance(at, int | float):
        raise sqlite3.DatabaseError(_WRONG_TYPES)
    return LastWrite(intent, at)


def _entry(row: tuple[Any, ...] | None) -> Entry | None:
    if row is None:
        return None
    intent, tool, account, key, state, _, record, changed_at, settles_at, version, started_at, *rest = row
    ids, targets, person = rest
    texts, numbers = (intent, tool, account, key, state), (changed_at, settles_at, version, started_at)
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(each, int | float) for each in numbers):
        raise sqlite3.DatabaseError(_WRONG_TYPES)
    existing_ids = cast("list[str] | None", _json(ids, list))
    return Entry(
        intent,
        tool,
        account,
        key,
        state,
        cast("Json | None", _json(record, dict)),
        changed_at,
        settles_at,
        version,
        started_at,
        None if existing_ids is None else tuple(existing_ids),
        tuple(cast("list[str]", _json(targets, list) or ())),
        person if isinstance(person, str) else "",
    )


_WRONG_TYPES = "a row contains values of the wrong type"


def _json(text: str | None, kind: type) -> object:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, kind) else None
