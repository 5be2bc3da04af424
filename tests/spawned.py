"""What tests with a spawned server share: its environment, a sandbox to talk to, and the programs that drive it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import uvicorn

from incident_mcp.sandbox import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox

ROOT = Path(__file__).resolve().parents[1]
SERVER = [sys.executable, "-m", "incident_mcp"]
OURS = ("INCIDENT", "IONHOUR")

NODE_PACKAGES = {
    "mcp-inspector": "@modelcontextprotocol/inspector",
    "mcpb": "@anthropic-ai/mcpb",
    "conformance": "@modelcontextprotocol/conformance",
}


def environment(state: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment without its settings of ours, and with the given ones."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**plain, "INCIDENT_MCP_STATE_DIR": str(state), **settings}


def node_program(name: str) -> str:
    """Find a Node program; without it the test skips, or fails where INCIDENT_MCP_REQUIRE_NODE is set."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not on the path (npm package {NODE_PACKAGES[name]}, Node 22.19 or newer)"
        if os.environ.get("INCIDENT_MCP_REQUIRE_NODE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(*command: str | Path, timeout: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its output captured."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )


class _Server(uvicorn.Server):
    """Serves in a thread."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.contextmanager
def sandbox_served(bulk: int = 0) -> Iterator[dict[str, str]]:
    """Serve a sandbox in a thread, which costs less than a process, and yield what `-m incident_mcp.sandbox` prints."""
    config = uvicorn.Config(Sandbox(bulk=bulk).app, port=0, lifespan="off", log_level="critical", date_header=False)
    server = _Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(20)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield {
            "incidentio_api_url": f"{address}/incidentio",
            "incidentio_api_key": INCIDENTIO_KEY,
            "ionhour_api_url": f"{address}/ionhour/api",
            "ionhour_api_key": IONHOUR_KEY,
            "control_url": f"{address}/_sandbox",
        }
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
