"""Every tool, called once: with what holds for all tools it is `uv run pytest -m quick`."""

import pytest

from incident_mcp.catalogue import TOOLS
from tests.conftest import Connect
from tests.examples import calls

pytestmark = [pytest.mark.anyio, pytest.mark.quick]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_every_tool_answers_a_normal_call(connect: Connect, mode: str):
    async with connect(mode, toolsets=("all",), max_writes=0) as call:
        offered = {tool.name for tool in (await call.client.list_tools()).tools}
        for tool, arguments in calls():
            assert await call.ok(tool, **arguments), tool
    assert offered == {spec.name for spec in TOOLS} == {tool for tool, _ in calls()}
