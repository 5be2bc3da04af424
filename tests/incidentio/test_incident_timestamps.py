"""Incident timestamps."""

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import TIMESTAMP
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_timestamps": {}}
TOOL = "incidentio_list_timestamps"


async def test_timestamps_are_listed_in_the_order_of_their_ranks(call: Caller) -> None:
    assert (await call.ok(TOOL))["incident_timestamps"] == [
        {"id": TIMESTAMP["Reported at"], "name": "Reported at", "rank": 1},
        {"id": TIMESTAMP["Impact started"], "name": "Impact started", "rank": 2},
        {"id": TIMESTAMP["Fixed at"], "name": "Fixed at", "rank": 3},
    ]


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    odd = [{"id": "01A", "name": "Odd", "rank": "first"}, {"id": "01B", "name": "Late", "rank": 2.4}, {"name": "x"}]
    box.fail(Fault("replace", status=200, path="/v2/incident_timestamps$", body={"incident_timestamps": odd}))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["incident_timestamps"] == [{"id": "01A", "name": "Odd"}, {"id": "01B", "name": "Late", "rank": 2}]
    assert answer["unreadable"] == 1
