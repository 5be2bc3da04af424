"""Timeline items: added at the time when something happened, and once."""

import pytest

from incident_mcp.sandbox import Fault
from tests.account import INCIDENT
from tests.reliability.conftest import serving

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_add_timeline_item": {
        "incident": "INC-114",
        "title": "Rolled back fraud-rules",
        "timestamp": "2026-11-21T02:40:00Z",
        "description": "To **v41**.",
    }
}
EFFECTS = {
    "incidentio_add_timeline_item": {
        "request": "POST /v2/incident_timeline_items",
        "rows": "incidentio.timeline_items",
        "where": {"title": "Rolled back fraud-rules", "incident_id": "INC-114"},
        "journalled": True,
    }
}

ADD = "incidentio_add_timeline_item"
ITEM = {"incident": "114", "title": "Rolled back", "timestamp": "2026-11-21T03:40:00+01:00"}


def items(box):
    return [row for row in box.incidentio.rows["timeline_items"] if row["title"] == "Rolled back"]


async def test_an_item_is_added_in_utc_with_a_key_and_shown_on_the_timeline(call, box):
    answer = await call.ok(ADD, **ITEM, description="To **v41**.")

    [request] = box.writes()
    key = request.body.pop("idempotency_key")
    assert len(key) > 20
    assert request.body == {
        "incident_id": INCIDENT["INC-114"],
        "title": "Rolled back",
        "timestamp": "2026-11-21T02:40:00Z",
        "description": "To **v41**.",
    }
    assert answer == {
        "id": answer["id"],
        "reference": "INC-114",
        "title": "Rolled back",
        "timestamp": "2026-11-21T02:40:00Z",
        "description": "To **v41**.",
        "creator": "Sandbox key (api key)",
        "created_at": "2026-11-21T03:00:00Z",
    }
    entries = (await call.ok("incident_timeline", incident="INC-114"))["entries"]
    assert {"2026-11-21T02:40:00Z": "Rolled back: To **v41**."}.items() <= {
        row["at"]: row.get("text") for row in entries
    }.items()


async def test_a_dry_run_shows_the_request_and_adds_nothing(call, box):
    answer = await call.ok(ADD, **ITEM, dry_run=True)

    assert answer["would_send"]["body"]["timestamp"] == "2026-11-21T02:40:00Z"
    assert answer["would_send"]["body"]["idempotency_key"]
    assert box.writes() == []


@pytest.mark.parametrize("timestamp", ["2026-11-21", "2026-11-21T02:40:00", "an hour ago", "2026-13-01T00:00:00Z"])
async def test_a_timestamp_without_a_zone_is_refused(call, box, timestamp):
    error = await call.error(ADD, **ITEM | {"timestamp": timestamp})

    assert "timestamp takes a timestamp with a time zone like" in error
    assert box.requests == []


async def test_a_lost_reply_and_a_repeat_make_one_item(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))

    first = await call.ok(ADD, **ITEM)
    again = await call.ok(ADD, **ITEM)
    assert (again["id"], again["repeated"]) == (first["id"], True)
    assert len(items(box)) == 1


async def test_without_the_journal_the_derived_key_leads_to_the_item_that_is_there(box, tmp_path):
    answers = []
    for name in ("one", "two"):
        async with serving(box, tmp_path / name) as call:
            answers.append(await call.ok(ADD, **ITEM))

    assert len(items(box)) == 1
    assert answers[1]["id"] == answers[0]["id"]


async def test_the_same_words_at_another_time_or_with_a_key_are_another_item(call, box):
    await call.ok(ADD, **ITEM)
    await call.ok(ADD, **ITEM | {"timestamp": "2026-11-21T02:41:00Z"})
    await call.ok(ADD, **ITEM, idempotency_key="mine")

    assert len(items(box)) == 3
    assert box.writes()[-1].body["idempotency_key"] == "mine"


async def test_the_item_of_another_request_with_the_same_key_is_told_as_such(call, box):
    await call.ok(ADD, **ITEM, idempotency_key="mine")
    error = await call.error(ADD, **ITEM | {"title": "Other"}, idempotency_key="mine")

    assert "belongs to another request" in error
    assert len(box.writes()) == 1


async def test_a_missing_scope_is_named(call, box):
    box.incidentio.remove_scope("timeline_items.create")

    error = await call.error(ADD, **ITEM)
    assert "it needs the scope timeline_items.create" in error
    assert "refused, nothing was changed" in error
