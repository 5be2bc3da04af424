"""Ionhour incidents: list, get, acknowledge."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Sandbox
from tests.answering import Answering
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "ionhour_list_incidents": [{}, {"detail": True}, {"name_contains": "checkout"}],
    "ionhour_get_incident": {"incident_id": 4512},
    "ionhour_acknowledge_incident": {"incident_id": 4514},
}
EFFECTS = {
    "ionhour_acknowledge_incident": {
        "request": "POST /api/incidents/4514/acknowledge",
        "rows": "ionhour.events",
        "where": {"incidentId": 4514, "type": "ACKNOWLEDGED"},
        "looks": True,
    }
}

LIST, GET, ACKNOWLEDGE = "ionhour_list_incidents", "ionhour_get_incident", "ionhour_acknowledge_incident"
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


async def test_get_tells_the_incident_whole_its_summary_as_text(call):
    incident = await call.ok(GET, incident_id=4512)
    assert incident["summary"] == (
        "The worker's heartbeat is missing.\n- Queue depth: 4,000\n"
        "- See the runbook (https://runbooks.paysand.example/webhooks)"
    )
    assert (incident["project"], incident["check"]) == ("Merchant platform", "webhook-worker")
    assert incident["acknowledged_by_email"] == "sam.okafor@paysand.example"
    assert incident["duration_since_success_ms"] == 148 * 60_000
    dependent = await call.ok(GET, incident_id=4510)
    assert (dependent["dependency_id"], dependent["dependency_name"]) == (31, "Stripe API")


async def test_an_incident_without_check_project_or_reason_is_told_without_them(call):
    incident = await call.ok(GET, incident_id=4509)
    assert incident["title"] == "Refunds wait for manual approval"
    assert not {"check", "check_id", "project", "project_id", "reason"} & set(incident)


async def test_an_incident_that_does_not_exist_is_said_not_to(call):
    assert "Ionhour answered 404 Not Found: Incident with ID 99 not found." in await call.error(GET, incident_id=99)


@pytest.mark.parametrize("bad", [0, -1, "INC-1", "../1", "1/2", "", 1.5])
async def test_an_id_that_is_no_number_is_refused_before_anything_is_sent(call, box, bad):
    for tool in (GET, ACKNOWLEDGE, "ionhour_list_events", "ionhour_list_notes"):
        assert "incident_id" in await call.error(tool, incident_id=bad)
    assert box.requests == []


async def test_acknowledging_twice_succeeds_with_the_same_answer(call, box):
    first = await call.ok(ACKNOWLEDGE, incident_id=4514)
    second = await call.ok(ACKNOWLEDGE, incident_id=4514)
    assert first == second
    assert first["acknowledged_by"] == 7
    assert (first["id"], first["state"]) == (4514, "ACTIVE")
    assert {request.body for request in box.writes()} == {None}


async def test_acknowledging_a_resolved_incident_says_that_it_is_resolved_and_is_not_tried_again(call, box):
    error = await call.error(ACKNOWLEDGE, incident_id=4501)
    assert "Ionhour answered 409" in error
    assert "Incident 4501 is resolved already" in error
    assert "nothing was changed" in error
    assert len(box.requests) == 1


async def test_a_dry_run_acknowledges_nothing(call, box):
    told = await call.ok(ACKNOWLEDGE, incident_id=4514, dry_run=True)
    assert told["would_send"] == {"service": "Ionhour", "method": "POST", "path": "/incidents/4514/acknowledge"}
    assert box.requests == []


async def test_the_token_of_a_check_is_in_no_answer_of_any_tool(call, box):
    assert "sandbox-token" in str(box.state())
    for incident in [row["id"] for row in box.ionhour.incidents]:
        for tool in (GET, ACKNOWLEDGE, "ionhour_list_events", "ionhour_list_notes"):
            assert "sandbox-token" not in (await call.result(tool, incident_id=incident)).model_dump_json()
    assert "sandbox-token" not in (await call.result(LIST, limit=100)).model_dump_json()


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


def row_of(told, number):
    (row,) = [row for row in told["incidents"] if row["id"] == number]
    return row


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


async def test_a_null_does_not_hide_the_value_in_the_other_place(call, box):
    incident = next(row for row in box.ionhour.incidents if row["id"] == 4510)
    incident |= {"dependencyName": None, "dependencyId": None, "checkId": None, "acknowledgedByUser": None}
    incident["dependency"] = {"id": 31, "name": "Stripe API"}
    got = await call.ok(GET, incident_id=4510)
    assert (got["dependency_name"], got["dependency_id"], got["check_id"]) == ("Stripe API", 31, 202)
    incident |= {"dependencyName": "Stripe API", "dependency": None}
    assert (await call.ok(GET, incident_id=4510))["dependency_name"] == "Stripe API"
    assert row_of(await call.ok(LIST, detail=True), 4510)["dependency"] == "Stripe API"


@pytest.mark.parametrize("limit", [1, 2, 20])
async def test_monitoring_never_answers_an_empty_page_with_more(connect, limit):
    box = Sandbox(now=NOW, bulk=250)
    watched = [row for row in box.ionhour.incidents if row["id"] % 50 == 0 or row["id"] == 4513]
    for row in watched:
        row["state"] = "MONITORING"
    seen, page = [], 1
    async with connect(sandbox=box) as call:
        while page:
            told = await call.ok(LIST, state="MONITORING", limit=limit, page=page)
            assert told["incidents"] or not told["has_more"]
            assert told["has_more"] is ("page" in told)
            assert told["looked_at_all"] or told["has_more"]
            seen += [row["id"] for row in told["incidents"]]
            page = told.get("page")
    assert sorted(seen) == sorted(row["id"] for row in watched)


async def test_monitoring_beyond_what_is_looked_at_says_so(connect):
    box = Sandbox(now=NOW, bulk=1_100)
    async with connect(sandbox=box) as call:
        told = await call.ok(LIST, state="MONITORING")
    assert (told["incidents"], told["has_more"], told["looked_at"], told["looked_at_all"]) == ([], False, 1000, False)
    assert told["note"] == "Not all was looked at: narrow the filters."


async def test_a_project_and_a_check_are_found_by_the_names_that_rows_carry(call, box):
    for project in ("Back office", " back OFFICE ", "13", 13, 13.0):
        assert {row["id"] for row in (await call.ok(LIST, project_id=project))["incidents"]} == {4501, 4503, 4507}
        assert ("projectId", "13") in box.requests[-1].query
    assert {row["id"] for row in (await call.ok(LIST, check_id="payout-files"))["incidents"]} == {4503, 4507}
    assert ("checkId", "205") in box.requests[-1].query
    # The names are read once a minute.
    assert [dict(request.query).get("limit") for request in box.requests].count("100") == 2


async def test_a_name_that_no_row_carries_is_refused_with_those_found(call, box):
    error = await call.error(LIST, project_id="Payments")
    assert "project_id: none of the last 9 incidents is of a project called 'Payments'." in error
    assert "Checkout (11)" in error
    assert "Back office (13)" in error
    assert len(box.requests) == 1
    assert "check_id takes a number from 1 on, or a name" in await call.error(LIST, check_id="0")


async def test_a_name_of_two_projects_is_refused_with_both_numbers(call, box):
    newest = box.ionhour.incidents[-1]
    newest["project"] = {"id": 99, "name": "back office"}
    assert "'Back office' is the name of several: 13, 99. Pass the number." in await call.error(
        LIST, project_id="Back office"
    )


async def test_no_search_makes_more_than_60_requests_where_there_is_always_more(connect):
    def endless(query):
        number = int(query["page"])
        item = {"id": number, "title": "t", "state": "ACTIVE"}
        return {"items": [item], "page": number, "pageCount": number + 1, "total": 10**6, "limit": 1}

    for arguments in ({"name_contains": "zeppelin"}, {"state": "MONITORING"}, {"project_id": "Nowhere"}):
        network = Answering({("GET", "/api/incidents"): endless})
        async with connect(sandbox=network) as call:
            await call.result(LIST, **arguments)
        assert 40 < len(network.requests) <= 60


async def test_pages_that_repeat_or_are_empty_end_the_reading(connect):
    item = {"id": 1, "title": "t", "state": "ACTIVE"}
    for items, requests in (([item], 2), ([], 1)):
        answer = {"items": items, "page": 1, "pageCount": 99, "total": 99, "limit": 1}
        network = Answering({("GET", "/api/incidents"): lambda _, answer=answer: answer})
        async with connect(sandbox=network) as call:
            told = await call.ok(LIST, name_contains="zeppelin")
        assert len(network.requests) == requests
        assert told["looked_at"] == len(items)
        assert told["looked_at_all"] is True


async def test_an_answer_without_what_is_optional_is_told(connect):
    network = Answering({("GET", "/api/incidents"): {"items": [{"id": 1}, {"title": "?"}, None], "pageCount": None}})
    network.answers["GET", "/api/incidents/1"] = {"id": 1, "title": None, "durationSinceSuccessMs": 1.7, "severity": {}}
    async with connect(sandbox=network) as call:
        told = await call.ok(LIST)
        assert told == {"has_more": False, "incidents": [{"id": 1}], "unreadable": 2}
        assert await call.ok(GET, incident_id=1) == {"id": 1, "duration_since_success_ms": 2}
