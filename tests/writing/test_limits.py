"""Write limits: so many writes in ten minutes over all processes that share a journal, and what does not count."""

import time
from pathlib import Path

import pytest

from incident_mcp.errors import WriteLimitError
from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.sqlite import SqliteJournal
from incident_mcp.writing.limits import SettingLimit, WriteLimit
from tests.conftest import Connect

pytestmark = pytest.mark.anyio


async def send(journal: SqliteJournal, limit: WriteLimit, intent: str = "i") -> None:
    now = time.time()
    row = Entry(intent, "t", "a", "k", "pending", None, now, now)
    await journal.begin(row, limit=limit, remember=False)


async def test_a_limit_holds_over_all_processes_with_one_journal(tmp_path: Path) -> None:
    limit = SettingLimit("writes", 2, "SETTING")
    for _ in range(2):
        await send(SqliteJournal(lambda: tmp_path), limit)
    with pytest.raises(WriteLimitError, match=r"2 writes in the last 10 minutes.*SETTING.*in (600|599) s. Not sent."):
        await send(SqliteJournal(lambda: tmp_path), limit)


async def test_writes_of_a_clock_that_was_ahead_do_not_count_for_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = SettingLimit("writes", 1, "SETTING")
    journal = SqliteJournal(lambda: tmp_path)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 7_200)
    await send(journal, limit)
    monkeypatch.setattr(time, "time", real)
    await send(journal, limit)
    with pytest.raises(WriteLimitError):
        await send(journal, limit)


async def test_the_sixth_declaration_in_ten_minutes_is_refused_and_sends_nothing(
    connect: Connect, box: Sandbox
) -> None:
    async with connect() as call:
        for number in range(5):
            await call.ok("incidentio_create_incident", name=f"Drill {number}", severity="Minor")
        text = await call.error("incidentio_create_incident", name="Drill 6", severity="Minor")
        assert "INCIDENT_MCP_MAX_DECLARES" in text
        assert "600 s" in text
        assert len(box.writes()) == 5
        # Other writes have a rail of their own.
        await call.ok("incidentio_post_update", incident="INC-114", message="Still here.")


async def test_the_31st_other_write_is_refused(connect: Connect, box: Sandbox) -> None:
    async with connect() as call:
        for number in range(30):
            await call.ok("ionhour_create_note", incident_id=4514, body=f"Note {number}")
        assert "INCIDENT_MCP_MAX_WRITES" in await call.error("ionhour_acknowledge_incident", incident_id=4514)
    assert len(box.writes()) == 30


async def test_repeats_refusals_throttled_writes_and_dry_runs_do_not_count(connect: Connect, box: Sandbox) -> None:
    create = {"name": "Refunds fail", "severity": "Minor"}
    async with connect(max_declares=1, max_writes=1) as call:
        for status in (401, 422):
            box.fail(Fault("status", method="POST", status=status))
            await call.error("incidentio_create_incident", **create)
            box.heal()
        box.fail(Fault("status", method="POST", status=429, headers={"Retry-After": "900"}))
        await call.error("incidentio_create_incident", **create)
        box.heal()
        await call.ok("incidentio_create_incident", **create, dry_run=True)
        for _ in range(5):
            await call.ok("incidentio_create_incident", **create)
        assert "Write limit" in await call.error("incidentio_create_incident", name="Another", severity="Minor")


async def test_a_refused_one_leaves_the_journal_as_it_was(connect: Connect, tmp_path: Path) -> None:
    async with connect(max_declares=1) as call:
        await call.ok("incidentio_create_incident", name="One", severity="Minor")
        await call.error("incidentio_create_incident", name="Two", severity="Minor")
    async with connect(max_declares=2) as call:
        answer = await call.ok("incidentio_create_incident", name="Two", severity="Minor")
    assert "repeated" not in answer
    assert (tmp_path / "state" / "journal.sqlite3").exists()
