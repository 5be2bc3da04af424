"""Notes on alerts: added once, although the API has no idempotency key for them."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_add_alert_note": {"alert": "01HR4B1YM0X4GKVR9ENZ6CE2M9", "content": "Looking."}}
EFFECTS = {
    "incidentio_add_alert_note": {
        "request": "POST /v1/alert_notes",
        "rows": "incidentio.alert_notes",
        "where": {"content": "Looking."},
        "journalled": True,
        "looks": True,
        "keyless": True,
    },
}

ADD, GET = "incidentio_add_alert_note", "incidentio_get_alert"
LATENCY = account_ulid("alert Checkout latency above 3 seconds")


async def test_a_note_is_added_as_it_was_passed_and_shown_with_the_alert(call, box):
    text = "**Rolled back** at 02:58.\n\n- see `fraud-rules` <b>v41</b>"
    answer = await call.ok(ADD, alert="checkout-p99", content=text)

    [request] = box.writes()
    assert (request.path, request.body) == ("/v1/alert_notes", {"alert_id": LATENCY, "content": text})
    assert answer["content"] == text
    assert [note["id"] for note in (await call.ok(GET, alert=LATENCY))["notes"]] == [answer["id"]]


async def test_a_dry_run_answers_the_request_and_writes_nothing(call, box):
    answer = await call.ok(ADD, alert="checkout-p99", content="x", dry_run=True)

    assert answer["would_send"]["body"] == {"alert_id": LATENCY, "content": "x"}
    assert box.writes() == []


@pytest.mark.parametrize("fault", ["cut_after", "garbage", "truncated"])
async def test_a_lost_reply_never_makes_two_notes(call, box, fault):
    box.fail(Fault(fault, method="POST", times=1))

    await call.result(ADD, alert=LATENCY, content="Once.")
    await call.ok(ADD, alert=LATENCY, content="Once.")
    assert [note["content"] for note in box.incidentio.rows["alert_notes"]].count("Once.") == 1


async def test_an_identical_note_is_recognised_and_another_text_is_added(call, box):
    first = await call.ok(ADD, alert=LATENCY, content="Once.")
    again = await call.ok(ADD, alert=LATENCY, content="Once.")

    assert (again["id"], again["repeated"]) == (first["id"], True)
    await call.ok(ADD, alert=LATENCY, content="Twice.")
    assert len(box.writes()) == 2


async def test_the_same_text_on_another_alert_is_another_note(call, box):
    await call.ok(ADD, alert=LATENCY, content="Same.")
    await call.ok(ADD, alert="ledger-replica", content="Same.")

    assert len(box.writes()) == 2


async def test_a_long_list_of_notes_is_read_in_pages_before_one_is_added(call, box):
    notes = box.incidentio.rows["alert_notes"]
    notes += [notes[0] | {"id": account_ulid(f"n {number}"), "alert_id": LATENCY} for number in range(300)]

    await call.ok(ADD, alert=LATENCY, content="New.")
    assert [dict(row.query)["page_size"] for row in box.requests if row.method == "GET"] == ["250", "250"]


async def test_with_too_many_notes_to_look_through_the_outcome_of_a_lost_reply_stays_unknown(call, box):
    notes = box.incidentio.rows["alert_notes"]
    old = notes[0] | {"alert_id": LATENCY, "content": "Older."}
    notes += [old | {"id": account_ulid(f"n {number}")} for number in range(510)]
    box.fail(Fault("cut_after", method="POST"))

    error = await call.error(ADD, alert=LATENCY, content="New.")
    assert "returned only a part of the notes" in error
    assert "outcome unknown" in error
    assert len(box.writes()) == 1
