"""Every request to incident.io that a tool sends or plans, whatever its arguments, is one that its own SDK knows."""

from collections.abc import Iterator
from typing import Any

import pytest

from incident_mcp.catalogue import TOOLS
from tests.conftest import Caller
from tests.contract.vendor import flaws
from tests.examples import EXAMPLES
from tests.sloppy import published

pytestmark = pytest.mark.anyio


async def answers(call: Caller, tool: str, *, writes: bool) -> list[dict[str, Any]]:
    """Make a tool's examples, and a call with each argument; of a write the plan."""
    shape = await published(call, tool, writes=writes)
    arguments = [name for name in shape.properties if name != "confirm"]
    varied = [shape.with_(name, shape.valid(name)) | shape.plan for name in arguments]
    return [await call.ok(tool, **arguments) for arguments in (*varied, *EXAMPLES[tool])]


def planned(answer: Any) -> Iterator[dict[str, Any]]:
    """Yield the requests that an answer shows, at any depth."""
    if isinstance(answer, dict) and "would_send" in answer:
        yield answer["would_send"]
    for item in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from planned(item)


@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
async def test_the_sdk_knows_every_parameter_and_every_key_of_a_tools_requests(connect, box, spec):
    async with connect() as call:
        plans = [plan for answer in await answers(call, spec.name, writes=spec.writes) for plan in planned(answer)]
    sent = [(row.method, row.path, [name for name, _ in row.query], row.body) for row in box.requests]
    sent += [(plan["method"], plan["path"], [], plan.get("body")) for plan in plans]
    for method, path, query, body in sent:
        if path.startswith("/v"):
            assert flaws(method, path, query, body) == [], f"{spec.name} sends {method} {path}"
