"""A sandbox and servers as processes of their own, and JSON lines to and from them."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
from mcp_types import CallToolResult

from tests.conftest import PREVIEWED
from tests.spawned import SERVER, environment, sandbox_served


class Served:
    """A served sandbox, and the way to make it fail and to read what it holds."""

    def __init__(self, ready: dict[str, str], http: httpx2.Client) -> None:
        self.ready, self._http, self._url = ready, http, ready["control_url"]

    def fail(self, *faults: dict[str, Any]) -> None:
        assert self._http.post(f"{self._url}/faults", json=list(faults)).status_code == 200

    def heal(self) -> None:
        self._http.delete(f"{self._url}/faults")

    def requests(self) -> list[dict[str, Any]]:
        return self._http.get(f"{self._url}/requests").json()

    def state(self) -> dict[str, Any]:
        return self._http.get(f"{self._url}/state").json()

    def hanging(self) -> int:
        """How many writes it keeps waiting."""
        return sum(row["method"] != "GET" and row["status"] is None for row in self.requests())

    def settings(self) -> dict[str, str]:
        return {
            "INCIDENTIO_API_URL": self.ready["incidentio_api_url"],
            "INCIDENTIO_API_KEY": self.ready["incidentio_api_key"],
            "IONHOUR_API_URL": self.ready["ionhour_api_url"],
            "IONHOUR_API_KEY": self.ready["ionhour_api_key"],
            "INCIDENT_MCP_TOOLSETS": "all",
            "INCIDENT_MCP_MAX_DECLARES": "0",
            "INCIDENT_MCP_MAX_WRITES": "0",
        }


@contextlib.contextmanager
def served_sandbox() -> Iterator[Served]:
    with sandbox_served() as ready, httpx2.Client(timeout=10) as http:
        yield Served(ready, http)


class Server:
    """A spawned server."""

    def __init__(self, state: Path, settings: dict[str, str], command: list[str] | None = None, **options: Any) -> None:
        # A file: a pipe that nobody reads would stop a server that logs much.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by kill
        self.process = subprocess.Popen(
            command or SERVER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(state, **settings),
            **{"stderr": self._errors, **options},
        )
        self._answers: dict[int, dict[str, Any]] = {}
        self._last = 0
        self.lines: list[bytes] = []
        """All that it wrote on stdout."""
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.answer(self.ask("initialize", client))
        self.tell({"method": "notifications/initialized"})

    def tell(self, message: dict[str, Any]) -> None:
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> int:
        """Send a request and give its id."""
        self._last += 1
        self.tell({"id": self._last, "method": method, "params": params})
        return self._last

    def send(self, tool: str, **arguments: Any) -> int:
        """Send a tool call and give its id."""
        return self.ask("tools/call", {"name": tool, "arguments": arguments})

    def answer(self, number: int) -> dict[str, Any]:
        """Wait for an answer."""
        while number not in self._answers:
            line = self.process.stdout.readline()
            assert line, self.errors().decode()
            self.lines.append(line)
            message = json.loads(line)
            self._answers[message.get("id")] = message
        return self._answers.pop(number)

    def result(self, number: int) -> CallToolResult:
        return CallToolResult.model_validate(self.answer(number)["result"])

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return self.result(self.send(tool, **arguments))

    def coded(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return a call's arguments; of a tool that takes two calls with the code of a preview."""
        if tool not in PREVIEWED:
            return arguments
        preview = self.call(tool, **arguments)
        # Without a preview there is nothing to confirm, and the call fails in the same way.
        return (
            {**arguments, "confirm": preview.structured_content["confirm"]} if preview.structured_content else arguments
        )

    def end(self) -> tuple[bytes, bytes]:
        """Close its stdin, and give what it wrote on stdout and stderr."""
        out, err = self.process.communicate(timeout=20)
        return b"".join(self.lines) + out, self.errors() if err is None else err

    def errors(self) -> bytes:
        """Return what it wrote on stderr so far."""
        self._errors.seek(0)
        return self._errors.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._errors.close()


@contextlib.contextmanager
def server(state: Path, settings: dict[str, str], **options: Any) -> Iterator[Server]:
    started = Server(state, settings, **options)
    try:
        yield started
    finally:
        started.kill()


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
