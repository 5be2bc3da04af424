"""The HTTP client: every request goes through `Api.send`, which returns a Record or raises a typed failure."""

import itertools
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

import anyio
import anyio.to_thread
import httpx2

from incident_mcp.errors import (
    IncidentMcpError,
    InputError,
    NoAnswerError,
    NotSentError,
    ServiceError,
    TooLargeError,
)
from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import A
from incident_mcp.transport.connection import Progress, UnusableError, explain_failure
from incident_mcp.transport.error_bodies import read_request_id
from incident_mcp.transport.operation import Request
from incident_mcp.transport.responses import observe, observe_remaining, read_response
from incident_mcp.transport.retry import (
    Repeat,
    followed_by,
    is_deleted,
    lost_write,
    may_repeat,
    wait_before,
    with_requested_wait,
)
from incident_mcp.transport.seen import MemorySeen, SeenRecords
from incident_mcp.transport.service import Cached, Service
from incident_mcp.transport.tape import Response

CACHE_SECONDS = 60.0
MAX_CACHED = 500
"""Lists and names that are cached for a service."""
MAX_REQUESTS = 60
"""In one tool call, unless its `limit` asks for more rows."""
_FOR_WRITES = 8
"""How many of those reads leave for the writes of the call."""
LARGE = 200_000
"""Bytes. A larger response is read in a thread."""

T = TypeVar("T")


