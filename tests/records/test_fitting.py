"""No result exceeds the limit of a host, and everything omitted from one can be read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp_types import TextResourceContents

from incident_mcp.ionhour.incidents.list import MAX_DETAILED, smaller_pages
from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW, Caller
from tests.records.test_listed import NASTY, spoil

pytestmark = pytest.mark.anyio

MOST = 20_000
MARK = "…"
WORDS = "The checkout answers slowly, customers cannot pay, and the queue of the ledger grows. "
BIG = (WORDS * 4_000).strip()


ROWS = 300
"""More rows of everything than the largest results can contain."""
INCIDENT, ALERT = f"INC-{117 + ROWS}", 4599 + ROWS
"""The newest of each."""


def large(text: str = "", rows: int = ROWS) -> Sandbox:
    """An account with many rows of everything, each with a long text."""
    box = Sandbox(now=NOW, bulk=rows)
    if text:
        spoil(box, text, rows=rows)
    return box


LARGEST = {
    "situation": {"limit": 100},
    "incidentio_list_incidents": {"limit": 500},
    "incidentio_list_updates": {"limit": 500},
    "incidentio_list_severities": {},
    "incidentio_list_statuses": {},
    "incidentio_list_types": {},
    "ionhour_list_incidents": {"limit": 100, "detail": True},
    "ionhour_list_events": {"incident_id": ALERT},
    "ionhour_list_notes": {"incident_id": ALERT},
    "incident_timeline": {"incident": INCIDENT, "limit": 500},
    "incidentio_get_incident": {"incident": INCIDENT},
    "ionhour_get_incident": {"incident_id": ALERT},
}


# Ordinary text, and the most expensive characters: of all, and of ASCII.
@pytest.mark.parametrize("kind", ["words", "rare emoji", "signs"])
async def test_no_result_exceeds_the_limit_of_a_host_regardless_of_the_row_limit(connect, kind):
    async with connect(sandbox=large(NASTY[kind])) as call:
        for tool, arguments in LARGEST.items():
            assert count_tokens(await call.ok(tool, **arguments)) <= MOST, tool


async def all_of(call: Caller, tool: str, rows: str, **arguments: Any) -> list[dict[str, Any]]:
    """Read a list to its end with the cursors of its results."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await call.ok(tool, **arguments)
        assert count_tokens(answer) <= MOST
        found += answer[rows]
        if not answer["has_more"]:
            return found
        assert answer[rows]
        arguments |= {name: answer[name] for name in ("after", "page", "limit") if name in answer}


