"""The one door to the network: a request goes out through `Api.send` and comes back as a Record or a typed failure."""

import json
import math
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NoReturn, Protocol, TypeVar, cast
from urllib.parse import quote, urlsplit

import anyio
import httpx2
from pydantic import BaseModel, SecretStr, ValidationError

from incident_mcp import __version__
from incident_mcp.errors import InputError, NoAnswer, NotSent, Refused, ServiceError
from incident_mcp.models import Json
from incident_mcp.wording import next_step, read_problem, retry_after

CONNECT_SECONDS = 5.0
ATTEMPT_SECONDS = 20.0
CALL_SECONDS = 45.0
"""One whole tool call: hosts give up at 60."""
ATTEMPTS = 4
MOST_BYTES = 20_000_000
MOST_AT_ONCE = 16
CACHE_SECONDS = 60.0

A = TypeVar("A", bound=BaseModel)
T = TypeVar("T")
Query = Sequence[tuple[str, str]]


class Repeat(Enum):
    """Whether a request may be sent again after a failure that leaves its outcome open."""

    READ = "a read"
    KEYED = "a write that its idempotency key makes safe to repeat"
    HARMLESS = "a write that does the same when done twice"
    CHECKED = "a write that is looked for before it is sent again, and does the same when done twice"
    NEVER = "a write that a repeat would do twice"


@dataclass(frozen=True)
class Request:
    """A request to a service, its path filled."""

    method: str
    path: str
    query: Query = ()
    body: Json | None = None
    scope: str = ""
    """What the key needs, where the vendor documents it."""

    @property
    def label(self) -> str:
        """Method and path, for errors."""
        return f"{self.method} {self.path}"


def fill(template: str, **at: str | int) -> str:
    """Fill a path template, each value quoted as one segment.

    Raises:
        InputError: A value is empty, `.` or `..`, or holds a character that would change the path.
    """
    return template.format(**{name: _segment(name, str(value)) for name, value in at.items()})


def _segment(name: str, value: str) -> str:
    if not value or value in {".", ".."} or re.search(r"[/\\?#\s\x00-\x1f\x7f-\x9f\ud800-\udfff]", value):
        raise InputError(f"{name} {value[:60]!r} cannot be an id: it is empty or holds a character that no id has.")
    return quote(value, safe="")


