"""Why nothing fires: active maintenance windows and paused checks, read beside the situation and never in its way."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client
from pydantic import SecretStr

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import text_of
from tests.response.altered import NO_TIMESTAMPS, alter

pytestmark = pytest.mark.anyio

TOOL = "situation"
WINDOWS, IONHOUR_WINDOWS, CHECKS = "/v1/maintenance_windows", "/api/maintenance-windows", "/api/checks"
LISTS = [WINDOWS, IONHOUR_WINDOWS, CHECKS]
SEEDED = [
    {"maintenance": "Ledger database upgrade", "ends_in": "1h29m", "affects": "Service is one of ledger, payouts"},
    {"ionhour_maintenance": "Payout host move", "ends_in": "1h29m", "affects": "Back office"},
    {"paused_checks": "fraud-scoring"},
]


@pytest.fixture
def box() -> Sandbox:
    """The seeds, relative to the present: ages are taken by the real clock."""
    return Sandbox(now=datetime.now(UTC))


def at(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_active_windows_and_paused_checks_are_named_in_one_request_each(connect, box):
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["silenced_by"] == SEEDED
    asked = {row.path: dict(row.query) for row in box.requests if row.path in LISTS}
    assert asked == {
        WINDOWS: {"status": "active", "page_size": "50"},
        IONHOUR_WINDOWS: {"workspaceId": "1", "state": "ACTIVE"},
        CHECKS: {"workspaceId": "1", "page": "1", "limit": "100"},
    }
    assert sum(row.path in LISTS for row in box.requests) == 3


async def test_nothing_is_said_when_nothing_hides_alerts(connect, box):
    box.incidentio.rows["maintenance_windows"].clear()
    box.ionhour.rows["maintenance_windows"].clear()
    box.ionhour.rows["checks"] = [row for row in box.ionhour.rows["checks"] if row["status"] != "PAUSED"]
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert not {"silenced_by", "problems"} & answer.keys()


def without_what_varies(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("as_of", "silenced_by", "problems")}


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("path", LISTS)
async def test_a_list_that_the_key_may_not_read_is_left_out_without_a_word(connect, box, path, status):
    async with connect() as call:
        whole = await call.ok(TOOL)
        before = len(box.requests)
        box.fail(Fault("status", path=f"{path}$", status=status))
        answer = await call.ok(TOOL)
    assert answer["silenced_by"] == [row for row, of in zip(SEEDED, LISTS, strict=True) if of != path]
    assert "problems" not in answer
    assert without_what_varies(answer) == without_what_varies(whole)
    assert sum(row.path == path for row in box.requests[before:]) == 1


FAILURES = [
    Fault("status", status=500),
    Fault("status", status=429, headers={"Retry-After": "600"}),
    Fault("refuse"),
    Fault("cut_after"),
    Fault("garbage"),
    Fault("html", status=502),
    Fault("truncated"),
]


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: f"{fault.kind} {fault.status}")
async def test_lists_that_fail_are_named_and_not_asked_again(connect, box, fault):
    async with connect() as call:
        whole = await call.ok(TOOL)
        before = len(box.requests)
        for path in LISTS:
            box.fail(Fault(**{**vars(fault), "path": f"{path}$"}))
        answer = await call.ok(TOOL)
    names = ("incident.io's maintenance windows", "Ionhour's checks", "Ionhour's maintenance windows")
    assert sorted(answer["problems"]) == [f"{name} could not be read; they may hide alerts." for name in sorted(names)]
    assert "silenced_by" not in answer
    assert without_what_varies(answer) == without_what_varies(whole)
    assert sum(row.path in LISTS for row in box.requests[before:]) == 3


async def test_lists_that_hang_delay_the_situation_by_less_than_two_seconds(connect, box):
    for path in LISTS:
        box.fail(Fault("hang_before", path=f"{path}$"))
    async with connect() as call:
        started = time.monotonic()
        answer = await call.ok(TOOL)
        taken = time.monotonic() - started
    print(f"situation while three lists hang: {taken:.2f} s")
    assert taken < 2.5
    assert len(answer["incidents"]) == 6
    assert len(answer["problems"]) == 3


async def test_while_a_service_is_down_nothing_is_said_of_what_may_hide_its_alerts(connect, box):
    box.fail(Fault("status", service="ionhour", status=401))
    box.fail(Fault("garbage", service="incidentio", path="/v"))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert {line.split(":")[0] for line in answer["problems"]} == {"incident.io's incidents", "Ionhour's alerts"}
    assert len(answer["problems"]) == 2


async def test_without_the_workspace_ionhour_s_windows_are_not_asked_for(tmp_path, box):
    settings = Settings(ionhour_key=SecretStr("k"), incidentio_key=SecretStr("k"), state_dir=tmp_path)
    async with Client(build_server(settings, network=box)) as client:
        result = await client.call_tool(TOOL, {})
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["silenced_by"] == [SEEDED[0], SEEDED[2]]
    assert IONHOUR_WINDOWS not in {row.path for row in box.requests}


NOT_NOW = [
    {"start_at": at(hours=1)},
    {"end_at": at(hours=-1)},
    {"archived_at": at(hours=-1)},
]


@pytest.mark.parametrize("change", NOT_NOW, ids=" ".join)
async def test_a_window_that_is_not_active_now_is_not_named_even_if_the_service_lists_it(connect, box, change):
    alter(box, WINDOWS, lambda body: body["maintenance_windows"][0].update(change))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["silenced_by"] == SEEDED[1:]


IONHOUR_NOT_NOW = [
    {"startAt": at(hours=1)},
    {"endAt": at(hours=-1)},
    {"state": "CANCELLED"},
    {"suppressAlerts": False, "suppressIncidents": False},
]


@pytest.mark.parametrize("change", IONHOUR_NOT_NOW, ids=" ".join)
async def test_a_window_of_ionhour_that_hides_nothing_now_is_not_named(connect, box, change):
    alter(box, IONHOUR_WINDOWS, lambda body: body["items"][0].update(change))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["silenced_by"] == [SEEDED[0], SEEDED[2]]


async def test_a_window_that_recurs_is_active_if_the_service_says_so(connect, box):
    change = {"recurringCron": "0 2 * * 6", "startAt": at(days=-30), "endAt": at(days=-29)}
    alter(box, IONHOUR_WINDOWS, lambda body: body["items"][0].update(change))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["silenced_by"][1] == {"ionhour_maintenance": "Payout host move", "affects": "Back office"}


@pytest.mark.parametrize("instant", NO_TIMESTAMPS, ids=repr)
async def test_a_window_without_a_readable_end_is_named_without_one(connect, box, instant):
    alter(box, WINDOWS, lambda body: body["maintenance_windows"][0].update(end_at=instant))
    alter(box, IONHOUR_WINDOWS, lambda body: body["items"][0].update(endAt=instant, name=None))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert "ends_in" not in answer["silenced_by"][0]
    assert answer["silenced_by"][1] == {"ionhour_maintenance": "unnamed", "affects": "Back office"}


async def test_many_windows_and_checks_are_counted(connect, box):
    window, ionhour_window = box.incidentio.rows["maintenance_windows"][1], box.ionhour.rows["maintenance_windows"][1]
    box.incidentio.rows["maintenance_windows"] += [window | {"id": f"01WINDOW{n:018}"} for n in range(7)]
    box.ionhour.rows["maintenance_windows"] += [ionhour_window | {"id": 100 + n, "projectIds": [77]} for n in range(8)]
    paused = box.ionhour.rows["checks"][6]
    box.ionhour.rows["checks"] += [paused | {"id": 300 + n, "name": f"job {n}"} for n in range(12)]
    async with connect() as call:
        rows = (await call.ok(TOOL))["silenced_by"]
    assert [row for row in rows if "maintenance" in row][5:] == [{"maintenance": "and 3 more"}]
    ionhour = [row for row in rows if "ionhour_maintenance" in row]
    assert ionhour[5:] == [{"ionhour_maintenance": "and 4 more"}]
    assert ionhour[1]["affects"] == "project 77"
    assert rows[-1]["paused_checks"].startswith("fraud-scoring; job 0; job 1; ")
    assert rows[-1]["paused_checks"].endswith("; job 8; 3 more")


async def test_checks_that_were_not_read_are_counted_and_a_page_is_all_that_is_asked_for(connect, box):
    plain = box.ionhour.rows["checks"][3]
    box.ionhour.rows["checks"] += [plain | {"id": 1000 + n} for n in range(150)]
    window = box.incidentio.rows["maintenance_windows"][1]
    box.incidentio.rows["maintenance_windows"] += [window | {"id": f"01WINDOW{n:018}"} for n in range(70)]
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert answer["problems"] == ["Only 100 of 158 Ionhour checks were searched for paused ones."]
    assert answer["silenced_by"][5] == {"maintenance": "and others"}
    assert sum(row.path in LISTS for row in box.requests) == 3


async def test_unreadable_rows_are_counted(connect, box):
    alter(box, WINDOWS, lambda body: body["maintenance_windows"].append({"name": "without an id"}))
    alter(box, CHECKS, lambda body: body["items"].append(None))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert sorted(answer["problems"]) == ["1 check could not be read.", "1 maintenance window could not be read."]
    assert answer["silenced_by"] == SEEDED


async def test_long_names_are_cut_and_hostile_ones_inert(connect, box):
    box.ionhour.rows["checks"][6]["name"] = "x" * 5_000
    box.incidentio.rows["maintenance_windows"][1]["name"] = "\x1b[31m\u202e" * 40
    async with connect() as call:
        rows = (await call.ok(TOOL))["silenced_by"]
    assert len(rows[-1]["paused_checks"]) <= 60
    assert rows[0]["maintenance"].isprintable()
