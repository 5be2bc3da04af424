"""Pages: whatever their size, together they are the data set, once, and has_more is true exactly when more exists."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_mcp.sandbox import Sandbox
from tests.account import Scripted
from tests.conftest import NOW, Caller

pytestmark = pytest.mark.anyio

LIST, UPDATES = "incidentio_list_incidents", "incidentio_list_updates"
quickly = settings(
    deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def box() -> Sandbox:
    return Sandbox(now=NOW, bulk=43)


async def read_all(call: Caller, tool: str, rows: str, limit: int) -> list[str]:
    """Every row's name or id, page by page, each as full as asked for, and no page after the last."""
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        told = await call.ok(tool, limit=limit, **after)
        seen += [row.get("reference") or row["id"] for row in told[rows]]
        assert told["has_more"] is ("after" in told)
        if not told["has_more"]:
            return seen
        assert len(told[rows]) == limit
        after = {"after": told["after"]}


@quickly
@given(limit=st.integers(1, 70))
async def test_pages_of_incidents_of_any_size_add_up(call, box, limit):
    shown = [row["reference"] for row in box.incidentio.incidents if row["mode"] in ("standard", "retrospective")]
    seen = await read_all(call, LIST, "incidents", limit)
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(shown)


@quickly
@given(limit=st.integers(1, 30))
async def test_pages_of_updates_of_any_size_add_up(call, box, limit):
    seen = await read_all(call, UPDATES, "incident_updates", limit)
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(row["id"] for row in box.incidentio.updates)


@pytest.mark.parametrize("limit", [250, 251, 500])
async def test_a_limit_over_the_apis_page_is_read_in_pages_of_250_at_most(connect, limit):
    box = Sandbox(now=NOW, bulk=485)
    total = len([row for row in box.incidentio.incidents if row["mode"] in ("standard", "retrospective")])
    async with connect(sandbox=box) as call:
        told = await call.ok(LIST, limit=limit)
    assert total == 500
    assert len({row["reference"] for row in told["incidents"]}) == limit
    assert told["has_more"] is (limit < total)
    assert told["total"] == total
    sizes = [int(dict(request.query)["page_size"]) for request in box.requests]
    assert sizes == [250, limit - 250] if limit > 250 else [250]


@pytest.mark.parametrize("limit", [0, 501, -1, "many"])
async def test_a_limit_out_of_bounds_is_refused(call, box, limit):
    assert "limit" in await call.error(LIST, limit=limit)
    assert box.requests == []


async def test_an_unknown_cursor_is_refused_by_the_service_in_its_words(call):
    assert "after: no record has the id 'x'" in await call.error(LIST, after="x")


async def test_a_service_that_repeats_its_cursor_is_not_read_for_ever(connect):
    row = {"id": "01A", "incident_id": "01I", "created_at": "2026-11-21T03:00:00Z"}
    page = {"incident_updates": [row], "pagination_meta": {"page_size": 1, "after": "01A"}}
    network = Scripted({("GET", "/v2/incident_updates"): page})
    async with connect(sandbox=network) as call:
        told = await call.ok(UPDATES, limit=10, after="01A")
    assert len(network.requests) == 1
    assert told["has_more"] is False


async def test_a_page_shorter_than_asked_for_is_filled_up_from_the_next(connect, box):
    async with connect(sandbox=box) as call:
        first = await call.ok(LIST, limit=3)
        second = await call.ok(LIST, limit=3, after=first["after"])
    assert not {row["reference"] for row in first["incidents"]} & {row["reference"] for row in second["incidents"]}
