"""An escalation's course: whom it pages when."""

import json
from datetime import UTC, datetime

import pytest

from incident_mcp.sandbox import Sandbox

from .on_call import connect, escalation, events, page, paged, path, respond, rings, status, user

pytestmark = pytest.mark.anyio


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


def test_the_state_is_plain_json_and_brings_escalations_up_to_the_clock(box):
    assert box.state()["incidentio"]["rings"] == []

    box.advance(4 * 86_400)

    state = json.loads(json.dumps(box.state()["incidentio"]))
    assert {row["title"] for row in state["rings"]} == {"Search latency above 2 seconds"}
