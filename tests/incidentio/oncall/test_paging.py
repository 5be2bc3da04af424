"""Paging, answering, cancelling and reassigning: what is previewed, refused, sent, and read back."""

import pytest

from incident_mcp.sandbox import Fault
from tests.conftest import text_of
from tests.sandbox.on_call import path, seeded, user

pytestmark = pytest.mark.anyio

PAGE, ANSWER = "incidentio_page_people", "incidentio_answer_page"
CANCEL, REASSIGN = "incidentio_cancel_page", "incidentio_reassign_page"
LATER = "2099-01-01T08:00:00Z"


def rings(box):
    return [(row["user"], row["title"]) for row in box.state()["incidentio"]["rings"]]


@pytest.fixture
def lagging(box):
    return seeded(box, "Ledger replica lags by 40 seconds")


async def test_a_preview_names_everybody_in_order_and_sends_nothing(call, box):
    answer = await call.ok(PAGE, title="Help", escalation_path="Refunds")

    assert answer["preview"]["steps"] == [
        "at once: Noor Haddad (cannot be reached: has paused paging until 2026-11-23T03:00:00Z)",
        "after 5m: Ines Moreau via Ledger nights; nobody (Batch jobs has nobody on call now); each has to acknowledge",
        "after 10m: Yuki Tanaka",
    ]
    assert answer["preview"]["warning"].startswith("The first step reaches nobody.")
    body = answer["would_send"]["body"]
    assert (body["title"], body["escalation_path_id"]) == ("Help", path("Refunds"))
    assert box.writes() == []


async def test_the_code_sends_the_previewed_request_and_tells_whom_it_notified(call, box):
    preview = await call.ok(PAGE, title="Help", escalation_path="Database")
    page = await call.ok(PAGE, title="Help", escalation_path="Database", confirm=preview["confirm"])

    assert [row.body for row in box.writes()] == [preview["would_send"]["body"]]
    assert page["outcome"] == "triggered at 2026-11-21T03:00:00Z, notified Sam Lindqvist"
    assert rings(box) == [("Sam Lindqvist", "Help")]


async def test_a_code_is_for_one_request_and_one_use(call, box):
    code = (await call.ok(PAGE, title="Help", escalation_path="Database"))["confirm"]

    assert "Not sent." in await call.error(PAGE, title="Help!", escalation_path="Database", confirm=code)
    assert "Not sent." in await call.error(PAGE, title="Help", users=["Sam Lindqvist"], confirm=code)
    await call.ok(PAGE, title="Help", escalation_path="Database", confirm=code)
    assert "already used" in await call.error(PAGE, title="Help", escalation_path="Database", confirm=code)
    assert rings(box) == [("Sam Lindqvist", "Help")]


@pytest.mark.parametrize(
    ("to", "why", "instead"),
    [
        ({"users": ["Noor Haddad"]}, "reach nobody: Noor Haddad has paused paging", "Ines Moreau"),
        ({"users": ["Mei Chen"]}, "reach nobody: Mei Chen has no usable notification method", "Yuki Tanaka"),
        ({"users": ["Oskar Nyman"]}, "reach nobody: Oskar Nyman has no on-call seat", "Yuki Tanaka"),
        ({"users": ["Yuki Tanaka", "Noor Haddad"]}, "reach not everybody: Noor Haddad has paused", "Yuki Tanaka"),
        ({"escalation_path": "Legacy gateway"}, "reach nobody: Mei Chen has no usable", "Ines Moreau"),
        ({"escalation_path": "Batch jobs"}, "reach nobody: nobody is on call now", "Sam Lindqvist"),
    ],
    ids=str,
)
async def test_a_page_to_somebody_who_cannot_be_reached_is_refused_with_who_can(call, box, to, why, instead):
    error = await call.error(PAGE, title="Help", **to)

    assert why in error
    assert f"Page {instead}, who" in error
    assert "anyway=true. Not sent." in error
    assert box.writes() == []


async def test_anyway_pages_and_tells_that_nobody_was_notified(call, box):
    page = await call.performed(PAGE, title="Help", users=["Noor Haddad"], anyway=True)

    assert page["outcome"].endswith("nobody notified yet")
    assert [row.body["user_ids"] for row in box.writes()] == [[user("Noor Haddad")]]


