"""One REST API as an ASGI app: keys, faults, routing and the record of what was asked.

The two services are plain functions over their state, called with a `Call` and answering a `Reply`. Everything that
has to do with a network is here.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import anyio

from .clock import Clock, http_date
from .faults import Fault, FaultBook
from .shapes import Flaw

Json = dict[str, Any]
Headers = Mapping[str, str | None]
"""Names in any case. A None removes a header that would be sent by default."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REFUSE = "sandbox.refuse"
"""Named in `scope["extensions"]` by a transport that can play a connection which is never made."""


@dataclass
class Received:
    """One request as it arrived, and how it was answered."""

    service: str
    method: str
    path: str
    """Raw, as it stood in the request line, below the service's host."""
    query: list[tuple[str, str]]
    body: Any = None
    status: int | None = None
    """None while no reply has been sent."""


@dataclass(frozen=True)
class Call:
    """What a handler is given."""

    method: str
    args: tuple[str, ...]
    """The variable parts of the path, decoded."""
    query: list[tuple[str, str]]
    body: Any = None


@dataclass(frozen=True)
class Reply:
    """What a handler answers. A body of None is sent as an empty one."""

    status: int
    body: Any
    headers: Headers = field(default_factory=dict[str, str | None])

    def encoded(self) -> tuple[bytes, str]:
        """The body's bytes and their media type."""
        match self.body:
            case None:
                return b"", "application/json"
            case bytes():
                return self.body, "application/octet-stream"
            case str():
                return self.body.encode(), "text/html" if self.body.startswith("<") else "text/plain"
            case _:
                return json.dumps(self.body, ensure_ascii=False).encode(), "application/json"


class Refusal(Exception):
    """Raised by a handler to answer with an error."""

    def __init__(self, status: int, *flaws: Flaw) -> None:
        super().__init__(status, *flaws)
        self.status = status
        self.flaws = flaws


def refuse(status: int, message: str) -> Refusal:
    """An error about the whole request."""
    return Refusal(status, Flaw("", message, ""))


Handler = Callable[[Call], Reply]
Routes = dict[tuple[str, str], Handler]
"""(method, template) to handler; a template's `{}` matches one path segment."""


class Backend(Protocol):
    """What a service brings: its name, clock, key, routes and the shape of its errors."""

    name: str
    clock: Clock
    key: str
    routes: Routes

    def error(self, status: int, flaws: Sequence[Flaw], retry_after: str | None = None) -> Json:
        """The vendor's error body. A flaw without a code gets the one that goes with the status."""
        ...

    def missing_key(self, *, given: bool) -> Json:
        """The vendor's 401 body, with and without a wrong key."""
        ...

    def headers(self) -> dict[str, str]:
        """What every authenticated reply carries."""
        ...