@dataclass
class Api:
    """A service as one tool call sees it, with that call's time limit."""

    service: Service
    seen: SeenRecords = field(default_factory=MemorySeen)
    """What the caller has been shown."""
    most_requests: int = MAX_REQUESTS
    attempts: int | None = None
    """The most attempts of a request; None: the service's limit."""
    may_write: Callable[[], bool] | None = None
    """Whether a write may still be sent: checked last, after all waits."""
    requests: int = 0
    """Sent in this call."""
    sent_again: bool = False
    """Whether a request was sent again after an attempt whose outcome was unknown."""
    deadline: float = field(init=False)
    """`anyio.current_time()` at which the call's time is over."""
    began: float = field(default_factory=unix_now, init=False)
    """Unix seconds at which the call was made."""

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Restart the call's time."""
        self.deadline = anyio.current_time() + self.service.limits.call

    def once(self) -> "Api":
        """Return the service as a single read beside the call sees it: one request, which is not repeated."""
        return Api(self.service, self.seen, most_requests=1 + _FOR_WRITES, attempts=1)

    def allow(self, rows: int) -> None:
        """Allow the call one request for each row that its caller asks for, if that is more than the usual limit."""
        self.most_requests = max(self.most_requests, rows + _FOR_WRITES)

    @property
    def may_read(self) -> bool:
        """Whether the call may make another reading request."""
        return self.requests < self.most_requests - _FOR_WRITES

    def now(self) -> float:
        """Return the Unix time by the service's clock; by this machine's while the service's is unknown."""
        return unix_now() + (self.service.ahead or 0.0)

    async def get(self, request: Request, answer: type[A]) -> A:
        """Read what a service answers."""
        return await self.send(request, answer)

    async def cached(
        self,
        name: str,
        load: Callable[[], Awaitable[T]],
        *,
        newer_than: float = -math.inf,
        seconds: float = CACHE_SECONDS,
    ) -> tuple[T, float]:
        """Return a list that seldom changes, read at most once in a while; concurrent callers share one reading.

        Args:
            name: The list's name in the service's cache.
            load: Reads it.
            newer_than: Read again unless the list was read after this `time.monotonic()`.
            seconds: For how long it is used.

        Returns:
            The list and the `time.monotonic()` at which it was read.
        """
        cache = self.service.cache
        while name not in cache and len(cache) >= MAX_CACHED:
            del cache[next(iter(cache))]
        cached = cache.setdefault(name, Cached())
        async with cached.lock:
            if cached.read_at <= max(newer_than, time.monotonic() - seconds):
                asked_at = time.monotonic()
                cached.value, cached.read_at = await load(), asked_at
            return cast("T", cached.value), cached.read_at

    async def send(
        self,
        request: Request,
        answer: type[A],
        *,
        repeat: Repeat = Repeat.READ,
        find_effect: Callable[[], Awaitable[A | None]] | None = None,
        repeat_request: Request | None = None,
    ) -> A:
        """Send a request, again where that is safe (`retry.py` has the table), and parse the answer.

        Args:
            request: What to send.
            answer: What the service answers.
            repeat: Whether it may be sent again when its outcome is unknown.
            find_effect: Finds the effect of a lost attempt, None without one; called before another attempt and at the
                end.
            repeat_request: Replaces the request after a lost attempt.

        Raises:
            NotSentError: The request never reached the service, or was throttled on every attempt.
            RefusedError: The service answered 4xx, or a read 3xx.
            NoAnswerError: The outcome is unknown.
        """
        lost: NoAnswerError | None = None
        for attempt in itertools.count(1):
            try:
                return await self._attempt(request, answer, attempt)
            except ServiceError as error:
                if is_deleted(request, lost, error):
                    return answer.model_validate({})
                wait = self._wait(
                    attempt, error, repeatable=may_repeat(error, repeat, read_back=find_effect is not None)
                )
                failure = error if wait is not None else self._with_requested_wait(error)
            lost = lost_write(failure, repeat) or lost
            await self._sleep(request, wait)
            effect = await _find_effect(find_effect, lost)
            if effect is not None:
                return effect
            if wait is None:
                raise followed_by(lost, failure)
            request = self._repeated(request, lost, repeat_request)
        raise AssertionError("the loop ends by itself")

    def _repeated(self, request: Request, lost: NoAnswerError | None, repeat_request: Request | None) -> Request:
        """Return the request for the next attempt."""
        if lost is None:
            return request
        self.sent_again = True
        return repeat_request or request

    async def _sleep(self, request: Request, wait: float | None) -> None:
        """Wait for the next attempt, if there is one."""
        if wait is not None and (observer := self.service.observer):
            observer.waits_to_repeat(self.service, request.operation, wait)
        await anyio.sleep(wait or 0)

    def _wait(self, attempt: int, failure: ServiceError, *, repeatable: bool) -> float | None:
        """Return the seconds until the next attempt, None if there is none."""
        limits = self.service.limits
        wait = wait_before(attempt, failure, limits.backoff)
        attempts = self.attempts or limits.attempts
        return wait if repeatable and attempt < attempts and self._has_time(wait) else None

    def _with_requested_wait(self, failure: ServiceError) -> ServiceError:
        return with_requested_wait(failure, fits=self._has_time(failure.retry_after or 0))

    def _has_time(self, wait: float) -> bool:
        return anyio.current_time() + wait < self.deadline

    def _check(self, request: Request) -> None:
        """Raise if a request cannot be sent, or not any more."""
        for name, value in request.query:
            if re.search("[\ud800-\udfff]", value):
                raise InputError(f"{name} {value[:60]!r} holds half a character, which cannot be sent. Not sent.")
        if request.method == "GET" and not self.may_read:
            raise NotSentError(
                f"{request.label} was not read: this call has made {self.requests} requests, the most it may."
                " Narrow it with filters, or pass a smaller limit."
            )
        if anyio.current_time() >= self.deadline:
            seconds = self.service.limits.call
            raise NotSentError(
                f"{request.label} was not sent: the {seconds:g} s that a call may take are over. Call again."
            )

    def _check_may_write(self, request: Request) -> None:
        if request.method != "GET" and self.may_write is not None and not self.may_write():
            raise NotSentError(
                f"{request.label} was not sent: the lock that keeps identical calls apart was lost. Call again."
            )

    async def _attempt(self, request: Request, answer: type[A], number: int) -> A:
        self._check(request)
        self.requests += 1
        await self._wait_for_rate_limit(request)
        await self._take_slot(request)
        try:
            self._check_may_write(request)
            tape = self.service.tape
            send = partial(self._observed, number) if self.service.observer else self._exchange_in_time
            response = await (tape.exchange(self.service.name, request, send) if tape else send(request))
        finally:
            self.service.slots.release()
        if len(response.content) > LARGE:
            # Other calls go on in the meantime.
            return await anyio.to_thread.run_sync(read_response, self.service, request, response, answer)
        return read_response(self.service, request, response, answer)

    async def _observed(self, number: int, request: Request) -> Response:
        """Send a request and receive its response while the service's observer looks on."""
        observer = self.service.observer
        if observer is None:
            return await self._exchange_in_time(request)
        with observer.attempt(self.service, request.operation, number) as attempt:
            response = await self._exchange_in_time(request)
            attempt.answered(response.status, read_request_id(response.headers))
        observe_remaining(self.service, response.headers)
        return response

    async def _exchange_in_time(self, request: Request) -> Response:
        """Send a request and receive its response within the attempt's time.

        Raises:
            ServiceError: There was no connection or no response.
        """
        progress = Progress()
        left = self.deadline - anyio.current_time()
        try:
            with anyio.fail_after(max(0.0, min(self.service.limits.attempt, left))):
                return await self._exchange(request, progress)
        except UnusableError as error:
            raise NotSentError(f"{request.label} was not sent: {error}") from None
        except IncidentMcpError:
            raise
        except Exception as error:
            # A SOCKS library has its own exceptions, down to AssertionError.
            if failure := self._no_response(request, error, progress):
                raise failure from None
            raise

    def _no_response(self, request: Request, error: Exception, progress: Progress) -> ServiceError | None:
        """Return what a missing response means, None if the error is not a failure of the network."""
        name = self.service.name
        if found := explain_failure(error, self.service.route, progress):
            text = f"{name} could not be reached for {request.label}: {found.why}."
            return NotSentError(text, step=found.step, transient=found.passing)
        match error:
            case TimeoutError() | httpx2.TimeoutException():
                return NoAnswerError(f"{name} did not answer {request.label} in time.", transient=True, late=True)
            case httpx2.DecodingError():
                return NoAnswerError(f"{name}'s answer to {request.label} could not be decompressed.")
            case httpx2.HTTPError() | httpx2.InvalidURL():
                text = f"The connection to {name} was lost during {request.label} ({type(error).__name__})."
                return NoAnswerError(text, transient=True)
            case _:
                return None

    async def _take_slot(self, request: Request) -> None:
        """Wait for one of the service's slots, at most until the call's time is over."""
        slots = self.service.slots
        try:
            slots.acquire_nowait()
        except anyio.WouldBlock:
            try:
                with anyio.fail_after(max(0.0, self.deadline - anyio.current_time())):
                    await slots.acquire()
            except TimeoutError:
                raise NotSentError(
                    f"{request.label} found no turn within the call's time: {self.service.limits.at_once} requests to"
                    f" {self.service.name} are the most at once, and it is slow to answer. Call again later."
                ) from None

    async def _wait_for_rate_limit(self, request: Request) -> None:
        limit = self.service.rate_limit
        wait = await limit.take() if limit else 0.0
        if limit and wait and not self._has_time(wait):
            await limit.put_back()
            seconds = math.ceil(wait)
            raise NotSentError(
                f"{request.label} waits: {self.service.name}'s rate limit is used up. Call again in {seconds} s."
            )
        if wait:
            if observer := self.service.observer:
                observer.waits_for_rate_limit(self.service, wait)
            await anyio.sleep(wait)

    async def _exchange(self, request: Request, progress: Progress) -> Response:
        service = self.service
        # Serialized here, since a lone surrogate in a text would fail inside the client.
        content = None if request.body is None else json.dumps(request.body).encode()
        headers = {"Authorization": f"Bearer {service.key.get_secret_value()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if service.observer:
            headers.update(service.observer.headers())
        client = service.client()
        # For a read it matters only if a proxy may be what failed.
        follow = service.transport is None and (request.method != "GET" or service.route.proxy is not None)
        async with client.stream(
            request.method,
            service.base_url + request.path,
            params=list(request.query) or None,
            content=content,
            headers=headers,
            extensions={"trace": progress.follow()} if follow else None,
        ) as response:
            await observe(service, response.headers, at := unix_now())
            return Response(response.status_code, response.headers, await self._receive(request, response), at)

    async def _receive(self, request: Request, response: httpx2.Response) -> bytes:
        """Receive a body.

        Raises:
            TooLargeError: It is larger than what is read.
        """
        received = bytearray()
        most = self.service.limits.most_bytes
        async for chunk in response.aiter_bytes():
            received += chunk
            if len(received) > most:
                raise TooLargeError(
                    f"{self.service.name} answered {request.label} with over {most // 1_000_000} MB, which was not"
                    " read."
                )
        return bytes(received)


async def _find_effect(find: Callable[[], Awaitable[A | None]] | None, lost: NoAnswerError | None) -> A | None:
    """Return the effect of a lost attempt; if it cannot be looked up, nothing more may be sent."""
    if find is None or lost is None:
        return None
    try:
        return await find()
    except ServiceError as failure:
        raise followed_by(lost, failure) from None
