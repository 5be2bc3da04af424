"""The journal of writes: what it keeps, for whom, how long, and what it does when it cannot."""

import contextlib
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from incident_mcp.sandbox import Sandbox
from incident_mcp.writing.journal.entry import Entry, fingerprint
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.journal.protocol import Journal, PendingWrite
from incident_mcp.writing.journal.sqlite import SqliteJournal
from tests.conftest import Connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def journal(state: Path) -> SqliteJournal:
    return SqliteJournal(lambda: state)


def row(intent: str = "i", key: str = "k", **more: object) -> Entry:
    now = time.time()
    return Entry(intent, "t", "a", key, "pending", None, now, now + 20, **more)


async def begin(kept: Journal, intent: str = "i", key: str = "k") -> PendingWrite:
    return await kept.begin(row(intent, key))


async def known(kept: Journal, intent: str = "i") -> Entry | None:
    return (await kept.find(intent)).entry


async def test_a_write_goes_from_pending_to_done(state: Path) -> None:
    kept = journal(state)
    assert await known(kept) is None
    begun = await begin(kept)
    pending = await known(journal(state))
    await kept.mark_done(begun, {"id": "1"})
    done = await known(journal(state))
    assert pending
    assert done
    assert (pending.state, pending.key, pending.record) == ("pending", "k", None)
    assert 15 < pending.unsettled_seconds <= 20
    assert (done.state, done.key, done.record, done.unsettled_seconds <= 0) == ("done", "k", {"id": "1"}, True)


async def test_a_write_goes_from_pending_to_unknown_or_is_taken_back(state: Path) -> None:
    kept = journal(state)
    begun = await begin(kept)
    await kept.mark_unknown(begun, unsettled_seconds=0)
    unknown = await known(journal(state))
    assert unknown
    assert (unknown.state, unknown.key) == ("unknown", "k")
    await kept.undo(begun)
    assert await known(journal(state)) is None


@pytest.mark.parametrize("shared", [True, False], ids=["one process", "two processes"])
async def test_a_later_attempt_that_is_taken_back_leaves_the_open_row_of_the_first(state: Path, shared: bool) -> None:
    first = journal(state)
    await first.mark_unknown(await begin(first, key="first"), unsettled_seconds=5)
    later = first if shared else journal(state)
    await later.undo(await begin(later, key="later"))
    for kept in (later, journal(state)):
        left = await known(kept)
        assert left
        assert (left.state, left.key) == ("unknown", "first")


async def test_a_later_write_to_the_same_thing_ends_a_row_and_one_that_was_taken_back_does_not(state: Path) -> None:
    kept = journal(state)
    done = await kept.begin(row("a", targets=("x",)))
    await kept.mark_done(done, {"id": "1"}, ("y",))
    assert (await kept.find("a")).superseded is False
    other = journal(state)
    await other.undo(await other.begin(row("b", targets=("y",)), remember=False))
    assert [(await each.find("a")).superseded for each in (kept, other)] == [False, False]
    await other.begin(row("b", targets=("y",)), remember=False)
    assert [(await each.find("a")).superseded for each in (kept, other, journal(state))] == [True, True, True]


async def test_two_processes_that_make_a_new_journal_at_once_share_it(state: Path) -> None:
    kept = [journal(state) for _ in range(8)]
    async with anyio.create_task_group() as tasks:
        for number, each in enumerate(kept):
            tasks.start_soon(begin, each, f"intent {number}")
    fresh = journal(state)
    assert all([await known(fresh, f"intent {number}") for number in range(8)])
    assert [path.name for path in state.iterdir() if "new" in path.name] == []


async def test_reads_and_dry_runs_make_no_journal(connect: Connect, tmp_path: Path) -> None:
    async with connect() as call:
        await call.ok("incidentio_list_incidents")
        await call.ok("ionhour_create_note", incident_id=4514, body="Looking.", dry_run=True)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("shared", [True, False], ids=["one process", "two processes"])
async def test_one_intent_is_had_by_one_at_a_time(state: Path, shared: bool) -> None:
    one = journal(state)
    other = one if shared else journal(state)
    inside, most = 0, 0

    async def take(kept: SqliteJournal) -> None:
        nonlocal inside, most
        async with kept.lock("i", anyio.current_time() + 10) as alone:
            assert alone
            inside += 1
            most = max(most, inside)
            await anyio.sleep(0.01)
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(take, (one, other)[number % 2])
    assert most == 1


async def test_different_intents_do_not_wait_for_each_other(state: Path) -> None:
    kept = journal(state)
    async with kept.lock("ab1", anyio.current_time() + 5) as one, kept.lock("ab2", anyio.current_time() + 5) as other:
        assert (one, other) == (True, True)


@pytest.mark.parametrize("shared", [True, False], ids=["one process", "two processes"])
async def test_a_turn_that_does_not_come_in_time_is_not_had(state: Path, shared: bool) -> None:
    one = journal(state)
    other = one if shared else journal(state)
    had: list[bool] = []

    async def take() -> None:
        async with other.lock("i", anyio.current_time() + 1.05) as alone:
            had.append(alone)

    async with one.lock("i", anyio.current_time() + 5), anyio.create_task_group() as tasks:
        tasks.start_soon(take)
    await take()
    assert had == [False, True]


