"""One incident's whole story: in order, from either side, without loss, and with what could not be read."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from tests.conftest import NOW
from tests.response.altered import NO_INSTANTS, Json, alter
from tests.response.served import served

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incident_timeline": [{"incident": "INC-114"}, {"incident": "INC-116"}, {"ionhour_incident_id": 4512}],
}

TOOL = "incident_timeline"


def incident(box: Sandbox, reference: str) -> dict[str, Any]:
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)


def alert(box: Sandbox, number: int) -> dict[str, Any]:
    return next(row for row in box.ionhour.incidents if row["id"] == number)


def line(box: Sandbox, number: int, public_id: str | None = None) -> str:
    return f"Ionhour incident {number} ({public_id or alert(box, number)['publicId']})"


def attach(box: Sandbox, reference: str, title: str) -> None:
    box.incidentio.rows["attachments"].append(
        {
            "id": f"01ATTACHED{len(box.incidentio.rows['attachments']):016}",
            "incident_id": incident(box, reference)["id"],
            "resource": {
                "resource_type": "arbitrary_url",
                "external_id": "x",
                "permalink": "https://x",
                "title": title,
            },
        }
    )


async def test_the_story_of_both_services_is_in_order(call):
    answer = await call.ok(TOOL, incident="INC-114")
    assert (answer["incident"], answer["ionhour_incidents"], answer["known_by"]) == ("INC-114", [4512], "summary")
    assert [(row["at"][11:16], row["source"], row["kind"]) for row in answer["entries"]] == [
        ("00:35", "Ionhour", "opened"),
        ("00:35", "incident.io", "timeline_item"),
        ("00:36", "Ionhour", "alert_sent"),
        ("00:41", "Ionhour", "alert_sent"),
        ("00:50", "incident.io", "update"),
        ("00:51", "Ionhour", "note"),
        ("00:52", "Ionhour", "acknowledged"),
        ("01:10", "incident.io", "update"),
        ("01:20", "incident.io", "timeline_item"),
        ("01:45", "incident.io", "update"),
        ("01:50", "Ionhour", "note"),
    ]
    assert answer["has_more"] is False
    assert not {"problems", "after", "cut"} & set(answer)


async def test_an_update_has_the_status_and_severity_that_it_changed(call):
    entries = (await call.ok(TOOL, incident="114"))["entries"]
    changes = [(row.get("status"), row.get("severity")) for row in entries if row["kind"] == "update"]
    assert changes == [("Investigating", "Major"), (None, "Critical"), ("Fixing", None)]
    assert [row.get("who") for row in entries if row["kind"] == "update"][1] == "Sam Okafor"


async def test_from_the_alert_it_is_the_same_story(call):
    by_incident = await call.ok(TOOL, incident="INC-114")
    by_alert = await call.ok(TOOL, ionhour_incident_id=4512)
    assert by_alert["entries"] == by_incident["entries"]
    assert by_alert["incident"] == "INC-114"
    assert by_alert["known_by"] == "note and summary"


async def test_instants_of_any_zone_are_put_in_order(connect, box):
    rows = [row for row in box.ionhour.events if row["incidentId"] == 4512]
    rows[0]["occurredAt"], rows[1]["occurredAt"] = "2026-11-21T09:00:00+09:00", "2026-11-21T00:30:00"
    rows[2]["occurredAt"], rows[3]["occurredAt"] = "yesterday", "0001-01-01T00:00:00+05:00"
    async with connect() as call:
        entries = (await call.ok(TOOL, incident="114"))["entries"]
    assert {entries[0]["at"], entries[1]["at"]} == {"unknown"}
    assert [row["at"] for row in entries[2:4]] == ["2026-11-21T00:00:00Z", "2026-11-21T00:30:00Z"]


async def linked(connect: Any, **entry: Any) -> tuple[str | None, list[int] | None, str | None, list[str]]:
    async with connect() as call:
        answer = await call.ok(TOOL, **entry)
    return answer.get("incident"), answer.get("ionhour_incidents"), answer.get("known_by"), answer.get("problems", [])


async def test_an_alert_named_only_by_a_summary_leads_to_that_incident(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4514)
    incident(box, "INC-116")["created_at"] = NOW.isoformat()
    assert await linked(connect, ionhour_incident_id=4514) == ("INC-116", [4514], "summary", [])


async def test_a_note_that_the_incident_does_not_confirm_links_nothing_and_is_a_problem(connect, box):
    box.ionhour.add_note(alert(box, 4514), 7, "Declared in incident.io as INC-116", NOW)
    reference, alerts, known_by, problems = await linked(connect, ionhour_incident_id=4514)
    assert (reference, alerts, known_by) == (None, [4514], None)
    assert problems == ["A note names INC-116, but its summary does not name Ionhour alert 4514."]


async def test_the_older_note_counts_when_the_newer_one_is_not_confirmed(connect, box):
    box.ionhour.add_note(alert(box, 4512), 7, "Declared in incident.io as INC-116", datetime.now(UTC))
    reference, _, known_by, problems = await linked(connect, ionhour_incident_id=4512)
    assert (reference, known_by, len(problems)) == ("INC-114", "note and summary", 1)


async def test_another_public_id_links_nothing_and_is_a_problem(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4514, alert(box, 4513)["publicId"])
    reference, alerts, known_by, problems = await linked(connect, incident="INC-116")
    assert (reference, alerts, known_by) == ("INC-116", None, None)
    assert problems == ["Ionhour alert 4514 has another public ID than the one named."]


async def test_an_alert_that_cannot_be_read_is_a_problem(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 99, "01HR4B1YM0EWRS7ZXGHC8AF6Y1")
    _, alerts, _, problems = await linked(connect, incident="INC-116")
    assert alerts is None
    assert problems[0].startswith("Ionhour alert 99: Ionhour answered 404")


async def test_alike_names_link_nothing(connect, box):
    incident(box, "INC-116")["name"] = alert(box, 4513)["title"]
    assert await linked(connect, incident="INC-116") == ("INC-116", None, None, [])
    assert await linked(connect, ionhour_incident_id=4513) == (None, [4513], None, [])


async def test_an_attachment_can_be_the_link(connect, box):
    attach(box, "INC-116", "A dashboard")
    attach(box, "INC-116", line(box, 4513))
    assert await linked(connect, incident="INC-116") == ("INC-116", [4513], "attachment", [])


async def test_one_incident_of_two_alerts_has_the_events_of_both(connect, box):
    incident(box, "INC-116")["summary"] = f"{line(box, 4513)}\n{line(box, 4514)}"
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-116")
    assert answer["ionhour_incidents"] == [4513, 4514]
    assert sum(row["kind"] == "opened" for row in answer["entries"]) == 2


FAILURES = [Fault("status", status=403), Fault("garbage")]
PARTS = [
    ("/incident_updates", "updates: ", "update"),
    ("/incident_timeline_items", "timeline items: ", "timeline_item"),
    ("/incident-events", "events of Ionhour alert 4512: ", "opened"),
    ("/incident-notes", "notes of Ionhour alert 4512: ", "note"),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[2])
async def test_a_source_that_fails_is_a_problem_beside_the_others(call, box, fault, part):
    path, problem, gone = part
    box.fail(replace(fault, path=path))
    answer = await call.ok(TOOL, incident="INC-114")
    assert [line[: len(problem)] for line in answer["problems"]] == [problem]
    kinds = {row["kind"] for row in answer["entries"]}
    assert {"update", "timeline_item", "opened", "note"} - kinds == {gone}


async def test_attachments_that_cannot_be_read_are_a_problem(call, box):
    box.fail(Fault("status", path="/incident_attachments", status=403))
    answer = await call.ok(TOOL, incident="INC-116")
    assert answer["problems"][0].startswith("attachments: incident.io answered 403")


async def test_notes_that_cannot_be_read_leave_the_alerts_events(call, box):
    box.fail(Fault("status", path="/incident-notes", status=403))
    answer = await call.ok(TOOL, ionhour_incident_id=4512)
    assert answer["incident"] == "INC-114"
    assert {"opened", "update"} <= {row["kind"] for row in answer["entries"]}
    assert len(answer["problems"]) == 2


async def test_the_incident_itself_must_be_readable(call):
    assert "404" in await call.error(TOOL, incident="INC-999")
    assert "404" in await call.error(TOOL, ionhour_incident_id=99)


@pytest.mark.parametrize("arguments", [{}, {"incident": "1", "ionhour_incident_id": 1}])
async def test_exactly_one_of_both_incidents_must_be_passed(call, box, arguments):
    assert "either incident or ionhour_incident_id" in await call.error(TOOL, **arguments)
    assert box.requests == []


async def test_a_long_text_is_cut_with_a_mark(call, box):
    box.incidentio.updates[-1]["message"] = "x" * 3_000
    answer = await call.ok(TOOL, incident="INC-116")
    text = next(row["text"] for row in answer["entries"] if row["text"].startswith("xxx"))
    assert len(text) == 400
    assert text.endswith("…")
    assert "a limit of 5 or less shows them whole" in answer["cut"]
    whole = await call.ok(TOOL, incident="INC-116", limit=5)
    assert any(row["text"] == "x" * 3_000 for row in whole["entries"])


async def test_the_first_of_several_pages_of_events_is_a_problem(connect, box):
    listed = box.ionhour.routes["GET", "/api/incident-events/{id}"]

    def paged(request: Any) -> Any:
        reply = listed(request)
        body = {"items": reply.body, "page": 1, "pageCount": 3, "total": 60, "itemCount": 4, "limit": 20}
        return type(reply)(200, body, reply.headers)

    box.ionhour.routes["GET", "/api/incident-events/{id}"] = paged
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    assert answer["problems"] == ["Only the first page of events of Ionhour alert 4512 was read; there are more."]


async def test_notes_without_ids_at_one_instant_are_all_there(connect, box):
    for body in ("one", "two"):
        box.ionhour.add_note(alert(box, 4512), 7, body, NOW)["id"] = None
    async with connect() as call:
        texts = [row.get("text") for row in (await call.ok(TOOL, incident="114"))["entries"]]
    assert {"one", "two"} <= set(texts)


def fill(box: Sandbox) -> int:
    """Put 300 updates and 40 notes into one story, many of them at the same instant."""
    row = incident(box, "INC-114")
    for number in range(300):
        update = {
            "id": f"01MANY{number:020}",
            "incident_id": row["id"],
            "message": f"update {number}",
            "new_incident_status": row["incident_status"],
            "updater": {"user": {"id": "01U", "name": "Ines Moreau"}},
            "created_at": f"2026-11-21T02:{number // 30:02}:00Z",
        }
        box.incidentio.updates.append(update)
    for number in range(40):
        box.ionhour.add_note(alert(box, 4512), 7, f"note {number}", NOW)
    return 300 + 40 + 11


@settings(deadline=None, derandomize=True, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(10, 400))
async def test_after_walks_through_everything_once_for_any_limit(connect, limit):
    box = Sandbox(now=NOW)
    total = fill(box)
    async with connect(sandbox=box) as call:
        seen: list[tuple[str, str | None]] = []
        after: dict[str, str] = {}
        while True:
            answer = await call.ok(TOOL, incident="INC-114", limit=limit, **after)
            assert len(answer["entries"]) <= limit
            seen += [(row["at"], row["kind"], row.get("text")) for row in answer["entries"]]
            assert answer["has_more"] is ("after" in answer)
            if not answer["has_more"]:
                break
            after = {"after": answer["after"]}
    assert len(seen) == total
    assert [row[0] for row in seen] == sorted(row[0] for row in seen)
    if limit <= 50:
        assert len({row[2] for row in seen if row[1] == "update" and str(row[2]).startswith("update ")}) == 300


async def test_entries_that_come_meanwhile_are_on_a_later_page(connect, box):
    async with connect() as call:
        first = await call.ok(TOOL, incident="INC-114", limit=9)
        box.ionhour.add_note(alert(box, 4512), 7, "Newer.", NOW)
        second = await call.ok(TOOL, incident="INC-114", limit=9, after=first["after"])
    assert [row.get("text") for row in second["entries"]][-1] == "Newer."
    assert len(second["entries"]) == 3


@pytest.mark.parametrize("instant", NO_INSTANTS, ids=repr)
async def test_entries_without_a_readable_instant_come_first_and_are_complete(connect, box, instant):
    whole = len(box.incidentio.updates)

    def odd(body: Any) -> None:
        rows = body if isinstance(body, list) else next(value for value in body.values() if isinstance(value, list))
        for row in rows[:1]:
            row.update(dict.fromkeys(("created_at", "timestamp", "occurredAt", "createdAt"), instant))

    paths = ("/v2/incident_updates", "/v2/incident_timeline_items")
    for path in (*paths, "/api/incident-events/{id}", "/api/incident-notes/{id}"):
        alter(box, path, odd)
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    assert whole == len(box.incidentio.updates)
    assert len(answer["entries"]) == 11
    first = [(row["at"], row["kind"]) for row in answer["entries"][:4]]
    assert {at for at, _ in first} == {"unknown"}
    assert {kind for _, kind in first} >= {"update", "timeline_item", "note"}
    assert "unknown" not in [row["at"] for row in answer["entries"][4:]]
    assert "problems" not in answer


async def test_a_walk_goes_through_entries_without_an_instant_as_through_all(connect, box):
    def odd(body: Json) -> None:
        for row in body["incident_updates"]:
            row["created_at"] = None

    alter(box, "/v2/incident_updates", odd)
    async with connect() as call:
        whole = (await call.ok(TOOL, incident="INC-114"))["entries"]
        walked, after = [], {}
        while len(walked) <= len(whole):
            answer = await call.ok(TOOL, incident="INC-114", limit=1, **after)
            walked += answer["entries"]
            if "after" not in answer:
                break
            after = {"after": answer["after"]}
    assert walked == whole


async def test_an_update_without_an_instant_has_its_own_status_and_hides_no_change(connect, box):
    def odd(body: Json) -> None:
        newest = next(row for row in body["incident_updates"] if row["new_incident_status"]["name"] == "Fixing")
        newest["created_at"] = "today"

    alter(box, "/v2/incident_updates", odd)
    async with connect() as call:
        rows = [row for row in (await call.ok(TOOL, incident="114"))["entries"] if row["kind"] == "update"]
    assert [(row["at"][11:16], row.get("status")) for row in rows] == [
        ("", "Fixing"),
        ("00:50", "Investigating"),
        ("01:10", None),
    ]


async def test_odd_optional_parts_leave_every_entry_in_place(connect, box):
    def odd(body: Any) -> None:
        rows = body if isinstance(body, list) else next(value for value in body.values() if isinstance(value, list))
        for row in rows:
            for name in set(row) - {"id"}:
                row[name] = {"odd": []}

    paths = (
        "/v2/incident_updates",
        "/v2/incident_timeline_items",
        "/api/incident-events/{id}",
        "/api/incident-notes/{id}",
    )
    for path in paths:
        alter(box, path, odd)
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    kinds = [row["kind"] for row in answer["entries"]]
    assert [kinds.count(kind) for kind in ("update", "timeline_item", "event", "note")] == [3, 2, 4, 2]
    assert "problems" not in answer


async def test_rows_that_cannot_be_read_are_problems_with_their_number(connect, box):
    def unreadable(rows: list[Any]) -> None:
        rows[:2] = [None, 7]

    alter(box, "/v2/incident_updates", lambda body: unreadable(body["incident_updates"]))
    alter(box, "/v2/incident_timeline_items", lambda body: body["incident_timeline_items"][0].pop("id"))
    alter(box, "/api/incident-events/{id}", lambda body: unreadable(body if isinstance(body, list) else body["items"]))
    alter(box, "/api/incident-notes/{id}", lambda body: unreadable(body if isinstance(body, list) else body["items"]))
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    assert set(answer["problems"]) == {
        "2 updates could not be read.",
        "1 timeline item could not be read.",
        "2 events of Ionhour alert 4512 could not be read.",
        "2 notes of Ionhour alert 4512 could not be read.",
    }
    assert len(answer["entries"]) == 11 - 7


async def test_a_merge_says_into_which_incident(connect, box):
    async with connect() as call:
        entries = (await call.ok(TOOL, incident="INC-113"))["entries"]
        (merged,) = [row for row in entries if "merged_into_incident_id" in row]
    assert merged["merged_into_incident_id"] == incident(box, "INC-114")["id"]
    assert merged["merged_into_reference"] == "INC-114"


async def test_a_merge_into_an_incident_that_cannot_be_read_has_its_id(connect, box):
    for row in box.incidentio.updates:
        if "merged_into_incident_id" in row:
            row["merged_into_incident_id"] = "01HR4B1YM0EWRS7ZXGHC8AF6Y1"
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-113")
    (merged,) = [row for row in answer["entries"] if "merged_into_incident_id" in row]
    assert merged["merged_into_incident_id"] == "01HR4B1YM0EWRS7ZXGHC8AF6Y1"
    assert "merged_into_reference" not in merged
    assert "problems" not in answer


NO_CURSORS = [
    "2026-11-21T01:30",
    "2026-11-21T01:30:00Z",
    "01HR4B1YM0EWRS7ZXGHC8AF6Y1",
    "INC-114",
    "zzz",
    "2026-11-21T01:10:00.000000",
    "2026-11-21T01:10:00.000000 INC-114",
    "2026-99-21T01:10:00.000000 update INC-114 01X",
    "2026-11-21T01:10:00.000000 story INC-114 01X",
]


@pytest.mark.parametrize("after", NO_CURSORS)
async def test_an_after_that_is_no_cursor_is_refused_before_anything_is_read(call, box, after):
    text = await call.error(TOOL, incident="INC-114", after=after)
    assert f"after {after!r} is not a cursor. Pass `after` from the previous result unchanged" in text
    assert box.requests == []


FOREIGN = [
    ({"incident": "INC-112"}, {"incident": "INC-114"}),
    ({"incident": "INC-114"}, {"incident": "INC-116"}),
    ({"ionhour_incident_id": 4507}, {"incident": "INC-114"}),
    ({"ionhour_incident_id": 4512}, {"ionhour_incident_id": 4509}),
]


@pytest.mark.parametrize(("one", "other"), FOREIGN, ids=repr)
async def test_a_cursor_of_another_incident_is_refused_wherever_it_stands(connect, one, other):
    async with connect() as call:
        whole = len((await call.ok(TOOL, **one))["entries"])
        for limit in range(1, whole):
            after = (await call.ok(TOOL, **one, limit=limit))["after"]
            text = await call.error(TOOL, **other, after=after)
            assert "belongs to the timeline of another incident. Pass `after` from the previous result for this" in text


async def test_a_cursor_goes_on_from_the_incident_and_from_its_alert(call):
    after = (await call.ok(TOOL, incident="INC-114", limit=5))["after"]
    by_incident = await call.ok(TOOL, incident="114", after=after)
    by_alert = await call.ok(TOOL, ionhour_incident_id=4512, after=after)
    assert by_alert["entries"] == by_incident["entries"]
    assert len(by_alert["entries"]) == 6


PARTLY_DOWN = [
    ({"incident": "INC-114"}, Fault("status", service="ionhour", status=403)),
    ({"ionhour_incident_id": 4512}, Fault("status", service="incidentio", status=403)),
    ({"ionhour_incident_id": 4512}, Fault("status", path="/incident-notes", status=403)),
]


@pytest.mark.parametrize(("entry", "fault"), PARTLY_DOWN, ids=repr)
async def test_a_cursor_is_not_refused_while_a_part_of_the_story_cannot_be_read(connect, box, entry, fault):
    async with connect() as call:
        cursors = [(await call.ok(TOOL, **entry, limit=limit))["after"] for limit in range(1, 11)]
        box.fail(fault)
        for after in cursors:
            assert (await call.ok(TOOL, **entry, after=after))["problems"]


async def test_the_cursor_behind_a_note_that_was_deleted_goes_on(connect, box):
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114", limit=6)
        assert answer["entries"][-1]["kind"] == "note"
        box.ionhour.notes[:] = [row for row in box.ionhour.notes if row["body"] != answer["entries"][-1]["text"]]
        assert len((await call.ok(TOOL, incident="INC-114", after=answer["after"]))["entries"]) == 5


NO_INCIDENTS = ["INC-1 and INC-2", "x", "INC-", "https://app.incident.io/acme/alerts/1", "../users", "INC-0"]


@pytest.mark.parametrize("text", NO_INCIDENTS)
async def test_an_incident_that_is_no_reference_is_refused_before_anything_is_read(call, box, text):
    assert "Not sent." in await call.error(TOOL, incident=text)
    assert box.requests == []


async def test_a_link_or_a_title_is_taken_for_an_incident(call):
    for text in ("https://app.incident.io/acme/incidents/114", "INC-114: Webhook deliveries are delayed"):
        assert (await call.ok(TOOL, incident=text))["incident"] == "INC-114"


async def test_an_alert_without_a_readable_start_is_looked_for_among_the_newest_incidents(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4514)

    def without_start(body: Json) -> None:
        body["startedAt"] = "0001-01-01T00:00:00+05:00"

    alter(box, "/api/incidents/{id}", without_start)
    assert await linked(connect, ionhour_incident_id=4514) == ("INC-116", [4514], "summary", [])


async def test_recent_incidents_that_cannot_all_be_read_are_a_problem_where_none_names_the_alert(connect, box):
    alter(box, "/v2/incidents", lambda body: body["incidents"][0].pop("id"))
    reference, alerts, _, problems = await linked(connect, ionhour_incident_id=4514)
    assert (reference, alerts) == (None, [4514])
    assert len(problems) == 1
    assert problems[0].endswith(
        "of the incidents created since Ionhour alert 4514 began were searched for one that names it."
    )


async def test_hostile_notes_cost_few_requests(connect, box):
    for number in range(200):
        box.ionhour.add_note(alert(box, 4513), 7, f"Declared in incident.io as INC-{5000 + number}", NOW)
    async with connect() as call:
        answer = await call.ok(TOOL, ionhour_incident_id=4513)
    assert "Notes name 200 incidents; the 20 newest were looked up." in answer["problems"]
    assert len(box.requests) < 35


async def test_more_updates_than_are_read_are_a_problem(connect, box):
    some = next(row for row in box.incidentio.updates if row["incident_id"] == incident(box, "INC-114")["id"])
    box.incidentio.updates += [{**some, "id": f"01MORE{number:020}"} for number in range(1_100)]
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    assert answer["problems"] == ["There are more than 1000 updates; the rest were not read."]


async def test_attachments_of_more_than_twenty_alerts_are_a_problem(connect, box):
    for number in range(1, 26):
        attach(box, "INC-116", line(box, number, "01HR4B1YM0EWRS7ZXGHC8AF6Y1"))
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-116")
    assert "Attachments name 25 Ionhour alerts; 20 were read." in answer["problems"]


KEYS = [
    ("incidentio", {"incident": "INC-114"}, "Ionhour alert 4512: there is no key for Ionhour."),
    (
        "ionhour",
        {"ionhour_incident_id": 4512},
        "The incident of Ionhour alert 4512: there is no key for incident.io.",
    ),
]


@pytest.mark.parametrize(("service", "entry", "problem"), KEYS)
async def test_with_one_key_the_other_service_s_part_is_a_problem(tmp_path, service, entry, problem):
    with served() as sandbox:
        async with Client(build_server(sandbox.settings(tmp_path, service))) as client:
            result = await client.call_tool(TOOL, entry)
            other = await client.call_tool(
                TOOL, {"incident": 1} if service == "ionhour" else {"ionhour_incident_id": 1}
            )
    assert result.structured_content is not None
    assert result.structured_content["problems"] == [problem]
    assert result.structured_content["entries"]
    assert other.is_error


def named_alerts(box: Sandbox, count: int) -> None:
    """Let INC-114 name many alerts that are all there."""
    some = alert(box, 4512)
    for number in range(9000, 9000 + count):
        box.ionhour.incidents.append({**some, "id": number, "publicId": f"01HR4B1YM0EWRS7ZXGHC{number:06}"})
    incident(box, "INC-114")["summary"] = "\n".join(line(box, number) for number in range(9000, 9000 + count))


async def test_a_call_makes_at_most_60_requests_over_both_services(connect, box):
    named_alerts(box, 20)
    fill(box)
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114")
    assert 50 <= len(box.requests) <= 60
    assert len(answer["ionhour_incidents"]) == 20
    problems = [problem for problem in answer["problems"] if "not read: a call is limited to 60 requests." in problem]
    assert [problem[:24] for problem in problems] == ["events of Ionhour alert ", "notes of Ionhour alert 4"]
    assert all(problem.endswith("A larger limit allows more.") for problem in problems)


async def test_a_limit_of_more_rows_allows_as_many_requests(connect, box):
    named_alerts(box, 20)
    async with connect() as call:
        answer = await call.ok(TOOL, incident="INC-114", limit=200)
    assert 60 < len(box.requests) <= 200
    assert "problems" not in answer


async def test_events_and_notes_that_come_newest_first_keep_their_places(connect, box):
    for path in ("/api/incident-events/{id}", "/api/incident-notes/{id}"):
        alter(box, path, lambda body: (body if isinstance(body, list) else body["items"]).reverse())
    for row in box.ionhour.notes:
        row["id"] = None
    async with connect() as call:
        first = await call.ok(TOOL, incident="INC-114", limit=11)
        assert first["has_more"] is False
        kinds = [row["kind"] for row in first["entries"] if row["source"] == "Ionhour"]
        assert kinds == ["opened", "alert_sent", "alert_sent", "note", "acknowledged", "note"]
        after = (await call.ok(TOOL, incident="INC-114", limit=10))["after"]
        box.ionhour.add_note(alert(box, 4512), 7, "Newer.", NOW)["id"] = None
        rest = await call.ok(TOOL, incident="INC-114", after=after)
    assert [row["text"] for row in rest["entries"]][-1] == "Newer."
    assert len(rest["entries"]) == 2
