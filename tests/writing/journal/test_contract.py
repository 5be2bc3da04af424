"""What every form of the journal does, in memory and on disk: the contract of `writing.journal.protocol.Journal`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from incident_mcp.errors import WriteLimitError
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.journal.protocol import Journal
from incident_mcp.writing.journal.sqlite import SqliteJournal
from incident_mcp.writing.limits import SettingLimit

pytestmark = pytest.mark.anyio

FORMS: dict[str, Callable[[Path], Journal]] = {
    "in memory": lambda _: MemoryJournal(),
    "on disk": lambda folder: SqliteJournal(lambda: folder / "state"),
}


@pytest.fixture(params=FORMS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made = FORMS[request.param](tmp_path)
    yield made
    assert (made.trouble, made.unreadable) == (None, None)
    made.close()


def entry(intent: str = "i", *targets: str) -> Entry:
    now = time.time()
    return Entry(intent, "tool", "account", "key", "pending", None, now, now + 20, targets=targets)


async def test_an_intent_that_was_never_seen_is_unknown(journal: Journal) -> None:
    found = await journal.find("i")
    assert (found.entry, found.superseded) == (None, False)


async def test_a_write_that_began_is_pending_with_all_that_was_recorded_of_it(journal: Journal) -> None:
    begun = replace(entry("i", "x"), started_at=12.5, existing_ids=("1", "2"))
    await journal.begin(begun)
    found = (await journal.find("i")).entry
    assert found
    # A shared journal keeps times in a clock of its own.
    assert (found.changed_at, found.settles_at) == pytest.approx((begun.changed_at, begun.settles_at), abs=5)
    assert replace(found, changed_at=begun.changed_at, settles_at=begun.settles_at) == begun


async def test_a_write_that_is_done_keeps_its_record_and_both_kinds_of_targets(journal: Journal) -> None:
    await journal.mark_done(await journal.begin(entry("i", "x")), {"id": "1"}, ("y",))
    found = (await journal.find("i")).entry
    assert found
    assert (found.state, found.record, found.targets) == ("done", {"id": "1"}, ("x", "y"))
    assert found.unsettled_seconds <= 0


async def test_a_write_of_unknown_outcome_may_take_effect_for_a_while(journal: Journal) -> None:
    await journal.mark_unknown(await journal.begin(entry()), unsettled_seconds=10)
    found = (await journal.find("i")).entry
    assert found
    assert (found.state, found.record) == ("unknown", None)
    assert 8 < found.unsettled_seconds <= 10


async def test_a_write_that_is_taken_back_leaves_what_was_known_before(journal: Journal) -> None:
    await journal.undo(await journal.begin(entry("other")))
    assert (await journal.find("other")).entry is None
    await journal.mark_unknown(await journal.begin(entry()), unsettled_seconds=10)
    await journal.undo(await journal.begin(replace(entry(), key="another")))
    found = (await journal.find("i")).entry
    assert found
    assert (found.state, found.key) == ("unknown", "key")


async def test_the_key_that_was_sent_last_is_found(journal: Journal) -> None:
    write = await journal.begin(entry())
    await journal.change_key(write, "next key")
    await journal.mark_done(write, {})
    assert [found.intent for found in await journal.find_by_key("account", "next key")] == ["i"]
    assert await journal.find_by_key("account", "key") == []
    assert await journal.find_by_key("another account", "next key") == []


async def test_a_later_write_to_a_target_supersedes_an_entry_unless_it_is_taken_back(journal: Journal) -> None:
    await journal.mark_done(await journal.begin(entry("i", "x")), {}, ("y",))
    asked_at = time.time()
    for target in ("x", "y"):
        other = await journal.begin(entry("other", target), remember=False)
        assert (await journal.find("i")).superseded
        assert not (await journal.find("i", asked_at)).superseded
        assert (await journal.find("other")).entry is None
        await journal.undo(other)
        assert not (await journal.find("i")).superseded
    await journal.begin(entry("other", "z"), remember=False)
    assert not (await journal.find("i")).superseded


async def test_a_code_is_used_once(journal: Journal) -> None:
    await journal.prepare_codes()
    assert [await journal.use_code(code) for code in ("one", "one", "two", "one")] == [True, False, True, False]


async def test_of_many_uses_of_a_code_at_once_one_counts(journal: Journal) -> None:
    used: list[bool] = []

    async def use() -> None:
        used.append(await journal.use_code("one"))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(use)
    assert sorted(used) == [False] * 7 + [True]


async def test_a_limit_counts_its_own_kind_and_what_took_place(journal: Journal) -> None:
    limit, another = SettingLimit("writes", 2, "SETTING"), SettingLimit("declarations", 2, "ANOTHER")
    for number in range(2):
        await journal.begin(entry(f"{number}"), limit=limit)
        await journal.undo(await journal.begin(entry("taken back"), limit=another))
    with pytest.raises(WriteLimitError, match=r"2 writes in the last 10 minutes.*SETTING.*in (600|599) s. Not sent."):
        await journal.begin(entry("one too many"), limit=limit)
    assert (await journal.find("one too many")).entry is None
    await journal.begin(entry("another kind"), limit=another)
    await journal.begin(entry("not counted"))


async def test_0_turns_a_limit_off(journal: Journal) -> None:
    for _ in range(100):
        await journal.begin(entry(), limit=SettingLimit("writes", 0, "SETTING"), remember=False)


async def test_a_lock_is_held_by_one_task_at_a_time(journal: Journal) -> None:
    held = 0

    async def hold() -> None:
        nonlocal held
        async with journal.lock("i", anyio.current_time() + 10) as acquired:
            assert acquired
            assert held == 0
            held += 1
            await anyio.sleep(0.01)
            held -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(hold)


async def test_a_lock_that_is_not_free_in_time_is_not_acquired(journal: Journal) -> None:
    acquired: list[bool] = []

    async def hold() -> None:
        async with journal.lock("i", anyio.current_time() + 1.05) as held:
            acquired.append(held)

    async with journal.lock("i", anyio.current_time() + 10), anyio.create_task_group() as tasks:
        tasks.start_soon(hold)
    await hold()
    assert acquired == [False, True]
