"""An httpx2 transport that passes requests straight to an ASGI app."""

import anyio
import httpx2
from starlette.types import Message, Scope

from .service import REFUSE, Service


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Sends requests to one service, and fails as a socket does.

    A reply that ends early raises ReadError, a refused connection ConnectError, and a reply that does not arrive within
    the request's read timeout ReadTimeout.
    """

    def __init__(self, app: Service) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        connection = _Connection(await request.aread())
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            with anyio.fail_after(timeout):
                await self._app(_scope(request), connection.receive, connection.send)
        except TimeoutError:
            raise httpx2.ReadTimeout("the sandbox kept silent", request=request) from None
        if connection.refused:
            raise httpx2.ConnectError("the sandbox refused the connection", request=request)
        if not connection.complete:
            raise httpx2.ReadError("the sandbox cut the connection", request=request)
        return httpx2.Response(connection.status, headers=connection.headers, content=connection.body, request=request)


class _Connection:
    """Both ends of one ASGI call."""

    def __init__(self, body: bytes) -> None:
        self._pending: list[bytes] = [body]
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False
        self.refused = False

    async def receive(self) -> Message:
        if not self._pending:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": self._pending.pop(), "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = message["headers"]
        elif message["type"] == "http.response.body":
            self.body += message["body"]
            self.complete = True
        else:
            self.refused = message["type"] == REFUSE


def _scope(request: httpx2.Request) -> Scope:
    return {
        "type": "http",
        "method": request.method,
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "extensions": {REFUSE: {}},
    }
