"""The journal's database: WAL mode, journals of earlier releases, and what an old journal leaves beside a new one."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from incident_mcp.writing.journal.database import kind_of_mount
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.sqlite import SqliteJournal
from tests.spawned import ROOT

pytestmark = pytest.mark.anyio
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
NAME = "journal.sqlite3"

FIRST_VERSION = (
    "CREATE TABLE writes (intent TEXT PRIMARY KEY, tool TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT"
    " NULL, state TEXT NOT NULL, result_id TEXT, answer TEXT, at REAL NOT NULL, lands_by REAL NOT NULL);"
)
EARLIER_RELEASE = """
CREATE TABLE writes (
    intent TEXT PRIMARY KEY, tool TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'unknown', 'done')),
    result_id TEXT, answer TEXT, at REAL NOT NULL, lands_by REAL NOT NULL,
    turn INTEGER NOT NULL DEFAULT 1, began REAL NOT NULL DEFAULT 0, before TEXT, things TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE touches (thing TEXT PRIMARY KEY, intent TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE sent (id TEXT PRIMARY KEY, kind TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX writes_by_key ON writes (account, key);
CREATE INDEX sent_by_kind ON sent (kind, at);
PRAGMA user_version = 1;
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def journal(state: Path) -> SqliteJournal:
    return SqliteJournal(lambda: state)


async def write(kept: SqliteJournal, intent: str) -> None:
    now = time.time()
    begun = await kept.begin(Entry(intent, "t", "a", "k", "pending", None, now, now + 20, targets=("x",)))
    await kept.mark_done(begun, {"id": intent})
    assert kept.trouble is None


async def known(kept: SqliteJournal, intent: str) -> str | None:
    entry = (await kept.find(intent)).entry
    assert kept.unreadable is None
    return entry and entry.state


def connected(state: Path) -> contextlib.closing[sqlite3.Connection]:
    """Connect as an earlier release did."""
    return contextlib.closing(sqlite3.connect(state / NAME, timeout=1, isolation_level=None))


def mode(state: Path) -> str:
    with connected(state) as db:
        return db.execute("PRAGMA journal_mode").fetchone()[0]


def add_row(db: sqlite3.Connection, intent: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM writes WHERE at < ?", (time.time() - 604_800,))
    row = (intent, "t", "a", "k", "unknown", time.time())
    db.execute("INSERT INTO writes (intent, tool, account, key, state, at, lands_by) VALUES (?, ?, ?, ?, ?, ?, 0)", row)
    db.execute("COMMIT")


async def test_every_transaction_is_flushed_and_leaves_the_database_alone(state: Path) -> None:
    kept = journal(state)
    await write(kept, "first")
    before = (state / NAME).read_bytes()
    await write(kept, "second")
    assert (state / NAME).read_bytes() == before
    db = kept._file._db
    assert [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")] == ["wal", 2]
    kept.close()
    assert [path.name for path in state.iterdir()] == [NAME]
    assert await known(journal(state), "second") == "done"


@pytest.mark.parametrize("tables", [FIRST_VERSION, EARLIER_RELEASE], ids=["first version", "earlier release"])
async def test_a_journal_of_an_earlier_release_is_read_and_extended_while_that_release_uses_it(
    state: Path, tables: str
) -> None:
    with connected(state) as earlier:
        earlier.executescript(tables)
        add_row(earlier, "old")
        kept = journal(state)
        assert await known(kept, "old") == "unknown"
        await write(kept, "new")
        # The earlier process had it open all the time, in the other mode.
        add_row(earlier, "from the earlier one")
        assert earlier.execute("SELECT state FROM writes WHERE intent = 'new'").fetchone() == ("done",)
        assert [await known(kept, name) for name in ("old", "from the earlier one")] == ["unknown", "unknown"]
        indexes = {name for (name,) in earlier.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
        assert {"writes_by_at", "touches_by_at", "sent_by_at", "writes_by_key"} <= indexes
        assert earlier.execute("PRAGMA user_version").fetchone() == (1,)
        assert earlier.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    kept.close()
    assert mode(state) == "wal"


async def test_a_journal_of_a_release_without_confirmation_codes_is_extended(state: Path) -> None:
    kept = journal(state)
    await write(kept, "first")
    kept.close()
    with connected(state) as db:
        db.execute("DROP TABLE used_codes")
    kept = journal(state)
    assert [await kept.use_code("one") for _ in range(2)] == [True, False]
    assert await known(kept, "first") == "done"
    kept.close()


async def test_one_that_an_earlier_release_reads_just_now_is_switched_by_the_next_write(state: Path) -> None:
    with connected(state) as earlier:
        earlier.executescript(EARLIER_RELEASE)
        earlier.execute("BEGIN")
        earlier.execute("SELECT * FROM writes").fetchone()
        kept = journal(state)
        now = time.time()
        begun = await kept.begin(Entry("held", "t", "a", "k", "pending", None, now, now))
        assert "locked" in str(kept.trouble)
        earlier.execute("COMMIT")
    kept._file._failed = None
    await kept.mark_done(begun, {"id": "1"})
    assert kept.trouble is None
    assert await known(journal(state), "held") == "done"
    assert mode(state) == "wal"


CRASH = """
import os, sys, anyio
from pathlib import Path
from tests.writing.journal.test_database import journal, write
async def main():
    kept = journal(Path(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        await write(kept, f"{sys.argv[3]} {number}")
    os.kill(os.getpid(), 9)
anyio.run(main)
"""


def crash(state: Path, count: int, name: str = "crashed") -> None:
    """Write in a process that is then killed."""
    ended = subprocess.run([sys.executable, "-c", CRASH, str(state), str(count), name], check=False, cwd=ROOT)
    assert ended.returncode == -9
    assert (state / f"{NAME}-wal").stat().st_size > 0


@posix
async def test_what_a_killed_process_wrote_is_read(state: Path) -> None:
    crash(state, 20)
    kept = journal(state)
    assert {await known(kept, f"crashed {number}") for number in range(20)} == {"done"}


@posix
@pytest.mark.parametrize("count", [2, 40])
async def test_what_a_removed_journal_left_beside_it_is_not_replayed_into_a_new_one(state: Path, count: int) -> None:
    crash(state, count)
    (state / NAME).rename(state / "moved away")
    (state / f"{NAME}-journal").write_bytes(b"of an earlier release")
    kept = journal(state)
    for number in range(10):
        await write(kept, f"new {number}")
    kept.close()
    kept = journal(state)
    assert {await known(kept, f"new {number}") for number in range(10)} == {"done"}
    assert {await known(kept, f"crashed {number}") for number in range(count)} == {None}
    with connected(state) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@posix
@pytest.mark.parametrize("removed", [("-wal",), ("-shm",), ("-wal", "-shm")], ids="+".join)
async def test_without_what_lay_beside_it_after_a_crash_a_journal_is_read_and_only_the_last_rows_are_lost(
    state: Path, removed: tuple[str, ...]
) -> None:
    await write(first := journal(state), "closed")
    first.close()
    crash(state, 3)
    for suffix in removed:
        (state / f"{NAME}{suffix}").unlink()
    kept = journal(state)
    assert await known(kept, "closed") == "done"
    assert await known(kept, "crashed 2") == (None if "-wal" in removed else "done")
    await write(kept, "new")
    assert await known(journal(state), "new") == "done"


@pytest.mark.parametrize("removed", [("-wal",), ("-shm",), ("-wal", "-shm")], ids="+".join)
async def test_what_is_removed_under_a_running_process_is_made_again_with_nothing_lost(
    state: Path, removed: tuple[str, ...]
) -> None:
    kept = journal(state)
    for number in range(3):
        await write(kept, f"{number}")
        for suffix in removed:
            (state / f"{NAME}{suffix}").unlink()
    await write(kept, "3")
    kept.close()
    fresh = journal(state)
    assert [await known(fresh, f"{number}") for number in range(4)] == ["done"] * 4


async def test_two_processes_under_which_the_journal_is_moved_away_share_the_new_one(state: Path) -> None:
    one, other = journal(state), journal(state)
    await write(one, "old")
    await write(other, "old too")
    (state / NAME).rename(state / "moved away")
    await write(one, "new")
    assert await known(other, "new") == "done"
    await write(other, "newer")
    assert [await known(journal(state), name) for name in ("old too", "new", "newer")] == [None, "done", "done"]


def test_a_file_system_that_other_machines_may_use_is_known_from_the_mounts(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        "31 27 0:41 /exports /home\\040of\\040all rw shared:4 master:2 - nfs4 server.example:/exports rw,vers=4.2\n"
        "32 27 0:42 / /mnt rw - fuse.sshfs me@server.example: rw\n"
    )
    found = [kind_of_mount(os.makedev(*device), table) for device in ((254, 0), (0, 41), (0, 42), (9, 9))]
    assert found == ["ext4", "nfs4", "fuse.sshfs", ""]
    assert kind_of_mount(0, tmp_path / "no such table") == ""


async def test_a_row_says_who_made_it_also_in_a_journal_of_an_earlier_release(state: Path) -> None:
    with connected(state) as db:
        db.executescript(EARLIER_RELEASE)
        db.execute("CREATE TABLE used_codes (id TEXT PRIMARY KEY, at REAL NOT NULL)")
        db.execute("CREATE TABLE upkeep (id INTEGER PRIMARY KEY CHECK (id = 1), pruned REAL NOT NULL)")
        db.execute("INSERT INTO upkeep VALUES (1, 0)")
        add_row(db, "earlier")
    kept = journal(state)
    assert await known(kept, "earlier") == "unknown"
    now = time.time()
    await kept.begin(Entry("intent", "t", "a", "k", "pending", None, now, now + 20, person="ada (token)"))
    found = (await journal(state).find("intent")).entry
    assert found
    assert found.person == "ada (token)"
    assert found.made.endswith(" ago by ada (token)")
