"""The journal on disk costs the same after a year: flushes, steps and files of a write do not grow with it."""

import shutil
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest

from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.sqlite import SqliteJournal
from tests.reliability.processes import Served, served_sandbox, server

NAME = "journal.sqlite3"
DAY = 86_400
FILL = """
WITH RECURSIVE number (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :rows)
INSERT INTO writes (intent, tool, account, key, state, answer, at, lands_by)
SELECT printf('%064x', i), 't', 'a', printf('%064x', i), 'done', '{"id": "1"}', :newest - i, 0 FROM number
"""
MORE = (
    "INSERT INTO touches SELECT intent, intent, at FROM writes WHERE tool = 't'",
    "INSERT INTO sent SELECT intent, 'writes', at FROM writes WHERE tool = 't'",
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def journal(state: Path) -> SqliteJournal:
    return SqliteJournal(lambda: state)


async def write(kept: SqliteJournal, intent: str) -> None:
    now = time.time()
    begun = await kept.begin(Entry(intent, "own", "a", "k", "pending", None, now, now + 20, targets=("x",)))
    await kept.mark_done(begun, {"id": intent}, ("y",))
    assert kept.trouble is None


def fill(state: Path, rows: int, age: float) -> None:
    with closing(sqlite3.connect(state / NAME)) as db, db:
        db.execute(FILL, {"rows": rows, "newest": time.time() - age})
        for insert in MORE:
            db.execute(insert)


async def filled(state: Path, rows: int, age: float = 3_600) -> Path:
    """Make a journal with a row a second, the newest of some age."""
    kept = journal(state)
    await write(kept, "made")
    kept.close()
    fill(state, rows, age)
    return state


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Journals by their number of rows, to be copied."""
    folders = tmp_path_factory.mktemp("large")
    return {rows: anyio.run(filled, folders / str(rows), rows) for rows in (1_000, 300_000)}


def prune_again(state: Path) -> None:
    with closing(sqlite3.connect(state / NAME, isolation_level=None)) as db:
        db.execute("UPDATE upkeep SET pruned = 0")


def count(state: Path) -> list[int]:
    """Count the rows of each table that were not written by `write`."""
    with closing(sqlite3.connect(state / NAME)) as db:
        rows = "SELECT count(*) FROM {} WHERE length({}) = 64"
        columns = {"writes": "intent", "touches": "thing", "sent": "id"}
        return [db.execute(rows.format(*each)).fetchone()[0] for each in columns.items()]


def commits(state: Path) -> int:
    """Count the transactions that `-wal` holds: in this mode each is one flush."""
    content = (state / f"{NAME}-wal").read_bytes()
    (page,) = struct.unpack(">I", content[8:12])
    frames = range(32, len(content), 24 + page)
    # The second number of a frame's header is 0 but in the last frame of a transaction.
    return sum(struct.unpack(">I", content[at + 4 : at + 8])[0] > 0 for at in frames)


@contextmanager
def one_more(state: Path) -> Iterator[list[int]]:
    """Count the transactions of what is done meanwhile, and hold that the database itself was not written."""
    before, written = commits(state), (state / NAME).stat().st_mtime_ns
    made: list[int] = []
    yield made
    made.append(commits(state) - before)
    assert (state / NAME).stat().st_mtime_ns == written


WRITES = {
    "ionhour_create_note": {"incident_id": 4514, "body": "Looking."},
    "incidentio_post_update": {"incident": "INC-114", "message": "Rolling back."},
    "incidentio_edit_incident": {"incident": "INC-110", "severity": "Critical"},
    "incidentio_create_incident": {"name": "Refunds fail", "severity": "Minor"},
    "ionhour_acknowledge_incident": {"incident_id": 4514},
}


@pytest.fixture
def sandbox() -> Iterator[Served]:
    with served_sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("rows", [1_000, 300_000])
def test_a_write_costs_at_most_two_flushes_however_many_rows_there_are(
    state: Path, sandbox: Served, large: dict[int, Path], rows: int
) -> None:
    shutil.copytree(large[rows], state)
    with server(state, sandbox.settings()) as running:
        running.call("ionhour_create_note", incident_id=4512, body="The first of the day.")
        for tool, arguments in WRITES.items():
            with one_more(state) as made:
                assert not running.call(tool, **arguments).is_error
            assert 1 <= made[0] <= 2, tool
            with one_more(state) as made:
                running.call(tool, **arguments)
            # A repeat writes nothing; what is not remembered is sent again.
            assert made[0] <= 1, tool
        sandbox.fail({"kind": "status", "status": 422, "method": "POST"})
        with one_more(state) as made:
            assert running.call("incidentio_post_update", incident="INC-114", message="Refused.").is_error
        assert made == [2]


@pytest.mark.anyio
async def test_a_write_takes_as_many_steps_of_the_database_with_300_000_rows_as_with_1_000(
    tmp_path: Path, large: dict[int, Path]
) -> None:
    steps = []
    for rows in (1_000, 300_000):
        kept = journal(shutil.copytree(large[rows], tmp_path / str(rows)))
        await write(kept, "the first of the day")
        counted = 0

        def step() -> int:
            nonlocal counted
            counted += 1
            return 0

        kept._file._db.set_progress_handler(step, 1)
        await write(kept, "counted")
        await kept.find("counted")
        await kept.find_by_key("a", "no such key")
        steps.append(counted)
        kept.close()
    assert steps[0] > 100
    assert steps[1] < steps[0] * 1.02


@pytest.mark.anyio
async def test_rows_older_than_a_week_are_deleted_once_a_day_and_a_hundred_at_a_time(state: Path) -> None:
    await filled(state, 250, age=8 * DAY)
    prune_again(state)
    kept = journal(state)
    left = []
    for number in range(3):
        before = commits(state) if number else 0
        await write(kept, f"new {number}")
        left.append(count(state))
        # Deleting is a part of the same two transactions.
        assert number == 0 or commits(state) - before == 2
    assert left == [[50] * 3, [0] * 3, [0] * 3]
    fill(state, 10, age=8 * DAY)
    await write(kept, "the same day")
    await write(journal(state), "the same day, in another process")
    assert count(state) == [10] * 3
    prune_again(state)
    await write(kept, "the next day")
    assert count(state) == [0] * 3
    assert (await journal(state).find("new 0")).entry


@pytest.mark.anyio
@pytest.mark.parametrize("days", [365, -365])
async def test_a_clock_that_was_wrong_for_a_moment_deletes_no_more_than_a_hundred_and_stops_no_later_pruning(
    state: Path, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(state, 500)
    kept = journal(state)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * DAY)
    begun = await kept.begin(Entry("wrong", "own", "a", "k", "pending", None, time.time(), 0))
    monkeypatch.setattr(time, "time", real)
    assert count(state) == [400 if days > 0 else 500] * 3
    await kept.mark_done(begun, {})
    assert count(state) == [400 if days > 0 else 500] * 3
    with closing(sqlite3.connect(state / NAME)) as db:
        assert abs(db.execute("SELECT pruned FROM upkeep").fetchone()[0] - real()) < 60
