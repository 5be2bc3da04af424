"""Closing: the account's own closed status, and never a guess between two."""

import pytest

from tests.account import INCIDENT, STATUS

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_close_incident": [
        {"incident": "INC-112"},
        {"incident": "INC-116", "message": "All is well again."},
    ]
}
EFFECTS = {
    "incidentio_close_incident": [
        {
            "request": "POST /v2/incidents/112/actions/edit",
            "rows": "incidentio.updates",
            "where": {"incident_id": "INC-112"},
            "journalled": True,
            "looks": True,
        },
        {
            "request": "POST /v2/incident_updates",
            "rows": "incidentio.updates",
            "where": {"message": "All is well again."},
            "journalled": True,
        },
    ]
}

CLOSE = "incidentio_close_incident"


async def test_an_account_with_one_closed_status_needs_no_name(call, box):
    closed = await call.ok(CLOSE, incident="INC-112")
    (write,) = box.writes()
    assert write.path == "/v2/incidents/112/actions/edit"
    assert write.body == {"incident": {"incident_status_id": STATUS["Closed"]}, "notify_incident_channel": True}
    assert {key: closed[key] for key in ("reference", "status", "status_category")} == {
        "reference": "INC-112",
        "status": "Closed",
        "status_category": "closed",
    }


async def test_the_channel_can_be_left_in_peace(call, box):
    await call.ok(CLOSE, incident="INC-112", notify_incident_channel=False)
    assert box.writes()[0].body["notify_incident_channel"] is False


async def test_an_account_with_several_is_asked_for_a_name_and_nothing_is_sent(call, box):
    added = box.add_closed_status("Closed, no customer impact")
    error = await call.error(CLOSE, incident="INC-112")
    assert "Pass status: the account's closed ones are Closed, Closed, no customer impact" in error
    assert not box.writes()
    closed = await call.ok(CLOSE, incident="INC-112", status="closed, NO customer impact")
    assert box.writes()[0].body["incident"] == {"incident_status_id": added["id"]}
    assert closed["status"] == "Closed, no customer impact"


async def test_a_status_of_another_category_is_refused_with_the_tool_that_sets_it(call, box):
    error = await call.error(CLOSE, incident="INC-112", status="Documenting")
    assert "Documenting is of category learning, not closed" in error
    assert "incidentio_edit_incident" in error
    assert not box.writes()


async def test_with_a_message_it_closes_through_an_update(call, box):
    closed = await call.ok(CLOSE, incident="INC-112", message="Evening run was fine.")
    (write,) = box.writes()
    assert write.path == "/v2/incident_updates"
    key = write.body.pop("idempotency_key")
    assert key
    assert write.body == {
        "incident_id": INCIDENT["INC-112"],
        "message": "Evening run was fine.",
        "to_incident_status_id": STATUS["Closed"],
    }
    assert closed["status"] == "Closed"
    assert closed["update_id"]


async def test_an_account_without_a_closed_status_says_so(call, box):
    box.incidentio.statuses = [row for row in box.incidentio.statuses if row["category"] != "closed"]
    assert "(the account has none)" in await call.error(CLOSE, incident="INC-112")
    assert not box.writes()


async def test_a_move_that_the_service_forbids_is_told_in_its_words(call):
    error = await call.error(CLOSE, incident="INC-113")
    assert "Cannot move from Merged (merged) to Closed (closed)" in error


@pytest.mark.parametrize("message", [None, "Done."])
async def test_a_dry_run_closes_nothing(call, box, message):
    told = await call.ok(CLOSE, incident="112", dry_run=True, **({"message": message} if message else {}))
    assert told["would_send"]["path"] == ("/v2/incident_updates" if message else "/v2/incidents/112/actions/edit")
    assert not box.writes()
    assert (await call.ok("incidentio_get_incident", incident="112"))["status"] == "Monitoring"


async def test_it_is_marked_as_destructive_and_tells_learning_from_closed(call):
    (tool,) = [tool for tool in (await call.client.list_tools()).tools if tool.name == CLOSE]
    assert tool.annotations.destructive_hint
    assert "learning" in tool.description
