"""What changed: order, exactly once, what is down, what a cursor accepts, and what it costs."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from mcp import Client

from incident_mcp.records.tokens import count_tokens
from incident_mcp.response.catch_up.cursor import MAX_LENGTH
from incident_mcp.response.catch_up.events import KINDS
from incident_mcp.response.catch_up.watermark import MAX_REPORTED
from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.sandbox.engine.clock import rfc3339
from incident_mcp.sandbox.engine.service import Call
from incident_mcp.sandbox.incidentio.account import API_KEY_ACTOR
from incident_mcp.sandbox.incidentio.incident_changes import record_update
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, Caller
from tests.response.altered import NO_TIMESTAMPS, alter
from tests.response.catch_up.world import World
from tests.response.seeded import alert, incident
from tests.response.served import served

pytestmark = pytest.mark.anyio

# Ionhour's changes come last: the generic tests play back one answer for both lists of its alerts.
EXAMPLES = {"catch_up": {"since": "2026-11-20T15:00:00Z", "limit": 15}}

Json = dict[str, Any]
SINCE = "2026-11-20T15:00:00Z"
JUST_NOW = NOW.isoformat()


def kinds(answer: Json) -> list[str]:
    return [change["kind"] for change in answer["changes"]]


def placed(change: Json) -> tuple[str, ...]:
    """Return what does not depend on the other changes of an answer: names and texts do."""
    return tuple(str(change.get(name)) for name in ("kind", "at", "incident", "ionhour_incident", "severity"))


async def all_changes(call: Caller, since: str, limit: int = 30) -> list[Json]:
    """Return the changes of successive calls, until there are no more."""
    changes: list[Json] = []
    for _ in range(200):
        answer = await call.ok("catch_up", since=since, limit=limit)
        changes += answer["changes"]
        since = answer["cursor"]
        if not answer["has_more"]:
            return changes
    pytest.fail("the changes do not end")


def update(box: Sandbox, reference: str, text: str = "", **ago: float) -> Json:
    row = incident(box, reference)
    return record_update(box.incidentio, row, box.incidentio.clock.now - timedelta(**ago), API_KEY_ACTOR, text)


def set_severity(box: Sandbox, reference: str, name: str) -> None:
    incident(box, reference)["severity"] = next(row for row in box.incidentio.severities if row["name"] == name)


async def test_a_night_comes_most_urgent_first_in_six_requests_and_1200_tokens(call, box):
    answer = await call.ok("catch_up", since=SINCE)
    assert len(answer["changes"]) == 30
    assert answer["has_more"]
    assert len(box.requests) == 6
    cost = count_tokens(answer)
    print(f"30 changes: {cost} tokens, {len(box.requests)} requests, cursor of {len(answer['cursor'])} characters")
    assert cost <= 1_200
    assert kinds(answer) == sorted(kinds(answer), key=KINDS.index)
    assert {"page_unanswered", "severity_up", "new", "page_answered", "alert_opened"} <= set(kinds(answer))


async def test_thirty_long_changes_with_a_large_cursor_stay_inside_1200_tokens(call, box):
    for number in range(MAX_REPORTED - 5):
        update(box, "INC-114", f"{number} " + "The queue drains slowly. " * 40, seconds=number)
        box.ionhour.incidents.append({**alert(box, 4514), "id": 5_000 + number * 9, "title": "checkout is down " * 9})
    first = await call.ok("catch_up", since=SINCE)
    second = await call.ok("catch_up", since=first["cursor"])
    assert len(second["changes"]) == 30
    for answer in (first, second):
        print(f"{len(answer['changes'])} changes: {count_tokens(answer)} tokens, cursor {len(answer['cursor'])}")
        assert count_tokens(answer) <= 1_200


async def test_the_rest_comes_with_the_cursor_and_each_change_once(call):
    whole = await call.ok("catch_up", since=SINCE, limit=100)
    assert not whole["has_more"]
    parts = await all_changes(call, SINCE, limit=7)
    assert sorted(map(placed, parts)) == sorted(map(placed, whole["changes"]))
    assert (await call.ok("catch_up", since=whole["cursor"]))["changes"] == []


async def test_without_since_it_is_the_last_twelve_hours(connect):
    box = Sandbox()
    async with connect(sandbox=box) as call:
        answer = await call.ok("catch_up")
    assert "new" in kinds(answer)
    assert answer["since"].endswith("Z")


async def test_a_page_is_reported_while_it_rings_and_then_how_it_ended(call):
    rings = next(row for row in (await call.ok("catch_up", since=SINCE))["changes"] if row["kind"] == "page_unanswered")
    assert rings["text"].startswith("paged ")
    start = await call.ok("catch_up", since=SINCE, limit=100)
    await call.performed("incidentio_answer_page", escalation=rings["escalation_id"], response="ack")
    answer = await call.ok("catch_up", since=start["cursor"])
    assert kinds(answer) == ["page_answered"]
    assert answer["changes"][0]["title"].startswith(rings["title"][:8])


async def test_a_status_that_is_not_known_counts_as_unanswered(call, box):
    box.incidentio.rows["escalations"][-1]["status"] = "ringing_twice"
    answer = await call.ok("catch_up", since=SINCE)
    assert any(row.get("status", "").startswith("ringing_") for row in answer["changes"])


async def test_a_severity_is_known_from_the_cursor_where_the_earlier_update_is_not_in_the_list(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    box.incidentio.updates[:] = [
        row for row in box.incidentio.updates if row["incident_id"] != incident(box, "INC-116")["id"]
    ]
    box.advance(60)
    set_severity(box, "INC-116", "Major")
    update(box, "INC-116")
    answer = await call.ok("catch_up", since=start["cursor"])
    assert [(row["kind"], row["severity"]) for row in answer["changes"]] == [("severity_up", "Major")]


async def test_a_lower_severity_is_an_update(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    box.advance(60)
    set_severity(box, "INC-114", "Minor")
    update(box, "INC-114", "Only one merchant.")
    [row] = (await call.ok("catch_up", since=start["cursor"]))["changes"]
    assert (row["kind"], row["severity"], row["text"]) == ("update", "Minor", "Only one merchant.")
    assert "status" not in row


async def test_leads_are_compared_with_the_cursor(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    lead = next(
        row for row in incident(box, "INC-114")["incident_role_assignments"] if row["role"]["role_type"] == "lead"
    )
    before = lead["assignee"]
    incident(box, "INC-114")["updated_at"] = rfc3339(NOW)
    lead["assignee"] = {"id": "01NEW", "name": "Mei Chen"}
    changed = await call.ok("catch_up", since=start["cursor"])
    assert [(row["kind"], row["incident"], row["lead"]) for row in changed["changes"]] == [
        ("lead_changed", "INC-114", "Mei Chen")
    ]
    del lead["assignee"]
    gone = await call.ok("catch_up", since=changed["cursor"])
    assert [(row["kind"], row["text"]) for row in gone["changes"]] == [("lead_changed", "no lead")]
    lead["assignee"] = before
    assert (await call.ok("catch_up", since=start["cursor"]))["changes"] == [], "two changes show the last"


@pytest.mark.parametrize("value", [None, "odd", {"a": 1}])
async def test_leads_that_cannot_be_read_are_no_change(call, box, value):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    kept = incident(box, "INC-114")["incident_role_assignments"]
    incident(box, "INC-114")["incident_role_assignments"] = value
    answer = await call.ok("catch_up", since=start["cursor"])
    assert answer["changes"] == []
    incident(box, "INC-114")["incident_role_assignments"] = kept
    assert (await call.ok("catch_up", since=answer["cursor"]))["changes"] == []


async def test_rehearsals_and_what_only_records_a_declaration_are_not_reported(call):
    text = json.dumps(await call.ok("catch_up", since=SINCE, limit=100))
    assert "Rehears" not in text
    assert "INC-115" not in text
    start = await call.ok("catch_up", since=SINCE, limit=100)
    await call.performed("incidentio_create_incident", name="Cards fail", severity="Major", despite=["INC-114"])
    answer = await call.ok("catch_up", since=start["cursor"])
    assert [(row["kind"], row["name"], row["severity"]) for row in answer["changes"]] == [
        ("new", "Cards fail", "Major")
    ]


async def test_a_private_alert_that_the_key_may_not_see_is_not_reported(call, box):
    seen = await all_changes(call, "2026-11-19T00:00:00Z", 100)
    assert any(row.get("title", "").startswith("Secret pushed") for row in seen)
    box.incidentio.missing_scopes.add("global_access")
    hidden = await all_changes(call, "2026-11-19T00:00:00Z", 100)
    assert not any(row.get("title", "").startswith("Secret pushed") for row in hidden)


# What is down: the path, what the answer calls it, and the kinds that are missing then.
DOWN = [
    (r"^/v2/incidents$", "incident.io's incidents", {"new", "lead_changed"}),
    (r"^/v2/incident_updates$", "incident.io's updates", {"severity_up", "resolved", "update"}),
    (r"^/v2/escalations$", "incident.io's pages", {"page_unanswered", "page_answered", "page_ended", "page_expired"}),
    (r"^/v2/alerts$", "incident.io's alerts", set[str]()),
    (r"^/api/incidents$", "Ionhour's alerts", set[str]()),
]


@pytest.mark.parametrize(("path", "name", "missing"), DOWN)
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 403}, {"kind": "html", "status": 404}, {"kind": "garbage"}]
)
async def test_a_source_that_is_down_is_named_and_is_reported_once_it_is_back(call, box, path, name, missing, fault):
    whole = await call.ok("catch_up", since=SINCE, limit=100)
    box.fail(Fault(path=path, **fault))
    answer = await call.ok("catch_up", since=SINCE, limit=100)
    named = [line for line in answer["problems"] if line.startswith(name)]
    assert len(named) == 1
    assert answer["problems"][-1].startswith("What could not be read is reported once it can be")
    assert not missing & set(kinds(answer))
    assert len(answer["changes"]) < len(whole["changes"])
    box.heal()
    rest = await call.ok("catch_up", since=answer["cursor"], limit=100)
    assert "problems" not in rest
    known = [(row["kind"], row.get("at"), row.get("ionhour_incident")) for row in answer["changes"] + rest["changes"]]
    expected = [(row["kind"], row.get("at"), row.get("ionhour_incident")) for row in whole["changes"]]
    declared = [row for row in known if row not in expected]
    assert sorted((row for row in known if row not in declared), key=str) == sorted(expected, key=str)
    assert {row[0] for row in declared} <= {"update"}, "a declaration's own update, while incidents are not readable"


async def test_a_key_without_the_scope_of_pages_is_told_once_what_it_lacks(call, box):
    box.incidentio.remove_scope("escalations.view")
    answer = await call.ok("catch_up", since=SINCE)
    assert sum("escalations.view" in line for line in answer["problems"]) == 1
    assert len(answer["problems"]) == 2


async def test_all_is_down_and_nothing_is_lost(call, box):
    box.fail(Fault("status", status=403))
    answer = await call.ok("catch_up", since=SINCE)
    assert answer["changes"] == []
    assert len(answer["problems"]) == 6
    box.heal()
    later, whole = [await all_changes(call, since, 100) for since in (answer["cursor"], SINCE)]
    assert sorted(map(placed, later)) == sorted(map(placed, whole))


def every(settings: Settings) -> Settings:
    return replace(settings, toolsets=("all",))


async def test_one_key_is_enough_and_the_other_service_catches_up_with_its_key(tmp_path):
    with served() as sandbox:
        for service, named in (("ionhour", "incident.io"), ("incidentio", "Ionhour")):
            async with Client(build_server(every(sandbox.settings(tmp_path, service)))) as client:
                answer = await Caller(client, Sandbox(now=NOW)).ok("catch_up", since=SINCE, limit=100)
                assert answer["problems"][0].startswith(f"{named}: there is no key")
                assert answer["changes"]
                again = await Caller(client, Sandbox(now=NOW)).ok("catch_up", since=answer["cursor"])
                assert again["changes"] == []
        async with Client(build_server(every(sandbox.settings(tmp_path, "incidentio", "ionhour")))) as client:
            later = await Caller(client, Sandbox(now=NOW)).ok("catch_up", since=answer["cursor"], limit=100)
    assert "problems" not in later
    assert later["changes"]
    assert all("ionhour_incident" in row for row in later["changes"])


async def test_unreadable_rows_are_counted_and_rows_without_a_time_are_named(call, box):
    alter(box, "/v2/incidents", lambda body: body["incidents"][0].pop("id"))
    alter(box, "/v2/incident_updates", lambda body: body["incident_updates"][0].pop("created_at"))
    alter(box, "/v2/escalations", lambda body: body["escalations"][0].update(events="odd"))
    alter(box, "/api/incidents", lambda body: body["items"][0].update(id=None))
    answer = await call.ok("catch_up", since=SINCE)
    problems = " ".join(answer["problems"])
    assert "1 incident could not be read." in problems
    assert "incident.io's updates: 1 have no readable time" in problems
    assert "1 page whose events could not be read." in problems
    assert "1 resolved Ionhour alert could not be read." in problems
    assert "new" in kinds(answer)


@pytest.mark.parametrize("value", NO_TIMESTAMPS)
async def test_no_time_is_ever_made_up(call, box, value):
    for path, key, name in (
        ("/v2/incidents", "incidents", "created_at"),
        ("/v2/alerts", "alerts", "created_at"),
        ("/api/incidents", "items", "startedAt"),
    ):

        def spoil(body: Any, key: str = key, name: str = name) -> None:
            for row in body[key]:
                row[name] = value

        alter(box, path, spoil)
    answer = await call.ok("catch_up", since=SINCE, limit=100)
    assert "new" not in kinds(answer)
    assert "alert_opened" not in kinds(answer)
    assert sum("have no readable time" in line for line in answer["problems"]) == 3


async def test_what_lies_in_the_future_is_named_and_reported_when_its_time_has_come(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    update(box, "INC-114", "From a host whose clock is ahead.", minutes=-30)
    update(box, "INC-114", "From a host whose clock is slightly ahead.", minutes=-2)
    answer = await call.ok("catch_up", since=start["cursor"])
    assert [row["text"] for row in answer["changes"]] == ["From a host whose clock is slightly ahead."]
    assert answer["problems"] == ["incident.io's updates: 1 lie in the future and are reported then."]
    box.advance(1_800)
    assert [
        row["text"]
        for row in (await call.ok("catch_up", since=answer["cursor"]))["changes"]
        if "text" in row and row["kind"] == "update"
    ] == ["From a host whose clock is ahead."]


async def test_a_row_that_appears_late_is_reported_and_those_beside_it_are_not_repeated(call, box):
    update(box, "INC-114", "In time.", minutes=1)
    start = await call.ok("catch_up", since=SINCE, limit=100)
    update(box, "INC-114", "Late.", minutes=4)
    assert [row["text"] for row in (await call.ok("catch_up", since=start["cursor"]))["changes"]] == ["Late."]


def closing(world: World) -> None:
    reference = world.declare(1)
    for _ in range(2):
        world.post(0)
    world.resolve(list(world.severity).index(reference))


@pytest.mark.parametrize("limit", [1, 30, 100])
async def test_hundreds_of_changes_come_once_each_however_they_lie(connect, limit):
    world = World()
    rounds = 40 if limit > 1 else 15
    for number in range(rounds):
        world.wait(number % 3)
        closing(world)
        world.burst(number)
    async with connect(sandbox=world.box) as call:
        changes = await all_changes(call, JUST_NOW, limit)
    found = sorted((row["kind"], row.get("text") or row["incident"]) for row in changes)
    assert found == sorted(world.once)
    # The most urgent first, as far as a cursor can hold which were reported.
    assert changes[0]["kind"] in ("severity_up", "new")


async def test_lists_of_several_pages_are_read_to_their_end(connect):
    world = World()
    for number in range(60):
        world.page(number)
        world.fire(0)
        world.wait(1)
    async with connect(sandbox=world.box) as call:
        changes = await all_changes(call, JUST_NOW, 100)
    assert len([row for row in changes if row["kind"] == "page_unanswered"]) == 60
    assert len([row for row in changes if row["kind"] == "alert_opened"]) == 60


async def test_updates_in_another_order_are_read_to_the_end_of_the_list(call, box):
    whole = await call.ok("catch_up", since=SINCE, limit=100)
    alter(box, "/v2/incident_updates", lambda body: body["incident_updates"].reverse())
    assert kinds(await call.ok("catch_up", since=SINCE, limit=100)) == kinds(whole)


async def test_a_list_that_does_not_end_is_named_and_nothing_of_it_is_reported(call, box):
    route = box.incidentio.routes["GET", "/v2/alerts"]
    count = iter(range(10_000_000))

    def endless(request: Any) -> Any:
        reply = route(Call({}, [pair for pair in request.query if pair[0] != "after"], None))
        row = reply.body["alerts"][0]
        reply.body["alerts"] = [{**row, "id": f"01ALERT{next(count)}"} for _ in range(50)]
        reply.body["pagination_meta"]["after"] = reply.body["alerts"][-1]["id"]
        return reply

    box.incidentio.routes["GET", "/v2/alerts"] = endless
    answer = await call.ok("catch_up", since=SINCE, limit=100)
    [line] = [line for line in answer["problems"] if line.startswith("incident.io's alerts")]
    assert "so none are reported" in line
    assert len(box.requests) <= 60
    assert not any("ionhour_incident" not in row for row in answer["changes"] if row["kind"] == "alert_opened")


async def test_an_ionhour_alert_that_no_list_shows_any_more_has_recovered(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)
    box.ionhour.incidents[:] = [row for row in box.ionhour.incidents if row["id"] not in (4512, 4513)]
    [row] = (await call.ok("catch_up", since=start["cursor"]))["changes"]
    assert (row["kind"], row["ionhour_incident"]) == ("alert_recovered", 4512), "4513 had recovered before"
    assert "at" not in row


async def test_ionhour_alerts_that_are_not_all_readable_have_not_recovered(call, box):
    start = await call.ok("catch_up", since=SINCE, limit=100)

    def spoil(body: Any) -> None:
        body["items"][1]["id"] = "odd"

    alter(box, "/api/incidents", spoil)
    answer = await call.ok("catch_up", since=start["cursor"])
    assert answer["changes"] == []
    assert any(line.startswith("Ionhour has 5 unresolved alerts; 4 were read") for line in answer["problems"])


async def test_more_unresolved_ionhour_alerts_than_a_cursor_holds_come_once_each(connect):
    world = World()
    for _ in range(260):
        world.ionhour_open(0)
    async with connect(sandbox=world.box) as call:
        changes = await all_changes(call, JUST_NOW, 100)
        cursor = (await call.ok("catch_up", since=JUST_NOW, limit=100))["cursor"]
    assert sorted(row["ionhour_incident"] for row in changes) == sorted(world.ionhour)
    assert len(cursor) <= MAX_LENGTH


async def test_the_largest_cursor_fits(connect):
    world = World()
    for number in range(80):
        world.wait(2)
        world.declare(number)
        world.page(0)
        world.fire(0)
        world.ionhour_open(0)
        world.post(number)
    async with connect(sandbox=world.box) as call:
        since = JUST_NOW
        longest = 0
        for _ in range(30):
            answer = await call.ok("catch_up", since=since, limit=40)
            since = answer["cursor"]
            longest = max(longest, len(since))
    print(f"longest cursor: {longest} characters")
    assert 700 < longest <= MAX_LENGTH


def damaged(cursor: str) -> dict[str, str]:
    body = cursor.removeprefix("c1.")
    middle = len(body) // 2
    other = "A" if body[middle] != "A" else "B"
    return {
        "cut at the end": cursor[:-1],
        "cut in the middle": cursor[:middle],
        "longer": cursor + "A",
        "one character": f"c1.{body[:middle]}{other}{body[middle + 1 :]}",
        "padded": cursor + "=",
        "only the prefix": "c1.",
        "not base64": "c1." + "*" * 20,
        "empty content": "c1." + base64.urlsafe_b64encode(bytes(8)).decode().rstrip("="),
        "a megabyte": "c1." + "A" * 1_000_000,
        "a line": cursor + "\nx",
        "zeros": "c1." + "A" * 400,
    }


@pytest.mark.parametrize("how", damaged("c1.AAAA"))
async def test_a_cursor_that_was_changed_is_rejected_and_nothing_is_sent(call, box, how):
    cursor = (await call.ok("catch_up", since=SINCE))["cursor"]
    sent = len(box.requests)
    text = await call.error("catch_up", since=damaged(cursor)[how])
    assert "Pass `cursor` from an earlier result as it was" in text
    assert len(text) < 400
    assert len(box.requests) == sent


async def test_no_single_character_of_a_cursor_can_change(call, box):
    cursor = (await call.ok("catch_up", since=SINCE))["cursor"]
    sent = len(box.requests)
    for place in range(3, len(cursor), 7):
        for other in "Aa0-_":
            if cursor[place] != other:
                await call.error("catch_up", since=cursor[:place] + other + cursor[place + 1 :])
    assert len(box.requests) == sent


@pytest.mark.parametrize("service", ["incidentio", "ionhour"])
async def test_a_cursor_of_another_account_is_rejected(connect, service):
    class OtherAccount(Sandbox):
        def key(self, service_: Any) -> str:
            return "another" if service_ == service else super().key(service_)

    async with connect() as call:
        cursor = (await call.ok("catch_up", since=SINCE))["cursor"]
    other = OtherAccount(now=NOW)
    async with connect(sandbox=other) as call:
        assert "belongs to another account" in await call.error("catch_up", since=cursor)
    assert other.requests == []


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("yesterday", "is neither a timestamp with a time zone"),
        ("2026-11-21T03:12:00", "is neither a timestamp with a time zone"),
        ("2099-01-01T00:00:00Z", "is in the future"),
        ("0001-01-01T00:00:00Z", "is too long ago"),
        ("2" * 1_000_000, "is neither a timestamp with a time zone"),
    ],
)
async def test_since_is_a_plausible_time(call, box, since, said):
    assert said in await call.error("catch_up", since=since)
    assert box.requests == []


async def test_a_cursor_works_in_another_process_as_far_as_the_keys_are_the_same(connect, tmp_path):
    async with connect() as call:
        cursor = (await call.ok("catch_up", since=SINCE))["cursor"]
        here = await call.ok("catch_up", since=cursor)
    async with connect(state_dir=tmp_path / "elsewhere") as call:
        assert await call.ok("catch_up", since=cursor) == here


async def test_a_service_without_a_date_header_is_read_by_this_machines_clock(connect):
    box = Sandbox()
    box.fail(Fault("delay", headers={"date": None}))
    async with connect(sandbox=box) as call:
        first = await call.ok("catch_up", limit=100)
        assert "new" in kinds(first)
        update(box, "INC-114", "Still looking.")
        assert [row["text"] for row in (await call.ok("catch_up", since=first["cursor"]))["changes"]] == [
            "Still looking."
        ]
