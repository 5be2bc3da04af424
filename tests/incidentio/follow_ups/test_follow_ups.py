"""Follow-ups: created once although the API has no key for them, and never overwritten blindly."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import rfc3339

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_follow_ups": [
        {"incident": "INC-107"},
        {"status": "outstanding", "limit": 2},
        {"team": "Payments"},
    ],
    "incidentio_create_follow_up": [
        {"incident": "INC-114", "title": "Alert on queue depth"},
        {"incident": "INC-114", "url": "https://linear.app/paysand/issue/PAY-2301"},
        {
            "incident": "INC-114",
            "title": "Document the queue",
            "labels": ["docs"],
            "description": "In the **runbook**.",
        },
        {"incident": "INC-114", "title": "Limit the queue", "user": "Sam Okafor", "team": "Platform"},
    ],
    "incidentio_update_follow_up": [
        {"follow_up": "01HR4B1YM0PPWMJR6NEQPVPPN5", "status": "completed"},
        {"follow_up": "01HR4B1YM0PPWMJR6NEQPVPPN5", "title": "Test an index in ten languages"},
        {"follow_up": "01HR4B1YM0PPWMJR6NEQPVPPN5", "description": "See the post-mortem."},
        {"follow_up": "01HR4B1YM0PPWMJR6NEQPVPPN5", "user": "Sam Okafor"},
    ],
}
EFFECTS = {
    "incidentio_create_follow_up": [
        {
            "request": "POST /v3/follow_ups",
            "rows": "incidentio.follow_ups",
            "where": {"title": "Alert on queue depth", "incident_id": "INC-114"},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
        {
            "request": "POST /v3/follow_ups/actions/create_from_link",
            "rows": "incidentio.follow_ups",
            "where": {"external_issue_reference": {"issue_permalink": "https://linear.app/paysand/issue/PAY-2301"}},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
    ],
    "incidentio_update_follow_up": {
        "request": "PUT /v3/follow_ups/01HR4B1YM0PPWMJR6NEQPVPPN5",
        "rows": "incidentio.follow_ups",
        "where": {"id": "01HR4B1YM0PPWMJR6NEQPVPPN5", "status": "completed"},
        "looks": True,
    },
}
LIST, CREATE, UPDATE = "incidentio_list_follow_ups", "incidentio_create_follow_up", "incidentio_update_follow_up"
INDEX, RENEW = "01HR4B1YM0PPWMJR6NEQPVPPN5", "01HR4B1YM0QK4W05CNNS2DDSBQ"
REHEARSAL = "Rehearsal only: buy new batteries for the pager"


def stored(box, number):
    return next(row for row in box.incidentio.rows["follow_ups"] if row["id"] == number)


def change(box, number, **fields):
    """Change a follow-up as somebody else."""
    stored(box, number).update(fields, updated_at=rfc3339(box.incidentio.clock.tick()))


async def test_a_list_names_incidents_people_and_issues(call):
    rows = {row["id"]: row for row in (await call.ok(LIST))["follow_ups"]}
    assert rows[RENEW] == {
        "id": RENEW,
        "reference": "INC-107",
        "title": "Renew certificates with the full chain, automatically",
        "status": "outstanding",
        "assignee": "Sam Okafor",
        "assignee_team": "Payments",
        "priority": "Urgent",
        "issue": "https://linear.app/paysand/issue/PAY-2214",
        "created_at": "2026-11-16T03:00:00Z",
    }
    assert REHEARSAL not in [row["title"] for row in rows.values()]


async def test_those_of_a_test_incident_are_listed_when_it_is_named(call, box):
    [row] = (await call.ok(LIST, incident="INC-115"))["follow_ups"]
    assert row["title"] == REHEARSAL
    assert dict(box.requests[-1].query)["incident_mode"] == "test"


async def test_a_status_is_searched_for_page_by_page_without_losing_or_repeating_one(call):
    found, after = [], {}
    for _ in range(10):
        answer = await call.ok(LIST, status="outstanding", limit=2, **after)
        found += [row["id"] for row in answer["follow_ups"]]
        if not answer["has_more"]:
            break
        after = {"after": answer["after"]}
    everything = (await call.ok(LIST, limit=100))["follow_ups"]
    assert found == [row["id"] for row in everything if row["status"] == "outstanding"]
    assert len(found) == 4


async def test_a_team_narrows_the_list_and_an_unknown_one_is_rejected(call):
    assert [row["id"] for row in (await call.ok(LIST, team="payments"))["follow_ups"]] == [RENEW]
    assert "Payments" in await call.error(LIST, team="Paymnts")


@pytest.mark.parametrize("arguments", [{}, {"title": "x", "url": "https://linear.app/a/issue/B-1"}])
async def test_either_a_title_or_a_link_is_needed(call, box, arguments):
    assert "Not sent" in await call.error(CREATE, incident="INC-114", **arguments)
    assert box.writes() == []


async def test_a_lost_reply_never_makes_two(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))
    await call.result(CREATE, incident="INC-114", title="Once")
    await call.ok(CREATE, incident="INC-114", title="Once")
    assert [row["title"] for row in box.incidentio.rows["follow_ups"]].count("Once") == 1


async def test_the_same_title_for_somebody_else_is_another_follow_up(call):
    first = await call.ok(CREATE, incident="INC-114", title="Read the runbook", user="Sam Okafor")
    other = await call.ok(CREATE, incident="INC-114", title="Read the runbook", user="Yuki Tanaka")
    assert first["id"] != other["id"]
    assert "repeated" not in other


async def test_a_follow_up_of_an_issue_is_found_although_it_is_backdated(call, box):
    link = {"incident": "INC-107", "url": "https://linear.app/paysand/issue/PAY-2214/"}
    answer = await call.ok(CREATE, **link)
    assert (answer["id"], answer["repeated"]) == (RENEW, True)
    assert box.writes() == []


async def test_an_update_sends_what_it_does_not_change_unchanged(call, box):
    answer = await call.ok(UPDATE, follow_up=RENEW, status="completed")
    [request] = box.writes()
    row = stored(box, RENEW)
    assert request.body == {
        "title": row["title"],
        "status": "completed",
        "assignee_id": row["assignee"]["id"],
        "assignee_team_id": row["assignee_team"]["id"],
        "follow_up_category_id": row["category"]["id"],
        "follow_up_priority_option_id": row["priority"]["id"],
        "labels": ["tls"],
    }
    assert (answer["status"], answer["completed_at"][:10]) == ("completed", "2026-11-21")


async def test_what_somebody_changed_since_is_not_overwritten(call, box):
    await call.ok(LIST, incident="INC-106")
    change(box, INDEX, title="Test an index in each language")
    error = await call.error(UPDATE, follow_up=INDEX, status="completed")
    assert 'title "Test an index in each language"' in error
    assert box.writes() == []
    answer = await call.ok(UPDATE, follow_up=INDEX, status="completed", seen=stored(box, INDEX)["updated_at"])
    assert (answer["title"], answer["status"]) == ("Test an index in each language", "completed")


async def test_one_s_own_updates_are_never_stale(call, box):
    await call.ok(LIST, incident="INC-106")
    await call.ok(UPDATE, follow_up=INDEX, user="Sam Okafor")
    box.fail(Fault("cut_after", method="PUT", times=1))
    await call.result(UPDATE, follow_up=INDEX, title="Shorter")
    assert (await call.ok(UPDATE, follow_up=INDEX, status="completed"))["title"] == "Shorter"


async def test_what_was_not_shown_can_be_updated(call, box):
    change(box, INDEX, title="Changed before anybody looked")
    assert (await call.ok(UPDATE, follow_up=INDEX, status="not_doing"))["status"] == "not_doing"


async def test_an_update_that_changes_nothing_is_not_sent(call, box):
    answer = await call.ok(UPDATE, follow_up=INDEX, status="outstanding")
    assert "nothing was sent" in answer["note"]
    assert box.writes() == []


async def test_without_a_readable_title_an_update_asks_for_it(call, box):
    stored(box, INDEX)["title"] = None
    assert "title of the follow-up could not be read" in await call.error(UPDATE, follow_up=INDEX, status="completed")
    assert (await call.ok(UPDATE, follow_up=INDEX, status="completed", title="T"))["title"] == "T"


async def test_a_missing_scope_is_named(call, box):
    box.incidentio.remove_scope("follow_ups.create")
    assert "follow_ups.create" in await call.error(CREATE, incident="INC-114", title="x")


async def test_hundreds_of_rows_of_an_incident_are_looked_through_before_one_is_created(call, box):
    rows = box.incidentio.rows["follow_ups"]
    first = stored(box, INDEX)
    rows += [first | {"id": f"01M79DJ0W0{number:016}"} for number in range(600)]
    await call.ok(CREATE, incident="INC-106", title="New")
    assert len([row for row in box.requests if row.path == "/v3/follow_ups" and row.method == "GET"]) == 3
