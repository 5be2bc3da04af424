"""The one door to the network: a request goes out through `Api.send` and comes back as a Record or a typed failure."""

import json
import math
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal, NoReturn, Protocol, TypeVar, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx2
from pydantic import SecretStr, ValidationError

from incident_mcp.errors import (
    IncidentMcpError,
    InputError,
    NoAnswerError,
    NotSentError,
    RefusedError,
    ServiceError,
    TooLargeError,
    join_sentences,
)
from incident_mcp.records.record import A, read_answer, read_json
from incident_mcp.transport.connection import (
    Progress,
    Route,
    UnusableError,
    explain_failure,
    make_client,
    with_transport,
)
from incident_mcp.transport.error_bodies import (
    MOST_SAID,
    denies,
    next_step,
    read_date,
    read_problem,
    read_request_id,
    retry_after,
)
from incident_mcp.transport.operation import Request
from incident_mcp.transport.rate_limit import Bucket
from incident_mcp.transport.redaction import Redactor

CACHE_SECONDS = 60.0
MOST_CACHED = 500
"""Lists and names that are kept of a service."""
MOST_REQUESTS = 60
"""In one tool call, unless its `limit` asks for more rows."""
_FOR_WRITES = 8
"""Of those, what reads leave for the writes of the call."""
_PLAUSIBLE = (1_577_836_800, 4_102_444_800)
"""Unix seconds of 2020 and 2100: a `Date` outside says nothing of the service's clock."""

_LONGEST_WAIT = 86_400
LARGE = 200_000
"""Bytes of an answer from which on it is read in a thread."""

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How long and how often, how much at once; in seconds."""

    connect: float = 5.0
    attempt: float = 20.0
    call: float = 45.0
    """One whole tool call: hosts give up at 60."""
    attempts: int = 4
    backoff: float = 1.0
    """The longest first wait before another attempt; each further one is twice as long."""
    at_once: int = 16
    most_bytes: int = 20_000_000


DOCUMENTED = Limits()


class Repeat(Enum):
    """Whether a request may be sent again after a failure that leaves its outcome open."""

    READ = "a read"
    KEYED = "a write that its idempotency key makes safe to repeat"
    HARMLESS = "a write that does the same when done twice"
    CHECKED = "a write that does the same when done twice, and is looked for before it is sent again"
    NEVER = "a write that a repeat would do twice: sent again only if it was looked for and can no longer land"


class Network(Protocol):
    """Something that answers in place of the network: the sandbox."""

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        """Give the way to `incidentio` or `ionhour`."""
        ...

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        """Give the key that it accepts."""
        ...


@dataclass
class Service:
    """One service for the life of the process: its address, key, connection pool, pace and cached lists."""

    name: str
    base_url: str
    key: SecretStr
    key_variable: str
    bucket: Bucket | None = None
    transport: httpx2.AsyncBaseTransport | None = None
    """Another transport than the network: the sandbox."""
    limits: Limits = DOCUMENTED
    url_variable: str = "its address setting"
    """The variable that sets the address."""
    redact: Callable[[bytes], bytes] = field(init=False, repr=False)
    """Takes the keys out of an answer's body."""
    slots: anyio.Semaphore = field(init=False)
    route: Route = field(init=False)
    cache: "dict[str, _Cached]" = field(default_factory=dict[str, "_Cached"], repr=False)
    page_sizes: dict[str, int] = field(default_factory=dict[str, int])
    """Rows a page, of lists whose larger pages were too large to read."""
    ahead: float | None = None
    """Seconds by which the service's clock is ahead of this machine's; None before its first answer with a date."""
    _client: httpx2.AsyncClient | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.slots = anyio.Semaphore(self.limits.at_once, fast_acquire=True)
        self.redact = Redactor([self.key])
        self.route = Route(urlsplit(self.base_url).hostname or self.base_url, self.url_variable)

    @property
    def host(self) -> str:
        """The host name, for errors."""
        return self.route.host

    def client(self) -> httpx2.AsyncClient:
        """Make the HTTP client on first use: its TLS context costs about 45 ms.

        Raises:
            UnusableError: A proxy or certificate setting cannot be used.
        """
        if self._client is None:
            # The rest of an attempt has one timer, not one for each read.
            timeout = httpx2.Timeout(None, connect=self.limits.connect)
            if self.transport is not None:
                self._client = with_transport(self.transport, timeout)
            else:
                self._client, proxy = make_client(self.base_url, timeout, self.limits.at_once)
                self.route = replace(self.route, proxy=proxy)
        return self._client

    async def close(self) -> None:
        """Close the connection pool."""
        if self._client is not None:
            await self._client.aclose()


