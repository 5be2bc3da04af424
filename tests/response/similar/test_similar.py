"""Similar incidents: the right one is found in other words, in few requests, and what is kept never misleads."""

import json
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from incident_mcp.response.similar.ranking import rank
from incident_mcp.response.similar.records import ClosedIncident, LastMessage
from incident_mcp.response.similar.store import KEPT_SECONDS, MAX_BYTES, MAX_FILES
from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.response.altered import alter
from tests.response.seeded import incident
from tests.response.similar.labelled import INCIDENTS, QUERIES

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "similar_incidents": [
        {"text": "database down"},
        {"text": "database down", "limit": 1},
        {"incident": "INC-114"},
    ]
}

TOOL = "similar_incidents"
MOST_WARM = 3
LEDGER, FLAG = {"text": "ledger database failed over"}, {"text": "checkout-api is down"}


async def add_labelled(box: Sandbox) -> dict[str, str]:
    """Declare and close the labelled incidents through the sandbox's API; return their references by label."""
    references: dict[str, str] = {}
    closed = next(row["id"] for row in box.incidentio.statuses if row["category"] == "closed")
    severity = box.incidentio.severities[0]["id"]
    headers = {"Authorization": f"Bearer {box.key('incidentio')}"}
    async with httpx2.AsyncClient(
        transport=box.transport("incidentio"), base_url="https://api.incident.io", headers=headers
    ) as http:
        for label, (name, summary, message) in INCIDENTS.items():
            fields = {"name": name, "summary": summary, "severity_id": severity, "visibility": "public"}
            answer = await http.post("/v2/incidents", json=fields | {"idempotency_key": label})
            declared = answer.raise_for_status().json()["incident"]
            references[label] = declared["reference"]
            update = {"incident_id": declared["id"], "message": message, "to_incident_status_id": closed}
            (await http.post("/v2/incident_updates", json=update | {"idempotency_key": label})).raise_for_status()
    box.requests.clear()
    return references


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state").glob("closed-incidents-*"))


async def test_the_right_one_of_sixty_is_among_the_first_three_for_85_percent_of_descriptions(connect, box):
    references = await add_labelled(box)
    found: list[str] = []
    async with connect() as call:
        for text, label in QUERIES:
            answer = await call.ok(TOOL, text=text, limit=3)
            rows = [row["reference"] for row in answer["incidents"]]
            found += [label] if references[label] in rows else []
    print(f"{len(found)} of {len(QUERIES)} descriptions found theirs among {len(INCIDENTS)} in the first three")
    assert len(INCIDENTS) >= 60
    assert len(QUERIES) >= 20
    assert len(found) >= 0.85 * len(QUERIES)


async def test_a_row_says_how_it_ended_and_where_the_post_mortem_is(call):
    answer = await call.ok(TOOL, **LEDGER)
    first = answer["incidents"][0]
    assert first["reference"] == "INC-101"
    assert {"ledger", "database", "failedover"} & set(first["shared"]) >= {"ledger", "database"}
    assert first["score"] > 0
    assert (first["status"], first["severity"]) == ("Closed", "Critical")
    # The last update only moved the status.
    assert first["last_message"] == "All 312 payments reconciled. Post-mortem on Thursday."
    assert first["last_message_at"] == "2026-11-01T03:00:00Z"
    assert first["created_at"] == "2026-10-29T03:00:00Z"
    assert first["postmortem_document_url"] == "https://docs.example.com/postmortems/ledger-failover"
    assert (answer["looked_at"], answer["looked_at_all"]) == (5, True)
    assert "visibility" not in first


async def test_only_closed_and_post_incident_ones_are_compared(call, box):
    answer = await call.ok(TOOL, text="webhooks delayed search login payments payout checkout", limit=20)
    categories = {incident(box, row["reference"])["incident_status"]["category"] for row in answer["incidents"]}
    assert categories <= {"closed", "learning"}
    closed = [row for row in box.incidentio.incidents if row["incident_status"]["category"] in ("closed", "learning")]
    assert answer["looked_at"] == len(closed)


