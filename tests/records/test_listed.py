"""Lists stay within their token budget and report what they cut, regardless of the services' texts."""

import base64
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from incident_mcp.records.text import make_visible
from incident_mcp.records.tokens import count_tokens as real
from incident_mcp.records.tokens import tokens as estimated
from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

RANDOM = random.Random(4)  # noqa: S311  # made-up texts
LONG, ENDLESS = 1_500, 120_000
KEPT = {"id", "incident_id", "reference", "created_at", "updated_at", "started_at", "occurred_at", "at", "publicId"}


def of(characters: str, length: int = 1_500) -> str:
    some = "".join(RANDOM.choices(characters, k=length))
    return some * (LONG // length + 1)


def block(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last)))


NASTY = {
    "words": "The checkout answers slowly and customers cannot pay. " * 30,
    "common emoji": "🚨🔥😀" * 500,
    "rare emoji": of(block(0x1FA70, 0x1FA7D) + block(0x1F900, 0x1F9FF)),
    "families": "👩‍👩‍👧‍👦🏳️‍🌈" * 150,
    "flags": of(block(0x1F1E6, 0x1F200)),
    "kanji": of(block(0x4E00, 0x9FFF)),
    "rare kanji": of(block(0x20000, 0x20800)),
    "kana": of(block(0x3041, 0x3096)),
    "hangul": of(block(0xAC00, 0xD7A3)),
    "arabic": of(block(0x627, 0x64A)),
    "base64": base64.b64encode(RANDOM.randbytes(1_200)).decode(),
    "lower case": of("abcdefghijklmnopqrstuvwxyz"),
    "one letter": "t" * LONG,
    "two letters": "ha" * (LONG // 2),
    "signs": of("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "control": of(block(1, 32)),
    "bidi": of("\u202e\u2066\u200f\ufeff"),
    "zalgo": of("e" + block(0x300, 0x36F)),
}
ROWS = 25
ROW_LISTS = {
    "situation": ({}, 2_500),
    "incidentio_list_incidents": ({}, 2_000),
    # Of all incidents: each row identifies its incident by id, reference and name.
    "incidentio_list_updates": ({}, 2_500),
    "incidentio_list_severities": ({}, 2_000),
    "incidentio_list_statuses": ({}, 2_000),
    "incidentio_list_types": ({}, 2_000),
    "ionhour_list_incidents": ({"limit": ROWS}, 2_000),
    "ionhour_list_events": ({"incident_id": 4624}, 2_000),
    "incident_timeline": ({"incident": "INC-142", "limit": ROWS}, 2_000),
}


def spoil(box: Sandbox, text: str, rows: int = ROWS) -> None:
    """Set every text that users or machines can write in either service, in 25 rows of each list."""
    account, workspace = box.incidentio, box.ionhour
    lead = next(row for row in account.roles if row["role_type"] == "lead")
    incidents, alerts = account.incidents[-rows:], workspace.incidents[-rows:]
    for lists in (account.severities, account.statuses, account.types):
        while len(lists) < rows:
            lists.append({**lists[-1], "id": f"01HR4B1YM0{len(lists):016}"})
        for row in lists[:rows]:
            row |= {"name": text, "description": text}
    for number, incident in enumerate(incidents):
        incident |= {"name": text, "summary": text}
        incident["incident_role_assignments"] = [{"role": lead, "assignee": {"id": "01U", "name": text}}]
        if number % 2:
            alert = alerts[number]
            incident["summary"] += f"\nIonhour incident {alert['id']} ({alert['publicId']})"
        for minutes in (7, 9):
            account.updates.append(
                {
                    "id": f"01M8039RTEJJTGGCRS{number:04}{minutes:04}",
                    "incident_id": incidents[-1]["id"] if minutes == 7 else incident["id"],
                    "message": text,
                    "new_incident_status": incident["incident_status"],
                    "new_severity": incident.get("severity"),
                    "updater": {"user": {"id": "01U", "name": text}},
                    "created_at": f"2026-11-21T02:{minutes + number:02}:00Z",
                }
            )
        account.rows["timeline_items"].append(
            {
                "id": f"01ITEM{number:020}",
                "incident_id": incidents[-1]["id"],
                "title": text,
                "description": text,
                "timestamp": "2026-11-21T02:00:00Z",
                "creator": {"user": {"id": "01U", "name": text}},
            }
        )
        alert = alerts[number]
        alert |= {"title": text, "summary": text, "reason": text, "lastSignalSource": text, "dependencyName": text}
        alert["project"], alert["check"] = {"id": 1, "name": text}, {"id": 1, "name": text, "token": "t"}
        workspace.add_event(alerts[-1], text if number % 5 == 0 else "ALERT_SENT", text, NOW)
        note = workspace.add_note(alerts[-1], 7, text, NOW)
        note["author"] = {"name": text}


@pytest.mark.parametrize("kind", NASTY)
async def test_no_list_of_25_rows_exceeds_its_token_budget_and_each_reports_what_it_cut(connect, kind):
    box = Sandbox(now=NOW, bulk=ROWS)
    spoil(box, NASTY[kind])
    async with connect(sandbox=box) as call:
        for tool, (arguments, most) in ROW_LISTS.items():
            result = await call.ok(tool, **arguments)
            assert real(result) <= most, tool
            assert "…" in result["cut"], tool
            for row in rows_of(result):
                for name, value in row.items():
                    if name in KEPT:
                        assert "…" not in str(value), (tool, name)
                    elif isinstance(value, str) and len(value) > 20 and value[:3] in NASTY[kind]:
                        assert value.endswith(("…", "]")), (tool, name)


def rows_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for value in result.values() if isinstance(value, list) for row in value if isinstance(row, dict)]


@pytest.mark.parametrize("kind", ["words", "base64"])
async def test_get_shows_as_much_as_fits_in_a_result(connect, kind):
    box = Sandbox(now=NOW, bulk=ROWS)
    spoil(box, NASTY[kind])
    async with connect(sandbox=box) as call:
        incident = await call.ok("incidentio_get_incident", incident="INC-142")
        alert = await call.ok("ionhour_get_incident", incident_id=4624)
    assert incident["name"] == incident["roles"]["Incident Lead"] == NASTY[kind]
    assert alert["title"] == alert["project"] == alert["last_signal_source"] == NASTY[kind]
    assert "cut" not in incident
    assert "cut" not in alert


async def test_ids_references_and_timestamps_are_never_cut(connect):
    box = Sandbox(now=NOW, bulk=ROWS)
    spoil(box, NASTY["rare emoji"])
    async with connect(sandbox=box) as call:
        for tool, (arguments, _) in ROW_LISTS.items():
            result = await call.ok(tool, **arguments)
            for row in rows_of(result):
                whole = {name: value for name, value in row.items() if name in KEPT and isinstance(value, str)}
                assert all(len(value) in (7, 20, 26) for value in whole.values()), (tool, whole)
        links = (await call.ok("situation"))["links"]
        assert all(link["incident"].startswith("INC-1") and len(link["incident"]) == 7 for link in links)


@pytest.mark.parametrize("bulk", [0, 25])
async def test_ordinary_results_lose_only_texts_beyond_the_limit_of_a_row(connect, bulk):
    box = Sandbox(now=datetime.now(UTC), bulk=bulk)
    async with connect(sandbox=box) as call:
        for tool, (arguments, _) in ROW_LISTS.items():
            if (
                tool == "incidentio_list_updates"
                or (not bulk and "4624" in str(arguments))
                or tool == "incident_timeline"
            ):
                continue
            assert "cut" not in await call.ok(tool, **arguments), tool
        for incident in ("INC-112", "INC-114"):
            assert "cut" not in await call.ok("incident_timeline", incident=incident)


@pytest.mark.parametrize("kind", ["words", "rare emoji", "base64", "kanji", "control"])
async def test_texts_of_over_100_kb_in_every_field_of_one_row_do_not_cut_other_rows(connect, kind):
    box = Sandbox(now=NOW)
    text = (NASTY[kind] * ENDLESS)[:ENDLESS]
    spoil(box, text, rows=1)
    async with connect(sandbox=box) as call:
        for tool, (_, most) in ROW_LISTS.items():
            given = {"incident_id": 4514} if "incident_id" in _ else {"incident": "117"} if "incident" in _ else {}
            result = await call.ok(tool, **given)
            assert real(result) <= most, tool
            assert "…" in json.dumps(result, ensure_ascii=False), tool
        shown = await call.ok("ionhour_list_incidents")
    assert "Refunds wait for manual approval" in [row["title"] for row in shown["incidents"]]


async def test_rows_with_many_short_fields_have_the_same_token_budget(connect):
    box = Sandbox(now=NOW, bulk=100)
    for row in box.ionhour.incidents:
        row |= {"title": "t" * 500, "project": None, "check": None, "reason": "R", "lastSignalSource": None}
    async with connect(sandbox=box) as call:
        result = await call.ok("ionhour_list_incidents", limit=25)
        assert real(result) <= 2_000
        result = await call.ok("ionhour_list_incidents", limit=25, detail=True)
        assert "cut" not in result
        assert real(result) <= 8_000


@pytest.mark.parametrize("kind", NASTY)
def test_the_estimate_is_near_the_count_of_a_tokenizer(kind):
    rows = make_visible([NASTY[kind][start : start + 12] for start in range(0, 1_200, 12)])
    assert 0.75 < estimated(rows) / real(rows) < 1.8


async def test_the_estimate_of_ordinary_results_is_slightly_too_high(connect):
    async with connect(sandbox=Sandbox(now=datetime.now(UTC), bulk=25)) as call:
        for tool, (arguments, _) in ROW_LISTS.items():
            result = await call.ok(tool, **arguments)
            assert estimated(result) / real(result) < 1.25 or real(result) < 200, tool
            assert estimated(result) / real(result) > 0.98 or real(result) < 200, tool
