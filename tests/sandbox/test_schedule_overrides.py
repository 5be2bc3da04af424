"""Overrides: what they displace, and what comes back."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

from .on_call import problems, schedule, user

pytestmark = pytest.mark.anyio

BODY = {
    "schedule_id": schedule("Payments primary"),
    "rotation_id": account_ulid("rotation Payments"),
    "layer_id": account_ulid("layer Payments: Layer 1"),
    "start_at": "2026-11-20T04:00:00Z",
    "end_at": "2026-11-20T08:00:00Z",
    "user": {"id": user("Ines Moreau")},
}


async def create(client, **changes):
    return await client.post("/v2/schedule_overrides", json=BODY | changes)


async def shifts(client, key="final"):
    query = {
        "schedule_id": BODY["schedule_id"],
        "entry_window_start": "2026-11-20T03:00:00Z",
        "entry_window_end": "2026-11-20T12:00:00Z",
    }
    rows = (await client.get("/v2/schedule_entries", params=query)).json()["schedule_entries"][key]
    return [f"{row['start_at'][11:16]}-{row['end_at'][11:16]} {row['user']['name']}" for row in rows]


async def test_an_override_puts_somebody_else_on_call(incidentio):
    reply = await create(incidentio)

    assert reply.status_code == 201
    override = reply.json()["override"]
    assert override["user"]["name"] == "Ines Moreau"
    assert (await incidentio.get(f"/v2/schedule_overrides/{override['id']}")).json() == {"override": override}
    assert await shifts(incidentio) == ["08:00-04:00 Yuki Tanaka", "04:00-08:00 Ines Moreau", "08:00-08:00 Yuki Tanaka"]


@pytest.mark.parametrize("person", [{"email": "ines.moreau@paysand.example"}, {"slack_user_id": "U04INES"}])
async def test_a_person_is_named_by_email_or_slack_id(incidentio, person):
    assert (await create(incidentio, user=person)).json()["override"]["user"]["id"] == user("Ines Moreau")


async def test_a_repeat_creates_another_since_there_is_no_key(box, incidentio):
    first, second = [(await create(incidentio)).json()["override"] for _ in range(2)]

    rows = box.state()["incidentio"]["schedule_overrides"]
    assert first["id"] != second["id"]
    assert [row["id"] for row in rows if row["schedule_id"] == BODY["schedule_id"]] == [second["id"]]


async def test_an_override_takes_over_the_time_of_its_neighbours(incidentio):
    old = (await create(incidentio)).json()["override"]
    new = await create(
        incidentio, start_at="2026-11-20T05:00:00Z", end_at="2026-11-20T06:00:00Z", user={"id": user("Sam Okafor")}
    )

    assert await shifts(incidentio, "overrides") == [
        "04:00-05:00 Ines Moreau",
        "05:00-06:00 Sam Okafor",
        "06:00-08:00 Ines Moreau",
    ]
    assert (await incidentio.get(f"/v2/schedule_overrides/{old['id']}")).status_code == 404
    assert (await incidentio.delete(f"/v2/schedule_overrides/{new.json()['override']['id']}")).status_code == 204
    assert "05:00-06:00 Sam Okafor" not in await shifts(incidentio, "overrides")
    assert len(await shifts(incidentio, "overrides")) == 2  # what was displaced does not come back


async def test_deleting_restores_the_rotation_and_succeeds_again(box, incidentio):
    override = (await create(incidentio)).json()["override"]

    replies = [await incidentio.delete(f"/v2/schedule_overrides/{override['id']}") for _ in range(2)]

    assert [(reply.status_code, reply.content) for reply in replies] == [(204, b"")] * 2
    assert await shifts(incidentio) == ["08:00-08:00 Yuki Tanaka"]
    assert [row["id"] for row in box.state()["incidentio"]["deleted_overrides"]] == [override["id"]]
    assert (await incidentio.delete("/v2/schedule_overrides/01NOBODY")).status_code == 404


@pytest.mark.parametrize("field", BODY)
async def test_every_field_is_required(box, incidentio, field):
    reply = await incidentio.post("/v2/schedule_overrides", json={key: BODY[key] for key in BODY if key != field})

    assert problems(reply) == [f"{field} is required"]
    assert len(box.state()["incidentio"]["schedule_overrides"]) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"end_at": BODY["start_at"]},
        {"end_at": "2026-11-20"},
        {"schedule_id": "01NOBODY"},
        {"rotation_id": account_ulid("rotation Search")},
        {"layer_id": account_ulid("layer Search: Layer 1")},
        {"schedule_id": schedule("Vendor hotline")},
        {"user": {"id": "01NOBODY"}},
        {"user": {}},
        {"reason": "holiday"},
    ],
)
async def test_a_body_that_fits_nothing_is_rejected(box, incidentio, changes):
    problems(await create(incidentio, **changes))

    assert len(box.state()["incidentio"]["schedule_overrides"]) == 1


async def test_the_list_needs_a_schedule_and_narrows_to_a_layer(incidentio):
    await create(incidentio)
    query = {"schedule_id": BODY["schedule_id"]}

    assert (await incidentio.get("/v2/schedule_overrides")).status_code == 422
    for more, found in (({}, 1), ({"layer_id": BODY["layer_id"]}, 1), ({"rotation_id": "01NOBODY"}, 0)):
        rows = (await incidentio.get("/v2/schedule_overrides", params=query | more)).json()["overrides"]
        assert len(rows) == found


async def test_the_person_of_an_override_is_who_gets_paged(box, incidentio):
    await create(incidentio, start_at="2026-11-20T03:00:00Z")

    await incidentio.post(
        "/v2/escalations",
        json={"title": "Help", "idempotency_key": "k", "escalation_path_id": account_ulid("path Payments")},
    )

    assert [row["user"] for row in box.state()["incidentio"]["rings"]] == ["Ines Moreau"]
