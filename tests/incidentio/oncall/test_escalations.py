"""Listing and getting escalations, and the paths that they follow."""

from typing import Any

import pytest

from incident_mcp.sandbox import Sandbox
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_escalations": [
        {},
        {"incident": "INC-114"},
        {"status": ["acked"]},
        {"escalation_path": "Payments"},
        {"user": "Yuki Tanaka"},
        {"alert": "monitor-4411"},
    ],
    "incidentio_get_escalation": {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV"},
}


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_the_pages_of_one_user_come_each_once_and_the_last_one_says_so(call: Caller, limit: int) -> None:
    seen: list[str] = []
    more: dict[str, Any] = {}
    looked_at = 0
    for _ in range(10):
        answer = await call.ok("incidentio_list_escalations", user="Yuki Tanaka", limit=limit, **more)
        seen += [row["title"] for row in answer["escalations"]]
        looked_at += answer["looked_at"]
        if not answer["has_more"]:
            break
        more = {"after": answer["after"]}
    assert seen == ["Checkout errors above 5 percent", "Payout file is missing"]
    assert looked_at == 8


async def test_a_team_is_named_or_given_by_its_id(call: Caller) -> None:
    by_name = await call.ok("incidentio_list_paths", team="payments")
    assert len(by_name["escalation_paths"]) == 12
    assert by_name["escalation_paths"][0]["teams"] == ["Payments"]
    assert (await call.ok("incidentio_list_paths", team="Search"))["escalation_paths"] == []
    assert "Pass one of: Payments, Platform, Search" in await call.error("incidentio_list_paths", team="Paymentz")


async def test_without_the_scope_a_team_goes_by_its_id_alone(connect: Connect, box: Sandbox) -> None:
    box.incidentio.remove_scope("catalog_entries.view")
    async with connect() as call:
        assert "pass its ID" in await call.error("incidentio_list_paths", team="payments")
