"""The outer layers of the server: which hosts and origins may reach it, and how large and how slow a request may be."""

import re
from collections.abc import Sequence

import anyio
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBES = ("/health", "/ready")
"""Asked by address, without a name: they tell nothing."""
MAX_BODY_BYTES = 4 * 1024 * 1024
BODY_SECONDS = 15.0
"""For the whole body of a request."""
_PASSED_ON = (b"forwarded", b"via", b"cf-ray", b"x-real-ip", b"x-envoy-external-address")
_PASSED_ON_LIKE = re.compile(rb"x-(original-)?forwarded-.*|.*-(client|connecting)-ip")
"""What proxies and tunnels add."""
_METHODS = ["GET", "POST", "OPTIONS"]
_HEADERS = ["Authorization", "Content-Type", "Accept", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name"]


class Guard:
    """Rejects requests for other hosts, from foreign web pages, and from other machines where nobody signs in.

    A web page in somebody's browser can reach a server on the same machine or network, also under a name of its own
    (DNS rebinding): the headers Host and Origin give it away.

    Args:
        app: What is protected.
        hosts: Allowed values of Host, in lower case; one without a port stands for all ports.
        origins: Allowed values of Origin, in lower case; requests that no web page makes have none.
        local_only: Whether only this machine may call.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str], origins: Sequence[str], *, local_only: bool) -> None:
        self._app = app
        if origins:
            self._app = CORSMiddleware(
                app,
                allow_origins=list(origins),
                allow_methods=_METHODS,
                allow_headers=[*_HEADERS, "traceparent", "tracestate"],
                expose_headers=["WWW-Authenticate", "Retry-After"],
                max_age=600,
            )
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)
        self._local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            # Not every HTTP parser drops the white space around a value, which is not part of it (RFC 9110, 5.5).
            headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
            await (self._rejection(scope) or self._app)(scope, receive, send)

    def _rejection(self, scope: Scope) -> Response | None:
        if scope["path"] in PROBES:
            return None
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return PlainTextResponse("This host name is not served here (INCIDENT_MCP_ALLOWED_HOSTS).\n", 421)
        own = {f"http://{hosts[0].lower()}", f"https://{hosts[0].lower()}"}
        if len(origins) > 1 or not set(origins) <= self._origins | own:
            return PlainTextResponse("Web pages of this origin may not call (INCIDENT_MCP_ALLOWED_ORIGINS).\n", 403)
        if self._local_only and not _is_local(scope):
            return PlainTextResponse("Without sign-in, only this machine is served.\n", 403)
        return None

    def _knows(self, host: str) -> bool:
        host = host.lower()
        name, colon, port = host.rpartition(":")
        # The port may be empty (RFC 3986, 3.2.3).
        return host in self._hosts or (bool(colon) and not port.strip("0123456789") and name in self._hosts)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _is_local(scope: Scope) -> bool:
    """Return whether a request was made on this machine, as far as headers show: a proxy passes on those of others."""
    client = scope.get("client")
    passed_on = any(key in _PASSED_ON or _PASSED_ON_LIKE.fullmatch(key) for key, _ in scope["headers"])
    return not passed_on and (client is None or client[0] in ("127.0.0.1", "::1", "testclient"))


class Bounded:
    """Reads the whole body of a request within bounds before it is passed on.

    Args:
        app: What is served.
        most_bytes: The largest body.
        seconds: The longest time for it.
    """

    def __init__(self, app: ASGIApp, most_bytes: int = MAX_BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its body, or reject it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if Request(scope).method != "POST":
            # There are no sessions to end, and no stream beside that of a request.
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        body: bytes | None = None
        try:
            with anyio.fail_after(self._seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _rejected(408, "The request took too long.")(scope, receive, send)
            return
        except _TooLargeError:
            text = f"The request is larger than {self._most_bytes // (1024 * 1024)} MiB."
            await _rejected(413, text)(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body; None if the client left."""
        for declared in _values(scope, b"content-length"):
            if not re.fullmatch("[0-9]{1,18}", declared) or int(declared) > self._most_bytes:
                raise _TooLargeError
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > self._most_bytes:
                raise _TooLargeError
            if not message.get("more_body", False):
                return bytes(body)


class _TooLargeError(Exception):
    """The body is too large."""


def _rejected(status: int, text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status, {"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that has the whole body in its first message."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
