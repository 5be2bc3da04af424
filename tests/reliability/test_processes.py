"""Processes that die, that are told to end, and that do the same at once: one effect, and a journal that is true."""

import contextlib
import json
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import anyio
import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.conftest import PREVIEWED, Caller
from tests.reliability.conftest import until
from tests.reliability.effects import (
    CREATE,
    CREATE_NOTE,
    DECLARE,
    JOURNALLED,
    POST_UPDATE,
    WRITES,
    WriteCase,
    rows,
    word,
)
from tests.reliability.processes import Served, Server, served_sandbox, server, wait_until
from tests.spawned import SERVER, environment, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def hang(kind: str) -> list[dict[str, str]]:
    return [{"kind": kind, "method": method} for method in ("POST", "PUT", "PATCH", "DELETE")]


def _groups(cases: list[WriteCase]) -> list[list[WriteCase]]:
    """Return groups of writes, each of which has a connection for every one of its writes and for what they read."""
    return [cases[start : start + 10] for start in range(0, len(cases), 10)]


@pytest.fixture
def sandbox() -> Iterator[Served]:
    with served_sandbox() as sandbox:
        yield sandbox


class Killed:
    """Every write sent at once, the server killed while none is answered, a new one started and all called again."""

    def __init__(self, kind: str, state: Path) -> None:
        with served_sandbox() as sandbox:
            sandbox.fail(*hang(kind))
            hung = 0
            # Declarations take turns, so the second one hangs in a process after that of the first. Those of two calls
            # read before they write, and must not wait for a connection behind the others.
            previewed = [case for case in WRITES if case.tool in PREVIEWED]
            rest = [case for case in WRITES if case is not DECLARE and case not in previewed]
            for cases in (*_groups(rest), *_groups(previewed), [DECLARE]):
                hung += len(cases)
                with server(state, sandbox.settings()) as first:
                    for case in cases:
                        first.send(case.tool, **first.coded(case.tool, case.arguments))
                    wait_until(lambda hung=hung: sandbox.hanging() == hung)
                    first.process.send_signal(signal.SIGKILL)
                    first.process.wait(10)
            self.left = rows(state)
            self.effects_before = sandbox.state()
            sandbox.heal()
            with contextlib.closing(sqlite3.connect(state / "journal.sqlite3")) as db:
                # The 20 seconds in which a request of a dead process may still land are over.
                db.execute("UPDATE writes SET lands_by = 0")
                db.commit()
            with server(state, sandbox.settings()) as second:
                sent = {str(case): second.send(case.tool, **second.coded(case.tool, case.arguments)) for case in WRITES}
                self.words = {name: word(second.result(number)) for name, number in sent.items()}
            self.rows = rows(state)
            self.effects = sandbox.state()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Killed]:
    return cache(lambda kind: Killed(kind, tmp_path_factory.mktemp(kind)))


@pytest.mark.parametrize("kind", ["hang_before", "hang_after"])
@pytest.mark.parametrize("case", WRITES, ids=str)
def test_a_write_whose_process_was_killed_before_the_answer_is_done_once_after_the_restart(
    case: WriteCase, kind: str, killed: Callable[[str], Killed]
) -> None:
    run = killed(kind)
    done = kind == "hang_after"
    assert case.count(run.effects_before) == (1 if done else 0)
    assert case.count(run.effects) == 1
    assert run.words[str(case)] == (case.word_when_gone if case.effect.deletes and done else "done")
    assert run.left == sorted((each.tool, "pending") for each in JOURNALLED)
    if case.effect.journalled:
        assert (case.tool, "pending" if case.effect.finds and done else "done") in run.rows


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server, Served]]:
    state = tmp_path_factory.mktemp("two")
    with (
        served_sandbox() as sandbox,
        server(state, sandbox.settings()) as one,
        server(state, sandbox.settings()) as other,
    ):
        yield one, other, sandbox


@pytest.mark.parametrize("case", WRITES, ids=str)
def test_the_same_call_in_two_processes_at_once_has_one_effect(
    case: WriteCase, two: tuple[Server, Server, Served]
) -> None:
    one, other, sandbox = two
    numbers = [
        (process, process.send(case.tool, **process.coded(case.tool, case.arguments)))
        for process in (one, other, one, other)
    ]
    told = sorted(word(process.result(number)) for process, number in numbers)
    assert case.count(sandbox.state()) == 1
    if case.effect.deletes:
        case.check_deleted_by_one_of(told)
    else:
        assert told == ["done"] * 4


