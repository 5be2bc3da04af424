"""One incident's whole story: in order, from either side, without loss, and with what could not be read."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.faults import Fault
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

TOOL = "incident_timeline"


def incident(box: Sandbox, reference: str) -> dict[str, Any]:
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)


def alert(box: Sandbox, number: int) -> dict[str, Any]:
    return next(row for row in box.ionhour.incidents if row["id"] == number)


def line(box: Sandbox, number: int, public_id: str | None = None) -> str:
    return f"Ionhour incident {number} ({public_id or alert(box, number)['publicId']})"


def attach(box: Sandbox, reference: str, title: str) -> None:
    box.incidentio.attachments.append(
        {
            "id": f"01ATTACHED{len(box.incidentio.attachments):016}",
            "incident_id": incident(box, reference)["id"],
            "resource": {
                "resource_type": "arbitrary_url",
                "external_id": "x",
                "permalink": "https://x",
                "title": title,
            },
        }
    )


async def test_the_story_of_both_services_is_told_in_order(call):
    told = await call.ok(TOOL, incident="INC-114")
    assert (told["incident"], told["ionhour_incidents"], told["known_by"]) == ("INC-114", [4512], "summary")
    assert [(row["at"][11:16], row["source"], row["kind"]) for row in told["entries"]] == [
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
    assert told["has_more"] is False
    assert not {"problems", "after", "cut"} & set(told)


async def test_an_update_tells_what_it_changed_of_status_and_severity(call):
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
    # What is no instant comes first, as it is.
    assert {entries[0]["at"], entries[1]["at"]} == {"yesterday", "0001-01-01T00:00:00+05:00"}
    assert [row["at"] for row in entries[2:4]] == ["2026-11-21T00:00:00Z", "2026-11-21T00:30:00Z"]


# what is changed; then by which entry, and the links that are told
async def linked(connect: Any, **entry: Any) -> tuple[str | None, list[int] | None, str | None, list[str]]:
    async with connect() as call:
        told = await call.ok(TOOL, **entry)
    return told.get("incident"), told.get("ionhour_incidents"), told.get("known_by"), told.get("problems", [])


async def test_an_alert_named_only_by_a_summary_leads_to_that_incident(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4514)
    incident(box, "INC-116")["created_at"] = NOW.isoformat()
    assert await linked(connect, ionhour_incident_id=4514) == ("INC-116", [4514], "summary", [])


async def test_a_note_that_the_incident_does_not_confirm_links_nothing_and_is_said(connect, box):
    box.ionhour.add_note(alert(box, 4514), 7, "Declared in incident.io as INC-116", NOW)
    reference, alerts, known_by, problems = await linked(connect, ionhour_incident_id=4514)
    assert (reference, alerts, known_by) == (None, [4514], None)
    assert problems == ["A note names INC-116, but its summary does not name Ionhour incident 4514."]


async def test_the_older_note_counts_when_the_newer_one_is_not_confirmed(connect, box):
    box.ionhour.add_note(alert(box, 4512), 7, "Declared in incident.io as INC-116", datetime.now(UTC))
    reference, _, known_by, problems = await linked(connect, ionhour_incident_id=4512)
    assert (reference, known_by, len(problems)) == ("INC-114", "note and summary", 1)


async def test_another_public_id_links_nothing_and_is_said(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 4514, alert(box, 4513)["publicId"])
    reference, alerts, known_by, problems = await linked(connect, incident="INC-116")
    assert (reference, alerts, known_by) == ("INC-116", None, None)
    assert problems == ["Ionhour incident 4514 has another public id than the one named."]


async def test_an_alert_that_cannot_be_read_is_said(connect, box):
    incident(box, "INC-116")["summary"] = line(box, 99, "01HR4B1YM0EWRS7ZXGHC8AF6Y1")
    _, alerts, _, problems = await linked(connect, incident="INC-116")
    assert alerts is None
    assert problems[0].startswith("Ionhour incident 99: Ionhour answered 404")


async def test_alike_names_link_nothing(connect, box):
    incident(box, "INC-116")["name"] = alert(box, 4513)["title"]
    assert await linked(connect, incident="INC-116") == ("INC-116", None, None, [])
    assert await linked(connect, ionhour_incident_id=4513) == (None, [4513], None, [])


async def test_an_attachment_can_be_the_link(connect, box):
    attach(box, "INC-116", "A dashboard")
    attach(box, "INC-116", line(box, 4513))
    assert await linked(connect, incident="INC-116") == ("INC-116", [4513], "attachment", [])


async def test_one_incident_of_two_alerts_tells_both(connect, box):
    incident(box, "INC-116")["summary"] = f"{line(box, 4513)}\n{line(box, 4514)}"
    async with connect() as call:
        told = await call.ok(TOOL, incident="INC-116")
    assert told["ionhour_incidents"] == [4513, 4514]
    assert sum(row["kind"] == "opened" for row in told["entries"]) == 2


FAILURES = [Fault("status", status=403), Fault("garbage")]
PARTS = [
    ("/incident_updates", "updates: ", "update"),
    ("/incident_timeline_items", "timeline items: ", "timeline_item"),
    ("/incident-events", "events of Ionhour incident 4512: ", "opened"),
    ("/incident-notes", "notes of Ionhour incident 4512: ", "note"),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: fault.kind)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[2])
async def test_a_source_that_fails_is_a_problem_and_the_others_are_told(call, box, fault, part):
    path, problem, gone = part
    box.fail(replace(fault, path=path))
    told = await call.ok(TOOL, incident="INC-114")
    assert [said[: len(problem)] for said in told["problems"]] == [problem]
    kinds = {row["kind"] for row in told["entries"]}
    assert {"update", "timeline_item", "opened", "note"} - kinds == {gone}


async def test_attachments_that_cannot_be_read_are_a_problem(call, box):
    box.fail(Fault("status", path="/incident_attachments", status=403))
    told = await call.ok(TOOL, incident="INC-116")
    assert told["problems"][0].startswith("attachments: incident.io answered 403")


async def test_notes_that_cannot_be_read_leave_the_alerts_events(call, box):
    box.fail(Fault("status", path="/incident-notes", status=403))
    told = await call.ok(TOOL, ionhour_incident_id=4512)
    assert told["incident"] == "INC-114"
    assert {"opened", "update"} <= {row["kind"] for row in told["entries"]}
    assert len(told["problems"]) == 2


async def test_the_incident_itself_must_be_readable(call):
    assert "404" in await call.error(TOOL, incident="INC-999")
    assert "404" in await call.error(TOOL, ionhour_incident_id=99)


@pytest.mark.parametrize("arguments", [{}, {"incident": "1", "ionhour_incident_id": 1}])
async def test_one_of_both_entries_is_to_be_given(call, box, arguments):
    assert "either incident or ionhour_incident_id" in await call.error(TOOL, **arguments)
    assert box.requests == []


async def test_a_long_text_is_cut_with_a_mark(call, box):
    box.incidentio.updates[-1]["message"] = "x" * 3_000
    told = await call.ok(TOOL, incident="INC-116")
    text = next(row["text"] for row in told["entries"] if row["text"].startswith("xxx"))
    assert len(text) == 400
    assert text.endswith("… [cut]")


async def test_one_page_of_several_of_the_alert_is_said(connect, box):
    listed = box.ionhour.routes["GET", "/api/incident-events/{}"]

    def paged(request: Any) -> Any:
        reply = listed(request)
        body = {"items": reply.body, "page": 1, "pageCount": 3, "total": 60, "itemCount": 4, "limit": 20}
        return type(reply)(200, body, reply.headers)

    box.ionhour.routes["GET", "/api/incident-events/{}"] = paged
    async with connect() as call:
        told = await call.ok(TOOL, incident="INC-114")
    assert told["problems"] == ["Ionhour told one page of the events of incident 4512 of several."]


async def test_notes_without_ids_at_one_instant_are_all_told(connect, box):
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
            told = await call.ok(TOOL, incident="INC-114", limit=limit, **after)
            assert len(told["entries"]) <= limit
            seen += [(row["at"], row["kind"], row.get("text")) for row in told["entries"]]
            assert told["has_more"] is ("after" in told)
            if not told["has_more"]:
                break
            after = {"after": told["after"]}
    assert len(seen) == total
    assert [row[0] for row in seen] == sorted(row[0] for row in seen)
    if limit <= 50:
        assert len({row[2] for row in seen if row[1] == "update" and str(row[2]).startswith("update ")}) == 300


async def test_entries_that_come_meanwhile_are_told_by_going_on(connect, box):
    async with connect() as call:
        first = await call.ok(TOOL, incident="INC-114", limit=9)
        box.ionhour.add_note(alert(box, 4512), 7, "Newer.", NOW)
        second = await call.ok(TOOL, incident="INC-114", limit=9, after=first["after"])
    assert [row.get("text") for row in second["entries"]][-1] == "Newer."
    assert len(second["entries"]) == 3
