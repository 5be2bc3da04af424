"""Maintenance windows: which alerts are held, and until when."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_maintenance": [{"status": "active"}, {}, {"status": "past"}]}

LIST = "incidentio_list_maintenance"


async def test_by_default_the_active_and_the_upcoming_windows_are_listed(call, box):
    answer = await call.ok(LIST)

    assert [row.query for row in box.requests] == [
        [("status", "active"), ("page_size", "50")],
        [("status", "upcoming"), ("page_size", "50")],
    ]
    assert [(row["name"], row["status"]) for row in answer["maintenance_windows"]] == [
        ("Ledger database upgrade", "active"),
        ("Router firmware in eu-west-1", "upcoming"),
    ]
    assert answer["maintenance_windows"][0] == {
        "id": account_ulid("maintenance window Ledger database upgrade"),
        "name": "Ledger database upgrade",
        "status": "active",
        "start_at": "2026-11-21T02:30:00Z",
        "end_at": "2026-11-21T04:30:00Z",
        "lead": "Sam Lindqvist",
        "holds": ["Alert → Service is one of ledger, payouts"],
        "notification_message": "Replica lag is expected.",
        "resolve_on_end": True,
        "reroute_on_end": False,
    }


async def test_a_window_names_the_incident_that_held_alerts_go_to(call):
    [window] = (await call.ok(LIST, status="past"))["maintenance_windows"]

    assert (window["status"], window["incident"]) == ("past", "INC-115")


async def test_more_windows_than_a_page_are_reported(call, box):
    rows = box.incidentio.rows["maintenance_windows"]
    active = next(row for row in rows if row["name"].startswith("Ledger"))
    rows += [active | {"id": account_ulid(f"window {number}")} for number in range(60)]

    answer = await call.ok(LIST, status="active")
    assert len(answer["maintenance_windows"]) == 50
    assert answer["has_more"] is True


async def test_a_window_in_an_unknown_form_is_listed_with_what_can_be_read(call, box):
    window = box.incidentio.rows["maintenance_windows"][1]
    window |= {"alert_condition_groups": [{"conditions": [{"subject": 5}, "x"]}, 7], "lead": None, "end_at": "later"}

    [row] = (await call.ok(LIST, status="active"))["maintenance_windows"] or [{}]
    assert row["name"] == "Ledger database upgrade"
    assert not {"lead", "end_at", "holds"} & row.keys()
