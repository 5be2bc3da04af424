"""Answers in the shapes that Ionhour's pages document, whole and lean, in the envelope and bare: all are read.

The values of ionhour_examples.json are made up: the pages show fields and no example answers.
"""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from incident_mcp.sandbox import Fault
from tests.account import Scripted

pytestmark = pytest.mark.anyio

PAGE: dict[str, Any] = json.loads(Path(__file__).with_name("ionhour_examples.json").read_text(encoding="utf-8"))
WHOLE = {
    "id": 456,
    "title": "Service invoices is impacted by Mail relay",
    "state": "ACTIVE",
    "severity": "P2",
    "reason": "DEPENDENCY_DOWN",
    "summary": "Mails wait.\n- Queue: 900",
    "project": "Billing",
    "project_id": 3,
    "check": "invoices",
    "check_id": 21,
    "dependency_name": "Mail relay",
    "dependency_id": 5,
    "started_at": "2026-05-11T02:10:00Z",
    "recovered_at": "2026-05-11T02:40:00Z",
    "resolved_at": "2026-05-11T02:45:30Z",
    "acknowledged_at": "2026-05-11T02:15:00Z",
    "acknowledged_by": 9,
    "acknowledged_by_email": "lee@billing.example",
    "last_signal_at": "2026-05-11T02:41:00Z",
    "last_signal_type": "SUCCESS",
    "last_signal_source": "probe",
    "last_success_at": "2026-05-11T02:41:00Z",
    "duration_since_success_ms": 61000,
    "public_id": "01JB3Q8Z5K7M9N2P4R6S8T0V1W",
}
LEAN = {
    "id": 457,
    "title": "Opened by hand",
    "state": "A_NEWER_STATE",
    "severity": "CRITICAL",
    "started_at": "2026-05-11T02:10:00Z",
}
ROW = {
    key: WHOLE[key]
    for key in ("id", "title", "state", "severity", "project", "check", "started_at", "resolved_at", "acknowledged_at")
}
EVENTS = [
    {"type": "OPENED", "message": "Incident opened", "occurred_at": "2026-05-11T02:10:00Z"},
    {"type": "ALERT_SENT", "message": "Email sent", "occurred_at": "2026-05-11T02:10:05Z"},
    {"type": "A_NEWER_KIND"},
]
NOTE = {
    "id": 789,
    "body": "Root cause identified.",
    "author": "lee@billing.example",
    "created_at": "2026-05-11T02:20:00Z",
    "updated_at": "2026-05-11T02:21:00Z",
}


def enveloped(rows: list[Any], page: int = 1, pages: int = 1) -> dict[str, Any]:
    return {
        "items": rows,
        "total": len(rows) * pages,
        "page": page,
        "itemCount": len(rows),
        "pageCount": pages,
        "limit": 20,
    }