async def test_what_could_not_be_saved_is_remembered_and_saved_with_the_next_row(state: Path) -> None:
    state.write_text("a file where the folder should be")
    kept = journal(state)
    await kept.mark_done(await begin(kept, "first"), {"id": "1"})
    assert kept.trouble
    first = await known(kept, "first")
    assert first
    assert (first.state, first.record) == ("done", {"id": "1"})
    state.unlink()
    await begin(kept, "second")
    assert kept.trouble is None
    saved = await known(journal(state), "first")
    assert saved
    assert (saved.state, saved.record) == ("done", {"id": "1"})


async def test_a_row_taken_back_while_the_disk_was_away_is_taken_back_when_it_is_there_again(
    state: Path, tmp_path: Path
) -> None:
    kept = journal(state)
    begun = await begin(kept)
    kept.close()
    state.rename(tmp_path / "away")
    state.write_text("a file where the folder should be")
    await kept.undo(begun)
    assert await known(kept) is None
    state.unlink()
    (tmp_path / "away").rename(state)
    assert await known(kept) is None
    await begin(kept, "other")
    assert await known(journal(state)) is None


async def test_a_locked_journal_costs_little_time_and_is_written_again_when_it_is_free(state: Path) -> None:
    kept = journal(state)
    begun = await begin(kept)
    with contextlib.closing(sqlite3.connect(state / "journal.sqlite3", isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with anyio.fail_after(15):
            assert await known(kept)
            await kept.mark_done(begun, {"id": "1"})
            assert kept.trouble
            await begin(kept, "other")
        db.execute("ROLLBACK")
    await anyio.sleep(2.1)
    await begin(kept, "third")
    assert (kept.unreadable, kept.trouble) == (None, None)
    done = await known(journal(state))
    assert done
    assert done.state == "done"


@pytest.mark.parametrize("failure", ["its folder is a file", "it is a folder"])
async def test_each_streak_of_failures_is_logged_once_and_over_when_it_is_written_again(
    state: Path, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept = journal(state)
    for number in range(3):
        if failure == "its folder is a file":
            state.write_text("a file where the folder should be")
        else:
            (state / "journal.sqlite3").mkdir(parents=True)
        for part in range(2):
            await begin(kept, f"intent {number} {part}")
            assert kept.trouble
        if failure == "its folder is a file":
            state.unlink()
        else:
            shutil.rmtree(state)
        await begin(kept, f"after {number}")
        assert (kept.trouble, kept.unreadable) == (None, None)
        kept.close()
        shutil.rmtree(state)
        assert sum(record.name == "incident_mcp.writing.journal.sqlite" for record in caplog.records) == number + 1


async def test_what_a_process_remembers_is_gone_through_once_in_ten_minutes_and_not_at_every_write() -> None:
    kept = MemoryJournal()
    kept._own.entries["old"] = replace(row("old"), changed_at=time.time() - 8 * 86_400)
    remembered = kept._own.entries
    await kept.mark_done(await begin(kept), {"id": "1"})
    await kept.undo(await begin(kept, "taken back"))
    assert kept._own.entries is remembered
    assert await known(kept, "taken back") is None
    kept._pruned_at -= 601
    await kept.mark_done(await begin(kept, "later"), {"id": "2"})
    assert set(kept._own.entries) == {"i", "later"}


async def test_odd_keys_and_answers_are_kept(state: Path) -> None:
    kept = journal(state)
    begun = await begin(kept, key="\ud800 alone")
    await kept.mark_done(begun, {"id": "\ud800", "name": "\u202e"})
    row = await known(kept)
    assert row
    assert (row.key, row.record) == ("\ud800 alone", {"id": "\ud800", "name": "\u202e"})


def test_a_fingerprint_tells_requests_apart_and_hides_them() -> None:
    same = fingerprint("a", {"x": 1, "y": [2]})
    assert same == fingerprint("a", {"y": [2], "x": 1})
    assert len({same, fingerprint("a", {"x": 1}), fingerprint("b", {"x": 1, "y": [2]}), fingerprint("a")}) == 4


async def test_neither_the_request_nor_the_key_of_the_account_lies_on_disk(
    connect: Connect, box: Sandbox, tmp_path: Path
) -> None:
    async with connect() as call:
        await call.ok("incidentio_create_incident", name="Refunds fail", summary="A summary.", severity="Minor")
        files = list((tmp_path / "state").iterdir())
        content = b"".join(file.read_bytes() for file in files)
    database = {f"journal.sqlite3{suffix}" for suffix in ("", "-wal", "-shm")}
    assert {file.name for file in files if file.suffix != ".lock"} == database
    assert b"incidentio_create_incident" in content
    assert box.key("incidentio").encode() not in content
    assert b"severity_id" not in content


@pytest.mark.parametrize("change", ["at = 'x'", "turn = 'x'", "key = x'00'", "began = 'x'"])
async def test_a_row_of_other_kinds_of_values_counts_as_a_journal_that_cannot_be_read(state: Path, change: str) -> None:
    await begin(journal(state))
    with contextlib.closing(sqlite3.connect(state / "journal.sqlite3")) as db:
        db.execute(f"UPDATE writes SET {change}")  # noqa: S608  # our own words
        db.commit()
    kept = journal(state)
    assert await known(kept) is None
    assert kept.unreadable
