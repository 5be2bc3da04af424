"""Actions: created once, and never overwritten blindly."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import rfc3339

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_actions": [{"incident": "INC-114"}, {"status": "outstanding"}],
    "incidentio_create_action": {"incident": "INC-114", "description": "Call the merchant", "user": "Sam Okafor"},
    "incidentio_update_action": [
        {"action": "01HR4B1YM0P632CRM3D7Y6JSV6", "status": "completed"},
        {"action": "01HR4B1YM0P632CRM3D7Y6JSV6", "description": "Put a five-second timeout on all deliveries"},
        {"action": "01HR4B1YM0P632CRM3D7Y6JSV6", "user": "Sam Okafor"},
    ],
}
EFFECTS = {
    "incidentio_create_action": {
        "request": "POST /v3/actions",
        "rows": "incidentio.actions",
        "where": {"description": "Call the merchant", "incident_id": "INC-114"},
        "journalled": True,
        "looks": True,
        "keyless": True,
    },
    "incidentio_update_action": {
        "request": "PUT /v3/actions/01HR4B1YM0P632CRM3D7Y6JSV6",
        "rows": "incidentio.actions",
        "where": {"id": "01HR4B1YM0P632CRM3D7Y6JSV6", "status": "completed"},
        "looks": True,
    },
}
LIST, CREATE, UPDATE = "incidentio_list_actions", "incidentio_create_action", "incidentio_update_action"
TIMEOUT = "01HR4B1YM0P632CRM3D7Y6JSV6"


def stored(box):
    return next(row for row in box.incidentio.rows["actions"] if row["id"] == TIMEOUT)


async def test_the_actions_of_an_incident_are_listed_without_its_reference(call):
    rows = (await call.ok(LIST, incident="INC-114"))["actions"]
    assert [(row["status"], row.get("assignee")) for row in rows] == [
        ("completed", "Sam Okafor"),
        ("outstanding", "Yuki Tanaka"),
        ("outstanding", None),
    ]
    assert not any("reference" in row for row in rows)


async def test_those_of_all_incidents_carry_the_reference(call):
    answer = await call.ok(LIST, status="outstanding")
    assert {row["reference"] for row in answer["actions"]} == {"INC-114"}
    assert answer["looked_at"] == 5


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_a_lost_reply_never_makes_two(call, box, fault):
    box.fail(Fault(fault, method="POST", times=1))
    await call.result(CREATE, incident="INC-114", description="Once")
    await call.ok(CREATE, incident="INC-114", description="Once")
    assert [row["description"] for row in box.incidentio.rows["actions"]].count("Once") == 1


async def test_an_update_keeps_the_text_and_the_assignee(call, box):
    await call.ok(UPDATE, action=TIMEOUT, user="Priya Raman")
    await call.ok(UPDATE, action=TIMEOUT, status="completed")
    row = stored(box)
    assert (row["description"], row["assignee"]["name"]) == (
        "Put a **ten-second timeout** on all deliveries",
        "Priya Raman",
    )


async def test_what_somebody_changed_since_is_not_overwritten(call, box):
    await call.ok(LIST, incident="INC-114")
    stored(box).update(status="not_doing", updated_at=rfc3339(box.incidentio.clock.tick()))
    error = await call.error(UPDATE, action=TIMEOUT, status="completed")
    assert 'status "not_doing"' in error
    assert f"seen={stored(box)['updated_at']}" in error
    assert (await call.ok(UPDATE, action=TIMEOUT, status="completed", seen=stored(box)["updated_at"]))["id"] == TIMEOUT


async def test_nothing_to_update_is_an_error_and_no_request(call, box):
    assert "Nothing to update" in await call.error(UPDATE, action=TIMEOUT)
    assert box.requests == []
