"""A network whose answers depend on the request, and servers with other limits."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.account import Scripted
from tests.conftest import Caller

Answer = Callable[[dict[str, str]], Any]


@dataclass
class Answering(Scripted):
    """Answers as `Scripted` does; an answer that is a function is called with the query."""

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.answers.get((request.method, request.url.path))
        if not callable(answer):
            return super()._answer(request)
        self.requests.append(request)
        said = answer(dict(request.url.params))
        return said if isinstance(said, httpx2.Response) else httpx2.Response(200, json=said)

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.url.path for request in self.requests]


@asynccontextmanager
async def limited(box: Sandbox, state: Path, **limits: Any) -> AsyncGenerator[Caller]:
    """Connect to a server with these `Limits`."""
    server = build_server(Settings(sandbox=True, state_dir=state), network=box, limits=Limits(**limits))
    async with Client(server) as client:
        yield Caller(client, box)
