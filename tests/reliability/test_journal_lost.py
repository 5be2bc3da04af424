"""A journal that is damaged, locked, replaced or gone after a lost reply: a repeat is one incident, update or note."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import text_of
from tests.reliability.conftest import Serve, serving
from tests.reliability.effects import CLOSE_WITH_MESSAGE, CREATE, CREATE_NOTE, EDIT, POST_UPDATE, WriteCase, word

pytestmark = pytest.mark.anyio

CASES = [CREATE, POST_UPDATE, CLOSE_WITH_MESSAGE, CREATE_NOTE, EDIT]
NAME = "journal.sqlite3"


FIRST_VERSION = (
    "CREATE TABLE writes (intent TEXT PRIMARY KEY, tool TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL,"
    " state TEXT NOT NULL, result_id TEXT, answer TEXT, at REAL NOT NULL, lands_by REAL NOT NULL)"
)


@contextlib.contextmanager
def damaged(state: Path, how: str, *, alone: bool = False) -> Iterator[None]:  # noqa: C901, PLR0912  # a table
    """Damage a journal for a while.

    Args:
        state: Its folder.
        how: The damage.
        alone: Whether no process has it open, so that a lock also keeps others from reading.
    """
    path = state / NAME
    match how:
        case "removed":
            path.unlink()
        case "what lies beside it removed":
            for suffix in ("-wal", "-shm"):
                (state / f"{NAME}{suffix}").unlink(missing_ok=True)
        case "replaced by its copy":
            shutil.copy(path, state / "copy")
            (state / "copy").replace(path)
        case "folder removed":
            shutil.rmtree(state)
        case "emptied":
            path.write_bytes(b"")
        case "cut in half":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        case "overwritten":
            path.write_bytes(b"no database at all " * 500)
        case "a folder in its place":
            path.unlink()
            path.mkdir()
        case "replaced by a new one":
            path.unlink()
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute(FIRST_VERSION)
        case "of a later version":
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA user_version = 999")
        case "another table":
            path.unlink()
            with contextlib.closing(sqlite3.connect(path)) as db:
                db.execute("CREATE TABLE writes (intent TEXT)")
        case "locked":
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                if alone:
                    db.execute("PRAGMA locking_mode = EXCLUSIVE")
                db.execute("BEGIN EXCLUSIVE")
                yield
                db.execute("ROLLBACK")
            return
    yield


DAMAGES = [
    "removed",
    "what lies beside it removed",
    "replaced by its copy",
    "folder removed",
    "emptied",
    "cut in half",
    "overwritten",
    "a folder in its place",
    "replaced by a new one",
    "of a later version",
    "another table",
    "locked",
]
UNREADABLE = {
    "emptied",
    "cut in half",
    "overwritten",
    "a folder in its place",
    "of a later version",
    "another table",
    "locked",
}


@pytest.mark.parametrize("when", ["lost reply", "done"])
@pytest.mark.parametrize("who", ["same process", "another process", "after a restart"])
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_repeat_after_a_damage_has_one_effect(
    case: WriteCase, how: str, who: str, when: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as second, contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(serve())
        if when == "lost reply":
            box.fail(Fault("cut_after", method=case.method, path=case.path))
            if case in (CREATE_NOTE, EDIT):
                box.fail(Fault("status", status=503, method="GET", path="/incident-notes/|/v2/incidents/110$", after=1))
        told = word(await first.perform(case.tool, **case.arguments))
        box.heal()
        assert case.count(box.state()) == 1
        if who == "after a restart":
            await stack.aclose()
        with damaged(state, how, alone=who == "after a restart"):
            caller = first if who == "same process" else second
            results = [await caller.perform(case.tool, **case.arguments) for _ in range(2)]
    assert case.count(box.state()) == 1, (told, [text_of(result) for result in results])
    for result in results:
        assert "rate limit" not in text_of(result)
        refused = case is CREATE_NOTE and how in UNREADABLE and who == "after a restart"
        # While a process has it open, what a repeat needs may still be readable, in memory or beside the file.
        unsure = case is CREATE_NOTE and how in {*UNREADABLE, "what lies beside it removed"}
        if refused or (unsure and word(result) != "done"):
            assert word(result) in ("not sent", "still unknown")
            assert "journal cannot be read" in text_of(result)
        else:
            assert word(result) == "done"


@pytest.mark.parametrize("case", [CREATE, POST_UPDATE, CREATE_NOTE], ids=str)
async def test_a_repeat_after_the_journal_is_gone_says_that_it_is_one(
    case: WriteCase, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        first = await call.performed(case.tool, **case.arguments)
    shutil.rmtree(state)
    async with serve() as call:
        again = await call.performed(case.tool, **case.arguments)
    assert again["repeated"] is True
    assert again["id"] == first["id"]
    assert case.count(box.state()) == 1


@pytest.mark.parametrize(("case", "window"), [(POST_UPDATE, 120), (CREATE_NOTE, 120)], ids=str)
async def test_the_same_words_from_a_fresh_container_are_a_repeat_inside_the_window_and_meant_after_it(
    case: WriteCase, window: int, box: Sandbox, serve: Serve, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, box)
    for seconds, effects in ((0, 1), (window - 20, 1), (40, 2), (3_600, 3), (7 * 86_400, 4)):
        clock.advance(seconds)
        async with serve() as call:
            answer = await call.performed(case.tool, **case.arguments)
            assert case.count(box.state()) == effects
            assert answer.get("repeated", False) is (seconds == window - 20)
        shutil.rmtree(state)


async def test_two_identical_declarations_a_week_apart_from_fresh_containers_are_two(
    box: Sandbox, serve: Serve, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, box)
    async with serve() as call:
        first = await call.ok(CREATE.tool, **CREATE.arguments)
        await call.ok("incidentio_close_incident", incident=first["reference"])
    shutil.rmtree(state)
    clock.advance(7 * 86_400)
    async with serve() as call:
        second = await call.ok(CREATE.tool, **CREATE.arguments)
    assert "repeated" not in second
    assert second["id"] != first["id"]
    assert CREATE.count(box.state()) == 2


class Clock:
    """Moves the service's clock and this machine's on together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, box: Sandbox) -> None:
        self._box, self._ahead = box, 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self._ahead)

    def advance(self, seconds: float) -> None:
        self._box.advance(seconds)
        self._ahead += seconds