async def test_an_incident_is_not_similar_to_itself(call):
    answer = await call.ok(TOOL, incident="INC-108")
    assert answer["looked_at"] == 4
    assert "INC-108" not in [row["reference"] for row in answer["incidents"]]


@pytest.mark.parametrize("arguments", [{}, {"incident": "INC-108", "text": "x"}, {"text": " "}])
async def test_it_takes_either_an_incident_or_a_text(call, box, arguments):
    assert "Pass either incident or text" in await call.error(TOOL, **arguments)
    assert box.requests == []


async def test_an_unknown_incident_is_an_error(call):
    assert "404" in await call.error(TOOL, incident="INC-9999")


async def test_without_a_shared_word_the_answer_says_so(call):
    answer = await call.ok(TOOL, text="zzz !!!")
    assert answer["incidents"] == []
    assert answer["note"] == "No closed incident that was compared shares a word with it."


async def test_a_private_incident_is_marked(connect, box):
    incident(box, "INC-108")["visibility"] = "private"
    async with connect() as call:
        assert (await call.ok(TOOL, **FLAG))["incidents"][0]["visibility"] == "private"


# What is kept


async def test_a_warm_call_takes_at_most_three_requests(connect, box):
    await add_labelled(box)
    counts: list[int] = []
    for arguments in (LEDGER, FLAG, {"incident": "INC-114"}):
        box.requests.clear()
        async with connect() as call:
            await call.ok(TOOL, **arguments)
        counts.append(len(box.requests))
    print(f"requests: {counts[0]} cold, {counts[1]} with a text and {counts[2]} with an incident warm")
    assert max(counts[1:]) <= MOST_WARM


async def test_a_warm_call_after_an_incident_was_closed_takes_at_most_three_requests_and_finds_it(connect, box):
    async with connect() as call:
        await call.ok(TOOL, **LEDGER)
        await call.ok("incidentio_close_incident", incident="INC-116", message="A shard was missing; restored.")
        box.requests.clear()
        answer = await call.ok(TOOL, incident="INC-117")
        found = await call.ok(TOOL, text="search-api is down")
    assert answer["looked_at"] == 6
    assert len([row for row in box.requests if row.path != "/v2/incidents/117"]) <= 2 * (MOST_WARM - 1)
    assert found["incidents"][0]["reference"] == "INC-116"
    assert found["incidents"][0]["last_message"] == "A shard was missing; restored."


async def test_what_changed_is_read_again_and_what_was_opened_again_is_left_out(connect, box):
    async with connect() as call:
        await call.ok(TOOL, **LEDGER)
        changed, opened = incident(box, "INC-108"), incident(box, "INC-101")
        changed["name"] = "Teapot overheated"
        opened["incident_status"] = next(row for row in box.incidentio.statuses if row["category"] == "live")
        for row in (changed, opened):
            row["updated_at"] = "2026-11-21T03:00:00.500000Z"
        teapot = await call.ok(TOOL, text="teapot")
        ledger = await call.ok(TOOL, **LEDGER)
    assert [row["reference"] for row in teapot["incidents"]] == ["INC-108"]
    assert teapot["incidents"][0]["last_message"] == "Flag removed, no recurrence."
    assert "INC-101" not in [row["reference"] for row in ledger["incidents"]]
    assert ledger["looked_at"] == 4


async def test_the_file_is_private_bounded_and_belongs_to_one_account(connect, tmp_path):
    async with connect() as call:
        first = await call.ok(TOOL, **LEDGER)
    [file] = kept(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size < MAX_BYTES
    # Another account's file under this name, and more files than are kept.
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "account": "another", "incidents": []}))
    for number in range(MAX_FILES + 5):
        (file.parent / f"closed-incidents-{number:016}.json").write_text("{}")
        os.utime(file.parent / f"closed-incidents-{number:016}.json", (number, number))
    async with connect() as call:
        assert await call.ok(TOOL, **LEDGER) == first
    assert len(kept(tmp_path)) == MAX_FILES
    assert json.loads(file.read_text())["account"] == content["account"]


