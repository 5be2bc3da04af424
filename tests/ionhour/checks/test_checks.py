"""Ionhour's checks: listing with the service's filters and with local ones, and getting one by name or number."""

import pytest

from incident_mcp.sandbox import Sandbox
from tests.response.altered import alter

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "ionhour_list_checks": [
        {"status": "PAUSED"},
        {"name_contains": "checkout", "mode": "OUTBOUND", "project_id": "Checkout"},
        {"page": 2, "limit": 3},
        {},
    ],
    "ionhour_get_check": [{"check": "203"}, {"check": "checkout-web"}],
}
LIST, GET = "ionhour_list_checks", "ionhour_get_check"


def more_checks(box: Sandbox, count: int) -> None:
    first = box.ionhour.rows["checks"][3]
    box.ionhour.rows["checks"] += [first | {"id": 1000 + n, "name": f"probe {n}"} for n in range(count)]


async def test_a_list_has_the_status_the_mode_and_when_the_next_signal_is_due(call, box):
    answer = await call.ok(LIST)

    assert [(row.method, row.path, dict(row.query)) for row in box.requests] == [
        ("GET", "/api/checks", {"workspaceId": "1", "page": "1", "limit": "25"})
    ]
    assert answer["total"] == 8
    assert answer["checks"][1] == {
        "id": 202,
        "name": "checkout-web",
        "status": "OK",
        "project": "Checkout",
        "check_mode": "OUTBOUND",
        "dependency_impacted": True,
        "last_ping_at": "2026-11-21T02:56:00Z",
        "next_due_at": "2026-11-21T03:01:00Z",
    }
    assert "dependency_impacted" not in answer["checks"][0]


async def test_mode_and_project_are_filters_of_the_service_and_a_page_follows(call, box):
    answer = await call.ok(LIST, mode="inbound", project_id=13, limit=1)

    assert dict(box.requests[-1].query) == {
        "workspaceId": "1",
        "projectId": "13",
        "checkMode": "INBOUND",
        "page": "1",
        "limit": "1",
    }
    assert ([row["id"] for row in answer["checks"]], answer["has_more"], answer["page"]) == ([205], True, 2)
    following = await call.ok(LIST, mode="inbound", project_id=13, limit=1, page=answer["page"])
    assert [row["id"] for row in following["checks"]] == [206]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"status": "paused"}, [207]),
        ({"status": "DOWN"}, [201, 203]),
        ({"status": "LATE"}, []),
        ({"name_contains": "checkout"}, [201, 202]),
        ({"name_contains": "merchant platform search"}, [204]),
        ({"name_contains": "checkout", "status": "OK"}, [202]),
    ],
)
async def test_name_and_status_are_searched_locally(call, filters, found):
    answer = await call.ok(LIST, **filters)

    assert [row["id"] for row in answer["checks"]] == found
    assert (answer["looked_at"], answer["looked_at_all"]) == (8, True)


async def test_a_search_pages_through_its_matches(call, box):
    more_checks(box, 30)

    first = await call.ok(LIST, name_contains="probe", limit=20)
    second = await call.ok(LIST, name_contains="probe", limit=20, page=first["page"])
    assert [row["id"] for row in first["checks"] + second["checks"]] == [1000 + n for n in range(30)]
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_a_search_that_cannot_read_all_checks_says_how_many_it_read(call, box):
    more_checks(box, 1_200)
    box.ionhour.rows["checks"][-1]["name"] = "the last"

    answer = await call.ok(LIST, name_contains="last")
    assert (answer["checks"], answer["looked_at"], answer["looked_at_all"]) == ([], 1_000, False)
    assert answer["note"].startswith("No check that was searched contains any of the terms")
    assert "Not all checks were searched: narrow the filters." in answer["note"]
    assert len(box.requests) == 10


