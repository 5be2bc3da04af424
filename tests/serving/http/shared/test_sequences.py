"""Random sequences of calls of two replicas, with faults of the services and of Redis: one effect for each intent."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_mcp.serving import callers
from incident_mcp.serving.http.shared import connection, locks, unsaved
from tests.conftest import text_of
from tests.reliability import test_sequences as on_disk
from tests.reliability.conftest import serving
from tests.reliability.effects import word
from tests.serving.http.shared.conftest import RedisServer, Replica

pytestmark = pytest.mark.team

redis_steps = st.tuples(st.just("redis"), st.sampled_from(["flush", "restart", "pause", "away", "cut"]))


class Run(on_disk.Run):
    """Two servers on one Redis."""

    server: RedisServer

    async def redis(self, what: str) -> None:
        """Let something happen to Redis; what follows meets it as it is then."""
        self._be_there()
        match what:
            case "flush":
                self.server.flush()
            case "restart":
                self.server.restart()
            case "pause":
                self.server.stop()
                self.tasks.start_soon(self._resume)
            case "away":
                self.server.kill()
            case _:
                self.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def _resume(self) -> None:
        await anyio.sleep(0.2)
        if self.server.process is not None:
            self.server.resume()

    async def _one(self, caller: Any, intent: int) -> None:
        case = on_disk.INTENTS[intent]
        result = await caller.perform(case.tool, **case.arguments)
        refused = result.is_error and "Outcome:" not in text_of(result)
        assert not refused or "not sent" in text_of(result).lower()
        self.told.setdefault(intent, []).append("not sent" if refused else word(result))

    def _be_there(self) -> None:
        if self.server.process is None:
            self.server.start()
        self.server.resume()

    async def finish(self) -> None:
        self._be_there()
        with pytest.MonkeyPatch.context() as patch:
            # Nothing is wrong with Redis any more: a busy machine must not look like it.
            patch.setattr(connection, "AT_MOST_SECONDS", 3.0)
            patch.setattr(locks, "LOCK_SECONDS", 10.0)
            await super().finish()


@asynccontextmanager
async def served(redis: RedisServer, *arguments: Any, **chosen: Any) -> AsyncIterator[Any]:
    """A server with a shared state of its own."""
    state = Replica(redis.url)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(callers, "SqliteJournal", lambda _: state.journal)
            async with serving(*arguments, **chosen) as call:
                patch.undo()
                yield call
    finally:
        await state.close()


@pytest.fixture
def play(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[Any, ...]]], None]:
    for module, name, value in (
        *((connection, name, 0.1) for name in ("AT_MOST_SECONDS", "CONNECT_SECONDS")),
        *((connection, name, 0.02) for name in ("AWAY_SECONDS", "LONGEST_AWAY_SECONDS")),
        (unsaved, "RETRY_EVERY_SECONDS", 0.02),
        *((locks, name, value) for name, value in (("LOCK_SECONDS", 0.5), ("RENEWED_EVERY_SECONDS", 0.1))),
        (locks, "MARGIN_SECONDS", 0.1),
        (on_disk, "serving", lambda *arguments, **chosen: served(redis, *arguments, **chosen)),
        (on_disk, "Run", Run),
        (Run, "server", redis),
    ):
        monkeypatch.setattr(module, name, value, raising=False)

    def play_(script: list[tuple[Any, ...]]) -> None:
        if redis.process is None:
            redis.start()
        redis.resume()
        redis.flush()
        with tempfile.TemporaryDirectory() as folder:
            anyio.run(on_disk._play, script, Path(folder) / "state")

    return play_


@given(script=st.lists(on_disk.steps | redis_steps, min_size=1, max_size=14))
def test_there_are_as_many_incidents_updates_and_notes_as_intents_whatever_happens_to_redis(
    play: Callable[[list[tuple[Any, ...]]], None], script: list[tuple[Any, ...]]
) -> None:
    play(script)
