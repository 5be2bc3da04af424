"""The ways to a second incident, update or note that we could think of, each of them barred."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.transport.service import Limits
from tests.account import Scripted
from tests.conftest import text_of
from tests.reliability.conftest import BRIEF, Serve, serving, until
from tests.reliability.effects import (
    CLOSE_WITH_MESSAGE,
    CREATE,
    CREATE_NOTE,
    POST_UPDATE,
    WriteCase,
    rows,
    word,
)
from tests.reliability.processes import served_sandbox, server

pytestmark = pytest.mark.anyio

KEYED = [CREATE, POST_UPDATE, CLOSE_WITH_MESSAGE]
MADE_ONCE = [*KEYED, CREATE_NOTE]
LATER = {
    "401": Fault("status", status=401),
    "422": Fault("status", status=422),
    "429 for an hour": Fault("status", status=429, headers={"Retry-After": "3600"}),
    "503 for an hour": Fault("status", status=503, headers={"Retry-After": "3600"}),
    "connection refused": Fault("refuse"),
    "a redirect": Fault("status", status=307, headers={"Location": "https://elsewhere.example"}),
}


def of(case: WriteCase, fault: Fault, **changes: object) -> Fault:
    return replace(fault, method=case.method, path=case.path, **changes)


def sent(box: Sandbox, case: WriteCase) -> int:
    return sum(row.method == case.method for row in box.requests)


def keys(box: Sandbox) -> set[str]:
    return {row.body["idempotency_key"] for row in box.requests if row.method == "POST" and row.service == "incidentio"}


def change_row(state: Path, assignment: str) -> None:
    """Change the journal's only row behind the server's back: `at = at - 600`."""
    with contextlib.closing(sqlite3.connect(state / "journal.sqlite3")) as db:
        assert db.execute(f"UPDATE writes SET {assignment}").rowcount == 1  # noqa: S608  # our own words
        db.commit()


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("case", KEYED, ids=str)
async def test_the_first_attempt_lost_and_the_second_not_done_is_unknown_and_keeps_its_key(
    case: WriteCase, later: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        box.fail(of(case, Fault("cut_after"), times=1))
        box.fail(of(case, LATER[later]))
        assert word(await call.perform(case.tool, **case.arguments)) == "unknown"
        assert rows(state) == [(case.tool, "unknown")]
        box.heal()
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    assert case.count(box.state()) == 1
    assert len(keys(box)) == 1


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("case", MADE_ONCE, ids=str)
async def test_an_equal_call_that_is_not_done_leaves_the_outcome_of_the_first_open(
    case: WriteCase, later: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        box.fail(of(case, Fault("cut_after")))
        if case is CREATE_NOTE:
            # The notes are read once before one is sent.
            box.fail(replace(LATER[later], method="GET", path="/incident-notes/", after=1))
        assert word(await call.perform(case.tool, **case.arguments)) == "unknown"
        box.heal()
        box.fail(of(case, LATER[later]))
        if case is CREATE_NOTE:
            box.fail(replace(LATER[later], method="GET", path="/incident-notes/"))
        again = word(await call.perform(case.tool, **case.arguments))
        # What can be read back is found done; a note's list cannot be read here.
        assert again == "done" if case is not CREATE_NOTE else again in ("still unknown", "not sent")
        assert rows(state) == [(case.tool, "unknown" if case is CREATE_NOTE else "done")]
        box.heal()
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    assert case.count(box.state()) == 1


@pytest.mark.parametrize("look", [Fault("status", status=500), Fault("cut_before"), Fault("status", status=401)])
async def test_a_note_that_cannot_be_looked_up_after_a_lost_reply_is_not_sent_again(
    look: Fault, box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        box.fail(of(CREATE_NOTE, Fault("cut_after")))
        box.fail(replace(look, method="GET", path="/incident-notes/", after=1))
        assert word(await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == "unknown"
        assert sent(box, CREATE_NOTE) == 1
        box.heal()
        assert word(await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == "done"
    assert (CREATE_NOTE.count(box.state()), sent(box, CREATE_NOTE)) == (1, 1)


async def test_a_note_that_may_stand_on_a_page_that_is_not_told_is_not_sent_again(state: Path) -> None:
    path = "/api/incident-notes/4514"
    page = {"items": [{"id": 1, "body": "x"}], "page": 1, "pageCount": 2}
    network = Scripted({("POST", path): httpx2.Response(500), ("GET", path): page})
    async with serving(network, state) as call:
        for told in ("unknown", "still unknown"):
            assert word(await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == told
    assert [request.method for request in network.requests].count("POST") == 1


@pytest.mark.parametrize("case", MADE_ONCE, ids=str)
async def test_a_new_server_on_the_same_state_goes_on_where_the_old_one_was(
    case: WriteCase, box: Sandbox, serve: Serve
) -> None:
    async with serve() as call:
        box.fail(of(case, Fault("cut_after")))
        await call.perform(case.tool, **case.arguments)
    box.heal()
    async with serve() as call:
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    async with serve() as call:
        assert (await call.performed(case.tool, **case.arguments))["repeated"] is True
    assert case.count(box.state()) == 1


@pytest.mark.parametrize("case", MADE_ONCE, ids=str)
@pytest.mark.parametrize("first", ["done", "unknown"])
async def test_a_clock_that_is_set_back_makes_no_second_one(
    first: str, case: WriteCase, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve(replace(BRIEF, attempt=0.3)) as call:
        if first == "unknown":
            box.fail(of(case, Fault("hang_after")))
            box.fail(Fault("hang_before", method="GET", path="/incident-notes/", after=1))
        await call.perform(case.tool, **case.arguments)
        assert rows(state) == [(case.tool, first)]
        box.heal()
        change_row(state, "at = at + 86400, lands_by = lands_by + 86400")
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    assert case.count(box.state()) == 1


@pytest.mark.parametrize("answer", ["{}", "no json", "[1]", "NULL"])
@pytest.mark.parametrize("case", MADE_ONCE, ids=str)
async def test_a_row_whose_record_cannot_be_read_is_sent_again_with_its_own_key(
    case: WriteCase, answer: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        await call.performed(case.tool, **case.arguments)
        change_row(state, f"answer = '{answer}'" if answer != "NULL" else "answer = NULL")
        assert word(await call.perform(case.tool, **case.arguments)) == "done"
    assert case.count(box.state()) == 1


WINDOWS = [(CREATE, 600), (POST_UPDATE, 120), (CLOSE_WITH_MESSAGE, 120), (CREATE_NOTE, 120)]


@pytest.mark.parametrize(("case", "seconds"), WINDOWS, ids=str)
async def test_an_equal_call_is_a_repeat_for_its_window_and_meant_after_it(
    case: WriteCase, seconds: int, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        first = await call.performed(case.tool, **case.arguments)
        change_row(state, f"at = at - {seconds - 10}")
        again = await call.performed(case.tool, **case.arguments)
        assert again["repeated"] is True
        assert again["id"] == first["id"]
        ways = {str(CREATE): "despite", str(CREATE_NOTE): "change the text"}
        assert ways.get(str(case), "idempotency_key") in again["note"]
        assert case.count(box.state()) == 1
        change_row(state, "at = at - 20")
        box.advance(seconds + 10)
        if case is CLOSE_WITH_MESSAGE:
            return
        if case is CREATE:
            # Whether the outage is another one is a person's to say.
            assert first["reference"] in await call.error(case.tool, **case.arguments)
            more = {"despite": first["reference"]}
        else:
            more = {}
        assert "repeated" not in await call.performed(case.tool, **case.arguments, **more)
    assert case.count(box.state()) == 2


@pytest.mark.parametrize(("hours", "effects"), [(23, 1), (25, 2)])
async def test_an_open_call_keeps_its_key_for_a_day(
    hours: int, effects: int, box: Sandbox, serve: Serve, state: Path
) -> None:
    async with serve() as call:
        box.fail(of(POST_UPDATE, Fault("cut_after")))
        await call.result(POST_UPDATE.tool, **POST_UPDATE.arguments)
        box.heal()
        change_row(state, f"at = at - {hours * 3600}")
        await call.ok(POST_UPDATE.tool, **POST_UPDATE.arguments)
    assert POST_UPDATE.count(box.state()) == effects


async def test_an_explicit_key_is_sent_as_given_every_time(box: Sandbox, serve: Serve) -> None:
    arguments = CREATE.arguments | {"idempotency_key": "mine"}
    async with serve() as call:
        box.fail(of(CREATE, Fault("cut_after"), times=4))
        assert word(await call.result(CREATE.tool, **arguments)) == "unknown"
        first, second = [await call.ok(CREATE.tool, **arguments) for _ in range(2)]
        assert first["id"] == second["id"]
    assert second["repeated"] is True
    assert keys(box) == {"mine"}
    assert sent(box, CREATE) == 5
    assert CREATE.count(box.state()) == 1


async def test_another_key_or_other_words_do_it_again_on_purpose(box: Sandbox, serve: Serve) -> None:
    async with serve() as call:
        first = await call.ok(CREATE.tool, **CREATE.arguments)
        again = {"idempotency_key": "again"}, {"summary": "Other words."}
        for change in again:
            # A name alike is another outage only if the caller says so.
            assert first["reference"] in text_of(await call.result(CREATE.tool, **CREATE.arguments | change))
        despite = [first["reference"]]
        second = await call.ok(CREATE.tool, **CREATE.arguments, despite=despite, idempotency_key="again")
        despite.append(second["reference"])
        await call.ok(CREATE.tool, **CREATE.arguments | {"summary": "Other words."}, despite=despite)
        for message in ("One.", "Two."):
            await call.ok(POST_UPDATE.tool, **POST_UPDATE.arguments | {"message": message})
        await call.ok(POST_UPDATE.tool, **POST_UPDATE.arguments, idempotency_key="one")
        await call.ok(POST_UPDATE.tool, **POST_UPDATE.arguments, idempotency_key="two")
    assert CREATE.count(box.state()) == 3
    assert POST_UPDATE.count(box.state()) == 2


async def test_a_call_cancelled_while_it_waits_for_an_equal_one_changes_nothing(
    box: Sandbox, serve: Serve, state: Path
) -> None:
    box.fail(of(CREATE, Fault("delay"), seconds=0.3))
    results = []
    async with serve() as one, serve() as other, anyio.create_task_group() as tasks:

        async def first() -> None:
            results.append(await one.result(CREATE.tool, **CREATE.arguments))

        async def second(caller: object) -> None:
            await caller.result(CREATE.tool, **CREATE.arguments)

        tasks.start_soon(first)
        await until(lambda: sent(box, CREATE))
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(second, one)
            waiting.start_soon(second, other)
            await until(lambda: sum(row.path == "/v1/severities" for row in box.requests) > 1)
            waiting.cancel_scope.cancel()
        await until(lambda: results)
        assert rows(state) == [(CREATE.tool, "done")]
        assert (await other.ok(CREATE.tool, **CREATE.arguments))["repeated"] is True
    assert (CREATE.count(box.state()), sent(box, CREATE)) == (1, 1)


async def test_a_call_that_cannot_wait_for_an_equal_one_any_longer_is_not_sent(box: Sandbox, serve: Serve) -> None:
    box.fail(of(CREATE, Fault("hang_after")))
    async with serve() as slow, serve(Limits(call=1.1)) as brief, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: slow.result(CREATE.tool, **CREATE.arguments))
        await until(lambda: sent(box, CREATE))
        told = await brief.result(CREATE.tool, **CREATE.arguments)
        tasks.cancel_scope.cancel()
    assert word(told) == "not sent"
    assert "in progress" in text_of(told)
    assert sent(box, CREATE) == 1


def spoil(state: Path, how: str) -> None:
    if how == "its folder cannot be made":
        state.write_text("a file stands here")
    elif how == "it is no database":
        state.mkdir()
        (state / "journal.sqlite3").write_bytes(b"no database at all " * 100)
    elif how == "it is a folder":
        (state / "journal.sqlite3").mkdir(parents=True)
    elif how == "its table is another one":
        state.mkdir()
        with contextlib.closing(sqlite3.connect(state / "journal.sqlite3")) as db:
            db.execute("CREATE TABLE writes (intent TEXT)")
    else:
        state.mkdir()
        state.chmod(0o500)


SPOILT = [
    "its folder cannot be made",
    "it is no database",
    "it is a folder",
    "its table is another one",
    pytest.param(
        "it may not be written",
        marks=pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"),
    ),
]


UNREADABLE = ("it is no database", "it is a folder", "its table is another one")
"""A journal is there: what it knows is not known."""


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("case", MADE_ONCE, ids=str)
async def test_a_journal_that_cannot_be_written_warns_once_says_so_and_still_keeps_to_one(
    case: WriteCase, how: str, box: Sandbox, serve: Serve, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if case is CREATE_NOTE and how in UNREADABLE:
        return
    spoil(state, how)
    results = []
    async with serve() as call:

        async def one() -> None:
            results.append(await call.perform(case.tool, **case.arguments))

        box.fail(of(case, Fault("cut_after")))
        first = await call.perform(case.tool, **case.arguments)
        box.heal()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(one)
    assert [word(result) for result in results] == ["done"] * 4
    assert case.count(box.state()) == 1
    assert word(first) == ("done" if case.effect.looks else "unknown")
    assert "journal cannot be written" in text_of(first)
    warnings = [record for record in caplog.records if record.name == "incident_mcp.writing.journal.sqlite"]
    assert len(warnings) == 1


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a_note_is_not_sent_while_a_journal_is_there_that_cannot_be_read(
    how: str, box: Sandbox, serve: Serve, state: Path
) -> None:
    spoil(state, how)
    async with serve() as call:
        refused = await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)
        assert word(refused) == "not sent"
        assert "journal cannot be read" in text_of(refused)
        assert "move the file away" in text_of(refused)
        # Acknowledging twice does no harm, so it does not wait.
        assert word(await call.result("ionhour_acknowledge_incident", incident_id=4514)) == "done"
    assert CREATE_NOTE.count(box.state()) == 0
    (state / "journal.sqlite3").rename(state / "moved away")
    async with serve() as call:
        assert word(await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == "done"
    assert CREATE_NOTE.count(box.state()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_loses_no_call(tmp_path: Path) -> None:
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    log = tmp_path / "audit.jsonl"
    with served_sandbox() as sandbox:
        settings = sandbox.settings() | {"INCIDENT_MCP_AUDIT_LOG": str(log)}
        with server(tmp_path / "state", settings, preexec_fn=fill, stderr=subprocess.PIPE) as full:
            first, again = [full.call(CREATE.tool, **CREATE.arguments) for _ in range(2)]
            _, err = full.end()
        assert (word(first), word(again)) == ("done", "done")
        assert "journal cannot be written" in first.structured_content["note"]
        assert "audit log cannot be written" in first.structured_content["note"]
        assert again.structured_content["repeated"] is True
        assert CREATE.count(sandbox.state()) == 1
    assert err.count(b"journal cannot be written") == 1
    assert err.count(b"audit log cannot be written") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_journal_is_still_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with served_sandbox() as sandbox:
        with server(tmp_path, sandbox.settings()) as running:
            assert word(running.call(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == "done"
            running.end()
        with server(tmp_path, sandbox.settings(), preexec_fn=fill) as full:
            again = full.call(CREATE_NOTE.tool, **CREATE_NOTE.arguments)
            other = full.call(CREATE_NOTE.tool, **CREATE_NOTE.arguments | {"body": "While the disk is full."})
    assert again.structured_content["repeated"] is True
    assert "did this" in again.structured_content["note"]
    assert word(other) == "done"
    assert "journal cannot be written" in other.structured_content["note"]
