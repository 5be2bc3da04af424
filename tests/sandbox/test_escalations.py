"""Creating, listing and reading escalations and their paths."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

from .on_call import escalation, page, paged, path, problems, rings, seeded, user

pytestmark = pytest.mark.anyio


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
    assert len(box.incidentio.rows["escalations"]) == 8


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
    ({}, 8),
    ({"status[one_of]": "triggered"}, 3),
    ([("status[one_of]", "triggered"), ("status[one_of]", "acked")], 4),
    ({"status[not_in]": "expired"}, 7),
    ({"escalation_path[one_of]": path("Payments")}, 2),
    ({"escalation_path[not_in]": path("Payments"), "status[one_of]": "cancelled"}, 1),
    ({"incident[one_of]": "01NOBODY"}, 0),
    ({"alert[one_of]": "01NOBODY"}, 0),
    ({"created_at[gte]": "2026-11-20"}, 5),
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
        ({"incident[not_in]": incident}, 8),
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

    assert len(seen) == 8
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