@dataclass
class _Cached:
    """A list that many calls read."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    value: object = None
    read_at: float = -math.inf


@dataclass
class Api:
    """A service as one tool call sees it, with that call's time limit."""

    service: Service
    most_requests: int = MOST_REQUESTS
    requests: int = 0
    """Sent in this call."""
    sent_again: bool = False
    """Whether a request was sent again after an attempt whose outcome was open."""
    deadline: float = field(init=False)
    """`anyio.current_time()` by which the call is to be answered."""

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin the call's time anew."""
        self.deadline = anyio.current_time() + self.service.limits.call

    def allow(self, rows: int) -> None:
        """Let the call make one request for each row that its caller asks for, if that is more than it may anyway."""
        self.most_requests = max(self.most_requests, rows + _FOR_WRITES)

    @property
    def may_read(self) -> bool:
        """Whether the call may make another reading request."""
        return self.requests < self.most_requests - _FOR_WRITES

    def now(self) -> float:
        """Return the Unix time by the service's clock, by this machine's as long as the service's is not known."""
        return time.time() + (self.service.ahead or 0.0)

    async def get(self, request: Request, answer: type[A]) -> A:
        """Read what a service answers."""
        return await self.send(request, answer)

    async def cached(
        self, name: str, load: Callable[[], Awaitable[T]], *, newer_than: float = -math.inf
    ) -> tuple[T, float]:
        """Give a list that seldom changes, read at most once a minute; concurrent callers share one reading.

        Args:
            name: What is kept, per service.
            load: Reads it.
            newer_than: Read again unless the list was read after this `time.monotonic()`.

        Returns:
            The list and the `time.monotonic()` at which it was read.
        """
        cache = self.service.cache
        while name not in cache and len(cache) >= MOST_CACHED:
            del cache[next(iter(cache))]
        cached = cache.setdefault(name, _Cached())
        async with cached.lock:
            if cached.read_at <= max(newer_than, time.monotonic() - CACHE_SECONDS):
                asked_at = time.monotonic()
                cached.value, cached.read_at = await load(), asked_at
            return cast("T", cached.value), cached.read_at

    async def send(
        self,
        request: Request,
        answer: type[A],
        *,
        repeat: Repeat = Repeat.READ,
        look: Callable[[], Awaitable[A | None]] | None = None,
        again: Request | None = None,
    ) -> A:
        """Send a request, again where that is safe, and parse the answer.

        | What happened                                        | Sent again                                         |
        |------------------------------------------------------|----------------------------------------------------|
        | 429, or no connection was made                       | any request: it was never carried out              |
        | 408, 500, 502, 503, 504, connection lost, no answer  | reads, and writes that are keyed or harmless;      |
        | in time                                              | edits, when a look finds them not done; notes too, |
        |                                                      | unless they may still be under way (408, 504, no   |
        |                                                      | answer in time)                                    |
        | every other status, an answer that cannot be read    | never                                              |

        At most four attempts, inside the call's 45 seconds. The wait is `Retry-After` if the service says one, else
        half a second to a second, doubled each time.

        Args:
            request: What to send.
            answer: What the service answers.
            repeat: Whether it may be sent again when its outcome is open.
            look: Finds what a lost attempt did, None if it did nothing; asked before another attempt and at the end.
            again: What is sent in place of the request once an attempt was lost.

        Raises:
            NotSentError: The request never reached the service, or was throttled to the end.
            RefusedError: The service answered 4xx, or a read 3xx.
            NoAnswerError: The outcome is not known.
        """
        lost: NoAnswerError | None = None
        for attempt in range(1, self.service.limits.attempts + 1):
            self.sent_again |= lost is not None
            try:
                return await self._attempt((again or request) if lost else request, answer)
            except ServiceError as failure:
                ended = failure
            if lost and ended.status == 404 and request.method == "DELETE":
                return answer.model_validate({})
            wait = self._wait(attempt, ended, may_repeat=_may_repeat(ended, repeat, looked_for=look is not None))
            ended = self._with_asked_wait(ended) if wait is None else ended
            if isinstance(ended, NoAnswerError) and repeat is not Repeat.READ:
                lost = ended
            if wait is not None:
                await anyio.sleep(wait)
            elif not lost:
                raise ended
            if lost and look and (done := await _found(look, lost)) is not None:
                return done
            if lost and wait is None:
                raise _followed_by(lost, ended)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, attempt: int, failure: ServiceError, *, may_repeat: bool) -> float | None:
        """Return the seconds until the next attempt, None when there is none."""
        limits = self.service.limits
        jitter = random.uniform(0.5, 1) * limits.backoff * 2 ** (attempt - 1)  # noqa: S311  # not a secret
        wait = failure.retry_after or jitter
        return wait if may_repeat and attempt < limits.attempts and self._fits(wait) else None

    def _fits(self, wait: float) -> bool:
        return anyio.current_time() + wait < self.deadline

    def _with_asked_wait(self, failure: ServiceError) -> ServiceError:
        """Return a failure after which nothing more is sent, with the wait that the service asks for."""
        if not failure.retry_after:
            return failure
        longer = "" if self._fits(failure.retry_after) else ", longer than a call may take"
        return failure.with_advice(
            f"It asks to wait {_format_wait(failure.retry_after)}{longer}: call again after that."
        )

    def _check(self, request: Request) -> None:
        """Refuse a request that cannot be sent any more, or at all."""
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

    async def _attempt(self, request: Request, answer: type[A]) -> A:
        self._check(request)
        self.requests += 1
        await self._wait_for_turn(request)
        await self._take_slot(request)
        progress = Progress()
        try:
            left = self.deadline - anyio.current_time()
            try:
                with anyio.fail_after(max(0.0, min(self.service.limits.attempt, left))):
                    status, headers, content = await self._exchange(request, progress)
            except UnusableError as error:
                raise NotSentError(f"{request.label} was not sent: {error}") from None
            except IncidentMcpError:
                raise
            except Exception as error:
                # A SOCKS library has its own kinds, down to AssertionError.
                if failure := self._unanswered(request, error, progress):
                    raise failure from None
                raise
        finally:
            self.service.slots.release()
        if len(content) > LARGE:
            # Others get their turn meanwhile.
            return await anyio.to_thread.run_sync(self._read, request, answer, status, headers, content)
        return self._read(request, answer, status, headers, content)

    def _unanswered(self, request: Request, error: Exception, progress: Progress) -> ServiceError | None:
        """Return what it means that no answer came, None if the error is no failure of the network."""
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
                why = type(error).__name__
                return NoAnswerError(
                    f"The connection to {name} was lost during {request.label} ({why}).", transient=True
                )
            case _:
                return None

    async def _take_slot(self, request: Request) -> None:
        """Wait for one of the service's slots, no longer than the call has left."""
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

    async def _wait_for_turn(self, request: Request) -> None:
        bucket = self.service.bucket
        wait = bucket.take() if bucket else 0.0
        if bucket and wait and anyio.current_time() + wait >= self.deadline:
            bucket.give_back()
            seconds = math.ceil(wait)
            raise NotSentError(
                f"{request.label} waits: {self.service.name}'s rate limit is used up. Call again in {seconds} s."
            )
        if wait:
            await anyio.sleep(wait)

    async def _exchange(self, request: Request, progress: Progress) -> tuple[int, httpx2.Headers, bytes]:
        # Serialized here, since a lone surrogate in a text would fail inside the client.
        content = None if request.body is None else json.dumps(request.body).encode()
        headers = {"Authorization": f"Bearer {self.service.key.get_secret_value()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        client = self.service.client()
        # Of a read it matters only where a proxy may be what failed.
        follow = self.service.transport is None and (request.method != "GET" or self.service.route.proxy is not None)
        url = self.service.base_url + request.path
        async with client.stream(
            request.method,
            url,
            params=list(request.query) or None,
            content=content,
            headers=headers,
            extensions={"trace": progress.follow()} if follow else None,
        ) as response:
            self._read_clock(response.headers)
            received = bytearray()
            most = self.service.limits.most_bytes
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > most:
                    raise TooLargeError(
                        f"{self.service.name} answered {request.label} with over {most // 1_000_000} MB, which was not"
                        " read."
                    )
            return response.status_code, response.headers, bytes(received)

    def _read_clock(self, headers: httpx2.Headers) -> None:
        date = read_date(headers.get("date", ""))
        if date is not None and _PLAUSIBLE[0] < date < _PLAUSIBLE[1]:
            self.service.ahead = date - time.time()

    def _read(self, request: Request, answer: type[A], status: int, headers: httpx2.Headers, content: bytes) -> A:
        content = self.service.redact(content)
        remaining = headers.get("x-ratelimit-remaining", "")
        if self.service.bucket and re.fullmatch("[0-9]{1,9}", remaining, re.ASCII):
            self.service.bucket.heed(float(remaining))
        if not 200 <= status < 300:
            self._fail(request, status, headers, _error_body(headers, content))
        try:
            if request.method != "GET" and denies(body := read_json(content)):
                said = read_problem(body)
                words = said and (said.sentence() or said.type)
                why = f": {words}." if words else "."
                raise NoAnswerError(
                    f"{self.service.name} answered {request.label} with {status}, but says that it failed{why}"
                )
            return read_answer(content, answer)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            wrong = ", ".join(sorted({".".join(map(str, e["loc"])) or "the whole" for e in problems})[:3])
            what = "no JSON" if read_json(content) is None else f"not as documented ({wrong})"
            raise NoAnswerError(
                f"{self.service.name}'s answer to {request.label} ({status}) is {what}: expected {answer.__name__}."
            ) from None

    def _fail(self, request: Request, status: int, headers: httpx2.Headers, body: object) -> NoReturn:
        problem = read_problem(body)
        said = f" {problem.type}" if problem and problem.type else ""
        why = f": {problem.sentence()}." if problem and problem.messages else f" to {request.label}."
        wait = retry_after(headers, body) if status in (429, 503) else None
        kind = _failure(request, status)
        step = (request.advice or {}).get(status) or next_step(
            status, self.service.key_variable, self.service.host, request
        )
        raise kind(
            f"{self.service.name} answered {status}{said}{why}",
            step=step,
            status=status,
            retry_after=wait,
            request_id=(problem.request_id if problem else None) or read_request_id(headers),
            problems=problem.messages if problem else (),
            transient=status in (408, 500, 502, 503, 504),
            late=status in (408, 504),
        )


def _error_body(headers: httpx2.Headers, content: bytes) -> object:
    """Return an error's JSON, or its plain text; no HTML, which proxies fill with a page."""
    body = read_json(content)
    if body is None and headers.get("content-type", "").lower().startswith("text/plain"):
        return content[:MOST_SAID].decode(errors="replace")
    return body


def _format_wait(seconds: float) -> str:
    # What is longer is no wait that anybody means: a clock is wrong, or a number.
    return f"{math.ceil(seconds)} s" if seconds <= _LONGEST_WAIT else "more than a day"


def _failure(request: Request, status: int) -> type[ServiceError]:
    if status == 429:
        return NotSentError
    # A gateway may redirect after the service has acted.
    passed_on = status < 400 and request.method != "GET"
    return NoAnswerError if passed_on or status >= 500 or status == 408 else RefusedError


def _may_repeat(failure: ServiceError, repeat: Repeat, *, looked_for: bool) -> bool:
    if failure.status == 429:
        return True
    if isinstance(failure, NotSentError) or repeat is not Repeat.NEVER:
        return failure.transient
    return failure.transient and looked_for and not failure.late


async def _found(look: Callable[[], Awaitable[A | None]], lost: NoAnswerError) -> A | None:
    """Look for what a lost attempt did; a look that fails leaves it open, so that nothing more may be sent."""
    try:
        return await look()
    except ServiceError as failure:
        raise _followed_by(lost, failure) from None


def _followed_by(lost: NoAnswerError, later: ServiceError) -> NoAnswerError:
    """Return a lost attempt's failure with that of a later request, which leaves its outcome open."""
    if later is lost:
        return lost
    return lost.with_advice(f"After that: {join_sentences(later.text, later.step)}")