@pytest.mark.parametrize("to", [{}, {"users": []}, {"users": ["Yuki Tanaka"], "escalation_path": "Database"}], ids=str)
async def test_a_page_is_for_a_path_or_for_people(call, box, to):
    assert "exactly one of escalation_path and users" in await call.error(PAGE, title="Help", **to)
    assert box.writes() == []


async def test_a_page_needs_a_title(call):
    assert "title is blank" in await call.error(PAGE, title="  ", escalation_path="Database")


async def test_unknown_reachability_blocks_no_page_and_is_told(call, box):
    for scope in ("notification_pauses.view", "notification_methods.view"):
        box.incidentio.remove_scope(scope)
    preview = (await call.ok(PAGE, title="Help", users=["Noor Haddad"]))["preview"]

    assert "paused unknown (scope notification_pauses.view missing)" in preview["steps"][0]
    assert "method unknown (scope notification_methods.view missing)" in preview["steps"][0]


async def test_a_schedule_that_cannot_be_read_is_told_and_the_code_is_given(call, box):
    box.fail(Fault("status", status=500, path="/v2/schedules"))
    answer = await call.ok(PAGE, title="Help", escalation_path="Payments")

    assert "who is on call could not be read" in answer["preview"]["steps"][0]
    assert len(answer["preview"]["problems"]) == 1
    assert answer["confirm"]


@pytest.mark.parametrize(("kind", "posts"), [("cut_after", 1), ("cut_before", 2)])
async def test_after_a_lost_reply_a_page_is_looked_up_before_it_is_sent_again(call, box, kind, posts):
    box.fail(Fault(kind, method="POST", path="/v2/escalations$", times=1))
    await call.performed(PAGE, title="Help", escalation_path="Database")

    rows = [row for row in box.requests if row.path == "/v2/escalations"]
    first, look, *_ = rows[[row.method for row in rows].index("POST") :]
    assert look.method == "GET"
    assert ("idempotency_key[is]", first.body["idempotency_key"]) in look.query
    assert len(box.writes()) == posts
    assert rings(box) == [("Sam Lindqvist", "Help")]


async def test_a_key_that_may_not_read_pages_still_rings_once(call, box):
    box.incidentio.remove_scope("escalations.view")
    box.fail(Fault("cut_after", method="POST", path="/v2/escalations$", times=1))
    page = await call.performed(PAGE, title="Help", escalation_path="Database")

    assert page["outcome"] == "not seen yet (scope escalations.view missing)"
    assert rings(box) == [("Sam Lindqvist", "Help")]


async def test_confirmation_names_who_is_rung_and_quotes_the_title(connect, box):
    async with connect(confirm="destructive") as call:
        error = text_of(await call.perform(PAGE, title="Help", escalation_path="Database"))
    assert "confirm" in error
    assert box.writes() == []


async def test_an_acknowledged_page_tells_when(call, box, lagging):
    answer = await call.ok(ANSWER, escalation=lagging, response="ack")

    assert answer["outcome"] == "acked at 2026-11-21T03:00:00Z"
    assert [row.body for row in box.writes()] == [{"response": "ack"}]


async def test_a_lost_acknowledgement_is_read_and_not_sent_again(call, box, lagging):
    box.fail(Fault("cut_after", method="POST", times=1))

    assert (await call.ok(ANSWER, escalation=lagging, response="ack"))["status"] == "acked"
    assert len(box.writes()) == 1


@pytest.mark.parametrize("tool", [ANSWER, CANCEL])
async def test_an_action_that_cannot_be_read_back_is_done_and_not_seen_yet(call, box, lagging, tool):
    more = (
        {"response": "ack"} if tool == ANSWER else {"confirm": (await call.ok(CANCEL, escalation=lagging))["confirm"]}
    )
    box.fail(Fault("status", status=500, method="GET", path="/v2/escalations/"))
    answer = await call.ok(tool, escalation=lagging, **more)

    assert answer["outcome"].startswith("not seen yet")
    assert len(box.writes()) == 1