BOTH = [PAGE["incident"], PAGE["lean_incident"]]
INCIDENTS, ONE = "/api/incidents", "/api/incidents/456"
# tool, arguments, (method, path), the service's answer, ours
CASES: list[tuple[str, dict[str, Any], tuple[str, str], Any, dict[str, Any]]] = [
    ("ionhour_get_incident", {"incident_id": 456}, ("GET", ONE), PAGE["incident"], WHOLE),
    ("ionhour_get_incident", {"incident_id": 456}, ("GET", ONE), PAGE["lean_incident"], LEAN),
    ("ionhour_get_incident", {"incident_id": 456}, ("GET", ONE), {"id": 456}, {"id": 456}),
    (
        "ionhour_list_incidents",
        {},
        ("GET", INCIDENTS),
        enveloped(BOTH, pages=3),
        {"incidents": [ROW, LEAN], "has_more": True, "page": 2, "total": 6},
    ),
    ("ionhour_list_incidents", {}, ("GET", INCIDENTS), BOTH, {"incidents": [ROW, LEAN], "has_more": False}),
    (
        "ionhour_list_incidents",
        {},
        ("GET", INCIDENTS),
        enveloped([]) | {"pageCount": 0},
        {"incidents": [], "has_more": False, "total": 0},
    ),
    (
        "ionhour_acknowledge_incident",
        {"incident_id": 456},
        ("POST", f"{ONE}/acknowledge"),
        PAGE["acknowledged"],
        {"id": 456, "acknowledged_by": 9, "acknowledged_at": "2026-05-11T02:15:00Z"},
    ),
    (
        "ionhour_acknowledge_incident",
        {"incident_id": 456},
        ("POST", f"{ONE}/acknowledge"),
        PAGE["incident"],
        {key: WHOLE[key] for key in ("id", "title", "state", "acknowledged_by", "acknowledged_at")},
    ),
    (
        "ionhour_list_events",
        {"incident_id": 456},
        ("GET", "/api/incident-events/456"),
        PAGE["events"],
        {"events": EVENTS, "has_more": False},
    ),
    (
        "ionhour_list_events",
        {"incident_id": 456},
        ("GET", "/api/incident-events/456"),
        enveloped(PAGE["events"]),
        {"events": EVENTS, "has_more": False},
    ),
    (
        "ionhour_list_notes",
        {"incident_id": 456},
        ("GET", "/api/incident-notes/456"),
        PAGE["notes"],
        {"notes": [NOTE, {"id": 790}], "has_more": False},
    ),
    (
        "ionhour_list_notes",
        {"incident_id": 456},
        ("GET", "/api/incident-notes/456"),
        enveloped(PAGE["notes"]),
        {"notes": [NOTE, {"id": 790}], "has_more": False},
    ),
    (
        "ionhour_create_note",
        {"incident_id": 456, "body": "b"},
        ("POST", "/api/incident-notes/456"),
        PAGE["notes"][0],
        NOTE,
    ),
    (
        "ionhour_update_note",
        {"incident_id": 456, "note_id": 789, "body": "b"},
        ("PATCH", "/api/incident-notes/456/789"),
        PAGE["notes"][0],
        NOTE,
    ),
    (
        "ionhour_delete_note",
        {"incident_id": 456, "note_id": 789},
        ("DELETE", "/api/incident-notes/456/789"),
        httpx2.Response(200),
        {"incident_id": 456, "note_id": 789, "deleted": True},
    ),
    (
        "ionhour_delete_note",
        {"incident_id": 456, "note_id": 789},
        ("DELETE", "/api/incident-notes/456/789"),
        PAGE["notes"][0],
        {"incident_id": 456, "note_id": 789, "deleted": True},
    ),
]
READ_BEFORE = {("GET", "/api/incident-notes/456"): [], ("GET", ONE): {"id": 456}}
"""What is read around a write that has no key."""
EMPTY: dict[str, dict[str, Any]] = {
    "ionhour_acknowledge_incident": {"incident_id": 4514},
    "ionhour_create_note": {"incident_id": 4512, "body": "Looking."},
    "ionhour_update_note": {"incident_id": 4512, "note_id": 704, "body": "New."},
}


async def test_an_answer_in_a_documented_shape_is_read(connect):
    network = Scripted({})
    async with connect(sandbox=network) as call:
        for tool, arguments, request, answer, expected in CASES:
            network.answers = READ_BEFORE | {request: answer}
            assert (tool, await call.ok(tool, **arguments)) == (tool, expected)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("tool", EMPTY)
async def test_a_write_that_is_answered_with_nothing_is_read_back(connect, box, tool, status):
    box.fail(Fault("replace", service="ionhour", method=METHODS.get(tool, "POST"), status=status, body=""))
    async with connect() as call:
        answer = await call.ok(tool, **EMPTY[tool])
    assert answer.get("body") == EMPTY[tool].get("body")
    assert "acknowledged_at" in answer or "id" in answer
    assert len(box.writes()) == 1


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("tool", EMPTY)
async def test_a_write_that_is_answered_with_nothing_and_does_not_show_is_unknown(connect, box, tool, status):
    box.fail(Fault("status", service="ionhour", method=METHODS.get(tool, "POST"), status=status, body=""))
    async with connect() as call:
        error = await call.error(tool, **EMPTY[tool])
    assert "Outcome: sent, outcome unknown" in error
    assert len(box.writes()) == 1


@pytest.mark.parametrize("body", ["", {}, {"message": "Note deleted"}, {"success": True}])
async def test_a_deletion_may_be_answered_with_anything(connect, box, body):
    box.fail(Fault("replace", service="ionhour", method="DELETE", status=200, body=body))
    async with connect() as call:
        answer = await call.ok("ionhour_delete_note", incident_id=4512, note_id=704)
    assert answer == {"incident_id": 4512, "note_id": 704, "deleted": True}


METHODS = {"ionhour_update_note": "PATCH"}


async def test_the_live_token_of_a_check_is_in_no_answer_and_no_error(connect):
    network = Scripted({})
    async with connect(sandbox=network) as call:
        for tool, arguments, request, answer, _ in CASES:
            for spoilt in (answer, {"items": answer}, {"id": PAGE["incident"]}, [[PAGE["incident"]]]):
                network.answers = READ_BEFORE | {request: spoilt}
                result = await call.result(tool, **arguments)
                assert "made-up" not in result.model_dump_json(), tool
