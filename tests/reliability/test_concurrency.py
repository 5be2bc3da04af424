"""The server answers while the services do not, reads side by side, and never asks too much of a service at once."""

from dataclasses import replace

import anyio
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.transport.service import Limits
from tests.conftest import text_of
from tests.reliability.conftest import BRIEF, Serve, until
from tests.reliability.effects import CREATE

pytestmark = pytest.mark.anyio


def waiting(box: Sandbox) -> int:
    return sum(row.status is None for row in box.requests)


@pytest.mark.filterwarnings("ignore:ping is removed")
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_32_calls_hang_16_of_them_at_the_service_and_others_are_answered(
    mode: str, box: Sandbox, serve: Serve
) -> None:
    box.fail(Fault("hang_before", service="incidentio"))
    async with serve(Limits(), mode=mode) as call, anyio.create_task_group() as tasks:
        for _ in range(32):
            tasks.start_soon(lambda: call.result("incidentio_get_incident", incident="INC-114"))
        await until(lambda: waiting(box) == 16)
        if mode == "legacy":
            await call.client.send_ping()
        else:
            assert (await call.client.list_tools()).tools
        assert (await call.ok("ionhour_get_incident", incident_id=4514))["id"] == 4514
        assert waiting(box) == 16
        tasks.cancel_scope.cancel()


async def test_32_reads_overlap(box: Sandbox, serve: Serve) -> None:
    box.fail(Fault("delay", seconds=0.5))
    async with serve() as call, anyio.create_task_group() as tasks:
        for _ in range(32):
            tasks.start_soon(lambda: call.ok("incidentio_get_incident", incident="INC-114"))
        await until(lambda: waiting(box) == 16)
    assert len(box.requests) == 32


async def test_a_read_of_both_services_is_not_held_up_by_the_other(box: Sandbox, serve: Serve) -> None:
    box.fail(Fault("hang_before"))
    async with serve() as call, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(lambda: call.result("incidentio_get_incident", incident="INC-114"))
            tasks.start_soon(lambda: call.result("ionhour_get_incident", incident_id=4514))
        await until(lambda: waiting(box) == 32)
        tasks.cancel_scope.cancel()


async def test_a_call_that_would_wait_past_its_time_for_the_rate_limit_says_so_at_once(
    box: Sandbox, serve: Serve
) -> None:
    box.incidentio.bucket.level = 1
    async with serve(replace(BRIEF, call=1.5)) as call:
        await call.ok("incidentio_get_incident", incident="INC-114")
        results = []

        async def one() -> None:
            results.append(await call.result("incidentio_get_incident", incident="INC-114"))

        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(one)
    refused = [text_of(result) for result in results if result.is_error]
    assert sum("rate limit is used up. Call again in" in text for text in refused) > 10
    assert len(box.requests) < 50


async def test_a_list_that_many_calls_need_is_read_once(box: Sandbox, serve: Serve) -> None:
    async with serve() as call, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(lambda n=number: call.ok(CREATE.tool, name=f"Drill {n}", severity="Minor"))
    assert sum(row.path == "/v1/severities" for row in box.requests) == 1
