"""An escalation's course: whom it pages when, and what stops it."""

import json
from datetime import UTC, datetime

import pytest

from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid

from .on_call import connect, escalation, page, paged, path, problems, rings, status, user

pytestmark = pytest.mark.anyio


def events(row):
    return [event["event"] for event in row["events"]]


def seeded(box, title):
    return next(row for row in box.incidentio.rows["escalations"] if row["title"] == title)["id"]


async def respond(client, escalation_id, **body):
    return await client.post(f"/v2/escalations/{escalation_id}/actions/respond", json=body)


async def reassign(client, escalation_id, **body):
    return await client.post(f"/v2/escalations/{escalation_id}/actions/reassign", json=body)


async def test_a_page_to_people_rings_each_of_them_once_and_expires(box, incidentio):
    names = ["Yuki Tanaka", "Ines Moreau"]
    page_id = await paged(incidentio, user_ids=[user(name) for name in names])

    assert rings(box) == ["00:00 Yuki Tanaka", "00:00 Ines Moreau"]
    row = await escalation(incidentio, page_id)
    assert (row["status"], row["creator"], events(row)) == ("triggered", {}, ["triggered", "notified_users"])
    assert "escalation_path_id" not in row
    assert ([person["name"] for person in row["events"][1]["users"]], row["events"][1]["urgency"]) == (names, "high")
    box.advance(3600)
    assert await status(incidentio, page_id) == "expired"
    assert len(rings(box)) == 2


