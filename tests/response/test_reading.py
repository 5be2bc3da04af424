"""Reading many parts in one call: in parallel within the service's limit, and each text parsed once."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import anyio
import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.transport.service import Limits
from tests.conftest import NOW
from tests.reliability.conftest import serving, until
from tests.response.situation.test_situation import many_updates

pytestmark = pytest.mark.anyio


@contextmanager
def counted(*functions: str) -> Iterator[Counter[str]]:
    """Count the calls of functions of ours by their names."""
    calls: Counter[str] = Counter()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "incident_mcp" in frame.f_code.co_filename and frame.f_code.co_name in functions:
            calls[frame.f_code.co_name] += 1

    sys.setprofile(watch)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def waiting(box: Sandbox, path: str) -> int:
    return sum(row.status is None and path in row.path for row in box.requests)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_updates_that_are_read_singly_are_read_16_at_once(tmp_path, mode):
    box = Sandbox(now=NOW, bulk=40)
    many_updates(box, "INC-116", 260, first_minutes_ago=15)
    box.fail(Fault("hang_before", path="incident_updates", after=1))
    async with serving(box, tmp_path, Limits(), mode=mode) as call, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call.result("situation", limit=40))
        await until(lambda: waiting(box, "incident_updates") == 16)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("tool", ["incident_timeline", "situation"])
async def test_alerts_that_are_looked_up_are_read_16_at_once(tmp_path, tool):
    box = Sandbox(now=NOW, bulk=40)
    alerts = box.ionhour.incidents[-20:]
    lines = "\n".join(f"Ionhour incident {alert['id']} ({alert['publicId']})" for alert in alerts)
    box.incidentio.incidents[-1]["summary"] = lines
    for alert in alerts:
        alert["state"] = "RESOLVED"
    box.fail(Fault("hang_before", service="ionhour", path=r"incidents/\d+$"))
    reference = box.incidentio.incidents[-1]["reference"]
    arguments = {"incident": reference} if tool == "incident_timeline" else {"limit": 100}
    async with serving(box, tmp_path, Limits()) as call, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call.result(tool, **arguments))
        await until(lambda: waiting(box, "incidents/") == 16)
        tasks.cancel_scope.cancel()


async def test_the_situation_parses_each_summary_once(connect):
    box = Sandbox(now=NOW, bulk=60)
    closed = next(row for row in box.incidentio.statuses if row["category"] == "closed")
    for row in box.incidentio.incidents[-60:-20]:
        row["incident_status"] = closed
    async with connect(sandbox=box) as call:
        with counted("alerts_in") as calls:
            answer = await call.ok("situation", limit=100)
    assert len(answer["ionhour_incidents"]) >= 60
    read = len(box.incidentio.incidents) + len(answer["incidents"]) + (answer.get("incidents_not_shown") or 0)
    assert 60 <= calls["alerts_in"] <= read


async def test_a_declaration_is_compared_with_each_open_incident_and_read_itself_once(connect):
    box = Sandbox(now=NOW, bulk=200)
    async with connect(sandbox=box) as call:
        with counted("likeness", "_read", "alerts_in") as calls:
            await call.ok("incidentio_create_incident", name="Ledger exports fail in Oslo", severity="Minor")
    assert calls["likeness"] >= 200
    # The names of arguments and of the other incidents are read too, each once.
    assert calls["_read"] < calls["likeness"] + 40
    assert calls["alerts_in"] <= 1
