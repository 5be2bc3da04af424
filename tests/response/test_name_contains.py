"""Finding by words: what has them in its name, over all pages, and how many were looked at."""

from dataclasses import replace
from typing import Any

import pytest

from incident_mcp.sandbox import Sandbox
from tests.conftest import NOW, Caller

pytestmark = pytest.mark.anyio

INCIDENTS, ALERTS = "incidentio_list_incidents", "ionhour_list_incidents"
WORDS = [
    (INCIDENTS, "webhook", ["INC-114", "INC-113"]),
    (INCIDENTS, "WEBHOOK", ["INC-114", "INC-113"]),
    (INCIDENTS, "加盟店の売上", ["INC-110"]),
    (INCIDENTS, "🚨", ["INC-110"]),
    (INCIDENTS, "  slow logins ", ["INC-117"]),
    (INCIDENTS, "delay webhook", ["INC-114"]),
    (INCIDENTS, "merchants webhook", ["INC-114", "INC-113"]),
    (INCIDENTS, "blocked endpoint delivery", ["INC-114"]),
    (INCIDENTS, "cafe\u0301", []),
    (ALERTS, "CHECKOUT-api", [4514]),
    (ALERTS, "down webhook", [4512]),
    (ALERTS, "heartbeat webhook", [4512]),
    (ALERTS, "stripe", [4510]),
    (ALERTS, "is down", [4514, 4513, 4512, 4507, 4501, 4498]),
    (ALERTS, "zeppelin", []),
]


def ids(told: dict[str, Any]) -> list[Any]:
    return [row.get("reference") or row["id"] for row in told["incidents"]]


@pytest.mark.parametrize(("tool", "words", "found"), WORDS)
async def test_words_are_found_in_any_case_and_script(call, tool, words, found):
    told = await call.ok(tool, name_contains=words)
    assert ids(told) == found
    assert told["looked_at"] == (15 if tool == INCIDENTS else 9)
    assert told["looked_at_all"] is True
    assert not told["has_more"]


@pytest.mark.parametrize(
    ("name", "words"), [("ｶﾞｲﾄﾞ障害", "ガイド"), ("Cafe\u0301 is down", "CAFÉ"), ("STRASSE", "straße")]
)
async def test_widths_and_accents_however_written_are_the_same(connect, box, name, words):
    box.incidentio.incidents[-1]["name"] = box.ionhour.incidents[-1]["title"] = name
    async with connect() as call:
        assert ids(await call.ok(INCIDENTS, name_contains=words)) == ["INC-117"]
        assert ids(await call.ok(ALERTS, name_contains=words)) == [4514]


async def test_words_far_inside_a_long_name_are_found(connect, box):
    box.incidentio.incidents[-1]["name"] = box.ionhour.incidents[-1]["title"] = "x" * 5_000 + " needle"
    async with connect() as call:
        assert ids(await call.ok(INCIDENTS, name_contains="needle")) == ["INC-117"]
        assert ids(await call.ok(ALERTS, name_contains="needle")) == [4514]


@pytest.mark.parametrize("tool", [INCIDENTS, ALERTS])
async def test_punctuation_is_refused_and_a_blank_is_left_out(call, box, tool):
    for empty in (".*", "%", "- \u2014", '"'):
        assert "name_contains has no search terms" in await call.error(tool, name_contains=empty)
    assert box.requests == []
    everything = await call.ok(tool)
    for blank in ("", " ", "\u3000\n", "null"):
        assert await call.ok(tool, name_contains=blank) == everything


@pytest.mark.parametrize(
    ("tool", "words", "found"),
    [
        # The one with more of the words first, then the newest.
        (INCIDENTS, "webhook zeppelin deliver", ["INC-114", "INC-113"]),
        (INCIDENTS, "delayed zeppelin", ["INC-114"]),
        (ALERTS, "stripe zeppelin impacted", [4510, 4503]),
    ],
)
async def test_where_nothing_has_all_words_what_has_some_is_told_with_a_note(call, tool, words, found):
    told = await call.ok(tool, name_contains=words)
    assert ids(told) == found
    assert told["note"] == "No incident that was searched contains all terms. These contain some, best matches first."
    assert told["looked_at_all"] is True


async def test_an_empty_result_says_that_the_words_were_tried_singly(call):
    for tool in (INCIDENTS, ALERTS):
        told = await call.ok(tool, name_contains="zeppelin quux")
        assert told["incidents"] == []
        assert "even in part" in told["note"]
    assert "Test incidents are hidden" in (await call.ok(INCIDENTS, name_contains="zeppelin"))["note"]
    assert ids(await call.ok(INCIDENTS, name_contains="rehearsal", mode=["test"])) == ["INC-115"]
    assert "note" not in await call.ok(INCIDENTS, name_contains="webhook")