async def test_a_sandbox_of_the_process_keeps_nothing(tmp_path):
    settings = Settings(sandbox=True, state_dir=tmp_path / "state", toolsets=("all",))
    async with Client(build_server(settings)) as client:
        assert not (await client.call_tool(TOOL, LEDGER)).is_error
    assert kept(tmp_path) == []


def _aged(content: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**content, **changes})


DAMAGED = {
    "empty": lambda _: "",
    "cut off": lambda content: json.dumps(content)[:500],
    "not JSON": lambda _: "\x00\x01 journal",
    "a list": lambda _: "[]",
    "no rows": lambda content: _aged(content, incidents=None),
    "odd rows": lambda content: _aged(content, incidents=[{"id": 1}, "x", None]),
    "a later version": lambda content: _aged(content, version=2),
    "a day old": lambda content: _aged(content, read_at=time.time() - KEPT_SECONDS - 1),
    "of tomorrow": lambda content: _aged(content, read_at=time.time() + 3600),
    "no change known": lambda content: _aged(content, changed_until="yesterday"),
    "too large": lambda content: json.dumps(content) + " " * MAX_BYTES,
}


@pytest.mark.parametrize("damage", DAMAGED)
async def test_a_damaged_or_old_file_is_read_anew_and_replaced(connect, box, tmp_path, damage):
    async with connect() as call:
        first = await call.ok(TOOL, **LEDGER)
    [file] = kept(tmp_path)
    content = json.loads(file.read_text())
    file.write_text(DAMAGED[damage](content))
    box.requests.clear()
    async with connect() as call:
        assert await call.ok(TOOL, **LEDGER) == first
        cold = len(box.requests)
        assert await call.ok(TOOL, **LEDGER) == first
    assert len(box.requests) - cold < cold


async def test_a_folder_that_cannot_be_written_fails_no_call(connect, tmp_path):
    (tmp_path / "state").write_text("a file in the folder's place")
    async with connect() as call:
        assert (await call.ok(TOOL, **LEDGER))["incidents"][0]["reference"] == "INC-101"


async def test_a_folder_in_the_place_of_the_file_fails_no_call(connect, tmp_path):
    async with connect() as call:
        first = await call.ok(TOOL, **LEDGER)
        [file] = kept(tmp_path)
        file.unlink()
        file.mkdir()
        assert await call.ok(TOOL, **LEDGER) == first


async def test_an_unreadable_row_is_counted_in_every_call(connect, box):
    incident(box, "INC-108")["reference"] = None
    async with connect() as call:
        for _ in range(2):
            answer = await call.ok(TOOL, **LEDGER)
            assert (answer["unreadable"], answer["looked_at"], answer["looked_at_all"]) == (1, 4, False)


async def test_more_than_500_are_said(connect, box):
    row = incident(box, "INC-108")
    for number in range(510):
        copied = {**row, "id": f"01COPY{number:020}", "reference": f"INC-{5000 + number}", "name": f"copy {number}"}
        box.incidentio.incidents.append(copied | {"created_at": f"2026-11-20T{number // 60:02}:{number % 60:02}:00Z"})
    async with connect() as call:
        for _ in range(2):
            answer = await call.ok(TOOL, text="copy 509")
            assert (answer["looked_at"], answer["looked_at_all"]) == (500, False)
            assert answer["incidents"][0]["name"] == "copy 509"


# Updates


def _reversed(body: dict[str, Any]) -> None:
    body["incident_updates"].reverse()


async def test_the_last_message_is_right_in_any_order_of_updates(connect, box):
    alter(box, "/v2/incident_updates", _reversed)
    async with connect() as call:
        row = (await call.ok(TOOL, **LEDGER))["incidents"][0]
    assert row["last_message"] == "All 312 payments reconciled. Post-mortem on Thursday."


