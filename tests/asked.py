"""What a person is asked before a write."""

from pathlib import Path
from typing import Any

from mcp import Client
from mcp_types import ElicitResult

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import Caller


async def asked(box: Sandbox, state: Path, tool: str, **arguments: Any) -> str:
    """Return the question that a person is asked about a call, whose answer is no."""
    questions: list[str] = []

    async def decline(_: Any, params: Any) -> ElicitResult:
        questions.append(params.message)
        return ElicitResult(action="decline")

    settings = Settings(sandbox=True, state_dir=state, confirm="writes", toolsets=("all",))
    async with Client(build_server(settings, network=box), elicitation_callback=decline) as client:
        await Caller(client, box).perform(tool, **arguments)
    [question] = questions
    assert box.writes() == []
    return question
