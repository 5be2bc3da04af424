"""One Ionhour incident."""

import pytest

from tests.answering import Answering

pytestmark = pytest.mark.anyio

EXAMPLES = {"ionhour_get_incident": {"incident_id": 4512}}

LIST, GET, ACKNOWLEDGE = "ionhour_list_incidents", "ionhour_get_incident", "ionhour_acknowledge_incident"


def row_of(told, number):
    (row,) = [row for row in told["incidents"] if row["id"] == number]
    return row


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


async def test_the_token_of_a_check_is_in_no_answer_of_any_tool(call, box):
    assert "sandbox-token" in str(box.state())
    for incident in [row["id"] for row in box.ionhour.incidents]:
        for tool in (GET, ACKNOWLEDGE, "ionhour_list_events", "ionhour_list_notes"):
            assert "sandbox-token" not in (await call.result(tool, incident_id=incident)).model_dump_json()
    assert "sandbox-token" not in (await call.result(LIST, limit=100)).model_dump_json()


async def test_a_null_does_not_hide_the_value_in_the_other_place(call, box):
    incident = next(row for row in box.ionhour.incidents if row["id"] == 4510)
    incident |= {"dependencyName": None, "dependencyId": None, "checkId": None, "acknowledgedByUser": None}
    incident["dependency"] = {"id": 31, "name": "Stripe API"}
    got = await call.ok(GET, incident_id=4510)
    assert (got["dependency_name"], got["dependency_id"], got["check_id"]) == ("Stripe API", 31, 202)
    incident |= {"dependencyName": "Stripe API", "dependency": None}
    assert (await call.ok(GET, incident_id=4510))["dependency_name"] == "Stripe API"
    assert row_of(await call.ok(LIST, detail=True), 4510)["dependency"] == "Stripe API"


async def test_an_answer_without_what_is_optional_is_told(connect):
    network = Answering({("GET", "/api/incidents"): {"items": [{"id": 1}, {"title": "?"}, None], "pageCount": None}})
    network.answers["GET", "/api/incidents/1"] = {"id": 1, "title": None, "durationSinceSuccessMs": 1.7, "severity": {}}
    async with connect(sandbox=network) as call:
        told = await call.ok(LIST)
        assert told == {"has_more": False, "incidents": [{"id": 1}], "unreadable": 2}
        assert await call.ok(GET, incident_id=1) == {"id": 1, "duration_since_success_ms": 2}
