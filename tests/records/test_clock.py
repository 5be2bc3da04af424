"""The time of day, which a replay sets back."""

import time
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import pytest

from incident_mcp.records.clock import other_clock, unix_now, utc_now

pytestmark = pytest.mark.anyio


def test_the_time_is_that_of_this_machine() -> None:
    before = time.time()
    assert before <= unix_now() <= time.time()
    assert utc_now().tzinfo is UTC


async def test_another_clock_holds_in_threads_and_tasks_that_are_started_under_it_and_nowhere_else() -> None:
    read: list[float] = []

    async def look() -> None:
        read.append(unix_now())

    with other_clock(lambda: 1_000.0):
        assert utc_now() == datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC)
        read.append(await anyio.to_thread.run_sync(unix_now))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
    assert read == [1_000.0, 1_000.0]
    assert unix_now() > 1_000_000.0