@dataclass
class Bucket:
    """A token bucket: `size` requests at once, refilled at `rate` a second."""

    size: float
    rate: float
    level: float = field(init=False)
    filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.filled_at = self.size, time.monotonic()

    def take(self) -> float:
        """Take one token, on credit if need be, and give the seconds to wait before using it."""
        now = time.monotonic()
        self.level = min(self.size, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        self.level -= 1
        return max(0.0, -self.level / self.rate)

    def give_back(self) -> None:
        """Return a token that was not used."""
        self.level += 1

    def heed(self, remaining: float) -> None:
        """Lower the level to what the service says is left."""
        self.level = min(self.level, remaining)


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
    slots: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(MOST_AT_ONCE))
    cache: "dict[str, _Cached]" = field(default_factory=dict[str, "_Cached"], repr=False)
    _client: httpx2.AsyncClient | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The host name, for errors."""
        return urlsplit(self.base_url).hostname or self.base_url

    def client(self) -> httpx2.AsyncClient:
        """Make the HTTP client on first use: its TLS context costs about 45 ms."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=self.transport,
                timeout=httpx2.Timeout(ATTEMPT_SECONDS, connect=CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=MOST_AT_ONCE),
                follow_redirects=False,
                headers={"User-Agent": f"incident-mcp/{__version__}", "Accept": "application/json"},
            )
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
    deadline: float = field(default_factory=lambda: anyio.current_time() + CALL_SECONDS)
    sleep: Callable[[float], Any] = anyio.sleep

    async def get(self, path: str, answer: type[A], query: Query = (), *, scope: str = "") -> A:
        """Read a path."""
        return await self.send(Request("GET", path, query, scope=scope), answer)

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
        cached = self.service.cache.setdefault(name, _Cached())
        async with cached.lock:
            if cached.read_at <= max(newer_than, time.monotonic() - CACHE_SECONDS):
                asked_at = time.monotonic()
                cached.value, cached.read_at = await load(), asked_at
            return cast("T", cached.value), cached.read_at

    async def send(self, request: Request, answer: type[A], *, repeat: Repeat = Repeat.READ) -> A:
        """Send a request, again where that is safe, and parse the answer.

        | What happened                                          | Sent again                                    |
        |--------------------------------------------------------|-----------------------------------------------|
        | 429                                                    | any request: it was never carried out         |
        | 408, 500, 502, 503, 504, connection lost or refused,   | reads, and writes that are keyed or harmless  |
        | no answer in time                                      |                                               |
        | every other status, an answer that cannot be read      | never                                         |

        At most four attempts, inside the call's 45 seconds. The wait is `Retry-After` if the service says one, else
        half a second doubled each time, with jitter.

        Raises:
            NotSent: The request never reached the service, or was throttled to the end.
            Refused: The service answered 3xx or 4xx.
            NoAnswer: The outcome is not known.
        """
        lost: NoAnswer | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(request, answer)
            except ServiceError as failure:
                if lost and failure.status == 404 and request.method == "DELETE":
                    return answer.model_validate({})
                wait = failure.retry_after or random.uniform(0.5, 1.0) * 2 ** (attempt - 2)  # noqa: S311  # jitter
                fits = anyio.current_time() + wait < self.deadline
                if attempt == ATTEMPTS or not fits or not _may_repeat(failure, repeat):
                    if not fits and failure.retry_after:
                        failure.advise(
                            f"It asks to wait {wait:.0f} s, longer than a call may take: call again after that."
                        )
                    if lost and not isinstance(failure, NoAnswer):
                        lost.advise(f"The attempt after that: {failure.text}")
                        raise lost from None
                    raise
                lost = failure if isinstance(failure, NoAnswer) else lost
            await self.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, request: Request, answer: type[A]) -> A:
        await self._wait_for_turn(request)
        left = self.deadline - anyio.current_time()
        try:
            with anyio.fail_after(max(0.0, min(ATTEMPT_SECONDS, left))):
                async with self.service.slots:
                    status, headers, content = await self._exchange(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            why = type(error).__name__
            text = f"{self.service.name} at {self.service.host} could not be reached for {request.label} ({why})."
            raise NotSent(text, transient=True) from None
        except (TimeoutError, httpx2.TimeoutException):
            text = f"{self.service.name} did not answer {request.label} in time."
            raise NoAnswer(text, transient=True, late=True) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            text = f"The connection to {self.service.name} was lost during {request.label} ({type(error).__name__})."
            raise NoAnswer(text, transient=True) from None
        return self._read(request, answer, status, headers, content)

    async def _wait_for_turn(self, request: Request) -> None:
        bucket = self.service.bucket
        wait = bucket.take() if bucket else 0.0
        if bucket and anyio.current_time() + wait >= self.deadline:
            bucket.give_back()
            raise NotSent(
                f"{request.label} waits: {self.service.name}'s rate limit is used up. Call again in {wait:.0f} s."
            )
        if wait:
            await self.sleep(wait)

    async def _exchange(self, request: Request) -> tuple[int, httpx2.Headers, bytes]:
        # Serialized here, since a lone surrogate in a text would fail inside the client.
        content = None if request.body is None else json.dumps(request.body).encode()
        headers = {"Authorization": f"Bearer {self.service.key.get_secret_value()}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        client = self.service.client()
        url = self.service.base_url + request.path
        async with client.stream(
            request.method, url, params=list(request.query) or None, content=content, headers=headers
        ) as response:
            client.cookies.clear()
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > MOST_BYTES:
                    raise NoAnswer(f"{self.service.name} answered {request.label} with over 20 MB, which was not read.")
            # A service that tells the key back must not bring it into an answer or an error.
            content = bytes(received).replace(self.service.key.get_secret_value().encode(), b"[key]")
            return response.status_code, response.headers, content

    def _read(self, request: Request, answer: type[A], status: int, headers: httpx2.Headers, content: bytes) -> A:
        remaining = headers.get("x-ratelimit-remaining", "")
        if self.service.bucket and remaining.isdigit():
            self.service.bucket.heed(float(remaining))
        body = _json(content)
        if not 200 <= status < 300:
            self._fail(request, status, headers, body)
        if not content.strip():
            body = {}
        try:
            return answer.model_validate(body)
        except ValidationError as error:
            wrong = ", ".join(sorted({".".join(map(str, e["loc"])) or "the whole" for e in error.errors()})[:3])
            what = f"not as documented ({wrong})" if body is not None else "no JSON"
            raise NoAnswer(
                f"{self.service.name}'s answer to {request.label} ({status}) is {what}: expected {answer.__name__}."
            ) from None

    def _fail(self, request: Request, status: int, headers: httpx2.Headers, body: object) -> NoReturn:
        problem = read_problem(body)
        said = f" {problem.type}" if problem and problem.type else ""
        why = f": {problem.sentence()}." if problem and problem.messages else f" to {request.label}."
        wait = retry_after(headers, body) if status in (429, 503) else None
        kind = NoAnswer if status >= 500 or status == 408 else NotSent if status == 429 else Refused
        step = next_step(status, self.service.key_variable, self.service.host, request.scope)
        raise kind(
            " ".join(part for part in (f"{self.service.name} answered {status}{said}{why}", step) if part),
            status=status,
            retry_after=wait,
            request_id=problem.request_id if problem else None,
            problems=problem.messages if problem else (),
            transient=status in (408, 500, 502, 503, 504),
            late=status in (408, 504),
        )


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _may_repeat(failure: ServiceError, repeat: Repeat) -> bool:
    return failure.status == 429 or (failure.transient and repeat is not Repeat.NEVER)
