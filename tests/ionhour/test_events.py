"""Events, in an envelope or as a bare array."""

import pytest

from tests.account import Scripted

pytestmark = pytest.mark.anyio

EXAMPLES = {"ionhour_list_events": {"incident_id": 4512}}


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
    assert told["events"][-1]["message"].endswith("…")
    assert len(told["events"][-1]["message"]) == 500
    assert "incident_timeline" in told["cut"]
    after, found = {}, []
    while True:
        story = await call.ok("incident_timeline", ionhour_incident_id=number, limit=5, **after)
        found += [row for row in story["entries"] if row.get("text") == "x" * 2000]
        if not story["has_more"]:
            break
        after = {"after": story["after"]}
    assert len(found) == 1


@pytest.mark.parametrize("lists_unknown", [False, True])
@pytest.mark.parametrize("enveloped", [True, False])
async def test_the_events_of_no_incident_are_an_error_even_where_the_service_lists_none(
    connect, box, lists_unknown, enveloped
):
    box.ionhour.lists_unknown, box.ionhour.enveloped = lists_unknown, enveloped
    async with connect() as call:
        assert "Incident with ID 99 not found" in await call.error("ionhour_list_events", incident_id=99)
        box.ionhour.events.clear()
        assert (await call.ok("ionhour_list_events", incident_id=4514))["events"] == []


async def test_an_event_without_a_type_or_with_an_odd_instant_is_told_and_no_event_is_counted(connect):
    rows = [
        {"message": "m", "occurredAt": "soon"},
        {"type": {"a": 1}, "occurredAt": "2026-11-21T03:00:00Z"},
        "no event",
    ]
    network = Scripted({("GET", "/api/incident-events/1"): rows})
    async with connect(sandbox=network) as call:
        told = await call.ok("ionhour_list_events", incident_id=1)
    assert told["events"] == [{"message": "m"}, {"occurred_at": "2026-11-21T03:00:00Z"}]
    assert told["unreadable"] == 1
