"""Answering requests from a recording, at the instants at which they were answered."""

import json
import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import httpx2

from incident_mcp.errors import NoAnswerError, NotSentError, RefusedError, ServiceError, TooLargeError
from incident_mcp.records.record import Json, shorten
from incident_mcp.records.text import inert
from incident_mcp.transport.operation import Query, Request
from incident_mcp.transport.recording.lines import Exchange, Failure, RecordedCall, Recording
from incident_mcp.transport.responses import observe
from incident_mcp.transport.service import Service
from incident_mcp.transport.tape import Response, Send

_FAILURES = {each.__name__: each for each in (NotSentError, RefusedError, NoAnswerError, TooLargeError)}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?")
_CACHED_SECONDS = 360
"""For how long a call may use what an earlier one read: users are cached the longest."""
_ROUNDS = 10
"""Rounds of the event loop in which concurrent requests arrive."""
_log = logging.getLogger(__name__)

Key = tuple[str, str, str, str]


class NoNetwork(httpx2.AsyncBaseTransport):
    """Stands in for the network, which a replay never reaches: its requests are answered from the recording."""

    def __init__(self, key: str) -> None:
        self._key = key

    def key(self, service: str) -> str:
        """Return what stands in for a key."""
        del service
        return self._key

    def transport(self, service: str) -> httpx2.AsyncBaseTransport:
        """Return a transport that sends nothing."""
        del service
        return self

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Refuse to send a request."""
        raise httpx2.ConnectError("A replay sends nothing.", request=request)


class Player:
    """Answers the requests of one call at a time.

    A request is answered as it was in the call that is replayed, in the recorded order if it was sent several times.
    One that this call did not send was read by an earlier call and cached: the last answer before it counts. Requests
    are the same if they differ in idempotency keys only, or, where none is exactly the same, in instants.
    """

    def __init__(self, recording: Recording) -> None:
        self._all = recording.exchanges
        self._exact: dict[Key, list[int]] = defaultdict(list)
        """The places of the exchanges with a request."""
        self._loose: dict[Key, list[int]] = defaultdict(list)
        """The same of a request whatever instants it has."""
        for place, line in enumerate(self._all):
            key = _key(line.service, line)
            self._exact[key].append(place)
            self._loose[_without_instants(key)].append(place)
        self._ends_at = recording.ends_at
        self._own: set[int] = set()
        """The places of the requests of the call that were not sent yet."""
        self._ended = 0
        """The place of its last one."""
        self._waiting: set[int] = set()
        """The places of what is about to be answered."""
        self._now = recording.ends_at
        self.services: Mapping[str, Service] = {}
        """The services by name."""
        self.keys: dict[str, str] = {}
        """Idempotency keys of this replay, and what they were: an address in a request changes its key."""

    def start(self, call: RecordedCall | None) -> None:
        """Set the clock to the start of a call; None for one that was not recorded, which follows all others."""
        self._own = {place for place, _ in call.exchanges} if call else set()
        self._ended = call.ended if call else len(self._all)
        self._now = call.called.at if call else self._ends_at

    def now(self) -> float:
        """Return the Unix time of the replay: when the last answer arrived."""
        return self._now

    async def exchange(self, service: str, request: Request, send: Send) -> Response:  # noqa: ARG002  # never sends
        """Return the recorded response.

        Raises:
            ServiceError: None was recorded, or the request failed.
        """
        found = self._find(service, request)
        if found is None:
            raise _not_recorded(request)
        self._own.discard(found)
        await self._turn(found)
        line = self._all[found]
        self._now = max(self._now, line.at)
        if line.failure is not None:
            raise _failure(line.failure)
        if line.too_large is not None:
            raise _not_recorded(request, f"only that its answer has {line.too_large} bytes")
        pairs = [
            (name.encode(errors="replace"), value.encode(errors="replace")) for name, value in line.headers.items()
        ]
        headers = httpx2.Headers(pairs)
        await observe(self.services[service], headers, self._now)
        return Response(line.status, headers, self._content(line, request), self._now)

    async def _turn(self, place: int) -> None:
        """Let concurrent requests be answered in the recorded order: parts of the tool's answer may follow it."""
        self._waiting.add(place)
        try:
            for _ in range(_ROUNDS):
                await anyio.lowlevel.checkpoint()
            while min(self._waiting) < place:
                await anyio.lowlevel.checkpoint()
        finally:
            self._waiting.discard(place)

    def _find(self, service: str, request: Request) -> int | None:
        """Return the place of the exchange that answers a request."""
        key = _key(service, request)
        exact, loose = self._exact.get(key, []), self._loose.get(_without_instants(key), [])
        before = [place for place in exact if place <= self._ended]
        cached = [place for place in loose if place <= self._ended and self._is_cached(place)]
        of_this_call = [place for place in exact + loose if place in self._own]
        return next(iter(of_this_call[:1] + before[-1:] + cached[-1:] + exact[:1]), None)

    def _is_cached(self, place: int) -> bool:
        """Return whether an answer may still be in use."""
        return self._all[place].at > self._now - _CACHED_SECONDS

    def _content(self, line: Exchange, request: Request) -> bytes:
        content = line.text.encode(errors="replace") if line.text is not None else json.dumps(line.content).encode()
        for recorded, own in zip(_keys_of(line.query, line.body), _keys_of(request.query, request.body), strict=False):
            if recorded != own:
                self.keys[own] = recorded
        for own, recorded in self.keys.items():
            content = content.replace(json.dumps(recorded).encode(), json.dumps(own).encode())
        return content


def _key(service: str, request: Request | Exchange) -> Key:
    """Return what is the same of identical requests."""
    pairs = sorted((name, "" if name.startswith("idempotency_key") else value) for name, value in request.query)
    rest = {name: value for name, value in (request.body or {}).items() if name != "idempotency_key"}
    body = json.dumps([pairs, request.body is not None, rest], sort_keys=True)
    return (service, request.method, request.path, body)


def _without_instants(key: Key) -> Key:
    return (*key[:-1], _INSTANT.sub("instant", key[-1]))


def _keys_of(query: Query, body: Json | None) -> list[str]:
    """Return the idempotency keys of a request."""
    keys: list[Any] = [value for name, value in query if name.startswith("idempotency_key")]
    return [key for key in (*keys, (body or {}).get("idempotency_key")) if isinstance(key, str) and key]


def _failure(failure: Failure) -> ServiceError:
    kind = _FAILURES.get(failure.kind, NoAnswerError)
    return kind(failure.text, step=failure.step, transient=failure.transient, late=failure.late)


def _not_recorded(request: Request, but: str = "") -> ServiceError:
    query = "?" + urlencode(list(request.query), safe="[]@:,") if request.query else ""
    label = shorten(inert(f"{request.label}{query}"), 300)
    what = f"{label}{' with this body' if request.body is not None else ''}"
    _log.warning("Not recorded: %s.", what)
    return NotSentError(f"{what} was not recorded{f', {but}' if but else ''}: this replay cannot answer it.")
