"""Who calls the team's server in tests: people with roles, some with a static token, some of an identity provider."""

import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from incident_mcp.serving.http.sign_in.token_file import add_token
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.serving.http.identity_provider import IdentityProvider

ROLES = ("reader", "responder", "pager")
LEGACY, MODERN = "legacy", "2026-07-28"


@dataclass
class Person:
    """A caller and the token that it sends."""

    name: str
    role: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def connect(self, url: str, mode: str = MODERN, seconds: float = 60) -> "Iterator[Client]":
        """Connect an MCP client, whose own answer may take so many seconds."""
        limits = httpx2.Timeout(10, read=seconds)
        async with (
            httpx2.AsyncClient(headers=self.headers, timeout=limits) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, read_timeout_seconds=seconds) as client,
        ):
            yield client


def with_static_token(file: Path, name: str, role: str) -> Person:
    """Add a static token to the file."""
    return Person(name, role, add_token(file, name, role))


def with_jwt(provider: IdentityProvider, audience: str, name: str, role: str, seconds: int = 3600) -> Person:
    """Let the identity provider sign a token."""
    claims = {"sub": name, "email": name, "roles": [role], "aud": audience, "exp": int(time.time()) + seconds}
    return Person(name, role, provider.token(**claims))
