"""Writes in two calls: no request is sent without a code that a preview of that very request returned.

A few random sequences in CI; five thousand with
`pytest --hypothesis-profile long --hypothesis-seed 0 tests/reliability/test_previews.py` (the profile runs 1,000 at a
time).
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pydantic import SecretStr

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW, Caller, Connect, text_of
from tests.examples import EXAMPLES
from tests.reliability.conftest import serving
from tests.reliability.processes import Served, served_sandbox, server
from tests.spawned import environment, run

pytestmark = pytest.mark.anyio

CALLS = [(spec.name, arguments) for spec in TOOLS if spec.preview for arguments in EXAMPLES[spec.name]]
SERVERS: list[dict[str, Any]] = [
    {},
    {},
    {"state": "another", "signing_key": None},
    {"state": "third", "signing_key": SecretStr("k" * 32)},
    {"state": "fourth", "signing_key": SecretStr("k" * 32)},
]
"""Two that share a state folder, one on its own, and two that share only a secret."""
SHARED = [0, 0, 2, 3, 3]
"""Servers with the same number accept each other's codes; only those with one state folder know the used ones."""

calls, servers = st.integers(0, len(CALLS) - 1), st.integers(0, len(SERVERS) - 1)
steps = st.one_of(
    st.tuples(st.just("preview"), servers, calls),
    st.tuples(st.just("confirm"), servers, calls, st.integers(0, 5)),
    st.tuples(st.just("confirm"), servers, st.none(), st.integers(0, 5)),
    st.tuples(st.just("garble"), servers, calls, st.integers(0, 39)),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 200.0, 590.0, 601.0])),
    st.tuples(st.just("back"), st.sampled_from([3.0, 120.0])),
)


@dataclass
class Code:
    """A code, and what it is valid for."""

    text: str
    server: int
    call: int
    at: float
    written: int
    """How much had been written when it was issued."""
    used_by: set[str] = field(default_factory=set[str])
    """State folders in which it was used."""


class Clock:
    """This machine's clock, which a test moves."""

    def __init__(self) -> None:
        self.real, self.moved = time.time, 0.0

    def now(self) -> float:
        return self.real() + self.moved


class Run:
    """Servers on one account, and the codes that they issued."""

    def __init__(self, folder: Path, clock: Clock, stack: AsyncExitStack) -> None:
        self.folder, self.clock, self.stack = folder, clock, stack
        self.box = Sandbox(now=NOW)
        self.codes: list[Code] = []
        self.written = 0
        self.callers: dict[int, Caller] = {}

    async def caller(self, server: int) -> Caller:
        if server not in self.callers:
            chosen = {"state": "state", **SERVERS[server]}
            state = self.folder / str(chosen.pop("state"))
            self.callers[server] = await self.stack.enter_async_context(serving(self.box, state, **chosen))
        return self.callers[server]

    async def preview(self, server: int, call: int) -> None:
        tool, arguments = CALLS[call]
        result = await (await self.caller(server)).result(tool, **arguments)
        if not result.is_error:
            assert result.structured_content
            self.codes.append(Code(result.structured_content["confirm"], server, call, self.clock.now(), self.written))
        assert self.box.writes() == []

    async def confirm(self, server: int, call: int | None, number: int) -> None:
        """Call with a code, of this call or of another one."""
        if not self.codes:
            return
        code = self.codes[-1 - number % len(self.codes)]
        written = self.written
        call = code.call if call is None else call
        state = str(SERVERS[server].get("state", "state"))
        age = self.clock.now() - code.at
        fresh = -4 <= age <= 599
        valid = (code.call, SHARED[code.server]) == (call, SHARED[server]) and fresh and state not in code.used_by
        text, sent = await self._call(server, call, code.text)
        if valid:
            # On a server whose journal does not know of it, the effect of a first use is a change like any other.
            changed = "what its preview showed has changed. Not sent." in text
            assert changed or "confirm: the code" not in text
            assert not (changed and (sent or written == code.written))
            code.used_by.add(state)
        elif not 599 < age < 602:
            assert not sent
            assert "confirm: the code" in text, text
            assert "Not sent." in text or "Nothing was sent now." in text
        event("valid" if valid else "rejected")

    async def garble(self, server: int, call: int, at: int) -> None:
        code = self.codes[-1].text if self.codes else "a" * 40
        changed = code[:at] + ("b" if code[at] == "a" else "a") + code[at + 1 :]
        text, sent = await self._call(server, call, changed)
        assert not sent
        assert "confirm: the code" in text, text

    async def _call(self, server: int, call: int, code: str) -> tuple[str, int]:
        tool, arguments = CALLS[call]
        before = len(self.box.writes())
        text = text_of(await (await self.caller(server)).result(tool, **arguments, confirm=code))
        sent = len(self.box.writes()) - before
        self.box.requests.clear()
        self.written += sent
        return text, sent

    async def wait(self, seconds: float) -> None:
        self.clock.moved += seconds

    async def back(self, seconds: float) -> None:
        self.clock.moved -= seconds