def test_a_call_waits_for_an_equal_one_in_another_process_and_tells_its_record(sandbox: Served, tmp_path: Path) -> None:
    with server(tmp_path, sandbox.settings()) as one, server(tmp_path, sandbox.settings()) as other:
        sandbox.fail({"kind": "delay", "seconds": 0.5, "method": "POST"})
        first = one.send(CREATE.tool, **CREATE.arguments)
        wait_until(lambda: sandbox.hanging() == 1)
        second = other.result(other.send(CREATE.tool, **CREATE.arguments))
        assert one.result(first).structured_content["id"] == second.structured_content["id"]
    assert second.structured_content["repeated"] is True
    assert sum(row["method"] == "POST" for row in sandbox.requests()) == 1


ENDS = [signal.SIGTERM, signal.SIGINT, None]


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name if number else "end of input")
def test_writes_in_flight_are_journalled_as_they_are_when_the_process_is_told_to_end(
    number: signal.Signals | None, sandbox: Served, tmp_path: Path
) -> None:
    cases = [CREATE, POST_UPDATE, CREATE_NOTE]
    log = tmp_path / "audit.jsonl"
    with server(tmp_path, sandbox.settings() | {"INCIDENT_MCP_AUDIT_LOG": str(log)}) as running:
        sandbox.fail(*hang("hang_after"))
        for case in cases:
            running.send(case.tool, **case.arguments)
        wait_until(lambda: sandbox.hanging() == len(cases))
        if number:
            running.process.send_signal(number)
            assert running.process.wait(10) == 128 + number
        _, err = running.end()
        assert running.process.returncode == (128 + number if number else 0)
    assert err == b""
    assert rows(tmp_path) == sorted((case.tool, "unknown") for case in cases)
    assert [json.loads(line)["outcome"] for line in log.read_text().splitlines()] == ["unknown"] * 3
    if number is not signal.SIGTERM:
        return
    sandbox.heal()
    with server(tmp_path, sandbox.settings()) as after:
        assert [word(after.call(case.tool, **case.arguments)) for case in cases] == ["done"] * 3
    assert [case.count(sandbox.state()) for case in cases] == [1, 1, 1]


@pytest.mark.anyio
async def test_a_note_that_lands_after_its_call_was_cancelled_is_waited_for(sandbox: Served, tmp_path: Path) -> None:
    settings = Settings(
        ionhour_key=SecretStr(sandbox.ready["ionhour_api_key"]),
        ionhour_url=sandbox.ready["ionhour_api_url"],
        state_dir=tmp_path,
    )
    async with Client(build_server(settings, limits=replace(Limits(), attempt=2)), mode="legacy") as client:
        call = Caller(client, None)
        sandbox.fail({"kind": "delay", "seconds": 1, "method": "POST"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments))
            await until(sandbox.hanging)
            tasks.cancel_scope.cancel()
        await until(lambda: rows(tmp_path) == [(CREATE_NOTE.tool, "unknown")])
        assert CREATE_NOTE.count(sandbox.state()) == 0
        sandbox.heal()
        assert word(await call.result(CREATE_NOTE.tool, **CREATE_NOTE.arguments)) == "done"
    await until(lambda: not sandbox.hanging())
    assert CREATE_NOTE.count(sandbox.state()) == 1


def test_the_write_limit_holds_over_processes_that_are_started_for_each_call(sandbox: Served, tmp_path: Path) -> None:
    settings = sandbox.settings() | {"INCIDENT_MCP_MAX_WRITES": "2"}
    ends = []
    for number in range(3):
        command = (*SERVER, "call", "ionhour_create_note", "incident_id=4514", f"body=Note {number}")
        ends.append(run(*command, env=environment(tmp_path, **settings)))
    assert [end.returncode for end in ends] == [0, 0, 1]
    assert "INCIDENT_MCP_MAX_WRITES" in ends[2].stderr
    assert sum(row["method"] == "POST" for row in sandbox.requests()) == 2