@pytest.mark.parametrize("check", ["checkout-web", " Checkout-WEB", "202", "202.0"])
async def test_a_check_is_got_by_name_or_number(call, box, check):
    answer = await call.ok(GET, check=check)

    assert box.requests[-1].path == "/api/checks/202"
    assert answer == {
        "id": 202,
        "name": "checkout-web",
        "status": "OK",
        "project": "Checkout",
        "project_id": 11,
        "check_mode": "OUTBOUND",
        "dependency_impacted": True,
        "last_ping_at": "2026-11-21T02:56:00Z",
        "next_due_at": "2026-11-21T03:01:00Z",
        "interval_seconds": 300,
        "grace_seconds": 30,
        "down_severity": "P1",
        "late_severity": "P3",
        "url": "https://shop.paysand.example/ping?…",
        "check_type": "HTTP",
        "method": "GET",
        "expected_status_min": 200,
        "expected_status_max": 299,
        "timeout_ms": 5000,
        "fail_after_consecutive": 3,
        "resolve_after_consecutive_success": 2,
        "regions": ["us-east-1", "eu-west-1"],
    }


async def test_an_unknown_name_is_rejected_with_the_known_ones(call):
    error = await call.error(GET, check="checkout")
    assert "check: none of the 8 checks is named 'checkout'. Known: checkout-api (201), checkout-web (202)" in error


async def test_a_name_that_may_be_among_checks_that_were_not_read_is_not_called_unknown(call, box):
    more_checks(box, 1_200)
    assert "none of the first 1000 checks is named" in await call.error(GET, check="checkout")


async def test_two_checks_of_one_name_are_rejected_with_their_numbers(call, box):
    box.ionhour.rows["checks"][0]["name"] = "search-api"
    assert "'search-api' is ambiguous: 201, 204. Pass the number." in await call.error(GET, check="search-api")


async def test_a_number_that_does_not_exist_is_a_404(call):
    assert "Ionhour answered 404" in await call.error(GET, check="999")
    assert "from 1" in await call.error(GET, check="0.0")


ADDRESSES = {
    "https://user:hidden@shop.example:8443/health": "https://shop.example:8443/health",
    "https://shop.example/health?key=hidden#part": "https://shop.example/health?…",
    "https://signal.ionhour.example/api/signals/ping/{}": None,
    "https://shop.example/{}/health": None,
    "http://[": None,
    "https://shop.example/health?key={}": None,
    "no address {}": None,
}


@pytest.mark.parametrize(("address", "shown"), ADDRESSES.items())
@pytest.mark.parametrize("inside", [True, False])
async def test_no_credential_of_an_address_is_shown(call, box, address, shown, inside):
    check = box.ionhour.rows["checks"][0]
    config = check["outboundConfig"] | {"url": address.format(check["token"])}
    check |= {"outboundConfig": config} if inside else {**config, "outboundConfig": None}

    answer = await call.ok(GET, check="201")
    assert answer.get("url") == shown
    assert answer["timeout_ms"] == 5000
    assert check["token"] not in str(answer)
    assert "hidden" not in str(answer)


async def test_the_token_is_in_no_answer(call):
    for tool, arguments in ((LIST, {}), (GET, {"check": "201"}), ("ionhour_get_dependency", {"dependency_id": 31})):
        assert "token" not in str(await call.ok(tool, **arguments))


async def test_a_check_in_an_unknown_form_is_listed_with_what_can_be_read(connect, box):
    def odd(body):
        body["items"][0] |= {"name": None, "project": 7, "status": "RESTING", "nextDueAt": "soon", "lastPingAt": 1}
        body["items"][1] |= {"id": None}
        body["items"][2] |= {"checkMode": {}, "dependencyImpacted": "often", "project": {"name": ["x"]}}

    alter(box, "/api/checks", odd)
    async with connect() as call:
        answer = await call.ok(LIST)
    assert answer["checks"][0] == {"id": 201, "status": "RESTING", "check_mode": "OUTBOUND"}
    assert answer["checks"][1] == {"id": 203, "name": "webhook-worker", "status": "DOWN"} | {
        "last_ping_at": "2026-11-21T00:32:00Z"
    }
    assert answer["unreadable"] == 1


@pytest.mark.parametrize("arguments", [{"status": "broken"}, {"limit": 101}, {"mode": "SIDEWAYS"}, {"page": -1}])
async def test_an_argument_out_of_bounds_is_rejected(call, box, arguments):
    assert next(iter(arguments)) in await call.error(LIST, **arguments)
    assert box.requests == []