@pytest.mark.parametrize("ahead", [-7 * 86_400, -3_600, 3_600, 7 * 86_400])
async def test_a_wrong_clock_of_this_machine_makes_no_second_one_from_a_fresh_container(
    ahead: float, box: Sandbox, serve: Serve, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, box)
    clock._ahead += ahead
    for _ in range(3):
        async with serve() as call:
            assert word(await call.result(POST_UPDATE.tool, **POST_UPDATE.arguments)) == "done"
        shutil.rmtree(state)
    assert POST_UPDATE.count(box.state()) == 1


@pytest.mark.parametrize("date", [None, "garbage", "Thu, 01 Jan 2099 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_wrong_date_of_the_service_makes_no_second_one(date: str | None, state: Path) -> None:
    box = Sandbox()
    # What was made seems years old, or not made yet.
    box.fail(Fault("delay", headers={"Date": date}))
    async with serving(box, state) as call:
        for _ in range(2):
            await call.result(POST_UPDATE.tool, **POST_UPDATE.arguments)
    assert _posted(box) == 1


def _posted(box: Sandbox) -> int:
    return sum(row.get("message") == POST_UPDATE.arguments["message"] for row in box.incidentio.updates)


async def test_clocks_that_are_both_wrong_make_no_row_of_updates(box: Sandbox, serve: Serve) -> None:
    # This machine's clock is days ahead of the sandbox's, and the service dates its answers wrongly too.
    box.fail(Fault("delay", headers={"Date": "Thu, 01 Jan 2099 00:00:00 GMT"}))
    async with serve() as call:
        await call.result(POST_UPDATE.tool, **POST_UPDATE.arguments)
    assert _posted(box) <= 2
