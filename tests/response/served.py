"""A sandbox as a process of its own, and servers on it that can be killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr

from incident_mcp.settings import Settings
from tests.spawned import environment, sandbox_served

SHORT = 1.5
"""Seconds that a request may take in a server that is killed: as long as a note may still take effect."""
SERVER = (
    "import os\n"
    "import anyio\n"
    "from mcp import stdio_server\n"
    "from incident_mcp.transport.service import Limits\n"
    "from incident_mcp.serving.server import build_server\n"
    "from incident_mcp.settings import Settings\n"
    "async def serve():\n"
    f"    server = build_server(Settings.from_env(os.environ), limits=Limits(attempt={SHORT}))\n"
    "    async with stdio_server() as streams:\n"
    "        await server.run(*streams, server.create_initialization_options())\n"
    "anyio.run(serve)\n"
)
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@dataclass
class Served:
    """The addresses of a sandbox process."""

    ready: dict[str, str]
    http: httpx2.Client

    def requests(self) -> list[dict[str, Any]]:
        return self.http.get(f"{self.ready['control_url']}/requests").json()

    def state(self) -> dict[str, Any]:
        return self.http.get(f"{self.ready['control_url']}/state").json()

    def fail(self, **fault: Any) -> None:
        assert self.http.post(f"{self.ready['control_url']}/faults", json=fault).status_code == 200

    def heal(self) -> None:
        self.http.delete(f"{self.ready['control_url']}/faults")

    def settings(self, state: Path, *services: str) -> Settings:
        """Return a server's settings, with the keys of these services or of both."""
        given: dict[str, Any] = {"state_dir": state}
        for service in services or ("incidentio", "ionhour"):
            given[f"{service}_key"] = SecretStr(self.ready[f"{service}_api_key"])
            given[f"{service}_url"] = self.ready[f"{service}_api_url"]
        return Settings(**given)

    def variables(self) -> dict[str, str]:
        return {name.upper(): value for name, value in self.ready.items() if name != "control_url"}

    def declared(self, number: int) -> list[str]:
        """Return the incidents whose summary names an alert."""
        rows = self.state()["incidentio"]["incidents"]
        return [row["reference"] for row in rows if f"Ionhour incident {number} (" in row.get("summary", "")]

    def notes(self, number: int) -> list[str]:
        """Return an alert's notes that nobody deleted."""
        rows = self.state()["ionhour"]["notes"]
        return [row["body"] for row in rows if row["incidentId"] == number and "deletedAt" not in row]


@contextmanager
def served(bulk: int = 0) -> Iterator[Served]:
    with sandbox_served(bulk) as ready, httpx2.Client(timeout=20) as http:
        yield Served(ready, http)


class Spawned:
    """A server process, with which one exchanges line by line."""

    def __init__(self, sandbox: Served, state: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(state, **sandbox.variables()),
        )
        self.say({"id": 1, "method": "initialize", "params": INITIALIZE})
        self.hear(1)
        self.say({"method": "notifications/initialized"})

    def say(self, message: dict[str, Any]) -> None:
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, number: int) -> dict[str, Any]:
        while True:
            message = json.loads(self.process.stdout.readline())
            if message.get("id") == number:
                return message["result"]

    def call(self, tool: str, **arguments: Any) -> None:
        self.say({"id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
