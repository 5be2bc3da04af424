"""Real writes of two replicas with one Redis: one effect each, whatever happens to Redis at any step."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp_types import CallToolResult

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving import callers
from incident_mcp.serving.http.shared import connection, locks, unsaved
from incident_mcp.serving.http.shared.connection import RedisAwayError
from tests.conftest import NOW, Caller, text_of
from tests.reliability.conftest import BRIEF, IMPATIENT, serving
from tests.reliability.effects import CREATE, CREATE_NOTE, POST_UPDATE, WRITES, WriteCase, write
from tests.serving.http.shared.conftest import RedisServer, Replica, shared

pytestmark = [pytest.mark.anyio, pytest.mark.team]

PAGE = write("incidentio_page_people")
ONCE = [CREATE, POST_UPDATE, CREATE_NOTE, PAGE]
Run = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(connection, "LONGEST_AWAY_SECONDS", 0.5)
    monkeypatch.setattr(unsaved, "RETRY_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.8)
    monkeypatch.setattr(locks, "RENEWED_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(locks, "MARGIN_SECONDS", 0.1)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The folder of the secret behind codes, which the replicas share."""
    return tmp_path / "state"


@asynccontextmanager
async def replica(
    state: Replica, box: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, **chosen: Any
) -> AsyncIterator[Caller]:
    """A server whose journal and rate limit are shared."""
    with monkeypatch.context() as patch:
        patch.setattr(callers, "SqliteJournal", lambda _: state.journal)
        patch.setattr(callers, "LocalRateLimit", lambda size, rate: state.rate_limit("incidentio", size, rate))
        async with serving(box, folder, **chosen) as call:
            yield call


class Steps:
    """Counts the scripts that a replica runs, and lets something happen at one of them."""

    def __init__(self, state: Replica) -> None:
        self._run: Run = state._connection.run
        state._connection.run = self.run
        self.count = 0
        self.at: int | None = None
        self.happen: Callable[[], None] = lambda: None
        self.lost_answer = False

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[str | float] = ()) -> Any:
        number, self.count = self.count, self.count + 1
        if number != self.at:
            return await self._run(script, keys, arguments)
        if self.lost_answer:
            await self._run(script, keys, arguments)
            raise RedisAwayError("the answer was lost")
        self.happen()
        return await self._run(script, keys, arguments)


def is_not_sent(result: CallToolResult) -> bool:
    return bool(result.is_error) and "not sent" in text_of(result).lower()


async def usable(state: Replica) -> None:
    with anyio.fail_after(10):
        while await state.trouble():  # noqa: ASYNC110  # no event
            await anyio.sleep(0.05)


async def perform_until_done(call: Caller, case: WriteCase) -> CallToolResult:
    with anyio.fail_after(20):
        while (result := await call.perform(case.tool, **case.arguments)).is_error:
            assert is_not_sent(result), text_of(result)
            await anyio.sleep(0.05)
    return result


async def count_steps(redis: RedisServer, folder: Path, monkeypatch: pytest.MonkeyPatch, case: WriteCase) -> int:
    box = Sandbox(now=NOW)
    async with shared(redis) as state, replica(state, box, folder, monkeypatch) as call:
        steps = Steps(state)
        await call.performed(case.tool, **case.arguments)
        return steps.count


ENDS = {"stopped", "killed", "emptied", "restarted", "answer lost"}