async def _play(script: list[tuple[Any, ...]], folder: Path) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock.now)
        async with AsyncExitStack() as stack:
            run = Run(folder, clock, stack)
            for name, *arguments in script:
                await getattr(run, name)(*arguments)


@given(st.lists(steps, min_size=2, max_size=8))
def test_nothing_is_sent_without_a_code_of_a_preview_of_that_very_request(script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_play, script, Path(folder))


LEDGER = "01HR4B1YM0YV9HJV45B8DJEABV"
OTHER = "01HR4B1YM05Q3YCTGY8BB4C3N1"
COVER = {
    "schedule": "Payments primary",
    "user": "Ines Moreau",
    "start_at": "2099-01-01T08:00:00Z",
    "end_at": "2099-01-01T10:00:00Z",
}
CHANGES: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    (
        "incidentio_page_people",
        {"title": "Help", "escalation_path": "Database", "description": "Since 02:55.", "incident": "INC-114"},
        [
            {"title": "Help!"},
            {"description": "Since 02:56."},
            {"description": None},
            {"incident": "INC-110"},
            {"escalation_path": "Payments"},
            {"escalation_path": None, "users": ["Sam Lindqvist"]},
            {"idempotency_key": "mine"},
            {"anyway": True},
        ],
    ),
    ("incidentio_cancel_page", {"escalation": LEDGER}, [{"escalation": OTHER}]),
    (
        "incidentio_reassign_page",
        {"escalation": LEDGER, "users": ["Yuki Tanaka"]},
        [
            {"escalation": OTHER},
            {"users": ["Yuki Tanaka", "Ines Moreau"]},
            {"users": ["Ines Moreau"]},
            {"users": None, "escalation_path": "Growth"},
            {"title": "Help"},
            {"resolve_original": False},
            {"anyway": True},
        ],
    ),
    (
        "incidentio_create_override",
        COVER,
        [
            {"user": "Sam Okafor"},
            {"schedule": "Ledger nights"},
            {"start_at": "2099-01-01T08:00:01Z"},
            {"end_at": "2099-01-01T10:00:01Z"},
        ],
    ),
]
CHANGES += [
    (
        "incidentio_publish_incident",
        {
            "page": "Paysand",
            "name": "Cards fail",
            "message": "We look into it.",
            "status": "investigating",
            "notify_subscribers": False,
            "components": {"Checkout": "partial_outage"},
        },
        [
            {"page": "Paysand for partners", "components": None},
            {"name": "Cards fail."},
            {"message": "We look into it!"},
            {"status": "identified"},
            {"notify_subscribers": True},
            {"components": {"Checkout": "full_outage"}},
            {"components": {"Webhooks": "partial_outage"}},
            {"components": None},
            {"idempotency_key": "mine"},
        ],
    ),
    (
        "incidentio_publish_update",
        {"public_incident": "01HR4B1YM05YEA2TJ6550V4KXX", "message": "A fix is out.", "notify_subscribers": False},
        [
            {"public_incident": "01HR4B1YM0VM4QK2ZVDY3XRPW3"},
            {"message": "A fix is out!"},
            {"notify_subscribers": True},
            {"status": "resolved"},
            {"components": {"Webhooks": "operational"}},
        ],
    ),
    (
        "incidentio_put_post_mortem",
        {"incident": "INC-112", "title": "Payout files", "content": "x"},
        [{"incident": "INC-108"}, {"title": "Payouts"}, {"content": "y"}],
    ),
]
changed = [
    pytest.param(tool, base, change, id=f"{tool} {sorted(change)} {number}")
    for tool, base, changes in CHANGES
    for number, change in enumerate(changes)
]


