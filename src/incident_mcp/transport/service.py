"""A service: its address, its key, its connection pool, its rate limit and its cached lists."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol
from urllib.parse import urlsplit

import anyio
import httpx2
from pydantic import SecretStr

from incident_mcp.transport.connection import Route, make_client, with_transport
from incident_mcp.transport.rate_limit import RateLimit
from incident_mcp.transport.redaction import Redactor
from incident_mcp.transport.tape import Tape
from incident_mcp.transport.telemetry import Observer


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds, and how many attempts, requests and bytes are allowed."""

    connect: float = 5.0
    attempt: float = 20.0
    call: float = 45.0
    """One whole tool call: hosts give up at 60."""
    attempts: int = 4
    backoff: float = 1.0
    """The longest wait before the second attempt; it doubles for each further one."""
    at_once: int = 16
    most_bytes: int = 20_000_000


DOCUMENTED = Limits()


class Network(Protocol):
    """Something that answers in place of the network: the sandbox."""

    def transport(self, service: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        """Return the transport to `incidentio` or `ionhour`."""
        ...

    def key(self, service: Literal["incidentio", "ionhour"]) -> str:
        """Return the key that it accepts."""
        ...


@dataclass
class Cached:
    """A list that many calls read."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    value: object = None
    read_at: float = -math.inf


@dataclass
class Service:
    """One service and one key, shared by all calls."""

    name: str
    base_url: str
    key: SecretStr
    key_variable: str
    rate_limit: RateLimit | None = None
    transport: httpx2.AsyncBaseTransport | None = None
    """Another transport than the network: the sandbox."""
    limits: Limits = DOCUMENTED
    url_variable: str = "its address setting"
    """The variable that sets the address."""
    redact: Callable[[bytes], bytes] = field(init=False, repr=False)
    """Removes the keys from a response body."""
    slots: anyio.Semaphore = field(init=False)
    """Bounds the concurrent requests."""
    route: Route = field(init=False)
    cache: dict[str, Cached] = field(default_factory=dict[str, Cached], repr=False)
    page_sizes: dict[str, int] = field(default_factory=dict[str, int])
    """Rows a page, for lists whose larger pages were too large to read."""
    known_account: str = ""
    """Identifies the account in place of its key: where keys are rotated, and in a replay."""
    tape: Tape | None = field(default=None, repr=False)
    """Records each exchange, or answers from a recording."""
    observer: Observer | None = field(default=None, repr=False)
    """Makes spans and metrics of the requests."""
    ahead: float | None = None
    """Seconds by which the service's clock is ahead of this machine's; None until a response has a date."""
    _client: httpx2.AsyncClient | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.slots = anyio.Semaphore(self.limits.at_once, fast_acquire=True)
        self.redact = Redactor([self.key])
        self.route = Route(urlsplit(self.base_url).hostname or self.base_url, self.url_variable)

    @property
    def account(self) -> str:
        """A hash that identifies the service and the key."""
        return self.known_account or self._account

    @cached_property
    def _account(self) -> str:
        parts = [self.name, self.base_url, self.key.get_secret_value()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        """The host name, for errors."""
        return self.route.host

    def client(self) -> httpx2.AsyncClient:
        """Return the HTTP client, made on first use: its TLS context costs about 45 ms.

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