async def test_a_last_message_that_may_not_be_the_last_is_not_shown(connect, box):
    def unreadable(body: dict[str, Any]) -> None:
        body["incident_updates"][0].pop("id")

    alter(box, "/v2/incident_updates", unreadable)
    async with connect() as call:
        answer = await call.ok(TOOL, **LEDGER)
    assert "last_message" not in answer["incidents"][0]
    assert any("INC-101" in problem for problem in answer["problems"])


async def test_updates_that_cannot_be_read_are_a_problem_and_the_rest_is_answered(connect, box):
    box.fail(Fault("status", path="/v2/incident_updates"))
    async with connect() as call:
        answer = await call.ok(TOOL, **LEDGER)
    assert answer["incidents"][0]["reference"] == "INC-101"
    [problem] = answer["problems"]
    assert problem.startswith("updates: ")
    box.heal()
    async with connect() as call:
        assert "last_message" in (await call.ok(TOOL, **LEDGER))["incidents"][0]


# Words

HOSTILE = ['"', '" OR "x', "a NEAR(b, 2)", "name : x", "*", "^x", "- + ( )", "{name}", "AND OR NOT", "\x00", "'; DROP"]


@pytest.mark.parametrize("text", [*HOSTILE, "数据库连接池耗尽", "🔥🔥", "ฐานข้อมูลล่ม", "데이터베이스가 느립니다"])
async def test_no_text_is_a_query_of_its_own(call, text):
    assert (await call.ok(TOOL, text=f"{text} database"))["incidents"][0]["reference"] == "INC-101"


def closed(name: str, *, summary: str | None = None, message: str | None = None) -> ClosedIncident:
    last = LastMessage(text=message) if message is not None else None
    return ClosedIncident(id=name, reference=name, name=name, summary=summary, last_message=last)


OTHERS = [closed(f"{word} of the office") for word in ("Coffee", "Printer", "Elevator", "Door", "Window")]
SAME = [
    ("the DB is slow", "Database latency"),
    ("Überweisungen schlagen fehl", "UBERWEISUNGEN schlagen alle fehl"),
    ("site unreachable", "Website outage"),
    ("users can't log in", "Unable to login"),
    ("deliveries failing", "Delivery failed"),
    ("数据库连接失败", "支付数据库连接耗尽"),
    ("データベース障害", "本番データベースの障害"),
    ("데이터베이스 장애", "데이터베이스에서 발생한 장애"),
    ("भुगतान विफल", "भुगतान सेवा विफल"),
    ("сервер не отвечает", "Сервер платежей не отвечает"),
]


@pytest.mark.parametrize(("text", "name"), SAME)
def test_words_in_other_spellings_and_scripts_are_found(text, name):
    matches = rank([*OTHERS, closed(name)], text, 3)
    assert [match.index for match in matches] == [len(OTHERS)]
    assert matches[0].shared


def test_a_word_in_the_name_counts_more_than_in_the_summary():
    rows = [*OTHERS, closed("a", summary="the teapot is broken"), closed("teapot is broken", summary="a")]
    assert [match.index for match in rank(rows, "teapot", 2)] == [len(OTHERS) + 1, len(OTHERS)]


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=300))
def test_any_text_is_ranked_and_only_what_shares_a_word_is_found(name, summary, text):
    rows = [closed(name, summary=summary), *OTHERS]
    for match in rank(rows, text, 5):
        assert match.shared
        assert match.score > 0


def test_sqlite_without_full_text_search_is_explained(monkeypatch):
    class Without(sqlite3.Connection):
        def execute(self, *_: Any) -> sqlite3.Cursor:
            raise sqlite3.OperationalError("no such module: fts5")

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, factory=Without))
    with pytest.raises(Exception, match=r"FTS5.*name_contains"):
        rank(OTHERS, "door", 1)


def test_hostile_texts_take_linear_time():
    rows = [closed(("ab " * 200)[:600], summary="x" * 20_000, message="數" * 20_000) for _ in range(500)]
    began = time.process_time()
    rank(rows, "數據 " * 100_000, 5)
    assert time.process_time() - began < 5
