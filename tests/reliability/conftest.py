"""A client on a server that may take less time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.conftest import Caller

BRIEF = Limits(attempt=3, call=10, backoff=0.01)
"""For faults that answer or cut: only the waits are shorter."""
IMPATIENT = Limits(attempt=0.06, call=1.5, backoff=0.01)
"""For a service that hangs."""

Serve = Callable[..., AbstractAsyncContextManager[Caller]]


@asynccontextmanager
async def serving(
    box: Sandbox, state: Path, limits: Limits = BRIEF, mode: str = "legacy", **chosen: Any
) -> AsyncIterator[Caller]:
    """Connect a client to a server of its own."""
    wanted = {"sandbox": True, "toolsets": ("all",), "state_dir": state, "max_declares": 0, "max_writes": 0, **chosen}
    async with Client(build_server(Settings(**wanted), network=box, limits=limits), mode=mode) as client:
        yield Caller(client, box)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def serve(box: Sandbox, state: Path) -> Serve:
    """Start a server on the sandbox: `async with serve(limits=IMPATIENT) as call:`; a second one shares the state."""
    return lambda limits=BRIEF, **chosen: serving(box, chosen.pop("state", state), limits, **chosen)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until a condition holds."""
    with anyio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110  # conditions have no event
            await anyio.sleep(0.005)
