"""A network without a network: httpx2 requests carried straight into an ASGI app."""

from typing import Any

import anyio
import httpx2

from .service import REFUSE, Scope, Service


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Carries requests into one service and fails as a socket would.

    A reply that ends early raises ReadError, a refused connection ConnectError, and one that does not come within
    the request's read timeout ReadTimeout.
    """

    def __init__(self, app: Service) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        exchange = _Exchange(await request.aread())
        timeout = request.extensions.get("timeout", {}).get("read")
        try:
            with anyio.fail_after(timeout):
                await self._app(_scope(request), exchange.receive, exchange.send)
        except TimeoutError:
            raise httpx2.ReadTimeout("the sandbox kept silent", request=request) from None
        if exchange.refused:
            raise httpx2.ConnectError("the sandbox refused the connection", request=request)
        if not exchange.complete:
            raise httpx2.ReadError("the sandbox cut the connection", request=request)
        return httpx2.Response(exchange.status, headers=exchange.headers, content=exchange.body, request=request)


class _Exchange:
    """The two ends of one ASGI call."""

    def __init__(self, body: bytes) -> None:
        self._pending: list[bytes] = [body]
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False
        self.refused = False

    async def receive(self) -> dict[str, Any]:
        if self._pending:
            return {"type": "http.request", "body": self._pending.pop(), "more_body": False}
        await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(self, message: Scope) -> None:
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
