"""Guard rails: so many writes in ten minutes, and what does not count."""

from pathlib import Path

import pytest

from incident_mcp.errors import GuardError
from incident_mcp.guard import WINDOW_SECONDS, Rail
from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Connect

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_rail_opens_again_when_the_oldest_is_ten_minutes_old() -> None:
    clock = Clock()
    rail = Rail("writes", 2, "SETTING", clock=clock)
    rail.take()
    clock.now += 100
    rail.take()
    with pytest.raises(GuardError, match=r"2 writes in the last 10 minutes.*SETTING.*in 500 s. Not sent."):
        rail.take()
    clock.now += WINDOW_SECONDS - 100
    rail.take()


def test_0_turns_a_rail_off() -> None:
    rail = Rail("writes", 0, "SETTING")
    for _ in range(1000):
        rail.take()


def test_one_that_came_to_nothing_is_given_back() -> None:
    rail = Rail("writes", 1, "SETTING")
    for _ in range(10):
        rail.give_back(rail.take())
    rail.take()


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
        assert "Guard rail" in await call.error("incidentio_create_incident", name="Another", severity="Minor")


async def test_a_refused_one_leaves_the_journal_as_it_was(connect: Connect, tmp_path: Path) -> None:
    async with connect(max_declares=1) as call:
        await call.ok("incidentio_create_incident", name="One", severity="Minor")
        await call.error("incidentio_create_incident", name="Two", severity="Minor")
    async with connect(max_declares=1) as call:
        answer = await call.ok("incidentio_create_incident", name="Two", severity="Minor")
    assert "repeated" not in answer
    assert (tmp_path / "state" / "journal.sqlite3").exists()
