"""Pages: whatever their size, together they are the data set, once, and has_more is true exactly when more exists."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incident_mcp.sandbox import Sandbox
from tests.account import Scripted
from tests.answering import Answering, limited
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
        seen += [row.get("id") or row["reference"] for row in told[rows]]
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
        rest = await call.ok(LIST, limit=limit, after=told["after"]) if limit == total else {"incidents": []}
    assert total == 500
    seen = [row["reference"] for row in (*told["incidents"], *rest["incidents"])]
    assert len(seen) == len(set(seen)) == limit
    assert told["has_more"] is (limit < total or len(told["incidents"]) < total)
    assert told["total"] == total
    sizes = [int(dict(request.query)["page_size"]) for request in box.requests]
    assert sizes[:2] == ([250, limit - 250] if limit > 250 else [250])


@pytest.mark.parametrize("limit", [501, -1, "many", True, 2.5])
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
    assert [request.url.path for request in network.requests].count("/v2/incident_updates") == 1
    assert told["has_more"] is False


async def test_a_page_shorter_than_asked_for_is_filled_up_from_the_next(connect, box):
    async with connect(sandbox=box) as call:
        first = await call.ok(LIST, limit=3)
        second = await call.ok(LIST, limit=3, after=first["after"])
    assert not {row["reference"] for row in first["incidents"]} & {row["reference"] for row in second["incidents"]}


def rows(*numbers: int, after: str | None = None, **more: str) -> dict[str, Any]:
    """A page of updates."""
    listed = [{"id": f"01U{number}", "incident_id": "01I", "message": str(number), **more} for number in numbers]
    return {"incident_updates": listed, "pagination_meta": {"page_size": 25, "after": after}}


def following(pages: dict[str, dict[str, Any]]) -> Answering:
    """Answer the page that follows a cursor."""
    return Answering({("GET", "/v2/incident_updates"): lambda query: pages[query.get("after", "")]})


@pytest.mark.parametrize(
    ("pages", "told", "requests"),
    [
        ({"": rows(1, after="")}, [1], 1),
        ({"": rows(1, after="A"), "A": rows(2, after="B"), "B": rows(3, after="A")}, [1, 2, 3], 3),
        ({"": rows(1, after="A"), "A": rows(2, after="A")}, [1, 2], 2),
        ({"": rows(after="A"), "A": rows(after="B")}, [], 1),
        ({"": rows(1, after="A"), "A": rows(after="B"), "B": rows(after="C")}, [1], 2),
        ({"": rows(1, 2, after="A"), "A": rows(2, 1, after="B"), "B": rows(1, after="C")}, [1, 2], 2),
        ({"": rows(1, 2, after="A"), "A": rows(2, 3, after="B"), "B": rows(4)}, [1, 2, 3, 4], 3),
        ({"": rows(1, 1, 2, after="A"), "A": rows(2, 3, 3)}, [1, 2, 3], 2),
        ({"": {"incident_updates": [rows(1)["incident_updates"][0]], "pagination_meta": None}}, [1], 1),
        ({"": {"incident_updates": [rows(1)["incident_updates"][0]], "pagination_meta": {"after": {"a": 1}}}}, [1], 1),
        ({"": {"incident_updates": None, "pagination_meta": {"after": "A"}}}, [], 1),
    ],
    ids=[
        *("empty cursor", "A, B, A", "A, A", "empty pages", "empty pages later", "repeated rows", "overlapping pages"),
        *("rows twice on a page", "no meta", "odd cursor", "null rows"),
    ],
)
async def test_a_service_that_pages_oddly_ends_the_reading(connect, pages, told, requests):
    network = following(pages)
    async with connect(sandbox=network) as call:
        answer = await call.ok(UPDATES, limit=10)
    assert [row["message"] for row in answer["incident_updates"]] == [str(number) for number in told]
    assert network.paths().count("/v2/incident_updates") == requests
    assert answer["has_more"] is False
    assert "after" not in answer


def endless(key: str, row: dict[str, Any]) -> Callable[[dict[str, str]], Any]:
    """A list that always has one more page, of one row, whatever size is asked for."""

    def answer(query: dict[str, str]) -> Any:
        number = int(query.get("after", "0")) + 1
        listed = {
            name: value.replace("#", str(number)) if isinstance(value, str) else value for name, value in row.items()
        }
        return {key: [listed], "pagination_meta": {"after": str(number), "page_size": 1}}

    return answer


FIELD = {"id": "01FIELD", "name": "Team", "field_type": "single_select"}
BACKED = {**FIELD, "id": "01BACKED", "name": "Product", "catalog_type_id": "01TYPE"}
ENDLESS: dict[tuple[str, str], Any] = {
    ("GET", "/v2/incidents"): endless("incidents", {"id": "#", "reference": "INC-#", "name": "Webhooks #"}),
    ("GET", "/v2/incident_updates"): endless("incident_updates", {"id": "#", "incident_id": "I#", "message": "m"}),
    ("GET", "/v2/custom_fields"): {"custom_fields": [FIELD, BACKED]},
    ("GET", "/v2/incident_roles"): {"incident_roles": [{"id": "01LEAD", "name": "Incident Lead", "shortform": "lead"}]},
    ("GET", "/v1/custom_field_options"): endless("custom_field_options", {"id": "#", "value": "Team #"}),
    ("GET", "/v3/catalog_entries"): endless("catalog_entries", {"id": "#", "name": "Product #"}),
    ("GET", "/v2/users"): endless("users", {"id": "#", "name": "Person #", "email": "p#@x.example"}),
}
CALLS: list[tuple[str, dict[str, Any], str]] = [
    (LIST, {"name_contains": "zeppelin"}, ""),
    (LIST, {"name_contains": "zeppelin webhooks"}, ""),
    (LIST, {"name_contains": "webhooks", "limit": 1}, ""),
    (LIST, {"limit": 25}, ""),
    (UPDATES, {"limit": 25}, ""),
    (LIST, {"custom_fields": {"Team": ["Team 9000"]}}, "Only the first"),
    (LIST, {"custom_fields": {"Product": ["Product 9000"]}}, "Only the first"),
    (LIST, {"incident_role": {"lead": ["Person 9000"]}}, "Only the first"),
    (
        "incidentio_create_incident",
        {"name": "n", "roles": {"lead": "Person 9000"}},
        "Only the first",
    ),
    ("incidentio_edit_incident", {"incident": "1", "custom_fields": {"Team": ["Team 9000"]}}, "Only the first"),
]


@pytest.mark.parametrize(("tool", "arguments", "error"), CALLS)
async def test_no_call_makes_more_than_60_requests_where_there_is_always_more(connect, tool, arguments, error):
    network = Answering(ENDLESS)
    async with connect(sandbox=network) as call:
        if error:
            assert error in await call.error(tool, **arguments)
        else:
            told = await call.ok(tool, **arguments)
            assert told["has_more"] is True
            assert told["after"]
    assert len(network.requests) <= 60


def endless_alerts(query: dict[str, str]) -> Any:
    number = int(query["page"])
    item = {
        "id": number,
        "publicId": f"01M7XZQTWGDYY059Q4J8C{number:05}",
        "title": "t",
        "state": "ACTIVE",
        "severity": "P1",
    }
    return {"items": [item], "page": number, "pageCount": number + 1, "total": 10**6, "limit": 1}


WHOLE: list[tuple[str, dict[str, Any]]] = [
    ("situation", {}),
    ("situation", {"limit": 100}),
    ("incident_timeline", {"incident": "1"}),
    ("incident_timeline", {"ionhour_incident_id": 1}),
    ("declare_from_ionhour", {"ionhour_incident_id": 1, "name": "n"}),
    ("incidentio_create_incident", {"name": "n"}),
]


@pytest.mark.parametrize(("tool", "arguments"), WHOLE)
async def test_no_call_over_both_services_makes_more_than_60_requests_to_each(connect, tool, arguments):
    incident = {
        "id": "01AAAAAAAAAAAAAAAAAAAAAAAA",
        "reference": "INC-1",
        "name": "n",
        "created_at": "2026-11-21T03:00:00Z",
    }
    alert = endless_alerts({"page": "1"})["items"][0]
    network = Answering(
        ENDLESS
        | {
            ("GET", "/v2/incidents/1"): {"incident": incident},
            ("GET", "/v2/incident_timeline_items"): endless("incident_timeline_items", {"id": "#", "title": "t"}),
            ("GET", "/api/incidents"): endless_alerts,
            ("GET", "/api/incidents/1"): alert,
            ("GET", "/api/incident-notes/1"): [],
            ("GET", "/api/incident-events/1"): [],
            ("GET", "/v1/severities"): {"severities": [{"id": "01S", "name": "Minor", "rank": 1}]},
            ("POST", "/v2/incidents"): {"incident": incident},
        }
    )
    async with connect(sandbox=network) as call:
        await call.result(tool, **arguments)
    for host in ("api.incident.io", "api.ionhour.com"):
        made = [request for request in network.requests if request.url.host == host]
        assert len(made) <= 60, host


async def test_a_call_that_asks_for_500_rows_may_make_as_many_requests(connect):
    network = Answering(ENDLESS)
    async with connect(sandbox=network) as call:
        told = await call.ok(LIST, limit=500)
    assert len(told["incidents"]) == 500
    assert len(network.requests) == 500


def sizes(box: Sandbox, path: str = "/v2/incidents", size: str = "page_size") -> list[int]:
    return [int(dict(request.query)[size]) for request in box.requests if request.path == path]


def widen(box: Sandbox, *numbers: int) -> None:
    """Repeat every option of every field in these rows, as the vendor does."""
    options = [{"id": f"01OPTION{number:018}", "value": f"Option {number}"} for number in range(200)]
    for number in numbers or range(len(box.incidentio.incidents)):
        entries = box.incidentio.incidents[number]["custom_field_entries"]
        entries.append({"custom_field": {"id": "01WIDE", "name": "Wide", "options": options}, "values": []})


async def test_a_page_that_is_too_large_is_read_in_smaller_ones_and_they_stay_small(box, tmp_path):
    widen(box)
    async with limited(box, tmp_path, most_bytes=300_000) as call:
        told = await call.ok(LIST, limit=100)
        shown = [row["reference"] for row in box.incidentio.incidents if row["mode"] in ("standard", "retrospective")]
        assert sorted(row["reference"] for row in told["incidents"]) == sorted(shown)
        assert not told["has_more"]
        assert sizes(box) == [100, 25, *[6] * 10]
        box.requests.clear()
        found = await call.ok(LIST, name_contains="webhook")
        assert found["looked_at"] == len(shown)
        assert sizes(box) == [6] * 10


async def test_a_row_that_is_too_large_by_itself_is_said_to_be_and_rows_before_it_are_told(box, tmp_path):
    newest = len(box.incidentio.incidents) - 1
    widen(box, newest - 4)
    async with limited(box, tmp_path, most_bytes=15_000) as call:
        told = await call.ok(LIST, limit=10)
        assert len(told["incidents"]) == 4
        assert told["has_more"] is True
        error = await call.error(LIST, limit=10, after=told["after"])
        assert "a single row is too large: pass a smaller limit" in error
        assert len((await call.ok(LIST, limit=4))["incidents"]) == 4


async def test_an_ionhour_page_that_is_too_large_is_read_in_smaller_ones_too(tmp_path):
    box = Sandbox(now=NOW, bulk=150)
    for row in box.ionhour.incidents:
        row["summary"] = "x" * 5_000
    async with limited(box, tmp_path, most_bytes=200_000) as call:
        found = await call.ok("ionhour_list_incidents", name_contains="is late", limit=100)
        wanted = [row["id"] for row in box.ionhour.incidents if "is late" in row["title"]]
        assert sorted(row["id"] for row in found["incidents"]) == sorted(wanted)
        assert found["looked_at"] == 159
        assert sizes(box, "/api/incidents", "limit")[:3] == [100, 20, 20]
        assert "Pass a smaller limit." in await call.error("ionhour_list_incidents", limit=100)
        assert len((await call.ok("ionhour_list_incidents", limit=20))["incidents"]) == 20


async def test_beyond_5000_options_an_id_passes_and_a_name_is_refused_with_how_many_were_looked_through(connect):
    field, many = {**FIELD, "id": "01FIELD"}, 5_250

    def options(query: dict[str, str]) -> Any:
        start, size = int(query.get("after", "0")), int(query["page_size"])
        listed = [{"id": f"01OPTION{n:018}", "value": f"Team {n}"} for n in range(start, min(start + size, many))]
        return {"custom_field_options": listed, "pagination_meta": {"after": str(start + size)}}

    network = Answering({("GET", "/v2/custom_fields"): {"custom_fields": [field]}})
    network.answers["GET", "/v1/custom_field_options"] = options
    network.answers["GET", "/v2/incidents"] = {"incidents": []}
    async with connect(sandbox=network) as call:
        for team, sent in (("team 4999", f"01OPTION{4999:018}"), (f"01OPTION{5200:018}", f"01OPTION{5200:018}")):
            await call.ok(LIST, custom_fields={"Team": [team]})
            assert network.requests[-1].url.params["custom_field[01FIELD][one_of]"] == sent
        error = await call.error(LIST, custom_fields={"Team": ["Team 5200"]})
        assert "Unknown option 'Team 5200' of custom field Team. Only the first 5000" in error
        assert "pass its ID" in error
        # Where all options are known, an id that is none of them does not pass.
        many = 30
        network.answers["GET", "/v2/custom_fields"] = {"custom_fields": [{**field, "id": "01OTHER", "name": "Other"}]}
        assert "Unknown option" in await call.error(LIST, custom_fields={"Other": [f"01OPTION{5200:018}"]})