async def test_a_path_pages_level_after_level_until_it_is_acknowledged(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Payments"))
    assert rings(box) == ["00:00 Yuki Tanaka"]

    box.advance(299)
    assert len(rings(box)) == 1
    box.advance(1)
    assert rings(box)[1:] == ["05:00 Sam Okafor"]
    reply = await respond(incidentio, page_id, response="ack")
    box.advance(86_400)

    assert (reply.status_code, reply.content) == (200, b"")
    assert len(rings(box)) == 2
    row = await escalation(incidentio, page_id)
    assert (row["status"], events(row)[-1]) == ("acked", "acked")
    assert row["escalation_path_id"] == path("Payments")


async def test_a_path_that_nobody_answers_repeats_and_expires(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Payments"))

    box.advance(3600)

    assert rings(box) == [
        f"{minute:02}:00 {name}"
        for minute, name in zip([0, 5, 16, 21, 32, 37], ["Yuki Tanaka", "Sam Okafor"] * 3, strict=True)
    ]
    row = await escalation(incidentio, page_id)
    assert (row["status"], events(row)[-2:]) == ("expired", ["notified_channels", "expired"])
    assert row["events"][-2]["channels"] == [{"slack_channel_id": "C04PAYMENTS"}]
    assert [event["occurred_at"] for event in row["events"]] == sorted(event["occurred_at"] for event in row["events"])


@pytest.mark.parametrize("name", ["Batch jobs", "Legacy gateway"])
async def test_a_path_that_reaches_nobody_expires_without_a_ring(box, incidentio, name):
    page_id = await paged(incidentio, escalation_path_id=path(name))

    assert (rings(box), await status(incidentio, page_id)) == ([], "expired")
    assert events(await escalation(incidentio, page_id)) == ["triggered", "expired"]


UNREACHABLE = [
    "Noor Haddad",  # paused now
    "Mei Chen",  # no method
    "Kofi Mensah",  # no usable method
    "Oskar Nyman",  # no seat
    "Ruth Adeyemi",  # a viewer's seat
    "Tom Baker",  # left
    "Ada Brandt",  # not active yet
]


async def test_only_people_who_can_be_reached_are_rung(box, incidentio):
    """Lena's pause is still to come, Diego's is over, and Grace has e-mail."""
    people = [row["id"] for row in box.incidentio.users]
    await paged(incidentio, user_ids=people)

    rung = {row["user"] for row in box.state()["incidentio"]["rings"]}
    assert {row["name"] for row in box.incidentio.users} - rung == set(UNREACHABLE)
    assert {"Lena Fischer", "Diego Santos", "Grace Achieng"} < rung


async def test_a_pause_that_ends_lets_the_phone_ring(box, incidentio):
    box.advance(2 * 86_400)

    await paged(incidentio, user_ids=[user("Noor Haddad"), user("Lena Fischer")])

    assert rings(box) == ["00:00 Noor Haddad"]


async def test_a_level_without_anybody_is_left_at_once(box, incidentio):
    await paged(incidentio, escalation_path_id=path("Refunds"))

    assert rings(box) == ["00:00 Ines Moreau"]  # by the override on Ledger nights
    box.advance(300)
    assert rings(box)[1:] == ["05:00 Yuki Tanaka"]


async def test_a_priority_decides_a_branch_and_a_delay_comes_first(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Platform"))
    assert (rings(box), await status(incidentio, page_id)) == ([], "delayed")

    box.advance(120)

    assert rings(box) == ["02:00 Sam Okafor", "02:00 Lena Fischer"]
    assert {row["urgency"] for row in box.state()["incidentio"]["rings"]} == {"low"}
    box.advance(900)
    assert await status(incidentio, page_id) == "pending_repeat"
    box.advance(1800 + 120)
    assert len(rings(box)) == 4


@pytest.mark.parametrize(
    ("now", "rung"),
    [
        (datetime(2026, 11, 20, 15, tzinfo=UTC), "Priya Raman"),  # a Friday in London's office hours, New York's too
        (datetime(2026, 11, 21, 15, tzinfo=UTC), "Yuki Tanaka"),  # a Saturday: the path of payments
        (datetime(2026, 7, 3, 16, 29, tzinfo=UTC), "Priya Raman"),  # 17:29 in a London summer
        (datetime(2026, 7, 3, 16, 30, tzinfo=UTC), "Yuki Tanaka"),
    ],
)
async def test_working_hours_decide_a_branch(now, rung):
    box = Sandbox(now=now)
    async with connect(box) as client:
        await paged(client, escalation_path_id=path("Support"))

    assert [row["user"] for row in box.state()["incidentio"]["rings"]] == [rung]


async def test_a_round_robin_moves_on_and_starts_with_somebody_else_next_time(box, incidentio):
    for key in ("a", "b"):
        await page(incidentio, key, escalation_path_id=path("Search"))
    first = [row["user"] for row in box.state()["incidentio"]["rings"]]
    box.advance(590)

    assert first == ["Yuki Tanaka", "Lena Fischer"]  # the seeded one began with Diego Santos
    shown = box.state()["incidentio"]["rings"]
    mine = [row for row in shown if row["escalation_id"] == shown[0]["escalation_id"]]
    assert [f"{row['at'][14:19]} {row['user']}" for row in mine] == [
        "00:00 Yuki Tanaka",
        "01:00 Yuki Tanaka",
        "03:00 Lena Fischer",
        "06:00 Diego Santos",
    ]


async def test_paths_that_name_each_other_come_to_an_end(box, incidentio):
    page_id = await paged(incidentio, escalation_path_id=path("Follow the sun"))

    box.advance(86_400)

    assert await status(incidentio, page_id) == "expired"
    assert len(rings(box)) == 250


async def test_a_delay_waits_for_working_hours(box, incidentio):
    """At 03:00 the delay lasts until 09:00 in London."""
    page_id = await paged(incidentio, escalation_path_id=path("Phone line"))
    assert await status(incidentio, page_id) == "delayed"

    box.advance(6 * 3600)

    assert rings(box) == ["00:00 Ines Moreau"]
    assert box.state()["incidentio"]["rings"][0]["at"] == "2026-11-20T09:00:00.000000Z"


async def test_a_templated_path_follows_its_template(box, incidentio):
    shown = (await incidentio.get(f"/v2/escalation_paths/{path('Growth')}")).json()["escalation_path"]
    await paged(incidentio, escalation_path_id=path("Growth"))

    assert (shown["kind"], shown["path"]) == ("templated", [])
    assert [person["name"] for person in shown["current_responders"]] == ["Yuki Tanaka"]
    assert rings(box) == ["00:00 Yuki Tanaka"]


async def test_a_repeated_key_answers_the_first_escalation_and_rings_nobody(box, incidentio):
    first = await page(incidentio, user_ids=[user("Yuki Tanaka")])
    again = await page(incidentio, user_ids=[user("Ines Moreau")])

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert rings(box) == ["00:00 Yuki Tanaka"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_ids": []},
        {"user_ids": [user("Yuki Tanaka")], "escalation_path_id": path("Payments")},
        {"user_ids": ["01NOBODY"]},
        {"user_ids": user("Yuki Tanaka")},
        {"user_ids": [1]},
        {"escalation_path_id": "01NOBODY"},
        {"user_ids": [user("Yuki Tanaka")], "incident_id": "114"},
        {"user_ids": [user("Yuki Tanaka")], "title": ""},
        {"user_ids": [user("Yuki Tanaka")], "idempotency_key": ""},
        {"user_ids": [user("Yuki Tanaka")], "priority": "P1"},
    ],
)
async def test_a_page_that_fits_nothing_rings_nobody(box, incidentio, body):
    problems(await page(incidentio, **body))

    assert rings(box) == []
    assert len(box.incidentio.rows["escalations"]) == 6


async def test_a_page_about_an_incident_shows_it_as_it_is_now(box, incidentio):
    incident = next(row for row in box.incidentio.incidents if row["reference"] == "INC-114")
    page_id = await paged(incidentio, user_ids=[user("Yuki Tanaka")], incident_id=incident["id"])

    [related] = (await escalation(incidentio, page_id))["related_incidents"]
    assert (related["reference"], related["external_id"], related["status_category"]) == ("INC-114", 114, "active")
    closed = {"incident": {"incident_status_id": account_ulid("Documenting")}, "notify_incident_channel": False}
    await incidentio.post("/v2/incidents/114/actions/edit", json=closed)
    [related] = (await escalation(incidentio, page_id))["related_incidents"]
    assert related["status_category"] == "post-incident"


async def test_the_61st_page_within_a_minute_is_throttled_by_a_limit_of_its_own(box, incidentio):
    replies = [await page(incidentio, user_ids=[user("Yuki Tanaka")]) for _ in range(61)]

    assert [reply.status_code for reply in replies] == [201] * 60 + [429]
    assert replies[-1].headers["Retry-After"] == "60"
    assert replies[-1].headers["X-RateLimit-Limit"] == "60, 1200;window=60, 60;window=60"
    assert (replies[-1].json()["type"], replies[-1].json()["rate_limit"]["limit"]) == ("too_many_requests", 60)
    assert (await incidentio.get("/v2/escalations")).status_code == 200
    box.advance(60)
    assert (await page(incidentio, "later", user_ids=[user("Yuki Tanaka")])).status_code == 201


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


@pytest.mark.parametrize("action", ["respond", "cancel", "reassign", "check_permissions"])
async def test_an_unknown_escalation_is_not_found(incidentio, action):
    reply = await incidentio.post(f"/v2/escalations/01NOBODY/actions/{action}", json={"user_ids": []})

    assert reply.status_code == 404


async def test_permissions_say_who_may_answer_in_the_order_of_the_request(box, incidentio):
    names = ["Oskar Nyman", "Ines Moreau", "Sam Lindqvist"]
    body = {"user_ids": [user(name) for name in names]}

    async def check(title):
        url = f"/v2/escalations/{seeded(box, title)}/actions/check_permissions"
        return [row["available_actions"] for row in (await incidentio.post(url, json=body)).json()["response_options"]]

    assert await check("Ledger replica lags by 40 seconds") == [[], ["ack", "snooze"], ["ack", "nack", "snooze"]]
    assert await check("Payout file is missing") == [[], [], []]


FILTERS = [
    ({}, 6),
    ({"status[one_of]": "triggered"}, 1),
    ([("status[one_of]", "triggered"), ("status[one_of]", "acked")], 2),
    ({"status[not_in]": "expired"}, 5),
    ({"escalation_path[one_of]": path("Payments")}, 2),
    ({"escalation_path[not_in]": path("Payments"), "status[one_of]": "cancelled"}, 1),
    ({"incident[one_of]": "01NOBODY"}, 0),
    ({"alert[one_of]": "01NOBODY"}, 0),
    ({"created_at[gte]": "2026-11-20"}, 3),
    ({"updated_at[lte]": "2026-11-19T00:00:00Z"}, 1),
    ({"created_at[date_range]": "2026-11-18~2026-11-19"}, 1),
    ({"idempotency_key[is]": "mine"}, 0),
    ({"idempotency_key[starts_with]": ""}, 0),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
async def test_filters_narrow_the_list(incidentio, query, found):
    assert len((await incidentio.get("/v2/escalations", params=query)).json()["escalations"]) == found


async def test_a_page_is_found_by_its_key_and_its_incident(box, incidentio):
    incident = box.incidentio.incidents[0]["id"]
    for key in ("deploy-1", "deploy-2"):
        await page(incidentio, key, user_ids=[user("Yuki Tanaka")], incident_id=incident)

    for query, found in (
        ({"idempotency_key[is]": "deploy-1"}, 1),
        ({"idempotency_key[starts_with]": "deploy-"}, 2),
        ({"idempotency_key[is]": "deploy"}, 0),
        ({"incident[one_of]": incident}, 2),
        ({"incident[not_in]": incident}, 6),
    ):
        rows = (await incidentio.get("/v2/escalations", params=query)).json()["escalations"]
        assert len(rows) == found, query


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": "51"},
        {"page_size": "0"},
        {"user": "Yuki"},
        {"status": "triggered"},
        {"status[is]": "triggered"},
        {"status[one_of]": "open"},
        {"created_at[gte]": "yesterday"},
        {"idempotency_key[one_of]": "x"},
        {"after": "01NOBODY"},
    ],
)
async def test_a_query_that_the_document_does_not_have_is_rejected(incidentio, query):
    problems(await incidentio.get("/v2/escalations", params=query))


async def test_the_list_comes_in_pages_newest_first(incidentio):
    seen, after = [], ""
    while True:
        query = {"page_size": "4", "after": after}
        reply = (await incidentio.get("/v2/escalations", params=query)).json()
        seen += [row["created_at"] for row in reply["escalations"]]
        after = reply["pagination_meta"].get("after")
        if not after:
            break

    assert len(seen) == 6
    assert seen == sorted(seen, reverse=True)


async def test_paths_come_25_to_a_page(box, incidentio):
    box.add_paths(30)

    first = (await incidentio.get("/v2/escalation_paths")).json()
    rest = await incidentio.get("/v2/escalation_paths", params={"after": first["pagination_meta"]["after"]})

    assert (len(first["escalation_paths"]), len(rest.json()["escalation_paths"])) == (25, 17)
    problems(await incidentio.get("/v2/escalation_paths", params={"page_size": "26"}))
    assert (await incidentio.get("/v2/escalation_paths/01NOBODY")).status_code == 404


async def test_a_path_shows_the_people_of_its_first_level_now(incidentio):
    rows = (await incidentio.get("/v2/escalation_paths")).json()["escalation_paths"]

    people = {row["name"]: [person["name"] for person in row.get("current_responders", [])] for row in rows}
    assert people["Payments"] == ["Yuki Tanaka"]
    assert people["Refunds"] == ["Noor Haddad"]  # on call, and paused
    assert people["Batch jobs"] == []
    assert people["Platform"] == ["Sam Okafor", "Lena Fischer"]


def test_the_state_is_plain_json_and_brings_escalations_up_to_the_clock(box):
    assert box.state()["incidentio"]["rings"] == []

    box.advance(4 * 86_400)

    state = json.loads(json.dumps(box.state()["incidentio"]))
    assert {row["title"] for row in state["rings"]} == {"Search latency above 2 seconds"}
