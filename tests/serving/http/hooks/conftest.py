"""A receiver of webhooks with what it publishes, signed webhooks, and a Redis of one's own."""

import base64
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from incident_mcp.serving.http.hooks import PATH, Replays, Signatures, hook_route
from incident_mcp.serving.subscriptions import Event, Events, LocalEvents
from incident_mcp.tooling.feed import Feed, LocalFeed


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def sign(secret: str, number: str, at: float, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{number}.{int(at)}.".encode() + body, "sha256")).decode()


def headers(secret: str, body: bytes, *, number: str = "msg_1", at: float | None = None) -> dict[str, str]:
    at = time.time() if at is None else at
    return {
        "webhook-id": number,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": sign(secret, number, at, body),
        "content-type": "application/json",
    }


def updated(incident_id: str = "01FDAG4SAP5TYPT98WGR2N7W91") -> bytes:
    name = "public_incident.incident_updated_v2"
    return json.dumps({"event_type": name, name: {"id": incident_id, "name": "x"}}).encode()


@dataclass
class Receiver:
    """A receiver of webhooks."""

    secrets: Sequence[str] = field(default_factory=lambda: [new_secret()])
    events: Events = field(default_factory=LocalEvents)
    feed: Feed = field(default_factory=LocalFeed)
    replays: Replays | None = None
    heard: list[Event] = field(default_factory=list[Event])

    def __post_init__(self) -> None:
        self.events.subscribe(self.heard.append)
        signatures = Signatures([SecretStr(each) for each in self.secrets])
        self.app = Starlette(routes=[hook_route(lambda: signatures, self.events, self.feed, self.replays)])

    async def send(self, body: Any, more: dict[str, str] | None = None, method: str = "POST") -> httpx2.Response:
        """Send a request with these headers."""
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hooks.test") as client:
            return await client.request(method, PATH, content=body, headers=more)

    async def post(self, body: bytes, **more: Any) -> int:
        """Send a signed webhook, and return the status."""
        return (await self.send(body, headers(self.secrets[0], body, **more))).status_code


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


class RedisServer:
    """A Redis that a test can stop and start."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self._folder]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        pytest.fail("redis-server did not start")

    def pause(self, *, again: bool = False) -> None:
        """Have it answer nothing while its connections stay open, or go on again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT if again else signal.SIGSTOP)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        if os.environ.get("INCIDENT_MCP_REQUIRE_TEAM") == "1":
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.stop()