async def test_what_has_some_words_is_told_page_by_page_too(connect):
    box = Sandbox(now=NOW, bulk=30)
    async with connect(sandbox=box) as call:
        seen, sizes = await walk(call, ALERTS, "stripe zeppelin", 3)
        assert len(seen) == len(set(seen)) == 9
        assert sizes == [3, 3, 3]
        told = await call.ok(INCIDENTS, name_contains="checkout zeppelin", limit=3)
        assert len(told["incidents"]) == 3


async def test_other_filters_hold_as_well(call):
    assert ids(await call.ok(INCIDENTS, name_contains="log", status_category=["triage"])) == ["INC-117"]
    assert ids(await call.ok(ALERTS, name_contains="is down", state="MONITORING")) == [4513]
    assert ids(await call.ok(ALERTS, name_contains="is down", project_id=13)) == [4507, 4501]


async def test_an_alert_without_a_title_is_passed_over(connect, box):
    box.ionhour.incidents[-1]["title"] = None
    async with connect() as call:
        assert 4513 in ids(await call.ok(ALERTS, name_contains="is down"))


async def walk(call: Caller, tool: str, words: str, limit: int) -> tuple[list[Any], list[int]]:
    """Go on until there is no more; give what was found and how many rows each answer had."""
    seen: list[Any] = []
    sizes: list[int] = []
    more: dict[str, Any] = {}
    while True:
        told = await call.ok(tool, name_contains=words, limit=limit, **more)
        seen += ids(told)
        sizes.append(len(told["incidents"]))
        assert sizes[-1] <= limit
        assert told["has_more"] is ("after" in told or "page" in told)
        if not told["has_more"]:
            return seen, sizes
        more = {key: told[key] for key in ("after", "page") if key in told}


@pytest.mark.parametrize("limit", [1, 7, 50, 100])
async def test_going_on_finds_everything_once(connect, limit):
    box = Sandbox(now=NOW, bulk=600)
    wanted = [row["reference"] for row in box.incidentio.incidents if "stale cache" in row["name"]]
    titles = [row["id"] for row in box.ionhour.incidents if "is late" in row["title"]]
    if limit == 1:
        del box.incidentio.incidents[60:-20], box.ionhour.incidents[60:-20]
        wanted = [row["reference"] for row in box.incidentio.incidents if "stale cache" in row["name"]]
        titles = [row["id"] for row in box.ionhour.incidents if "is late" in row["title"]]
    async with connect(sandbox=box) as call:
        seen, _ = await walk(call, INCIDENTS, "stale cache", limit)
        assert sorted(seen) == sorted(wanted)
        assert len(seen) == len(set(seen))
        seen, _ = await walk(call, ALERTS, "is late", limit)
        assert sorted(seen) == sorted(titles)
        assert len(seen) == len(set(seen))


async def test_over_a_thousand_it_stops_and_says_that_it_was_not_all(connect):
    box = Sandbox(now=NOW, bulk=1_100)
    async with connect(sandbox=box) as call:
        told = await call.ok(INCIDENTS, name_contains="加盟店")
        assert (told["incidents"], told["looked_at"], told["looked_at_all"]) == ([], 1000, False)
        assert told["has_more"]
        assert told["note"].endswith("Not all incidents were searched: narrow the filters, or continue from `after`.")
        # The cursor leads to the rest.
        rest = await call.ok(INCIDENTS, name_contains="加盟店", after=told["after"])
        assert ids(rest) == ["INC-110"]
        assert (rest["looked_at"], rest["looked_at_all"]) == (115, True)
        told = await call.ok(ALERTS, name_contains="Refunds")
        assert (told["incidents"], told["looked_at"], told["looked_at_all"]) == ([], 1000, False)
        assert not told["has_more"]
        assert told["note"].endswith("Not all incidents were searched: narrow the filters.")
    assert len(box.requests) == 4 + 1 + 10


async def test_a_service_with_shorter_pages_is_read_to_the_end(connect):
    box = Sandbox(now=NOW, bulk=300)
    listed = box.incidentio.routes["GET", "/v2/incidents"]

    def shorter(request: Any) -> Any:
        query = [(key, "100" if key == "page_size" else value) for key, value in request.query]
        return listed(replace(request, query=query))

    box.incidentio.routes["GET", "/v2/incidents"] = shorter
    async with connect(sandbox=box) as call:
        told = await call.ok(INCIDENTS, name_contains="加盟店")
    assert ids(told) == ["INC-110"]
    assert told["looked_at"] == 315