@pytest.mark.parametrize(("tool", "base", "change"), changed)
async def test_a_changed_argument_is_rejected_and_nothing_is_sent(
    connect: Connect, box: Sandbox, tool: str, base: dict[str, Any], change: dict[str, Any]
) -> None:
    other = {name: value for name, value in (base | change).items() if value is not None}
    async with connect() as call:
        code = (await call.ok(tool, **base))["confirm"]
        assert "confirm: the code is not of a preview of this call" in await call.error(tool, **other, confirm=code)
        assert box.writes() == []
        await call.ok(tool, **base, confirm=code)


async def test_a_code_of_another_tool_is_rejected(connect: Connect, box: Sandbox) -> None:
    async with connect() as call:
        for tool, arguments in CALLS:
            code = (await call.ok(tool, **arguments))["confirm"]
            for other, others in CALLS:
                if other != tool:
                    assert "Not sent." in await call.error(other, **others, confirm=code)
    assert box.writes() == []


@pytest.mark.parametrize("signing_key", [None, SecretStr("k" * 32)], ids=["file", "setting"])
async def test_without_a_state_folder_nothing_is_previewed_or_sent_and_the_reason_is_told(
    connect: Connect, box: Sandbox, tmp_path: Path, signing_key: SecretStr | None
) -> None:
    (tmp_path / "file").write_text("not a folder")
    async with connect(state_dir=tmp_path / "file" / "state", signing_key=signing_key) as call:
        for tool, arguments in CALLS:
            for confirm in ({}, {"confirm": "a" * 40}):
                error = await call.error(tool, **arguments, **confirm)
                assert "Not sent." in error or "Outcome: not sent" in error
            assert "INCIDENT_MCP_STATE_DIR" in await call.error(tool, **arguments)
    assert box.writes() == []


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with served_sandbox() as sandbox:
        yield sandbox


PAGE = ("incidentio_page_people", {"title": "Help", "escalation_path": "Database"})


def test_processes_accept_each_other_s_codes_only_with_one_secret_and_use_each_once(
    served: Served, tmp_path: Path
) -> None:
    tool, page = PAGE
    secret = {"INCIDENT_MCP_SECRET": "s" * 32}
    settings = served.settings()
    with (
        server(tmp_path / "one", settings | secret) as one,
        server(tmp_path / "two", settings | secret) as two,
        server(tmp_path / "three", settings) as three,
        server(tmp_path / "one", settings | secret) as beside,
    ):
        code = (one.call(tool, **page).structured_content or {})["confirm"]
        foreign = (three.call(tool, **page).structured_content or {})["confirm"]
        for process, held in ((three, code), (one, foreign), (two, foreign)):
            assert "is not of a preview of this call" in text_of(process.call(tool, **page, confirm=held))
        assert not two.call(tool, **page, confirm=code).is_error
        again = (one.call(tool, **page).structured_content or {})["confirm"]
        assert not one.call(tool, **page, confirm=again).is_error
        for process in (one, beside):
            assert "was already used" in text_of(process.call(tool, **page, confirm=again))
    assert sum(row["title"] == "Help" for row in served.state()["incidentio"]["rings"]) == 1


def test_from_a_shell_each_of_the_two_calls_is_a_process_of_its_own(served: Served, tmp_path: Path) -> None:
    tool, arguments = "incidentio_page_people", ["title=From a shell", "escalation_path=Database"]
    environ = environment(tmp_path / "state", **served.settings())
    command = [sys.executable, "-m", "incident_mcp", "call", tool, *arguments]
    preview = run(*command, env=environ, timeout=60)
    assert preview.returncode == 0, preview.stderr
    code = json.loads(preview.stdout)["confirm"]
    sent = run(*command, f"confirm={code}", env=environ, timeout=60)
    assert json.loads(sent.stdout)["status"] == "triggered"
    again = run(*command, f"confirm={code}", env=environ, timeout=60)
    assert again.returncode == 1
    assert "was already used" in again.stderr
    assert sum(row["title"] == "From a shell" for row in served.state()["incidentio"]["rings"]) == 1
    assert (tmp_path / "state" / "confirmation-secret").stat().st_mode & 0o077 == 0
