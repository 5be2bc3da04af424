"""The list of Ionhour incidents."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

EXAMPLES = {"ionhour_list_incidents": [{}, {"detail": True}, {"name_contains": "checkout"}]}

LIST = "ionhour_list_incidents"


def row_of(told, number):
    (row,) = [row for row in told["incidents"] if row["id"] == number]
    return row


OPEN = {4509, 4510, 4512, 4513, 4514}


STATES = [
    ("ACTIVE", OPEN),
    ("open", OPEN),
    ("MONITORING", {4513}),
    ("monitoring", {4513}),
    ("Resolved", {4498, 4501, 4503, 4507}),
]


async def test_a_state_in_any_case_finds_its_incidents_and_monitoring_only_those(call):
    for state, numbers in STATES:
        told = await call.ok(LIST, state=state)
        assert {row["id"] for row in told["incidents"]} == numbers, state
        assert not told["has_more"]


@pytest.mark.parametrize("state", ["DOWN", "ACTIVE,RESOLVED", "active' or 1", ["ACTIVE", "RESOLVED"]])
async def test_an_unknown_state_is_refused_with_the_known_ones_and_nothing_is_sent(call, box, state):
    error = await call.error(LIST, state=state)
    assert "'ACTIVE', 'RESOLVED', 'OPEN' or 'MONITORING'" in error or "state takes one value, not a list" in error
    assert box.requests == []


async def test_projects_and_checks_are_filtered(call):
    assert {row["id"] for row in (await call.ok(LIST, project_id=13))["incidents"]} == {4501, 4503, 4507}
    assert {row["id"] for row in (await call.ok(LIST, check_id="205"))["incidents"]} == {4503, 4507}


async def test_rows_that_would_be_long_are_lean_and_the_total_is_told(call):
    told = await call.ok(LIST, state="ACTIVE")
    assert told["total"] == 5
    (row,) = [row for row in told["incidents"] if row["id"] == 4512]
    assert row == {
        "id": 4512,
        "title": "webhook-worker is down",
        "state": "ACTIVE",
        "severity": "P2",
        "project": "Merchant platform",
        "check": "webhook-worker",
        "started_at": "2026-11-21T00:35:00Z",
        "acknowledged_at": "2026-11-21T00:52:00Z",
    }
    # Of MONITORING the API counts other rows too, so its total would mislead.
    assert "total" not in await call.ok(LIST, state="MONITORING")


@pytest.fixture
def bulk() -> Sandbox:
    return Sandbox(now=NOW, bulk=112)


@settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(3, 100))
async def test_pages_of_any_size_add_up(call, box, limit):
    seen, page = [], 1
    while True:
        told = await call.ok(LIST, limit=limit, page=page)
        seen += [row["id"] for row in told["incidents"]]
        assert told["has_more"] is ("page" in told)
        if not told["has_more"]:
            break
        assert told["page"] == page + 1
        page = told["page"]
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(row["id"] for row in box.ionhour.incidents)


async def test_a_page_past_the_end_is_empty_and_leads_nowhere(call):
    assert await call.ok(LIST, page=9) == {"incidents": [], "has_more": False, "total": 9}


async def test_a_limit_that_the_service_lowers_still_leads_to_the_rest(connect, bulk):
    seen, page = [], 1
    async with connect(sandbox=bulk) as call:
        while page:
            told = await call.ok(LIST, limit=100, page=page)
            seen += [row["id"] for row in told["incidents"]]
            page = told.get("page")
    assert len(seen) == len(set(seen)) == 121


FULL = {
    "id": 4510,
    "title": "checkout-web is impacted by Stripe API",
    "state": "ACTIVE",
    "severity": "P3",
    "project": "Checkout",
    "check": "checkout-web",
    "started_at": "2026-11-21T00:30:00Z",
    "reason": "DEPENDENCY_DOWN",
    "dependency": "Stripe API",
    "since_success": "6m",
    "last_signal_type": "SUSPECT",
    "last_signal_at": "2026-11-21T02:56:00Z",
    "last_success_at": "2026-11-21T02:54:00Z",
    "project_id": 11,
    "check_id": 202,
    "dependency_id": 31,
    "last_signal_source": "probe eu-west",
}
"""Incident 4510 in a list, but for its public id."""


LEAN = {"id", "title", "state", "severity", "project", "check", "started_at", "resolved_at", "acknowledged_at"}


async def test_with_detail_every_field_of_a_row_is_told(call, box):
    told = await call.ok(LIST, detail=True)
    row = row_of(told, 4510)
    assert row.pop("public_id") == next(each["publicId"] for each in box.ionhour.incidents if each["id"] == 4510)
    assert row == FULL
    acknowledged = row_of(told, 4512)
    assert (acknowledged["acknowledged_by"], acknowledged["acknowledged_by_email"]) == (7, "sam.okafor@paysand.example")
    assert acknowledged["summary"].endswith("- See the runbook (https://runbooks.paysand.example/webhooks)")
    assert row_of(told, 4507)["recovered_at"] == "2026-11-21T01:55:00Z"
    for found in (await call.ok(LIST, detail=True, name_contains="stripe"), await call.ok(LIST, detail="true")):
        assert row_of(found, 4510)["dependency_id"] == 31


async def test_a_row_holds_as_much_as_stays_inside_60_tokens_and_short_ones_hold_everything(call, box):
    for row in (await call.ok(LIST))["incidents"]:
        assert count_tokens(row) <= 65 or set(row) <= LEAN, row
        assert {"title", "state", "severity"} <= set(row)
    assert row_of(await call.ok(LIST), 4514)["reason"] == "SERVICE_DOWN"
    short = {
        "id": 1,
        "title": "t",
        "state": "ACTIVE",
        "reason": "R",
        "dependencyName": "D",
        "projectId": 11,
        "checkId": 2,
    }
    box.ionhour.incidents.append(dict.fromkeys(box.ionhour.incidents[-1]) | short)
    row = {"id": 1, "title": "t", "state": "ACTIVE", "reason": "R", "dependency": "D", "project_id": 11, "check_id": 2}
    assert row_of(await call.ok(LIST), 1) == row
