"""Random nights: the answers together are the log of what happened, and nothing comes twice.

500 nights: `pytest --hypothesis-profile long tests/response/catch_up/test_schedules.py`.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client

from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, Caller
from tests.response.catch_up.world import EVENTS, Told, World

LONG = 500
START = NOW.isoformat()
numbers = st.integers(0, 2_000)
events = st.tuples(st.sampled_from(list(EVENTS)), numbers)
calls = st.tuples(st.just("call"), st.integers(1, 30))
troubles = st.tuples(st.sampled_from(["fail", "fail", "heal", "replay"]), numbers)


def nights() -> int:
    return min(LONG, settings.default.max_examples)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Caller]:
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(sandbox=True, state_dir=Path(folder), toolsets=("insight",))
        async with Client(build_server(chosen, network=world.box)) as client:
            yield Caller(client, world.box)


class Night:
    """Calls with the cursors of earlier answers."""

    def __init__(self, world: World, call: Caller) -> None:
        self.world, self._call = world, call
        self.told = Told(world)
        self.cursors = [START]

    async def ask(self, since: str, limit: int) -> dict[str, Any]:
        answer = await self._call.ok("catch_up", since=since, limit=limit)
        assert len(answer["changes"]) <= limit
        assert len(answer["cursor"]) <= 2_048
        named = {line.partition(":")[0] for line in answer.get("problems", [])}
        assert {source for source in named if source.startswith(("incident.io", "Ionhour"))} == self.world.down
        return answer

    async def call(self, limit: int) -> bool:
        answer = await self.ask(self.cursors[-1], limit)
        again = await self.ask(self.cursors[-1], limit)
        # Problems name a request's id.
        assert {**again, "problems": []} == {**answer, "problems": []}
        self.told.add(answer["changes"])
        self.cursors.append(answer["cursor"])
        return answer["has_more"]

    async def call_for_all(self) -> list[tuple[str, str]]:
        """Return what a call reports."""
        before = len(self.told.log)
        while await self.call(100):
            pass
        return sorted(self.told.log[before:])

    async def replay(self, number: int) -> None:
        """Call with an earlier cursor, which changes nothing for the others."""
        await self.ask(self.cursors[number % len(self.cursors)], 30)

    async def finish(self) -> None:
        self.world.heal()
        while await self.call(30):
            pass
        assert not (await self.ask(self.cursors[-1], 100))["changes"]
        self.told.check_complete()


async def _play(script: list[tuple[str, int]]) -> None:
    world = World()
    # So that rows which appear late are later than `since`.
    world.wait(300)
    async with serving(world) as caller:
        night = Night(world, caller)
        await night.call(30)
        for name, number in script:
            if name in ("call", "replay"):
                await getattr(night, name)(number)
            else:
                getattr(world, name)(number)
        await night.finish()


@settings(max_examples=nights())
@given(st.lists(events | events | calls, max_size=60))
def test_the_answers_together_are_the_log_and_nothing_comes_twice(script: list[tuple[str, int]]) -> None:
    anyio.run(_play, script)


@settings(max_examples=nights())
@given(st.lists(events | events | events | calls | troubles, max_size=60))
def test_sources_that_are_down_for_a_while_lose_nothing_and_repeat_nothing(script: list[tuple[str, int]]) -> None:
    anyio.run(_play, script)


async def _follow(script: list[tuple[str, int]]) -> None:
    world = World()
    world.wait(300)
    async with serving(world) as caller:
        night = Night(world, caller)
        await night.call(100)
        for name, number in script:
            before = len(world.log)
            getattr(world, name)(number)
            world.expire()
            assert await night.call_for_all() == sorted(world.log[before:])
        night.told.check_complete()


@given(st.lists(events, max_size=20))
def test_a_call_after_each_event_reports_that_event_and_nothing_else(script: list[tuple[str, int]]) -> None:
    anyio.run(_follow, script)
