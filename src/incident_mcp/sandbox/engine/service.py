"""One REST API as an ASGI app: keys, faults, routes and the log of requests.

Operations are plain functions: they take a service's records and a `Call`, and return a `Reply` or raise `ApiError`.
Everything about the network is here.
"""

import json
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import unquote

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from .clock import Clock, http_date
from .faults import Fault, FaultBook
from .shapes import Problem

Json = dict[str, Any]
Headers = Mapping[str, str | None]
"""Names in any case. A None removes a header that would be sent by default."""

REFUSE = "sandbox.refuse"
"""Named in `scope["extensions"]` by a transport that can simulate a refused connection."""


@dataclass
class Received:
    """A request as it arrived, and the status of its reply."""

    service: str
    method: str
    path: str
    """Raw, as in the request line, below the service's host."""
    query: list[tuple[str, str]]
    body: Any = None
    status: int | None = None
    """None while no reply has been sent."""


@dataclass(frozen=True)
class Call:
    """What an operation receives."""

    path: Mapping[str, str]
    """The parameters of the path, decoded."""
    query: list[tuple[str, str]]
    body: Any = None


@dataclass(frozen=True)
class Reply:
    """What an operation returns. A body of None is sent as an empty one."""

    status: int
    body: Any
    headers: Headers = field(default_factory=dict[str, str | None])

    def encode(self) -> tuple[bytes, str]:
        """Return the body's bytes and their media type."""
        match self.body:
            case None:
                return b"", "application/json"
            case bytes():
                return self.body, "application/octet-stream"
            case str():
                return self.body.encode(), "text/html" if self.body.startswith("<") else "text/plain"
            case _:
                return json.dumps(self.body, ensure_ascii=False).encode(), "application/json"


class ApiError(Exception):
    """Raised by an operation to answer with an error."""

    def __init__(self, status: int, *problems: Problem | str) -> None:
        super().__init__(status, *problems)
        self.status = status
        self.problems = [Problem(problem) if isinstance(problem, str) else problem for problem in problems]


RouteTable = Mapping[tuple[str, str], Callable[[Any, Call], Reply]]
"""(method, path in Starlette's notation) to an operation, which is called with the service's records and the call."""


ScopeTable = Mapping[tuple[str, str], Sequence[str]]
"""(method, path in Starlette's notation) to the scopes that a key needs."""
Timer = Callable[[Any], None]
"""Brings a service's records up to its clock."""


def collect_routes(package: ModuleType) -> RouteTable:
    """Return the `ROUTES` of every module of a package."""
    return {
        name: operation for module in _modules(package) for name, operation in getattr(module, "ROUTES", {}).items()
    }


def collect_scopes(package: ModuleType) -> ScopeTable:
    """Return the `SCOPES` of every module of a package."""
    return {name: scopes for module in _modules(package) for name, scopes in getattr(module, "SCOPES", {}).items()}


def collect_timers(package: ModuleType) -> list[Timer]:
    """Return the `TIMERS` of every module of a package."""
    return [timer for module in _modules(package) for timer in getattr(module, "TIMERS", ())]


def _modules(package: ModuleType) -> list[ModuleType]:
    return [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]


class Backend(ABC):
    """The records of one service, its routes and its error bodies."""

    name: ClassVar[str]
    wrong_method: ClassVar[int] = 405
    """The status of a known path with another method."""

    def __init__(self, clock: Clock, key: str, routes: RouteTable) -> None:
        self.clock = clock
        self.key = key
        self.routes = {name: partial(operation, self) for name, operation in routes.items()}
        """The operations, without their first argument. A test may replace one."""
        self.rows: defaultdict[str, list[Json]] = defaultdict(list)
        """Records by list, for the lists that only their own file reads."""
        self.scopes: ScopeTable = {}
        self.timers: Sequence[Timer] = ()
        self.missing_scopes: set[str] = set()
        """The scopes that the key lacks. See `remove_scope`."""

    def run_timers(self) -> None:
        """Bring the records up to the clock: before each request, and before somebody looks at the state."""
        for timer in self.timers:
            timer(self)

    def authorize(self, method: str, template: str) -> None:
        """Raise a 403 if the key lacks a scope of the operation."""
        for scope in self.scopes.get((method, template), ()):
            self.require_scope(scope)

    def require_scope(self, scope: str) -> None:
        """Raise a 403 if the key lacks a scope."""
        if scope in self.missing_scopes:
            raise ApiError(403, "Access to this resource is forbidden for the authenticated user.")

    def remove_scope(self, scope: str) -> None:
        """Take a scope from the key.

        Raises:
            ValueError: No operation of the sandbox needs the scope.
        """
        if scope not in {known for scopes in self.scopes.values() for known in scopes}:
            raise ValueError(f"no operation needs the scope {scope!r}")
        self.missing_scopes.add(scope)

    @abstractmethod
    def error(self, status: int, problems: Sequence[Problem], retry_after: str | None = None) -> Json:
        """Return the vendor's error body."""

    @abstractmethod
    def missing_key(self, *, wrong: bool) -> Json:
        """Return the vendor's 401 body for a wrong key, or for none."""

    def headers(self) -> dict[str, str]:
        """Return the headers that every authenticated reply carries."""
        return {}

    @abstractmethod
    def state(self) -> Json:
        """Return every record that a call can change."""


