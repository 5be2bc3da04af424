"""Writes in two calls: no request is sent without a code that a preview of that very request returned.

A few random sequences in CI; five thousand with
`pytest --hypothesis-profile long --hypothesis-seed 0 tests/reliability/test_previews.py` (the profile runs 1,000 at a
time).
"""

import tempfile
import time
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
from tests.conftest import NOW, Caller, text_of
from tests.examples import EXAMPLES
from tests.reliability.conftest import serving

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
            self.codes.append(Code(result.structured_content["confirm"], server, call, self.clock.now()))
        assert self.box.writes() == []

    async def confirm(self, server: int, call: int | None, number: int) -> None:
        """Call with a code, of this call or of another one."""
        if not self.codes:
            return
        code = self.codes[-1 - number % len(self.codes)]
        call = code.call if call is None else call
        state = str(SERVERS[server].get("state", "state"))
        age = self.clock.now() - code.at
        fresh = -4 <= age <= 599
        valid = (code.call, SHARED[code.server]) == (call, SHARED[server]) and fresh and state not in code.used_by
        text, sent = await self._call(server, call, code.text)
        if valid:
            assert "confirm: the code" not in text
            code.used_by.add(state)
        elif not 599 < age < 602:
            assert not sent
            assert "confirm: the code" in text, text
            assert "Not sent." in text
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
