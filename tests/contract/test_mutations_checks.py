"""A malformed part of an answer about checks changes no other field, as `test_mutations.py` shows for incidents.

Required is the id alone; everything else may be missing or of any type.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from tests.contract.mutations import Bench, Case, Tally, listed, run_mutations

pytestmark = pytest.mark.anyio

ID = frozenset({"id"})
INSTANT = "2026-05-11T02:10:00.000Z"
PROJECT = {"id": 3, "name": "Billing"}
CONFIG = {
    "url": "https://pay.example/health",
    "checkType": "HTTP",
    "method": "GET",
    "expectedStatusMin": 200,
    "expectedStatusMax": 299,
    "timeoutMs": 5000,
    "failAfterConsecutive": 3,
    "resolveAfterConsecutiveSuccess": 2,
    "regions": ["us-east-1"],
}
PAGE_FIELDS = {"pageCount": "page", "page": "page", "total": "total"}


def camel(*names: str) -> dict[str, str]:
    return {to_camel(name): name for name in names}


def check(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"probe {number}",
        "token": "made-up-made-up",
        "projectId": 3,
        "project": PROJECT,
        "status": "OK",
        "checkMode": "OUTBOUND",
        "intervalSeconds": 300,
        "graceSeconds": 30,
        "downSeverity": "P1",
        "lateSeverity": "P3",
        "dependencyImpacted": True,
        "lastPingAt": INSTANT,
        "nextDueAt": INSTANT,
    }


def dependency(number: int) -> dict[str, Any]:
    own = {"id": number, "name": f"Bank {number}", "description": "Payouts", "category": "API", "status": "DOWN"}
    return own | {"url": "https://status.bank.example", "workspaceId": 1}


def window(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Upgrade {number}",
        "description": "Replicas lag",
        "startAt": INSTANT,
        "endAt": INSTANT,
        "state": "ACTIVE",
        "projectIds": [3, 4],
        "projects": [PROJECT],
        "suppressAlerts": True,
        "suppressIncidents": False,
        "timezone": "Europe/Berlin",
        "recurringCron": "0 2 * * 6",
        "workspaceId": 1,
    }


def enveloped(rows: list[Any]) -> dict[str, Any]:
    return {"items": rows, "total": 9, "page": 1, "itemCount": 3, "pageCount": 3, "limit": 3}


ROW_FIELDS = {
    **{name: name for name in ("name", "status")},
    "project": "project",
    "project.name": "project",
    **camel("check_mode", "dependency_impacted", "last_ping_at", "next_due_at"),
}
CHECK_FIELDS = {
    **ROW_FIELDS,
    "project": "project project_id",
    "project.id": "project_id",
    "projectId": "project_id",
    # A check whose address cannot be told from its token's has none.
    "token": "url",
    **camel("interval_seconds", "grace_seconds", "down_severity", "late_severity", "url", "check_type", "method"),
    **camel("expected_status_min", "expected_status_max", "timeout_ms", "fail_after_consecutive", "regions"),
    **camel("resolve_after_consecutive_success"),
}
DEPENDENCY_FIELDS = {name: name for name in ("name", "status", "category", "description")}
FULL_DEPENDENCY = {
    **DEPENDENCY_FIELDS,
    "url": "url",
    "checks": "checks unreadable",
    **{f"checks.{name}": "checks" for name in ("id", "name", "status")},
}
WINDOW_FIELDS = {
    **{name: name for name in ("name", "state", "description", "timezone", "projects")},
    "projects.name": "projects",
    **camel("start_at", "end_at", "project_ids", "suppress_alerts", "suppress_incidents", "recurring_cron"),
}


def cases() -> Iterator[Case]:
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/api/checks"): enveloped([check(number) for number in (1, 2, 3)]),
        ("GET", "/api/checks/2"): check(2) | CONFIG,
        ("GET", "/api/dependencies"): enveloped([dependency(number) for number in (1, 2, 3)]),
        ("GET", "/api/dependencies/2"): dependency(2) | {"checks": [check(1), check(2)], "workspace": {"id": 1}},
        ("GET", "/api/maintenance-windows"): enveloped([window(number) for number in (1, 2, 3)]),
    }
    base: dict[str, Any] = {"answers": answers, "identity": ID}
    for tool, path, key, fields in (
        ("ionhour_list_checks", "/api/checks", "checks", ROW_FIELDS),
        ("ionhour_list_dependencies", "/api/dependencies", "dependencies", DEPENDENCY_FIELDS),
    ):
        where = base | {"record": ("items", 1), "place": f"{key}[2].", "arguments": {"limit": 3}}
        yield Case(tool=tool, target=("GET", path), derived=fields, envelope=PAGE_FIELDS, **where)
    where = base | {"record": ("items", 1), "place": "maintenance_windows[2].", "arguments": {"state": "ACTIVE"}}
    yield Case(
        tool="ionhour_list_maintenance", target=("GET", "/api/maintenance-windows"), derived=WINDOW_FIELDS, **where
    )
    one = base | {"arguments": {"check": "2"}}
    yield Case(tool="ionhour_get_check", target=("GET", "/api/checks/2"), derived=CHECK_FIELDS, **one)
    one = base | {"arguments": {"dependency_id": 2}}
    yield Case(tool="ionhour_get_dependency", target=("GET", "/api/dependencies/2"), derived=FULL_DEPENDENCY, **one)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.tool} {case.target[1]}")
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, case):
    tally = Tally()
    async with Bench(connect) as bench:
        wrong = await run_mutations(bench, case, tally, 1)
    assert not wrong, f"{tally.line(case.tool)}{listed(wrong)}"
