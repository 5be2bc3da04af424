"""Finding by words: what has them in its name, over all pages, and how many were looked at."""

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
    (INCIDENTS, "no such words", []),
    (INCIDENTS, ".*", []),
    (ALERTS, "CHECKOUT-api", [4514]),
    (ALERTS, "stripe", [4510]),
    (ALERTS, "is down", [4514, 4513, 4512, 4507, 4501, 4498]),
    (ALERTS, "%", []),
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
@pytest.mark.parametrize("empty", ["", " ", "\u3000\n"])
async def test_words_that_are_none_are_refused(call, box, tool, empty):
    assert "name_contains" in await call.error(tool, name_contains=empty)
    assert box.requests == []


async def test_other_filters_hold_as_well(call):
    assert ids(await call.ok(INCIDENTS, name_contains="e", status_category=["triage"])) == ["INC-117"]
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
        # The cursor leads to the rest.
        rest = await call.ok(INCIDENTS, name_contains="加盟店", after=told["after"])
        assert ids(rest) == ["INC-110"]
        assert (rest["looked_at"], rest["looked_at_all"]) == (115, True)
        told = await call.ok(ALERTS, name_contains="Refunds")
        assert (told["incidents"], told["looked_at"], told["looked_at_all"]) == ([], 1000, False)
        assert not told["has_more"]
    assert len(box.requests) == 4 + 1 + 10


async def test_a_service_with_shorter_pages_is_read_to_the_end(connect):
    box = Sandbox(now=NOW, bulk=300)
    listed = box.incidentio.routes["GET", "/v2/incidents"]

    def shorter(request: Any) -> Any:
        query = [(key, "100" if key == "page_size" else value) for key, value in request.query]
        return listed(type(request)(request.method, request.args, query))

    box.incidentio.routes["GET", "/v2/incidents"] = shorter
    async with connect(sandbox=box) as call:
        told = await call.ok(INCIDENTS, name_contains="加盟店")
    assert ids(told) == ["INC-110"]
    assert told["looked_at"] == 315