def ends(entries: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [(row["at"], row["source"], row["kind"][:20]) for row in entries]


@pytest.mark.parametrize("text", ["", WORDS * 10], ids=["short texts", "long texts"])
async def test_continuing_skips_no_row_and_repeats_none(connect, text):
    box = large(text)
    rows = [row["reference"] for row in box.incidentio.incidents if row["mode"] in ("standard", "retrospective")]
    updates = [row["id"] for row in box.incidentio.updates]
    async with connect(sandbox=box) as call:
        whole = await all_of(call, "incident_timeline", "entries", incident=INCIDENT, limit=100)
        for limit in (60, 333, 500):
            listed = await all_of(call, "incidentio_list_incidents", "incidents", limit=limit)
            assert sorted(row["reference"] for row in listed) == sorted(rows)
            listed = await all_of(call, "incidentio_list_updates", "incident_updates", limit=limit)
            assert sorted(row["id"] for row in listed) == sorted(updates)
            story = await all_of(call, "incident_timeline", "entries", incident=INCIDENT, limit=limit)
            assert ends(story) == ends(whole)


@pytest.mark.parametrize("limit", [20, 50, 51, 97, 99, 100])
@pytest.mark.parametrize("more", [{}, {"name_contains": "checkout"}])
async def test_pages_of_detailed_rows_shrink_and_still_meet(connect, limit, more):
    box = large(WORDS * 10, rows=150)
    async with connect(sandbox=box) as call:
        rows = await all_of(call, "ionhour_list_incidents", "incidents", limit=limit, detail=True, **more)
        all_rows = await all_of(call, "ionhour_list_incidents", "incidents", limit=limit, **more)
    assert [row["id"] for row in rows] == [row["id"] for row in all_rows]
    assert len({row["id"] for row in rows}) == len(rows) >= 150


@settings(derandomize=True)
@given(st.integers(1, 400), st.integers(MAX_DETAILED + 1, 100))
def test_a_smaller_page_begins_where_the_larger_one_does(page, limit):
    smaller_page, smaller = smaller_pages(page, limit)
    assert (smaller_page - 1) * smaller == (page - 1) * limit
    assert 1 <= smaller <= MAX_DETAILED


def with_text(box: Sandbox, text: str) -> None:
    box.incidentio.incidents[-1]["summary"] = text
    box.ionhour.incidents[-1]["summary"] = text


READS = {
    "incidentio_get_incident": ({"incident": "INC-117"}, "summary"),
    "ionhour_get_incident": ({"incident_id": 4514}, "summary"),
    "ionhour_list_notes": ({"incident_id": 4514}, "notes"),
}


@pytest.mark.parametrize("tool", READS)
@pytest.mark.parametrize("text", [BIG, "售上海機場" * 20_000, "x" * 250_000], ids=["words", "kanji", "one letter"])
async def test_a_long_text_is_read_in_parts_by_offset(connect, box, tool, text):
    with_text(box, text)
    box.ionhour.add_note(box.ionhour.incidents[-1], 7, text, NOW)
    arguments, field = READS[tool]
    read, offset = "", None
    async with connect() as call:
        for _ in range(60):
            answer = await call.ok(tool, **arguments, **({"offset": offset} if offset else {}))
            assert count_tokens(answer) <= MOST
            value = answer[field]
            if field == "notes":
                value = max((row["body"] for row in value), key=len)
            assert (MARK in value[-1]) == ("cut" in answer)
            read += value.removesuffix(MARK)
            if "cut" not in answer:
                break
            assert f"{tool} with offset={len(read)}" in answer["cut"]
            offset = len(read)
        beyond = await call.ok(tool, **arguments, offset=len(text) + 1)
    assert read == text
    assert f"No text is longer than {len(text) + 1} characters" in beyond["cut"]


async def test_a_record_with_many_values_is_cut_and_reports_how_many_are_not_shown(connect, box):
    incident = box.incidentio.incidents[-1]
    incident["team_ids"] = [f"01HR4B1YM0H8RCV220P{number:07}" for number in range(3_000)]
    values = [{"value_text": f"Service number {number}"} for number in range(2_000)]
    fields = {"Services": values} | {f"Field {number} {'long ' * 90}": values[:1] for number in range(99)}
    incident["custom_field_entries"] = [
        {"custom_field": {"id": name[:9], "name": name}, "values": held} for name, held in fields.items()
    ]
    async with connect() as call:
        answer = await call.ok("incidentio_get_incident", incident="INC-117")
    assert count_tokens(answer) <= MOST
    assert answer["reference"] == "INC-117"
    left = len(answer["team_ids"])
    assert 0 < left < 3_000
    assert f"{3_000 - left} of team_ids are not shown" in answer["cut"]
    assert "of custom_fields.Services are not shown" in answer["cut"]


async def test_the_result_of_a_write_is_bounded_and_a_repeat_is_recognised(connect, box):
    message = {"incident": "INC-117", "message": BIG}
    async with connect() as call:
        planned = await call.ok("incidentio_post_update", **message, dry_run=True)
        posted = await call.ok("incidentio_post_update", **message)
        repeated = await call.ok("incidentio_post_update", **message)
        note = await call.ok("ionhour_create_note", incident_id=4514, body=BIG)
    for answer in (planned, posted, repeated, note):
        assert count_tokens(answer) <= MOST
        assert "Texts that end in …" in answer["cut"]
    assert "not in what is sent" in planned["cut"]
    assert repeated["repeated"] is True
    assert repeated["id"] == posted["id"]
    assert f"offset={len(note['body']) - 1}" in note["cut"]
    assert box.incidentio.updates[-1]["message"] == BIG
    assert box.ionhour.notes[-1]["body"] == BIG


@pytest.mark.parametrize("kind", ["words", "kanji", "lower case"])
@pytest.mark.parametrize("uri", [f"incidentio://incidents/{INCIDENT}", f"ionhour://incidents/{ALERT}"])
async def test_a_page_of_an_incident_is_bounded(connect, kind, uri):
    async with connect(sandbox=large(NASTY[kind])) as call:
        [content] = (await call.client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert count_tokens(content.text) <= MOST
    assert "cut" in content.text


async def test_the_timeline_contains_more_notes_and_events_than_fit_in_one_result(connect, box):
    alert = box.ionhour.incidents[-1]
    for number in range(900):
        box.ionhour.add_note(alert, 7, f"Note {number}: {WORDS}", NOW)
        box.ionhour.add_event(alert, "ALERT_SENT", f"Event {number}: {WORDS}", NOW)
    async with connect() as call:
        for tool, rows in (("ionhour_list_notes", "notes"), ("ionhour_list_events", "events")):
            answer = await call.ok(tool, incident_id=alert["id"])
            assert count_tokens(answer) <= MOST
            assert 100 < len(answer[rows]) < 900
            assert "rows are omitted" in answer["cut"]
            assert "incident_timeline" in answer["cut"]
        story = await all_of(call, "incident_timeline", "entries", ionhour_incident_id=alert["id"], limit=500)
    assert sum(row["kind"] == "note" for row in story) >= 900
    assert sum(row["kind"] == "alert_sent" for row in story) >= 900
    assert json.dumps(story).count("Note 899:") == 1