async def test_a_snooze_tells_until_when_in_utc(call, box, lagging):
    until = {"snooze_until": "2099-01-01T09:00:00+01:00", "reason": "The fix is on its way."}
    answer = await call.ok(ANSWER, escalation=lagging, response="snooze", **until)

    assert answer["status"] == "snoozed"
    details = {"snooze_until": LATER, "reason": "The fix is on its way."}
    assert [row.body for row in box.writes()] == [{"response": "snooze", "snooze_details": details}]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"response": "snooze"}, "snooze needs snooze_until"),
        ({"response": "snooze", "snooze_until": "2099-01-01T08:00:00"}, "with a time zone"),
        ({"response": "snooze", "snooze_until": "2020-01-01T08:00:00Z"}, "is in the past"),
        ({"response": "ack", "snooze_until": LATER}, "belong to response=snooze"),
        ({"response": "ack", "reason": "x"}, "belong to response=snooze"),
        ({"response": "nack"}, "response"),
    ],
    ids=str,
)
async def test_an_answer_that_makes_no_sense_is_not_sent(call, box, lagging, arguments, why):
    error = await call.error(ANSWER, escalation=lagging, **arguments)

    assert why in error
    assert "Not sent." in error
    assert box.requests == []


@pytest.mark.parametrize("tool", [ANSWER, CANCEL, REASSIGN, "incidentio_get_escalation"])
async def test_an_incident_in_place_of_a_page_names_the_tool_that_lists_pages(call, box, tool):
    more = {ANSWER: {"response": "ack"}, REASSIGN: {"users": ["Yuki Tanaka"]}}.get(tool, {})
    assert "incidentio_list_escalations lists them" in await call.error(tool, escalation="INC-114", **more)
    assert box.writes() == []


async def test_a_page_that_is_over_is_refused(call, box):
    over = seeded(box, "Payout file is missing")

    assert "nothing was changed" in await call.error(ANSWER, escalation=over, response="ack")
    assert "already resolved" in await call.error(CANCEL, escalation=over)
    assert [row.path.rpartition("/")[2] for row in box.writes()] == ["respond"]


async def test_a_cancelled_page_is_previewed_and_read_back(call, box, lagging):
    preview = (await call.ok(CANCEL, escalation=lagging))["preview"]
    assert (preview["title"], preview["notified"]) == ("Ledger replica lags by 40 seconds", ["Sam Lindqvist"])
    assert box.writes() == []

    assert (await call.performed(CANCEL, escalation=lagging))["outcome"] == "cancelled at 2026-11-21T03:00:00Z"
    box.advance(1800)
    assert rings(box) == []


async def test_a_reassigned_page_rings_others_and_resolves_the_original(call, lagging):
    preview = await call.ok(REASSIGN, escalation=lagging, users=["Yuki Tanaka"])
    assert preview["preview"]["original"]["id"] == lagging
    assert preview["preview"]["steps"] == ["at once: Yuki Tanaka"]

    page = await call.performed(REASSIGN, escalation=lagging, users=["Yuki Tanaka"])
    assert page["outcome"] == "triggered at 2026-11-21T03:00:00Z, notified Yuki Tanaka"
    assert (await call.ok("incidentio_get_escalation", escalation=lagging))["status"] == "resolved"


@pytest.mark.parametrize("resolve", [True, False])
async def test_after_a_lost_reply_a_reassignment_is_read_and_never_repeated(call, box, lagging, resolve):
    box.fail(Fault("cut_after", method="POST", times=1))
    page = await call.performed(REASSIGN, escalation=lagging, users=["Yuki Tanaka"], resolve_original=resolve)

    assert page["id"] != lagging
    assert len(box.writes()) == 1
    assert rings(box) == [("Yuki Tanaka", "Ledger replica lags by 40 seconds")]


async def test_somebody_else_s_page_with_that_title_is_not_taken_for_the_reassignment(call, box):
    original = await call.performed(PAGE, title="Help", users=["Sam Lindqvist"])
    again = {"escalation": original["id"], "users": ["Yuki Tanaka"], "resolve_original": False}
    code = (await call.ok(REASSIGN, **again))["confirm"]
    box.fail(Fault("cut_before", method="POST", path="reassign$"))
    assert "outcome unknown" in await call.error(REASSIGN, **again, confirm=code)
    box.heal()
    box.advance(60)
    await call.performed(PAGE, title="Help", users=["Priya Raman"])

    assert "notified Yuki Tanaka" in (await call.performed(REASSIGN, **again))["outcome"]
    assert rings(box).count(("Yuki Tanaka", "Help")) == 1


async def test_a_page_is_reassigned_once(call, box, lagging):
    await call.performed(REASSIGN, escalation=lagging, users=["Yuki Tanaka"])
    error = text_of(await call.perform(REASSIGN, escalation=lagging, users=["Priya Raman"]))

    assert "A page can be reassigned once" in error
    assert [name for name, _ in rings(box)] == ["Yuki Tanaka"]
