"""What stops an escalation, or sends it to somebody else."""

import pytest

from .on_call import escalation, events, paged, path, problems, respond, rings, seeded, status, user

pytestmark = pytest.mark.anyio


async def reassign(client, escalation_id, **body):
    return await client.post(f"/v2/escalations/{escalation_id}/actions/reassign", json=body)


async def test_a_snooze_stops_the_paging_and_begins_it_again(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Payments"))
    until = {"snooze_until": "2026-11-20T03:20:00Z", "reason": "On a train"}

    reply = await respond(incidentio, page_id, response="snooze", snooze_details=until)

    assert (reply.status_code, reply.content) == (200, b"")
    assert await status(incidentio, page_id) == "snoozed"
    box.advance(1199)
    assert rings(box) == ["00:00 Yuki Tanaka"]
    box.advance(301)
    assert rings(box)[1:] == ["20:00 Yuki Tanaka", "25:00 Sam Okafor"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"response": "nack"},
        {"response": "resolve"},
        {"response": "snooze"},
        {"response": "snooze", "snooze_details": {}},
        {"response": "snooze", "snooze_details": {"snooze_until": "2026-11-20T02:59:00Z"}},
        {"response": "snooze", "snooze_details": {"snooze_until": "in an hour"}},
    ],
)
async def test_a_response_that_a_key_cannot_give_changes_nothing(incidentio, body):
    page_id = await paged(incidentio, user_ids=[user("Yuki Tanaka")])
    before = await escalation(incidentio, page_id)

    problems(await respond(incidentio, page_id, **body))

    assert await escalation(incidentio, page_id) == before


async def test_cancelling_stops_a_page_or_a_snooze_and_is_harmless_again(box, incidentio):
    page_id = seeded(box, "Search latency above 2 seconds")

    replies = [await incidentio.post(f"/v2/escalations/{page_id}/actions/cancel") for _ in range(2)]
    box.advance(4 * 86_400)

    assert [(reply.status_code, reply.content) for reply in replies] == [(200, b"")] * 2
    row = await escalation(incidentio, page_id)
    assert (row["status"], events(row).count("cancelled")) == ("cancelled", 1)
    assert rings(box) == []


@pytest.mark.parametrize("title", ["Payout file is missing", "Nightly settlement failed"])
async def test_an_escalation_that_is_over_takes_neither_a_response_nor_a_cancel(box, incidentio, title):
    page_id = seeded(box, title)
    before = await escalation(incidentio, page_id)

    problems(await incidentio.post(f"/v2/escalations/{page_id}/actions/cancel"))
    problems(await respond(incidentio, page_id, response="ack"))

    assert await escalation(incidentio, page_id) == before


async def test_reassigning_pages_others_and_resolves_the_original(box, incidentio):
    page_id = seeded(box, "Checkout errors above 5 percent")

    reply = await reassign(incidentio, page_id, user_ids=[user("Ines Moreau")])

    assert reply.status_code == 201
    new, original = reply.json()["escalation"], await escalation(incidentio, page_id)
    assert new["id"] != page_id
    carried = ("title", "description", "priority", "related_incidents", "related_alerts")
    assert {key: new[key] for key in carried} == {key: original[key] for key in carried}
    assert (original["status"], events(original)[-1]) == ("resolved", "resolved")
    assert rings(box) == ["00:00 Ines Moreau"]


async def test_a_second_reassignment_is_rejected_whatever_became_of_the_first_answer(box, incidentio):
    page_id = seeded(box, "Ledger replica lags by 40 seconds")
    await reassign(incidentio, page_id, user_ids=[user("Ines Moreau")])

    reply = await reassign(incidentio, page_id, user_ids=[user("Ines Moreau")])

    assert problems(reply) == ["This escalation has already been reassigned"]
    assert rings(box) == ["00:00 Ines Moreau"]


async def test_the_original_can_go_on_beside_the_new_one(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Payments"))

    body = {"user_ids": [user("Ines Moreau")], "title": "Please look", "resolve_original": False}
    new = (await reassign(incidentio, page_id, **body)).json()["escalation"]
    box.advance(300)

    assert new["title"] == "Please look"
    assert await status(incidentio, page_id) == "triggered"
    assert rings(box) == ["00:00 Yuki Tanaka", "00:00 Ines Moreau", "05:00 Sam Okafor"]


@pytest.mark.parametrize(
    "body",
    [{}, {"user_ids": [], "title": "x"}, {"user_ids": [user("Sam Okafor")], "escalation_path_id": path("Support")}],
)
async def test_a_reassignment_to_nobody_or_to_both_is_rejected(box, incidentio, body):
    page_id = seeded(box, "Ledger replica lags by 40 seconds")

    problems(await reassign(incidentio, page_id, **body))

    assert await status(incidentio, page_id) == "triggered"
    assert rings(box) == []
