"""Random sequences of calls, faults, cancellations and restarts: as many incidents, updates and notes as intents.

A few in CI; a thousand with `pytest --hypothesis-profile long tests/reliability/test_sequences.py`.
"""

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup, TaskStatus
from hypothesis import currently_in_test_context, event, given
from hypothesis import strategies as st

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.transport.service import Limits
from tests.conftest import NOW, Caller
from tests.reliability.conftest import BRIEF, serving, until
from tests.reliability.effects import CLOSE_WITH_MESSAGE, CREATE, CREATE_NOTE, POST_UPDATE, WriteCase, word

HASTY = Limits(attempt=0.06, call=3, backoff=0.002)


def _with(case: WriteCase, text: dict[str, str], **where: Any) -> WriteCase:
    """Return the same write with another text, to another thing: one to the same thing in between is no repeat."""
    (name,) = text.values()
    return replace(case, arguments=case.arguments | text | where, effect=replace(case.effect, where=text), name=name)


INTENTS = [
    CREATE,
    _with(CREATE, {"name": "Logins fail"}),
    POST_UPDATE,
    _with(POST_UPDATE, {"message": "Rolled back."}, incident="INC-110"),
    CREATE_NOTE,
    _with(CREATE_NOTE, {"body": "Still looking."}, incident_id=4512),
    CLOSE_WITH_MESSAGE,
]
KINDS = ["cut_before", "cut_after", "hang_before", "hang_after", "refuse", "garbage", "truncated", "html"]
STATUSES = [301, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504]

intents = st.integers(0, len(INTENTS) - 1)
servers = st.integers(0, 1)
faults = st.builds(
    Fault,
    kind=st.sampled_from(KINDS) | st.just("status"),
    method=st.sampled_from(["POST", "GET", None]),
    times=st.integers(1, 6),
    after=st.integers(0, 2),
    status=st.sampled_from(STATUSES),
    headers=st.sampled_from([{"Retry-After": "0.01"}, {"Retry-After": "900"}, {"Retry-After": "0"}]),
)
steps = st.one_of(
    st.tuples(st.just("call"), intents, st.lists(servers, min_size=1, max_size=4)),
    st.tuples(st.just("cancel"), intents, servers),
    st.tuples(st.just("fault"), faults),
    st.tuples(st.just("restart"), servers),
    st.tuples(st.just("heal")),
)


@dataclass
class Run:
    """Two servers on one state folder, and what their calls told."""

    state: Path
    tasks: TaskGroup
    box: Sandbox = field(default_factory=lambda: Sandbox(now=NOW))
    told: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    callers: dict[int, Caller] = field(default_factory=dict[int, Caller])
    stops: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict[int, Callable[[], Awaitable[None]]])

    async def caller(self, number: int) -> Caller:
        if number not in self.callers:
            await self.tasks.start(self._serve, number)
        return self.callers[number]

    async def _serve(self, number: int, *, task_status: TaskStatus[None]) -> None:
        """Keep a server in a task of its own, so that servers may end in any order."""
        wanted, ended = anyio.Event(), anyio.Event()

        async def stop() -> None:
            wanted.set()
            await ended.wait()

        async with serving(self.box, self.state, HASTY) as self.callers[number]:
            self.stops[number] = stop
            task_status.started()
            await wanted.wait()
        ended.set()

    async def restart(self, number: int) -> None:
        if self.callers.pop(number, None):
            await self.stops.pop(number)()

    async def fault(self, fault: Fault) -> None:
        self.box.fail(fault)

    async def heal(self) -> None:
        self.box.heal()

    async def call(self, intent: int, numbers: list[int]) -> None:
        callers = [await self.caller(number) for number in numbers]
        async with anyio.create_task_group() as tasks:
            for caller in callers:
                tasks.start_soon(self._one, caller, intent)

    async def _one(self, caller: Caller, intent: int) -> None:
        case = INTENTS[intent]
        self.told.setdefault(intent, []).append(word(await caller.perform(case.tool, **case.arguments)))

    async def cancel(self, intent: int, number: int) -> None:
        """Cancel a call as soon as a request of it is under way."""
        caller, before = await self.caller(number), len(self.box.requests)
        ended = False

        async def one() -> None:
            nonlocal ended
            await self._one(caller, intent)
            ended = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            await until(lambda: ended or len(self.box.requests) > before)
            self.told.setdefault(intent, []).append("cancelled")
            tasks.cancel_scope.cancel()

    def check(self) -> None:
        state = self.box.state()
        for intent, told in self.told.items():
            effects = INTENTS[intent].count(state)
            assert effects <= 1, (INTENTS[intent].name, told)
            if "done" in told:
                assert effects == 1, (INTENTS[intent].name, told)
            if set(told) <= {"refused", "not sent"}:
                assert effects == 0, (INTENTS[intent].name, told)

    async def finish(self) -> None:
        self.box.heal()
        async with serving(self.box, self.state, BRIEF) as caller:
            for intent in self.told:
                await self._one(caller, intent)
                assert self.told[intent][-1] == "done", (INTENTS[intent].name, self.told[intent])
        state = self.box.state()
        assert [case.count(state) for case in INTENTS] == [int(number in self.told) for number in range(len(INTENTS))]


async def _play(script: list[tuple[Any, ...]], state: Path) -> None:
    async with anyio.create_task_group() as tasks:
        run = Run(state, tasks)
        for name, *arguments in script:
            await getattr(run, name)(*arguments)
            run.check()
        for number in (0, 1):
            await run.restart(number)
        await run.finish()
    if currently_in_test_context():
        for told in {word for words in run.told.values() for word in words}:
            event(told)


@given(st.lists(steps, min_size=1, max_size=14))
def test_there_are_as_many_incidents_updates_and_notes_as_intents(script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_play, script, Path(folder) / "state")


@pytest.mark.parametrize("fault", ["cut_after", "hang_after"])
def test_every_intent_called_at_once_by_two_servers_through_faults_ends_with_one_of_each(fault: str) -> None:
    everything = [("call", intent, [0, 1, 0, 1]) for intent in range(len(INTENTS))]
    script = [("fault", Fault(fault, times=9)), *everything, ("restart", 0), ("restart", 1), *everything]
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_play, script, Path(folder) / "state")
