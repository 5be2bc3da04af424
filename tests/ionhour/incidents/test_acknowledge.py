"""Acknowledging an Ionhour incident."""

import pytest

pytestmark = pytest.mark.anyio

EXAMPLES = {"ionhour_acknowledge_incident": {"incident_id": 4514}}
EFFECTS = {
    "ionhour_acknowledge_incident": {
        "request": "POST /api/incidents/4514/acknowledge",
        "rows": "ionhour.events",
        "where": {"incidentId": 4514, "type": "ACKNOWLEDGED"},
        "looks": True,
    }
}

ACKNOWLEDGE = "ionhour_acknowledge_incident"


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
    assert "Incident 4501 is already resolved" in error
    assert "nothing was changed" in error
    assert len(box.requests) == 1


async def test_a_dry_run_acknowledges_nothing(call, box):
    told = await call.ok(ACKNOWLEDGE, incident_id=4514, dry_run=True)
    assert told["would_send"] == {"service": "Ionhour", "method": "POST", "path": "/incidents/4514/acknowledge"}
    assert box.requests == []