@dataclass(frozen=True)
class Service:
    """The ASGI app of one backend."""

    backend: Backend
    faults: FaultBook
    requests: list[Received]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        raw = await request.body()
        query = request.query_params.multi_items()
        received = Received(self.backend.name, request.method, raw_path(scope), query, _parse(raw))
        self.requests.append(received)
        exchange = _Exchange(request, raw, received, self.backend.clock, send)
        fault = self.faults.take(received.service, received.method, received.path)
        if fault is None:
            await exchange.answer(self._execute(exchange))
        else:
            await self._fail(fault, exchange)

    async def _fail(self, fault: Fault, exchange: "_Exchange") -> None:
        match fault.kind:
            case "refuse":
                await exchange.refuse()
            case "status" | "html":
                await exchange.answer(self._fault_reply(fault))
            case "cut_before":
                await exchange.cut()
            case "hang_before":
                await exchange.hang()
            case _:
                await anyio.sleep(fault.seconds)
                reply = self._execute(exchange)
                await self._fail_after(fault, exchange, replace(reply, headers=merge(reply.headers, fault.headers)))

    async def _fail_after(self, fault: Fault, exchange: "_Exchange", reply: Reply) -> None:
        """Send, replace, damage or drop the reply to a request that was carried out."""
        match fault.kind:
            case "cut_after":
                await exchange.cut()
            case "hang_after":
                await exchange.hang()
            case "replace":
                await exchange.answer(self._fault_reply(fault))
            case "garbage":
                await exchange.answer(Reply(200, b"\x00\xffnot json{", fault.headers))
            case "truncated":
                body, media_type = reply.encode()
                headers = merge({"Content-Type": media_type}, reply.headers)
                await exchange.answer(Reply(reply.status, body[: len(body) // 2], headers))
            case _:
                await exchange.answer(reply)

    def _fault_reply(self, fault: Fault) -> Reply:
        throttled = fault.status == 429  # noqa: PLR2004  # an HTTP status
        headers = merge(self._throttling_headers() if throttled else {}, fault.headers)
        body = fault.body
        if body is None and fault.kind == "html":
            body = f"<html><head><title>{fault.status}</title></head><body><h1>{fault.status}</h1></body></html>"
        elif body is None:
            problems = [Problem("The sandbox was told to fail")]
            body = self.backend.error(fault.status, problems, headers.get("retry-after"))
        return Reply(fault.status, body, headers)

    def _throttling_headers(self) -> Headers:
        """Return the default headers of a 429. Ionhour documents none."""
        headers = self.backend.headers()
        return merge(headers, {"Retry-After": "1", "X-RateLimit-Remaining": "0"}) if headers else {}

    def _execute(self, exchange: "_Exchange") -> Reply:
        """Check the key and carry the request out."""
        backend = self.backend
        authorization = exchange.request.headers.get("authorization")
        if authorization != f"Bearer {backend.key}":
            return Reply(401, backend.missing_key(wrong=bool(authorization)))
        backend.run_timers()
        try:
            reply = self._route(exchange.received, exchange.raw)
        except ApiError as error:
            reply = Reply(error.status, backend.error(error.status, error.problems))
        return replace(reply, headers=merge(backend.headers(), reply.headers))

    def _route(self, received: Received, raw: bytes) -> Reply:
        known = False
        for (method, template), operation in self.backend.routes.items():
            match = _pattern(template).match(received.path)
            if match and method == received.method:
                if raw and received.body is None:
                    raise ApiError(400, "The request body is not valid JSON")
                self.backend.authorize(method, template)
                # Decoded only now: an encoded slash stays inside its parameter.
                path = {name: unquote(text) for name, text in match.groupdict().items()}
                return operation(Call(path, received.query, received.body))
            known = known or match is not None
        raise ApiError(self.backend.wrong_method if known else 404, f"Cannot {received.method} {received.path}")


@dataclass(frozen=True)
class _Exchange:
    """One request, and the ways to answer or abandon it."""

    request: Request
    raw: bytes
    """The body."""
    received: Received
    clock: Clock
    send: Send

    async def answer(self, reply: Reply) -> None:
        """Send a reply."""
        self.received.status = reply.status
        await to_response(reply, self.clock)(self.request.scope, self.request.receive, self.send)

    async def cut(self) -> None:
        """Announce a body but send none, so that the server drops the connection."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"512")]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def refuse(self) -> None:
        """Refuse the connection. A server has already accepted it, and drops it instead."""
        if REFUSE in self.request.scope.get("extensions", {}):
            await self.send({"type": REFUSE})
        else:
            await self.cut()

    async def hang(self) -> None:
        """Send nothing until the client disconnects."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass


@cache
def _pattern(template: str) -> re.Pattern[str]:
    # Not Starlette's Router: it matches decoded paths, adds HEAD, and sends its own 404 and 405 past the faults.
    return compile_path(template)[0]


def _parse(raw: bytes) -> object:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent, without the query."""
    return scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?")[0]


def merge(*layers: Headers) -> dict[str, str | None]:
    """Return all headers by lower-case name; a later layer overrides an earlier one."""
    return {name.lower(): value for layer in layers for name, value in layer.items()}


def to_response(reply: Reply, clock: Clock) -> Response:
    """Return the response to send, with the sandbox's `Date` unless the reply sets or removes that header."""
    body, media_type = reply.encode()
    headers = merge({"Content-Type": media_type, "Date": http_date(clock.now)}, reply.headers)
    return Response(body, reply.status, {name: value for name, value in headers.items() if value is not None})
