"""The state folder: for its owner alone where it is ours, and no lock file left in it."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.sqlite import SqliteJournal
from tests.conftest import Connect
from tests.spawned import ROOT

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and signals")
NOTE = {"incident_id": 4514, "body": "Looking."}
NAME = "journal.sqlite3"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def write(state: Path, intent: str = "i") -> None:
    journal = SqliteJournal(lambda: state)
    await journal.begin(Entry(intent, "t", "a", "k", "pending", None, time.time(), 0))
    journal.close()


@posix
@pytest.mark.anyio
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
async def test_its_files_are_for_their_owner_alone(connect: Connect, state: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        state.mkdir()
        state.chmod(0o755)
        async with connect() as call:
            await call.ok("ionhour_create_note", **NOTE)
            modes = {path.name: mode(path) for path in state.iterdir()}
    finally:
        os.umask(old)
    assert mode(state) == 0o700
    assert modes == dict.fromkeys((NAME, f"{NAME}-wal", f"{NAME}-shm"), 0o600)


@posix
@pytest.mark.anyio
async def test_a_folder_of_its_own_that_is_open_to_others_is_closed(state: Path) -> None:
    state.mkdir(mode=0o755)
    await write(state)
    state.chmod(0o755)
    (state / NAME).chmod(0o644)
    await write(state, "next")
    assert (mode(state), mode(state / NAME)) == (0o700, 0o600)


@posix
@pytest.mark.anyio
async def test_a_folder_that_holds_other_things_keeps_its_mode(state: Path) -> None:
    state.mkdir(mode=0o755)
    (state / "someone elses file").touch()
    await write(state)
    assert mode(state) == 0o755


@posix
@pytest.mark.anyio
@pytest.mark.parametrize("link", ["symbolic link", "hard link", "folder"])
async def test_what_is_shared_by_a_link_keeps_its_mode(connect: Connect, state: Path, link: str) -> None:
    shared = state.with_name("shared")
    shared.mkdir()
    await write(shared)
    shared.chmod(0o775)
    (shared / NAME).chmod(0o664)
    if link == "folder":
        state.symlink_to(shared)
    else:
        state.mkdir()
        state.chmod(0o755)
        make = (state / NAME).symlink_to if link == "symbolic link" else (state / NAME).hardlink_to
        make(shared / NAME)
    async with connect() as call:
        await call.ok("ionhour_create_note", **NOTE)
        if link == "symbolic link":
            assert {mode(shared / f"{NAME}{suffix}") for suffix in ("-wal", "-shm")} == {0o664}
            assert names(state) == {NAME}
    # The file in a linked folder is the journal itself.
    assert mode(shared / NAME) == (0o600 if link == "folder" else 0o664)
    assert mode(shared) == 0o775
    if link == "symbolic link":
        assert mode(state) == 0o755


@pytest.mark.anyio
async def test_no_lock_file_is_left_behind(connect: Connect, box: Sandbox, state: Path) -> None:
    async with connect(mode="legacy") as one, connect(mode="legacy") as other:
        await one.ok("incidentio_create_incident", name="Refunds fail", severity="Minor")
        await one.ok("ionhour_acknowledge_incident", incident_id=4514)
        box.fail(Fault("status", status=422, method="POST"))
        await other.error("incidentio_post_update", incident="INC-114", message="Refused.")
        box.heal()

        async def add_note(number: int) -> None:
            await (one, other)[number % 2].ok(
                "ionhour_create_note", incident_id=(4514, 4512, 4507)[number % 3], body="Looking."
            )

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(add_note, number)
        assert len(box.writes()) == 6
        assert names(state) == {NAME, f"{NAME}-wal", f"{NAME}-shm"}
    assert names(state) == {NAME}


HOLD = """
import sys, anyio
from pathlib import Path
from incident_mcp.writing.journal.sqlite import SqliteJournal
async def main():
    async with SqliteJournal(lambda: Path(sys.argv[1])).lock("killed", anyio.current_time() + 5):
        print("held", flush=True)
        sys.stdin.read()
anyio.run(main)
"""


@posix
def test_locks_of_killed_processes_are_swept_and_those_that_are_held_are_not(state: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        (state / "lock-of an earlier release").touch()
        anyio.run(write, state)
        assert names(state) == {NAME, "lock-killed"}
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    anyio.run(write, state, "next")
    assert names(state) == {NAME}


STRESS = """
import sys, os
from pathlib import Path
from incident_mcp.writing.journal.folder import file_lock, release
folder, left = Path(sys.argv[1]), 1500
while left:
    lock = file_lock(folder, "i")
    try:
        lock.acquire(blocking=False)
    except TimeoutError:
        continue
    left -= 1
    # Fails if another process is inside.
    os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
    os.unlink(folder / "inside")
    release(lock)
"""


@posix
def test_a_lock_whose_file_is_deleted_after_each_use_is_still_had_by_one_at_a_time(state: Path) -> None:
    state.mkdir()
    command = [sys.executable, "-c", STRESS, str(state)]
    ends = [subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) for _ in range(3)]
    errors = [end.communicate(timeout=120)[1] for end in ends]
    assert [(end.returncode, error) for end, error in zip(ends, errors, strict=True)] == [(0, b"")] * 3
    assert names(state) == set()
