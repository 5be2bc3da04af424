"""The journal on disk: SQLite in the state folder, safe for several processes, made on the first write."""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from incident_mcp.models import Json

NAME = "journal.sqlite3"
KEPT_SECONDS = 7 * 86_400
VERSION = 1
"""Kept in SQLite's `user_version`; a journal of a later version is not read."""
LOCK_SECONDS = 1.0
"""How long another process may hold the database before it counts as not readable."""
RETRY_SECONDS = 2.0
"""How long it then stays so: one call must not wait for it at every step."""

_FIRST_COLUMNS = ("intent", "tool", "account", "key", "state", "result_id", "answer", "at", "lands_by")
_TABLES = """
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
);
CREATE TABLE IF NOT EXISTS touches (thing TEXT PRIMARY KEY, intent TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sent (id TEXT PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS writes_by_key ON writes (account, key);
CREATE INDEX IF NOT EXISTS sent_by_kind ON sent (kind, at);
"""
_LATER_COLUMNS = {
    "turn": "INTEGER NOT NULL DEFAULT 1",
    "began": "REAL NOT NULL DEFAULT 0",
    "before": "TEXT",
    "things": "TEXT NOT NULL DEFAULT '[]'",
}
_COLUMNS = ", ".join((*_FIRST_COLUMNS, *_LATER_COLUMNS))


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
        self._inode = 0
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
            return _entry(db.execute(f"SELECT {_COLUMNS} FROM writes WHERE intent = ?", (intent,)).fetchone())  # noqa: S608  # our own words

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
            query = f"SELECT {_COLUMNS} FROM writes WHERE account = ? AND key = ?"  # noqa: S608  # our own words
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
            oldest = time.time() - KEPT_SECONDS
            db.execute("DELETE FROM writes WHERE at < ?", (oldest,))
            db.execute("DELETE FROM touches WHERE at < ?", (oldest,))
            db.execute("DELETE FROM sent WHERE at < ?", (oldest,))
            _put_all(db, changes)
        return None

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

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
            found = _stat(path)
            if self._db is not None and (found is None or found.st_ino != self._inode):
                # Removed or replaced while this process had it open.
                self.close()
            if self._db is None:
                if found is None:
                    if not create:
                        return None
                    _create(path)
                self._db = _connect(path)
                self._inode = path.stat().st_ino
                with suppress(OSError):
                    private_folder(path.parent)
                _sweep(path.parent)
            else:
                _check_version(self._db)
        return self._db


@dataclass
class _Watched:
    """Passes what goes wrong with the database on, and remembers it."""

    fail: Callable[[Exception], None]

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception):
            self.fail(error)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _create(path: Path) -> None:
    """Make an empty journal at once: a file without tables was cut off, and is never taken for a new one."""
    folder = private_folder(path.parent)
    new = folder / f"{NAME}-new-{uuid.uuid4().hex}"
    try:
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.executescript(f"PRAGMA synchronous=FULL; BEGIN; {_TABLES} {_later_columns(())} COMMIT;")
        with suppress(FileExistsError):
            try:
                os.link(new, path)
            except FileExistsError:
                raise
            except OSError:
                # A file system without hard links.
                if not path.exists():
                    new.rename(path)
    finally:
        new.unlink(missing_ok=True)


def _later_columns(known: Sequence[str]) -> str:
    added = [
        f"ALTER TABLE writes ADD COLUMN {name} {kind};" for name, kind in _LATER_COLUMNS.items() if name not in known
    ]
    return " ".join([*added, f"PRAGMA user_version = {VERSION};"])


def _connect(path: Path) -> sqlite3.Connection:
    """Open a journal that is there.

    Raises:
        sqlite3.DatabaseError: It cannot be read: cut off, of a later version, or something else.
    """
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("the file is empty: something cut it off")
    with suppress(OSError):
        path.chmod(0o600)
    db = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        version = _check_version(db)
        columns = [row[1] for row in db.execute("PRAGMA table_info(writes)")]
        if not set(_FIRST_COLUMNS) <= set(columns):
            raise sqlite3.DatabaseError("it has no table of writes, or another one")  # noqa: TRY301  # closed below
        if version < VERSION:
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {_later_columns(columns)} COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection) -> int:
    """Return the version of a journal.

    Raises:
        sqlite3.DatabaseError: It is a later one than this.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"it is of a later version of incident-mcp ({version}, known up to {VERSION})")
    return version


def _put_all(db: sqlite3.Connection, changes: Changes) -> None:
    for intent, row in changes.rows.items():
        if row is None:
            db.execute("DELETE FROM writes WHERE intent = ?", (intent,))
        else:
            marks = ", ".join("?" * 13)
            db.execute(f"INSERT OR REPLACE INTO writes ({_COLUMNS}) VALUES ({marks})", _values(row))  # noqa: S608  # our own words
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


LOCK = "lock-"
_OURS = (LOCK, NAME)
_SWEPT_SECONDS = 86_400


def _sweep(folder: Path) -> None:
    """Delete lock files that nobody has used for a day."""
    import filelock  # noqa: PLC0415  # only a journalled write needs it

    for path in folder.glob(f"{LOCK}*"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _SWEPT_SECONDS:
                # A process that waits for it meanwhile sees that the file is gone, and makes a new one.
                with filelock.FileLock(path, mode=0o600, fallback_to_soft=False).acquire(blocking=False):
                    path.unlink()


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner can enter; one that holds other things too is left unchanged."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077 and all(path.name.startswith(_OURS) for path in folder.iterdir()):
        folder.chmod(0o700)
    return folder