@pytest.mark.parametrize("end", sorted(ENDS))
@pytest.mark.parametrize("case", ONCE, ids=str)
async def test_whatever_happens_to_redis_at_any_step_there_is_one_effect_and_not_sent_is_true(
    case: WriteCase, end: str, redis: RedisServer, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(await count_steps(redis, secret, monkeypatch, case)):
        redis.flush()
        box = Sandbox(now=NOW)
        async with shared(redis) as state, replica(state, box, secret, monkeypatch) as call:
            steps = Steps(state)
            steps.at, steps.lost_answer = step, end == "answer lost"
            happens = {"stopped": redis.stop, "killed": redis.kill, "emptied": redis.flush, "restarted": redis.restart}
            steps.happen = happens.get(end, lambda: None)
            with monkeypatch.context() as patch:
                if end == "stopped":
                    patch.setattr(connection, "AT_MOST_SECONDS", 0.15)
                first = await call.perform(case.tool, **case.arguments)
                # A step more than before is not taken now.
                steps.at = None
                read = await call.result("incidentio_list_incidents")
            told = f"step {step}: {text_of(first)}"
            assert case.count(box.state()) == (0 if first.is_error else 1), told
            assert not first.is_error or is_not_sent(first), told
            assert not read.is_error, told
            if redis.process is None:
                redis.start()
            redis.resume()
            await usable(state)
            again = await perform_until_done(call, case)
            assert case.count(box.state()) == 1, f"{told}, then {text_of(again)}"
            assert state.journal.trouble is None


@pytest.mark.parametrize("case", ONCE, ids=str)
async def test_identical_calls_at_once_at_two_replicas_have_one_effect(
    case: WriteCase, redis: RedisServer, box: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[CallToolResult] = []
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(2):
            state = await stack.enter_async_context(shared(redis))
            calls.append(await stack.enter_async_context(replica(state, box, secret, monkeypatch)))

        async def one(call: Caller) -> None:
            results.append(await call.perform(case.tool, **case.arguments))

        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(one, calls[number % 2])
    assert [text_of(result) for result in results if result.is_error] == []
    assert case.count(box.state()) == 1
    assert len({(result.structured_content or {}).get("id") for result in results}) == 1


@pytest.mark.parametrize("case", [case for case in WRITES if case.effect.journalled], ids=str)
async def test_an_attempt_whose_answer_was_lost_is_found_by_another_replica(
    case: WriteCase, redis: RedisServer, box: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shared(redis) as one, replica(one, box, secret, monkeypatch) as call:
        box.fail(Fault("cut_after", method=case.method, path=case.path))
        await call.perform(case.tool, **case.arguments)
    box.heal()
    async with shared(redis) as other, replica(other, box, secret, monkeypatch) as call:
        await call.performed(case.tool, **case.arguments)
    assert case.count(box.state()) == 1


@pytest.mark.parametrize("case", ONCE, ids=str)
async def test_a_write_whose_outcome_could_not_be_saved_is_found_by_another_replica(
    case: WriteCase, redis: RedisServer, box: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with shared(redis) as one, replica(one, box, secret, monkeypatch) as call:
        box.fail(Fault("delay", method=case.method, path=case.path, seconds=0.2))
        results: list[dict[str, Any]] = []

        async def perform() -> None:
            results.append(await call.performed(case.tool, **case.arguments))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(perform)
            with anyio.fail_after(10):
                while not any(row.method == case.method for row in box.requests):  # noqa: ASYNC110  # no event
                    await anyio.sleep(0.005)
            monkeypatch.setattr(connection, "AT_MOST_SECONDS", 0.15)
            redis.stop()
        monkeypatch.setattr(connection, "AT_MOST_SECONDS", 3.0)
        assert "a repeat of this call looks up what it did" in results[0]["note"]
        # This replica ends without having saved it.
        one._unsaved._kept.clear()
        redis.resume()
        await usable(one)
    async with shared(redis) as other, replica(other, box, secret, monkeypatch) as call:
        await perform_until_done(call, case)
    assert case.count(box.state()) == 1


OLDER = """
for _, row in ipairs(redis.call('KEYS', 'incident-mcp:write:*')) do
  if redis.call('TYPE', row).ok == 'hash' then
    redis.call('HSET', row, 'changed', redis.call('TIME')[1] - 3600)
  end
end
return 'set'
"""


@pytest.mark.parametrize("case", ONCE, ids=str)
async def test_a_redis_that_started_with_older_rows_makes_no_second_one(
    case: WriteCase, redis: RedisServer, box: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of an identical write of an hour ago is there, and that of a moment ago was lost."""
    async with shared(redis) as one, replica(one, box, secret, monkeypatch) as call:
        await call.performed(case.tool, **case.arguments)
    assert b"set" in redis.command("EVAL", OLDER, "0")
    async with shared(redis) as other, replica(other, box, secret, monkeypatch) as call:
        again = await perform_until_done(call, case)
    assert case.count(box.state()) == 1, text_of(again)


async def test_a_holder_that_was_paused_past_its_lock_sends_nothing(
    redis: RedisServer, box: Sandbox, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CREATE_NOTE
    async with shared(redis) as one, shared(redis) as two:
        async with (
            replica(one, box, secret, monkeypatch) as paused,
            replica(two, box, secret, monkeypatch, limits=IMPATIENT) as other,
        ):
            steps = Steps(one)
            run = steps._run

            async def begin_late(script: str, keys: Sequence[str], arguments: Sequence[str | float] = ()) -> Any:
                answer = await run(script, keys, arguments)
                if "'undone'" in script:
                    # The process is paused here, after its row was saved, for longer than its lock lasts.
                    for lease in locks.held_leases():
                        lease.expires_at = 0
                    assert redis.command("DEL", locks.held_leases()[0].key).startswith(b":1")
                return answer

            steps._run = begin_late
            result = await paused.perform(case.tool, **case.arguments)
            assert is_not_sent(result), text_of(result)
            assert "the lock" in text_of(result)
            assert case.count(box.state()) == 0
            await other.performed(case.tool, **case.arguments)
        assert case.count(box.state()) == 1
        assert BRIEF.call > 0