class Service:
    """The ASGI app of one backend."""

    def __init__(self, backend: Backend, faults: FaultBook, requests: list[Received]) -> None:
        self._backend = backend
        self._faults = faults
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        raw = await read_body(receive)
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?")[0]
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        received = Received(self._backend.name, scope["method"], path, query, _parsed(raw))
        self._requests.append(received)
        fault = self._faults.strike(received.service, received.method, path)
        if fault is None:
            await self._answer(received, self._perform(received, raw, scope), send)
        else:
            await self._misbehave(fault, received, raw, _Wire(scope, receive, send))

    async def _misbehave(self, fault: Fault, received: Received, raw: bytes, wire: "_Wire") -> None:
        match fault.kind:
            case "refuse":
                await wire.refuse()
            case "status" | "html":
                await self._answer(received, self._faulty(fault), wire.send)
            case "cut_before":
                await wire.cut()
            case "hang_before":
                await wire.hang()
            case _:
                await anyio.sleep(fault.seconds)
                reply = self._perform(received, raw, wire.scope)
                await self._deliver(fault, received, replace(reply, headers=merged(reply.headers, fault.headers)), wire)

    async def _deliver(self, fault: Fault, received: Received, reply: Reply, wire: "_Wire") -> None:
        """Send, replace, spoil or lose the answer to a request that was carried out."""
        match fault.kind:
            case "cut_after":
                await wire.cut()
            case "hang_after":
                await wire.hang()
            case "replace":
                await self._answer(received, self._faulty(fault), wire.send)
            case "garbage":
                await self._answer(received, Reply(200, b"\x00\xffnot json{", fault.headers), wire.send)
            case "truncated":
                body, media_type = reply.encoded()
                headers = merged({"Content-Type": media_type}, reply.headers)
                await self._answer(received, Reply(reply.status, body[: len(body) // 2], headers), wire.send)
            case _:
                await self._answer(received, reply, wire.send)

    async def _answer(self, received: Received, reply: Reply, send: Send) -> None:
        received.status = reply.status
        await send_reply(reply, self._backend.clock, send)

    def _faulty(self, fault: Fault) -> Reply:
        throttled: Headers = _throttled(self._backend) if fault.status == 429 else {}  # noqa: PLR2004
        headers = merged(throttled, fault.headers)
        body = fault.body
        if body is None and fault.kind == "html":
            body = f"<html><head><title>{fault.status}</title></head><body><h1>{fault.status}</h1></body></html>"
        elif body is None:
            flaw = Flaw("", "The sandbox was told to fail", "")
            body = self._backend.error(fault.status, [flaw], headers.get("retry-after"))
        return Reply(fault.status, body, headers)

    def _perform(self, received: Received, raw: bytes, scope: Scope) -> Reply:
        backend = self._backend
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        if given != f"Bearer {backend.key}":
            return Reply(401, backend.missing_key(given=bool(given)))
        try:
            reply = self._route(received, raw)
        except Refusal as refusal:
            reply = Reply(refusal.status, backend.error(refusal.status, refusal.flaws))
        return replace(reply, headers=merged(backend.headers(), reply.headers))

    def _route(self, received: Received, raw: bytes) -> Reply:
        segments = received.path.split("/")
        fitting = [
            (method, args, handler)
            for (method, template), handler in self._backend.routes.items()
            if (args := _match(template, segments)) is not None
        ]
        for method, args, handler in fitting:
            if method == received.method:
                if raw and received.body is None:
                    raise refuse(400, "The request body is not valid JSON")
                return handler(Call(method, args, received.query, received.body))
        # NestJS, which Ionhour is built on, answers 404 to a wrong method too.
        status = 405 if fitting and self._backend.name == "incidentio" else 404
        raise refuse(status, f"Cannot {received.method} {received.path}")


def _throttled(backend: Backend) -> Headers:
    """What a 429 carries by itself; Ionhour documents no header at all."""
    headers = backend.headers()
    return merged(headers, {"Retry-After": "1", "X-RateLimit-Remaining": "0"}) if headers else {}


def _match(template: str, segments: list[str]) -> tuple[str, ...] | None:
    """The decoded variable parts when the path fits. An encoded slash stays inside its part."""
    wanted = template.split("/")
    if len(wanted) != len(segments):
        return None
    args: list[str] = []
    for want, segment in zip(wanted, segments, strict=True):
        if want == "{}" and segment:
            args.append(unquote(segment))
        elif want != segment:
            return None
    return tuple(args)


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


async def read_body(receive: Receive) -> bytes:
    """Read a request's body to its end."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def merged(*layers: Headers) -> dict[str, str | None]:
    """All headers by their names in lower case; a later layer overrides an earlier one."""
    return {name.lower(): value for layer in layers for name, value in layer.items()}


async def send_reply(reply: Reply, clock: Clock, send: Send) -> None:
    """Send a reply whole, with the `Date` of the sandbox's clock unless the reply has its own or removes it."""
    body, media_type = reply.encoded()
    default = {"Content-Type": media_type, "Content-Length": str(len(body)), "Date": http_date(clock.now)}
    headers = merged(default, reply.headers)
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items() if value is not None],
        }
    )
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class _Wire:
    """The connection of one request, and the ways to abandon it."""

    scope: Scope
    receive: Receive
    send: Send

    async def cut(self) -> None:
        """Promise a body and leave: the server then drops the connection."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def refuse(self) -> None:
        """As if nobody listened. A server has already accepted the connection, so it drops it instead."""
        if REFUSE in self.scope.get("extensions", {}):
            await self.send({"type": REFUSE})
        else:
            await self.cut()

    async def hang(self) -> None:
        """Keep silent until the client goes away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
