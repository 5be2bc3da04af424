"""Searching Ionhour incidents by terms and by state."""

import pytest

from incident_mcp.sandbox import Sandbox
from tests.answering import Answering
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

LIST = "ionhour_list_incidents"


@pytest.mark.parametrize("limit", [1, 2, 20])
async def test_monitoring_never_answers_an_empty_page_with_more(connect, limit):
    box = Sandbox(now=NOW, bulk=250)
    watched = [row for row in box.ionhour.incidents if row["id"] % 50 == 0 or row["id"] == 4513]
    for row in watched:
        row["state"] = "MONITORING"
    seen, page = [], 1
    async with connect(sandbox=box) as call:
        while page:
            told = await call.ok(LIST, state="MONITORING", limit=limit, page=page)
            assert told["incidents"] or not told["has_more"]
            assert told["has_more"] is ("page" in told)
            assert told["looked_at_all"] or told["has_more"]
            seen += [row["id"] for row in told["incidents"]]
            page = told.get("page")
    assert sorted(seen) == sorted(row["id"] for row in watched)


async def test_monitoring_beyond_what_is_looked_at_says_so(connect):
    box = Sandbox(now=NOW, bulk=1_100)
    async with connect(sandbox=box) as call:
        told = await call.ok(LIST, state="MONITORING")
    assert (told["incidents"], told["has_more"], told["looked_at"], told["looked_at_all"]) == ([], False, 1000, False)
    assert told["note"] == "Not all incidents were searched: narrow the filters."


async def test_no_search_makes_more_than_60_requests_where_there_is_always_more(connect):
    def endless(query):
        number = int(query["page"])
        item = {"id": number, "title": "t", "state": "ACTIVE"}
        return {"items": [item], "page": number, "pageCount": number + 1, "total": 10**6, "limit": 1}

    for arguments in ({"name_contains": "zeppelin"}, {"state": "MONITORING"}, {"project_id": "Nowhere"}):
        network = Answering({("GET", "/api/incidents"): endless})
        async with connect(sandbox=network) as call:
            await call.result(LIST, **arguments)
        assert 40 < len(network.requests) <= 60


async def test_pages_that_repeat_or_are_empty_end_the_reading(connect):
    item = {"id": 1, "title": "t", "state": "ACTIVE"}
    for items, requests in (([item], 2), ([], 1)):
        answer = {"items": items, "page": 1, "pageCount": 99, "total": 99, "limit": 1}
        network = Answering({("GET", "/api/incidents"): lambda _, answer=answer: answer})
        async with connect(sandbox=network) as call:
            told = await call.ok(LIST, name_contains="zeppelin")
        assert len(network.requests) == requests
        assert told["looked_at"] == len(items)
        assert told["looked_at_all"] is True
