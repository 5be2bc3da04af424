"""Paths that are odd, long or partly unreadable: a preview says so, and no page is blocked by it.

`test_paged.py` has the steps of every kind of path.
"""

from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

PAGE = "incidentio_page_people"


async def preview(call: Caller, path: str, **more: Any) -> dict[str, Any]:
    return (await call.ok(PAGE, title="Help", escalation_path=path, **more))["preview"]


@pytest.mark.parametrize(
    ("path", "why", "instead"),
    [
        ("Batch jobs", "nobody is on call now", "Sam Lindqvist"),
        ("Legacy gateway", "Mei Chen has no usable notification method, Oskar Nyman has no on-call seat", ""),
    ],
)
async def test_a_path_that_reaches_nobody_is_refused_with_who_is_next(
    call: Caller, box: Sandbox, path: str, why: str, instead: str
) -> None:
    error = await call.error(PAGE, title="Help", escalation_path=path)
    assert why in error
    assert f"Page {instead}" in error
    assert "anyway=true" in error
    warned = await preview(call, path, anyway=True)
    assert warned["warning"].startswith("This page reaches nobody")
    assert box.writes() == []


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_schedule_that_cannot_be_read_is_told_and_blocks_nothing(
    connect: Connect, box: Sandbox, status: int
) -> None:
    box.fail(Fault("status", status=status, path="/v2/schedules/[0-9A-Z]+$"))
    async with connect() as call:
        found = await preview(call, "Payments")
    assert "who is on call could not be read" in found["steps"][0]
    assert found["problems"]
    assert found["warning"].startswith("It is not certain")


@pytest.mark.parametrize("scope", ["schedules.view", "users.view", "notification_methods.view"])
async def test_a_scope_that_is_missing_blocks_no_page(connect: Connect, box: Sandbox, scope: str) -> None:
    box.incidentio.remove_scope(scope)
    async with connect() as call:
        page = await call.performed(PAGE, title="Help", escalation_path="Payments")
    assert page["status"] == "triggered"
    assert [ring["user"] for ring in box.state()["incidentio"]["rings"]] == ["Yuki Tanaka"]


async def test_odd_steps_are_told_and_fail_nothing(connect: Connect, box: Sandbox) -> None:
    nodes = [
        {"id": "1", "type": "hologram"},
        {"id": "2", "type": "level", "level": {"targets": [{"type": "robot", "id": "R2"}, {"type": "user"}, None]}},
        {"id": "3", "type": "delay", "delay": {"delay_seconds": "soon"}},
        {"id": "4", "type": "if_else", "if_else": {"conditions": None, "then_path": None, "else_path": [None, 7]}},
        {"id": "5", "type": "escalation_path", "escalation_path": {"escalation_path_id": "01GONE"}},
        {"type": None},
        None,
    ]
    path = {"id": "01ODD", "name": "Odd", "kind": "standalone", "path": nodes, "team_ids": [None, 7]}
    body = {"escalation_paths": [None, path, {"name": "No id"}], "pagination_meta": {"page_size": 25}}
    box.fail(Fault("replace", status=200, path="/v2/escalation_paths$", body=body))
    async with connect() as call:
        steps = (await preview(call, "Odd"))["steps"]
    assert "hologram: what it does is not known" in steps[0]
    assert "robot R2: who is on call could not be read" in steps[1]
    assert any("01GONE, which could not be read" in step for step in steps)


async def test_a_deep_and_a_long_path_are_bounded(connect: Connect, box: Sandbox) -> None:
    path = next(row for row in box.incidentio.on_call.paths if row["name"] == "Database")
    level = path["path"][0]
    node: Any = level
    for _ in range(60):
        branch = {"conditions": [], "then_path": [node], "else_path": [level]}
        node = {"id": "x", "type": "if_else", "if_else": branch}
    path["path"] = [node, *[level] * 500]
    async with connect() as call:
        steps = (await preview(call, "Database"))["steps"]
    assert len(steps) <= 40
    assert len(box.requests) <= 60
    assert any("further steps are not shown" in step for step in steps)
