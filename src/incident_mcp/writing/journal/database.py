"""Creating and opening the journal's database: in WAL mode with one flush per transaction, if that is safe.

In WAL mode changes are stored in a file next to the database (`-wal`) until they are moved into it. SQLite replays that
file into any database of that name, so a new journal is never created next to the file of an old one.
"""

import os
import sqlite3
import stat
import sys
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from incident_mcp.writing.journal.folder import NAME, file_lock, private_folder, publish, release

VERSION = 1
"""Stored in SQLite's `user_version`; a journal of a later version is not read."""
LOCK_SECONDS = 1.0
"""How long another process may hold the database before it counts as unreadable."""

_BESIDE = ("-wal", "-shm", "-journal")
_WAL_PAGES = 4_000
"""Number of pages in `-wal` (16 MB, some 200 writes) after which a commit moves them into the database."""
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
"""
_LATER_COLUMNS = {
    "turn": "INTEGER NOT NULL DEFAULT 1",
    "began": "REAL NOT NULL DEFAULT 0",
    "before": "TEXT",
    "things": "TEXT NOT NULL DEFAULT '[]'",
    "person": "TEXT NOT NULL DEFAULT ''",
}
_NEWEST = "person"
COLUMNS = ", ".join((*_FIRST_COLUMNS, *_LATER_COLUMNS))
_UPKEEP = """
CREATE INDEX IF NOT EXISTS writes_by_at ON writes (at);
CREATE INDEX IF NOT EXISTS touches_by_at ON touches (at);
CREATE INDEX IF NOT EXISTS sent_by_at ON sent (at);
DROP INDEX IF EXISTS sent_by_kind;
CREATE TABLE IF NOT EXISTS used_codes (id TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS used_codes_by_at ON used_codes (at);
CREATE TABLE IF NOT EXISTS upkeep (id INTEGER PRIMARY KEY CHECK (id = 1), pruned REAL NOT NULL);
INSERT OR IGNORE INTO upkeep VALUES (1, 0);
"""
"""What is missing in a journal of an earlier release. Such a release can still use it, so the version stays the same.

`upkeep` holds when old rows were last deleted.
"""


def create(path: Path) -> None:
    """Create an empty journal atomically: a file without tables was cut off and is never mistaken for a new one."""
    folder = private_folder(path.parent)
    lock = file_lock(folder, "creation")
    with suppress(NotImplementedError):
        lock.acquire(timeout=LOCK_SECONDS, poll_interval=0.01)
    try:
        if os.path.lexists(path):
            return
        new = folder / f"{NAME}-new-{uuid.uuid4().hex}"
        try:
            os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with closing(sqlite3.connect(new, isolation_level=None)) as db:
                _extend(db, ())
            for suffix in _BESIDE:
                # It belongs to a removed journal: SQLite would replay it into the new one.
                path.with_name(NAME + suffix).unlink(missing_ok=True)
            publish(new, path)
        finally:
            new.unlink(missing_ok=True)
    finally:
        release(lock)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open an existing journal.

    Args:
        path: The file.
        read_only: Whether to write nothing at all; the file must then be complete.

    Raises:
        sqlite3.DatabaseError: It cannot be read: it is cut off, of a later version, or not a journal.
    """
    if path.stat().st_size == 0:
        raise sqlite3.DatabaseError("the file is empty: something cut it off")
    if not read_only:
        for suffix in ("", *_BESIDE):
            _make_private(path.with_name(NAME + suffix))
    file = f"{path.resolve().as_uri()}?immutable=1" if read_only else path
    db = sqlite3.connect(file, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False, uri=read_only)
    try:
        # A row is on disk before its request leaves; some builds of SQLite would flush less in WAL mode.
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        version = check_version(db)
        columns = [row[1] for row in db.execute("PRAGMA table_info(writes)")]
        if not set(_FIRST_COLUMNS) <= set(columns):
            raise sqlite3.DatabaseError("it has no table of writes, or a different one")  # noqa: TRY301  # closed below
        if version < VERSION:
            _extend(db, columns)
    except BaseException:
        db.close()
        raise
    return db


def is_whole(path: Path) -> bool:
    """Return whether the file contains the complete journal: no change is left in another file."""
    return not any(size for _, size in beside(path, "-wal", "-journal"))


def beside(path: Path, *suffixes: str) -> list[tuple[int, int]]:
    """Return inode and size of SQLite's files next to a database, links followed; zeros for a file that is missing."""
    found: list[tuple[int, int]] = []
    for suffix in suffixes:
        try:
            file = Path(os.path.realpath(path) + suffix).stat()
        except FileNotFoundError:
            found.append((0, 0))
        else:
            found.append((file.st_ino, file.st_size))
    return found


def _make_private(path: Path) -> None:
    """Make a file private, unless it has another name elsewhere: its mode is then not ours to choose."""
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            path.chmod(0o600)


def check_version(db: sqlite3.Connection) -> int:
    """Return the version of a journal.

    Raises:
        sqlite3.DatabaseError: It is later than the known versions.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"it is of a later version of incident-mcp ({version}, known up to {VERSION})")
    return version


def _has_upkeep(db: sqlite3.Connection) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('upkeep', 'used_codes')"
    return db.execute(query).fetchone() == (2,)


def _known_columns(db: sqlite3.Connection) -> list[str]:
    return [row[1] for row in db.execute("PRAGMA table_info(writes)")]


def columns_of(db: sqlite3.Connection) -> str:
    """Return `COLUMNS` for reading: one that an earlier release did not have, and no write added yet, is empty."""
    return COLUMNS if _NEWEST in _known_columns(db) else COLUMNS.replace(_NEWEST, f"'' AS {_NEWEST}")


def _extend(db: sqlite3.Connection, known: Sequence[str]) -> None:
    added = " ".join(
        f"ALTER TABLE writes ADD COLUMN {name} {kind};" for name, kind in _LATER_COLUMNS.items() if name not in known
    )
    db.executescript(f"BEGIN IMMEDIATE; {_TABLES} {added} {_UPKEEP} PRAGMA user_version = {VERSION}; COMMIT;")


def prepare_to_write(db: sqlite3.Connection, path: Path) -> None:
    """Upgrade a journal of an earlier release: nothing in it is lost, and the earlier release can still use it."""
    known = _known_columns(db)
    if _NEWEST not in known or not _has_upkeep(db):
        _extend(db, known)
    if db.execute("PRAGMA journal_mode").fetchone() != ("wal",) and _can_use_wal(path.resolve().parent):
        # While another process holds it, the switch is left to a later write; both modes are safe together.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL").fetchone()


def _can_use_wal(folder: Path) -> bool:
    """Return whether WAL mode works here: it needs memory that all processes map, so never a network file system."""
    if _is_shared(folder):
        return False
    trial = folder / f"{NAME}-new-{uuid.uuid4().hex}"
    try:
        with closing(sqlite3.connect(trial, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            if db.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                return False
            db.execute("CREATE TABLE trial (id)")
    except sqlite3.Error:
        return False
    finally:
        for suffix in ("", *_BESIDE):
            with suppress(OSError):
                trial.with_name(trial.name + suffix).unlink()
    return True


_SHARED = (
    "nfs",
    "cifs",
    "smb",
    "afs",
    "ceph",
    "lustre",
    "gpfs",
    "glusterfs",
    "fuse.",
    "9p",
    "virtiofs",
    "vboxsf",
    "vmhgfs",
)


def _is_shared(folder: Path) -> bool:
    """Return whether another machine may also use a folder, if Linux or Windows reports it."""
    if sys.platform == "win32":
        return str(folder).startswith("\\\\")
    return kind_of_mount(folder.stat().st_dev, Path("/proc/self/mountinfo")).startswith(_SHARED)


def kind_of_mount(device: int, table: Path) -> str:
    """Return the file system of a device from a Linux table of mounts; "" if unknown."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in table.read_text(errors="replace").splitlines():
            fields = line.split(" ")
            if fields[2] == wanted:
                return fields[fields.index("-") + 1]
    return ""
