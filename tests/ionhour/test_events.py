"""The event timeline, in an envelope or bare."""

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("enveloped", [True, False])
async def test_what_happened_is_told_oldest_first(call, box, enveloped):
    box.ionhour.enveloped = enveloped
    told = await call.ok("ionhour_list_events", incident_id=4507)
    assert [row["type"] for row in told["events"]] == ["OPENED", "ALERT_SENT", "ACKNOWLEDGED", "RESOLVED"]
    assert told["events"][1] == {
        "type": "ALERT_SENT",
        "message": "Slack message sent to #ops-payouts",
        "occurred_at": "2026-11-20T22:01:00Z",
    }
    assert told["has_more"] is False


async def test_an_acknowledgement_shows_in_the_timeline(call):
    await call.ok("ionhour_acknowledge_incident", incident_id=4514)
    told = await call.ok("ionhour_list_events", incident_id=4514)
    assert told["events"][-1]["message"] == "Acknowledged by sam.okafor@paysand.example"


async def test_a_kind_of_event_that_is_not_documented_yet_is_told(call, box):
    box.ionhour.events[-1]["type"] = "REOPENED"
    number = box.ionhour.events[-1]["incidentId"]
    assert "REOPENED" in [row["type"] for row in (await call.ok("ionhour_list_events", incident_id=number))["events"]]


async def test_a_long_message_is_cut_with_a_mark(call, box):
    box.ionhour.events[-1]["message"] = "x" * 2000
    number = box.ionhour.events[-1]["incidentId"]
    told = await call.ok("ionhour_list_events", incident_id=number)
    assert "… [cut]" in told["events"][-1]["message"][-40:]
    assert len(told["events"][-1]["message"]) == 500


async def test_the_timeline_of_no_incident_is_an_error(call):
    assert "404" in await call.error("ionhour_list_events", incident_id=99)
