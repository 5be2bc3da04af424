"""Ionhour's maintenance windows."""

import pytest

from incident_mcp.sandbox.engine.service import Reply
from tests.response.altered import alter

pytestmark = pytest.mark.anyio

EXAMPLES = {"ionhour_list_maintenance": [{"state": "ACTIVE"}, {}, {"state": "COMPLETED"}]}
LIST = "ionhour_list_maintenance"


async def test_by_default_the_active_and_the_scheduled_windows_are_listed(call, box):
    answer = await call.ok(LIST)

    assert [dict(row.query) for row in box.requests] == [
        {"workspaceId": "1", "state": "ACTIVE"},
        {"workspaceId": "1", "state": "SCHEDULED"},
    ]
    assert [row["state"] for row in answer["maintenance_windows"]] == ["ACTIVE", "SCHEDULED"]
    assert answer["maintenance_windows"][0] == {
        "id": 61,
        "name": "Payout host move",
        "state": "ACTIVE",
        "start_at": "2026-11-21T02:30:00Z",
        "end_at": "2026-11-21T04:30:00Z",
        "project_ids": [13],
        "suppress_alerts": True,
        "suppress_incidents": False,
        "timezone": "UTC",
    }


@pytest.mark.parametrize(("state", "found"), [("completed", [60]), ("CANCELLED", [63]), (" Active", [61])])
async def test_a_state_in_any_case_is_the_service_s_filter(call, state, found):
    answer = await call.ok(LIST, state=state)
    assert [row["id"] for row in answer["maintenance_windows"]] == found


async def test_a_service_that_ignores_the_state_repeats_no_window(connect, box):
    rows = box.ionhour.rows["maintenance_windows"]
    box.ionhour.routes["GET", "/api/maintenance-windows"] = lambda _: Reply(200, rows)
    async with connect() as call:
        answer = await call.ok(LIST)
    assert [row["id"] for row in answer["maintenance_windows"]] == [60, 61, 62, 63]


async def test_a_window_in_an_unknown_form_is_listed_with_what_can_be_read(connect, box):
    def odd(body):
        projects = [{"id": 13, "name": "Back office"}, {"id": 14}, 7, {"name": ["x"]}]
        body["items"][0] |= {"projects": projects, "projectIds": ["x", 13, True], "endAt": "later", "name": 7.5}
        body["items"].append("a window")
        body |= {"total": 90, "pageCount": 5}

    alter(box, "/api/maintenance-windows", odd)
    async with connect() as call:
        answer = await call.ok(LIST, state="ACTIVE")
    [row] = answer["maintenance_windows"]
    assert (row["name"], row["projects"], row["project_ids"]) == ("7.5", ["Back office"], [13])
    assert "end_at" not in row
    assert (answer["unreadable"], answer["has_more"]) == (1, True)
