"""Every tool has an example that succeeds, and every write an effect that the tests can count."""

import re
from copy import deepcopy

import pytest

from incident_mcp.catalogue import TOOLS
from tests.conftest import PREVIEWED, text_of
from tests.examples import EFFECTS, EXAMPLES, calls, examples, module_of
from tests.reliability.effects import WRITES

pytestmark = pytest.mark.anyio


@pytest.mark.quick
@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_a_tool_has_an_example_and_a_write_an_effect(spec):
    assert examples(spec)
    missing = f"{spec.name} has no effect that a test can count: add EFFECTS to {module_of(spec)}"
    assert EFFECTS.get(spec.name) or not spec.writes, missing


def test_every_example_and_effect_is_of_a_tool():
    tools = {spec.name: spec.writes for spec in TOOLS}
    assert [name for name in EXAMPLES if name not in tools] == []
    assert [name for name in EFFECTS if not tools.get(name)] == []


@pytest.mark.parametrize(("tool", "arguments"), calls(), ids=str)
async def test_an_example_succeeds_and_its_dry_run_writes_nothing(connect, box, tool, arguments):
    writes = {spec.name: spec.writes for spec in TOOLS}[tool]
    seeded = deepcopy(box.state())
    held_back = {"dry_run": True} if writes and tool not in PREVIEWED else {}
    async with connect() as call:
        answer = text_of(await call.result(tool, **arguments, **held_back))
        assert "Cannot " not in answer, f"{tool}: add a route to the sandbox, which answers: {answer}"
        if writes:
            plan = await call.ok(tool, **arguments, **held_back)
            assert plan.get("dry_run") is (True if held_back else None)
            assert ("confirm" in plan) is (tool in PREVIEWED)
            assert plan["would_send"]
        else:
            await call.ok(tool, **arguments)
        assert box.writes() == []
        assert box.state() == seeded
        await call.performed(tool, **arguments)
    assert bool(box.writes()) is writes


@pytest.mark.parametrize("case", WRITES, ids=str)
async def test_an_effect_is_counted_once_and_its_request_is_sent(connect, box, case):
    async with connect() as call:
        assert case.count(box.state()) == 0
        await call.performed(case.tool, **case.arguments)
    assert case.count(box.state()) == 1, f"{case}: EFFECTS finds no row, or several"
    sent = [request for request in box.writes() if request.method == case.method]
    same = [request for request in sent if re.match(case.path, request.path)]
    assert same, f"{case}: EFFECTS has another request than the one that is sent"
