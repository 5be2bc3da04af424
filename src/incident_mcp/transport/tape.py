"""Between a request and its response: what records them, or answers in place of the service."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import httpx2

from incident_mcp.transport.operation import Request


@dataclass(frozen=True)
class Response:
    """A response, its body read."""

    status: int
    headers: httpx2.Headers
    content: bytes
    at: float
    """Unix seconds at which its headers arrived."""


Send = Callable[[Request], Awaitable[Response]]


class Tape(Protocol):
    """Sees every attempt of a request."""

    async def exchange(self, service: str, request: Request, send: Send) -> Response:
        """Return the response to a request.

        Args:
            service: The service's name.
            request: The request.
            send: Sends it to the service.

        Raises:
            ServiceError: There was no connection or no response.
        """
        ...
