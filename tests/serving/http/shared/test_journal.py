"""The journal in Redis: what every journal does, and what only one for several replicas does."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from incident_mcp.errors import InputError, WriteLimitError
from incident_mcp.serving.http.shared import PREFIX, connection, unsaved
from incident_mcp.serving.http.shared import journal as journals
from incident_mcp.serving.http.shared.connection import RedisAwayError
from incident_mcp.serving.http.shared.journal import RedisJournal
from incident_mcp.writing import codes as code_times
from incident_mcp.writing.codes import ConfirmationCodes
from incident_mcp.writing.limits import SettingLimit
from incident_mcp.writing.outcome import WriteError
from tests.serving.http.shared.conftest import RedisServer, Replica, shared
from tests.writing.journal.test_contract import *  # noqa: F403  # the contract holds here, too
from tests.writing.journal.test_contract import entry

pytestmark = [pytest.mark.anyio, pytest.mark.team]


@pytest.fixture
async def journal(redis: RedisServer) -> AsyncIterator[RedisJournal]:
    async with shared(redis) as state:
        yield state.journal
        assert (state.journal.trouble, state.journal.unreadable) == (None, None)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "AT_MOST_SECONDS", 0.4)
    monkeypatch.setattr(connection, "AWAY_SECONDS", 0.05)
    monkeypatch.setattr(connection, "LONGEST_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(unsaved, "RETRY_EVERY_SECONDS", 0.02)


@pytest.fixture
async def two(redis: RedisServer) -> AsyncIterator[tuple[Replica, Replica]]:
    async with shared(redis) as one, shared(redis) as other:
        yield one, other


async def until_saved(state: Replica) -> None:
    with anyio.fail_after(10):
        while state._unsaved._kept:  # noqa: ASYNC110  # no event
            await anyio.sleep(0.01)


async def test_what_one_replica_wrote_another_knows(two: tuple[Replica, Replica]) -> None:
    one, other = two
    write = await one.journal.begin(entry("i", "x"))
    pending = (await other.journal.find("i")).entry
    assert pending
    assert (pending.state, pending.key, 15 < pending.unsettled_seconds <= 20.5) == ("pending", "key", True)
    record = {"id": "1", "text": 'é " \ud83d', "none": None, "list": [], "map": {}, "large": 2**63 + 1, "part": 0.1}
    await one.journal.mark_done(write, record)
    done = (await other.journal.find("i")).entry
    assert done
    assert (done.state, done.record, done.unsettled_seconds <= 0) == ("done", record, True)


async def test_a_limit_is_exact_over_replicas(two: tuple[Replica, Replica]) -> None:
    limit = SettingLimit("writes", 10, "SETTING")
    begun = refused = 0

    async def begin(number: int) -> None:
        nonlocal begun, refused
        try:
            await two[number % 2].journal.begin(entry(f"{number}"), limit=limit)
            begun += 1
        except WriteLimitError:
            refused += 1

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(begin, number)
    assert (begun, refused) == (10, 30)


async def test_a_persons_limit_counts_only_that_persons_writes(two: tuple[Replica, Replica]) -> None:
    limit = SettingLimit("writes", 1, "SETTING")
    await two[0].journal_of("a").begin(entry("1"), limit=limit)
    await two[1].journal_of("b").begin(entry("2"), limit=limit)
    with pytest.raises(WriteLimitError):
        await two[1].journal_of("a").begin(entry("3"), limit=limit)
    assert (await two[0].journal_of("b").find("1")).entry


async def test_of_20_uses_of_a_code_at_once_one_counts(two: tuple[Replica, Replica]) -> None:
    used: list[bool] = []

    async def use(state: Replica) -> None:
        used.append(await state.journal.use_code("one"))

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(use, two[number % 2])
    assert sorted(used) == [False] * 19 + [True]


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("lost", ["emptied", "restarted"])
async def test_a_code_of_before_redis_lost_its_content_is_rejected_and_a_new_one_is_not(
    lost: str, redis: RedisServer, two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = ConfirmationCodes(lambda: [bytes(32)])
    await two[0].journal.prepare_codes()
    code = await codes.check(await codes.issue("request"), "request")
    assert await two[0].journal.use_code(code)
    (redis.flush if lost == "emptied" else redis.restart)()
    await anyio.sleep(0.1)
    with pytest.raises(InputError, match=r"may have been used\. Not sent"):
        await two[1].journal.use_code(code)
    await two[1].journal.prepare_codes()
    assert await two[0].journal.use_code(await codes.check(await codes.issue("request"), "request"))
    # Some seconds later, the old one is still rejected.
    monkeypatch.setattr(code_times, "unix_now", lambda: time.time() + 5)
    with pytest.raises(InputError, match=r"may have been used\. Not sent"):
        await two[1].journal.use_code(code)


async def test_a_redis_that_started_a_while_ago_is_known_to_have_kept_everything(
    two: tuple[Replica, Replica], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    await one.journal.find("i")
    assert one.journal.lost
    await one.journal.begin(entry("first"))
    await other.journal.find("i")
    assert other.journal.lost
    monkeypatch.setattr(journals, "LOST_SECONDS", 0)
    await other.journal.find("i")
    assert not other.journal.lost
    redis.flush()
    await other.journal.find("i")
    assert other.journal.lost


async def test_a_later_attempt_of_another_replica_is_not_changed_by_an_earlier_one(
    two: tuple[Replica, Replica],
) -> None:
    one, other = two
    paused = await one.journal.begin(entry("i", "x"))
    later = await other.journal.begin(replace(entry("i", "x"), key="later"))
    await one.journal.mark_unknown(paused, unsettled_seconds=1)
    await one.journal.undo(paused)
    pending = (await one.journal.find("i")).entry
    assert pending
    assert (pending.state, pending.key) == ("pending", "later")
    await other.journal.mark_done(later, {"id": "1"})
    await one.journal.mark_done(paused, {"id": "2"})
    done = (await one.journal.find("i")).entry
    assert done
    assert done.record == {"id": "1"}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("away", ["stopped", "killed"])
async def test_without_redis_nothing_begins_and_what_was_sent_never_fails(
    away: str, redis: RedisServer, two: tuple[Replica, Replica]
) -> None:
    kept = two[0].journal
    writes = [await kept.begin(entry(f"{number}", "x")) for number in range(3)]
    (redis.stop if away == "stopped" else redis.kill)()
    for refused in (
        lambda: kept.find("i"),
        lambda: kept.find_by_key("account", "key"),
        lambda: kept.begin(entry("never")),
        lambda: kept.use_code("code"),
        kept.prepare_codes,
        lambda: kept.change_key(writes[0], "other"),
    ):
        with pytest.raises(WriteError, match=r"^The shared journal \(Redis\) cannot be reached .*Outcome: not sent\.$"):
            await refused()
        await anyio.sleep(0.06)
    with pytest.raises(WriteError, match=r"not sent\.$"):
        async with kept.lock("i", anyio.current_time() + 5):
            pytest.fail("a lock without Redis")
    await kept.mark_done(writes[0], {"id": "1"}, ("y",))
    await kept.mark_unknown(writes[1], unsettled_seconds=5)
    await kept.undo(writes[2])
    assert kept.trouble
    (redis.resume if away == "stopped" else redis.start)()
    await until_saved(two[0])
    found = [(await two[1].journal.find(f"{number}")).entry for number in range(3)]
    assert [each and each.state for each in found] == ["done", "unknown", None]
    assert kept.trouble is None
    assert (await two[1].journal.find("never")).entry is None


@pytest.mark.usefixtures("_quick")
async def test_a_change_that_redis_refuses_for_good_does_not_stop_all_later_writes(
    redis: RedisServer, two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsaved, "MAX_REFUSALS", 3)
    kept = two[0].journal
    write = await kept.begin(entry("i"))
    redis.command("SET", journals._row("i"), "of another type")
    await kept.mark_done(write, {})
    assert kept.trouble
    await until_saved(two[0])
    await kept.begin(entry("j"))
    assert kept.trouble is None


async def test_a_begin_that_redis_runs_after_it_was_given_up_leaves_nothing(
    two: tuple[Replica, Replica],
) -> None:
    one, other = two
    run, late = one._connection.run, []

    async def give_up(script: str, keys: list[str], arguments: list[str | float]) -> object:
        if "'undone'" in script:
            late.append((script, keys, arguments))
            raise RedisAwayError("no answer in time")
        return await run(script, keys, arguments)

    one._connection.run = give_up
    await one.journal.mark_done(await other.journal.begin(entry("done", "x")), {})
    with pytest.raises(WriteError, match="not sent"):
        await one.journal.begin(entry("i", "x"), limit=SettingLimit("writes", 1, "SETTING"))
    await one._unsaved.flush()
    assert await run(*late[0]) == ["undone"]
    found = await other.journal.find("done")
    assert found.entry
    assert not found.superseded
    assert (await other.journal.find("i")).entry is None
    await other.journal.begin(entry("i"), limit=SettingLimit("writes", 1, "SETTING"))


async def test_a_begin_whose_answer_was_lost_is_taken_back_with_its_count(
    two: tuple[Replica, Replica],
) -> None:
    one, other = two
    limit = SettingLimit("writes", 2, "SETTING")
    await one.journal.mark_unknown(await one.journal.begin(entry("i"), limit=limit), unsettled_seconds=5)
    run = one._connection.run

    async def lose_answer(script: str, keys: list[str], arguments: list[str | float]) -> object:
        answer = await run(script, keys, arguments)
        if "'undone'" in script:
            raise RedisAwayError("ConnectionError")
        return answer

    one._connection.run = lose_answer
    with pytest.raises(WriteError, match="not sent"):
        await one.journal.begin(replace(entry("i"), key="second"), limit=limit)
    await one._unsaved.flush()
    left = (await other.journal.find("i")).entry
    assert left
    assert (left.state, left.key) == ("unknown", "key")
    await other.journal.begin(entry("j"), limit=limit)


async def test_a_script_that_runs_twice_does_the_same(two: tuple[Replica, Replica]) -> None:
    one, other = two
    run = one._connection.run

    async def twice(script: str, keys: list[str], arguments: list[str | float]) -> object:
        await run(script, keys, arguments)
        return await run(script, keys, arguments)

    one._connection.run = twice
    limit = SettingLimit("writes", 2, "SETTING")
    write = await one.journal.begin(entry("i", "x"), limit=limit)
    await one.journal.change_key(write, "next")
    await one.journal.mark_done(write, {"id": "1"})
    assert await one.journal.use_code("code")
    assert not await one.journal.use_code("code")
    await one.journal.undo(await one.journal.begin(entry("j", "x"), limit=limit))
    async with one.journal.lock("i", anyio.current_time() + 5) as acquired:
        assert acquired
        await one.journal.begin(entry("k", "x"), limit=limit)
    done = (await other.journal.find("i")).entry
    assert done
    assert (done.state, done.key, done.record) == ("done", "next", {"id": "1"})
    with pytest.raises(WriteLimitError):
        await other.journal.begin(entry("l"), limit=limit)


async def test_replicas_whose_clocks_differ_agree_on_what_came_later(
    two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    ahead = 0.0
    monkeypatch.setattr(journals, "unix_now", lambda: time.time() + ahead)

    def row(intent: str) -> object:
        now = journals.unix_now()
        return replace(entry(intent, "x"), changed_at=now, settles_at=now + 20)

    await one.journal.mark_done(await one.journal.begin(row("i")), {})
    ahead = -3600.0
    await other.journal.begin(row("other"), remember=False)
    found = await other.journal.find("i")
    assert found.superseded
    assert found.entry
    assert abs(journals.unix_now() - found.entry.changed_at) < 60


@pytest.mark.parametrize(
    "change",
    [
        *(("entry", text) for text in ("{}", "[1]", "[" * 9_000)),
        *(("changed", text) for text in ("x", "nan")),
        *(("settles", "inf"), ("version", "")),
    ],
)
async def test_a_damaged_row_counts_as_a_journal_that_cannot_be_read(
    change: tuple[str, str], redis: RedisServer, two: tuple[Replica, Replica]
) -> None:
    await two[0].journal.begin(entry("i"))
    redis.command("HSET", journals._row("i"), *change)
    assert (await two[1].journal.find("i")).entry is None
    assert two[1].journal.unreadable
    assert two[1].journal.lost


async def test_all_keys_have_the_prefix_expire_and_hold_no_names(two: tuple[Replica, Replica]) -> None:
    one = two[0]
    await one.journal.begin(entry("intent", "a target"), limit=SettingLimit("writes", 2, "SETTING"))
    await one.journal.begin(replace(entry("intent", "a target"), key="k"))
    await one.journal.use_code("code")
    await one.seen("alice@example.com").remember({"key": "value"})
    await one.questions("alice@example.com").ask("request")
    await one.rate_limit("account", 10, 1).take()
    keys = [key async for key in one.client.scan_iter()]
    assert len(keys) > 9
    assert all(key.startswith(PREFIX) for key in keys)
    assert not any(name in key for key in keys for name in ("alice", "intent", "a target", "account"))
    without = [key for key in keys if await one.client.ttl(key) < 0]
    assert without == [journals._EPOCH]
