"""The app in the process of the test: its lifespan, clients, tokens, and two services that note the keys."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.settings import server_settings
from incident_mcp.serving.http.sign_in.token_file import add_token
from tests.serving.http.identity_provider import IdentityProvider

URL = "http://127.0.0.1:8000"


ALL = {"INCIDENT_MCP_TOOLSETS": "all"}


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Run the app's lifespan, as an ASGI server does."""
    to_app, from_app = anyio.create_memory_object_stream[dict[str, str]](2), anyio.create_memory_object_stream[Any](2)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, to_app[1].receive, from_app[0].send)
            await to_app[0].send({"type": "lifespan.startup"})
            assert await from_app[1].receive() == {"type": "lifespan.startup.complete"}
            yield app
            await to_app[0].send({"type": "lifespan.shutdown"})
            assert await from_app[1].receive() == {"type": "lifespan.shutdown.complete"}
    finally:
        for stream in (*to_app, *from_app):
            stream.close()


def http(app: ASGIApp, **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    return httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers)


@asynccontextmanager
async def client(app: ASGIApp, token: str, mode: str = "2026-07-28") -> AsyncIterator[Client]:
    async with (
        http(app, Authorization=f"Bearer {token}") as sent,
        Client(streamable_http_client(f"{URL}/mcp", http_client=sent), mode=mode) as found,
    ):
        yield found


def app_for(box: Sandbox, tmp_path: Path, **environ: str) -> ASGIApp:
    settings, server = server_settings({"INCIDENT_MCP_STATE_DIR": str(tmp_path / "state"), **environ})
    return make_app(settings, server, network=box)


def tokens(tmp_path: Path, **people: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings for a token file, and each person's token."""
    file = tmp_path / "tokens.json"
    made = {name: add_token(file, name, role) for name, role in people.items()}
    return {"INCIDENT_MCP_TOKENS_FILE": str(file)}, made


class Keys:
    """Two services on loopback that accept every key but `revoked`, and remember which were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        self.sent.append(headers[b"authorization"].decode().removeprefix("Bearer "))
        status = 401 if self.sent[-1] == "revoked" else 200
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        await send(start)
        await send({"type": "http.response.body", "body": b'{"severities": [], "identity": {"name": "x"}}'})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an app on loopback, and yield its address."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


def write(file: Path, text: str) -> str:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return str(file)


@asynccontextmanager
async def signed(app: ASGIApp, provider: IdentityProvider, **claims: Any) -> AsyncIterator[Client]:
    """Connect with a token of the identity provider."""
    async with client(app, provider.token(aud=f"{URL}/mcp", **claims)) as found:
        yield found
