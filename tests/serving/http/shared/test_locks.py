"""Locks over several replicas."""

import subprocess
import sys
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from incident_mcp.serving.http.shared import locks
from incident_mcp.writing.outcome import WriteError
from tests.serving.http.shared.conftest import RedisServer, Replica, shared
from tests.writing.journal.test_contract import entry

pytestmark = [pytest.mark.anyio, pytest.mark.team]


@pytest.fixture
async def states(redis: RedisServer) -> AsyncIterator[list[Replica]]:
    async with shared(redis) as one, shared(redis) as other, shared(redis) as third:
        yield [one, other, third]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_SECONDS", 0.6)
    monkeypatch.setattr(locks, "RENEWED_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(locks, "MARGIN_SECONDS", 0.05)


def soon(seconds: float = 30) -> float:
    return anyio.current_time() + seconds


async def test_no_two_tasks_of_any_replica_are_inside_together(states: list[Replica]) -> None:
    inside = most = entered = 0

    async def enter(state: Replica) -> None:
        nonlocal inside, most, entered
        async with state.journal.lock("i", soon()) as alone:
            assert alone
            inside += 1
            entered += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(enter, states[number % 3])
    assert (most, entered) == (1, 30)


async def test_different_names_do_not_wait_for_each_other(states: list[Replica]) -> None:
    one, other, _ = states
    async with one.journal.lock("a", soon()) as a, other.journal.lock("b", soon()) as b:
        assert (a, b) == (True, True)


async def test_a_lock_that_is_not_free_in_time_is_not_acquired(states: list[Replica]) -> None:
    one, other, _ = states
    async with one.journal.lock("i", soon()), other.journal.lock("i", soon(1.2)) as acquired:
        assert not acquired
    async with other.journal.lock("i", soon(1.2)) as acquired:
        assert acquired


@pytest.mark.usefixtures("brief")
async def test_a_lock_is_renewed_while_it_is_held(states: list[Replica]) -> None:
    one, other, _ = states
    async with one.journal.lock("i", soon()):
        await anyio.sleep(0.9)
        assert one.journal.holds_locks()
        async with other.journal.lock("i", soon(1)) as acquired:
            assert not acquired
        await one.journal.begin(entry("i"))


@pytest.mark.usefixtures("brief")
async def test_a_cancelled_holder_releases_its_lock(states: list[Replica]) -> None:
    one, other, _ = states
    async with anyio.create_task_group() as tasks:
        held = anyio.Event()

        async def hold() -> None:
            async with one.journal.lock("i", soon()):
                held.set()
                await anyio.sleep_forever()

        tasks.start_soon(hold)
        await held.wait()
        tasks.cancel_scope.cancel()
    assert [key async for key in other.client.scan_iter("*lock*")] == []


@pytest.mark.usefixtures("brief")
async def test_a_lock_of_a_process_that_was_killed_expires(redis: RedisServer, states: list[Replica]) -> None:
    program = (
        "import anyio, sys\n"
        "from incident_mcp.serving.http.shared import SharedState, locks\n"
        "locks.LOCK_SECONDS, locks.RENEWED_EVERY_SECONDS = 0.6, 0.1\n"
        "async def main():\n"
        "    async with SharedState(sys.argv[1]).journal_of('').lock('i', anyio.current_time() + 10):\n"
        "        print('held', flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, redis.url], stdout=subprocess.PIPE) as holder:  # noqa: ASYNC220  # it starts and is killed at once
        try:
            assert holder.stdout
            assert holder.stdout.readline().strip() == b"held"
            async with states[0].journal.lock("i", soon(1.1)) as acquired:
                assert not acquired
        finally:
            holder.kill()
    async with states[0].journal.lock("i", soon(5)) as acquired:
        assert acquired


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("taken", [True, False], ids=["taken by another", "expired"])
async def test_a_holder_that_lost_its_lock_begins_nothing(
    taken: bool, redis: RedisServer, states: list[Replica]
) -> None:
    one, other, _ = states
    async with one.journal.lock("i", soon()):
        redis.flush()
        if taken:
            async with other.journal.lock("i", soon()) as acquired:
                assert acquired
                with pytest.raises(WriteError, match=r"The lock .* was lost.*not sent"):
                    await one.journal.begin(entry("i"))
        with pytest.raises(WriteError, match=r"The lock .* was lost.*not sent"):
            await one.journal.begin(entry("i"))
        with anyio.fail_after(5):
            while one.journal.holds_locks():  # noqa: ASYNC110  # no event
                await anyio.sleep(0.02)
    assert one.journal.holds_locks()
    assert (await other.journal.find("i")).entry is None


@pytest.mark.usefixtures("brief")
async def test_the_release_of_a_lost_lock_leaves_that_of_the_next_holder(
    redis: RedisServer, states: list[Replica]
) -> None:
    one, other, third = states
    async with one.journal.lock("i", soon()):
        redis.flush()
        held = other.journal.lock("i", soon())
        assert await held.__aenter__()
    async with third.journal.lock("i", soon(1)) as acquired:
        assert not acquired
    await held.__aexit__(None, None, None)


async def test_a_task_that_a_holder_starts_holds_its_lock_and_others_do_not(states: list[Replica]) -> None:
    one = states[0]
    found: list[int] = []

    async def look() -> None:
        found.append(len(locks.held_leases()))

    async with one.journal.lock("a", soon()), one.journal.lock("b", soon()), anyio.create_task_group() as tasks:
        tasks.start_soon(look)
    await look()
    assert found == [2, 0]


async def test_a_begin_that_ran_before_its_lock_was_lost_is_taken_back(
    redis: RedisServer, states: list[Replica]
) -> None:
    one, other, _ = states
    journal, run = one.journal_of(""), one._connection.run

    async def lose_answer_and_lock(script: str, keys: list[str], arguments: list[str | float]) -> object:
        if "'undone'" in script:
            await run(script, keys, arguments)
            redis.command("DEL", locks.held_leases()[0].key)
        return await run(script, keys, arguments)

    async with journal.lock("i", soon()):
        one._connection.run = lose_answer_and_lock
        with pytest.raises(WriteError, match=r"The lock .* was lost.*not sent"):
            await journal.begin(entry("i"))
    await one._unsaved.flush()
    assert (await other.journal_of("").find("i")).entry is None
