"""The identity provider's keys, cached: a slow or absent identity provider delays nobody whose key is known."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from incident_mcp.serving.http.sign_in.keys import VerificationKey, find_keys, read_keys
from incident_mcp.serving.http.sign_in.problems import IdentityProviderDown
from incident_mcp.transport.connection import is_loopback
from incident_mcp.transport.documents import DocumentError, fetch_document, is_fetchable

FRESH_SECONDS = 600.0
REFRESH_SECONDS = 480.0
"""A cached key this old starts a refresh in the background."""
STALE_SECONDS = 86_400.0
"""How long cached keys are used while the identity provider cannot be reached."""
PAUSE_SECONDS = 30.0
"""Between two refreshes, so that unknown key ids do not flood the identity provider."""
FIRST_PAUSE_SECONDS = 5.0
"""Between two attempts while there is no key at all."""
EXPIRED_WAIT_SECONDS = 1.0
"""How long a request waits for a refresh when the cache expired while nobody called."""
_MAX_SECONDS = 8.0
"""For a refresh, which may take two or three requests."""
_log = logging.getLogger(__name__)


class Jwks:
    """The keys of one issuer.

    Args:
        issuer: Its address.
        url: Address of its JWKS; None: its metadata names it.
        algorithms: The algorithms that are allowed.
        fetch: Returns the JSON document at an address, or raises `DocumentError`.
        clock: Returns seconds that never run backwards.
    """

    def __init__(
        self,
        issuer: str,
        url: str | None,
        algorithms: Sequence[str],
        *,
        fetch: Callable[[str], Awaitable[object]] = fetch_document,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._algorithms = tuple(algorithms)
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[VerificationKey, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._failure: str | None = None
        """Why the last attempt failed."""
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        """Return the keys that a token names, none if the issuer has no such key.

        Raises:
            IdentityProviderDown: The issuer cannot be reached, and no cached key decides.
        """
        age = self._age()
        if age < STALE_SECONDS:
            if age >= FRESH_SECONDS and self._failure is None:
                await self._refresh(EXPIRED_WAIT_SECONDS)
            elif age >= REFRESH_SECONDS:
                self._start()
            if found := find_keys(self._keys, kid, algorithm):
                return found
        await self._refresh(None)
        if self._age() >= STALE_SECONDS:
            raise IdentityProviderDown
        found = find_keys(self._keys, kid, algorithm)
        if not found and self._failure is not None:
            raise IdentityProviderDown
        return found

    async def find_replaced(self, kid: str | None, algorithm: str) -> tuple[VerificationKey, ...]:
        """Return the keys that a token names, after none of them fitted: the issuer may have replaced them."""
        await self._refresh(EXPIRED_WAIT_SECONDS)
        return find_keys(self._keys, kid, algorithm)

    async def ready(self) -> str | None:
        """Return why tokens cannot be checked, None if they can."""
        if self._age() >= FRESH_SECONDS:
            await self._refresh(EXPIRED_WAIT_SECONDS)
        if self._age() < STALE_SECONDS:
            return None
        return f"The identity provider's keys are not known: {self._failure or 'they are being fetched'}"

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait({self._refreshing})

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    async def _refresh(self, seconds: float | None) -> None:
        """Wait for the refresh that is under way, or start one if the last is long enough ago."""
        if task := self._start():
            # Waiting does not cancel: others wait for the same refresh.
            await asyncio.wait({task}, timeout=seconds)

    def _start(self) -> asyncio.Task[None] | None:
        if self._refreshing is not None and not self._refreshing.done():
            return self._refreshing
        pause = PAUSE_SECONDS if self._keys else FIRST_PAUSE_SECONDS
        if self._tried_at is not None and self._clock() - self._tried_at < pause:
            return None
        self._tried_at = self._clock()
        # A context of its own: the refresh belongs to no request.
        self._refreshing = asyncio.create_task(self._read(), context=contextvars.Context())
        return self._refreshing

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(_MAX_SECONDS):
                document = await self._fetch(self._url or await self._find_url())
            keys = read_keys(document, self._algorithms)
            if not keys:
                raise DocumentError("it contains no key for the algorithms that are allowed")  # noqa: TRY301
        except DocumentError as error:
            self._fail(f"the JWKS cannot be used: {error}")
        except Exception as error:  # noqa: BLE001  # a request waits for this task: it ends with an answer
            self._fail(f"the JWKS cannot be used ({type(error).__name__})")
        else:
            if self._failure is not None:
                _log.info("Identity provider: the JWKS can be read again")
            self._keys, self._read_at, self._failure = keys, self._clock(), None

    def _fail(self, failure: str) -> None:
        if self._failure != failure:
            _log.warning("Identity provider: %s", failure)
        self._failure = failure

    async def _find_url(self) -> str:
        """Return the address of the JWKS that the issuer's metadata names.

        Raises:
            DocumentError: The metadata cannot be used.
        """
        openid, oauth = metadata_urls(self._issuer)
        try:
            document = await self._fetch(openid)
        except DocumentError as error:
            if error.status is None:
                raise
            document = await self._fetch(oauth)
        match document:
            case {"issuer": self._issuer, "jwks_uri": str(url)} if self._is_allowed(url):
                return url
            case {"issuer": self._issuer}:
                raise DocumentError("the issuer's metadata names no usable jwks_uri")
            case _:
                raise DocumentError("the metadata is not of the issuer that the settings name")

    def _is_allowed(self, url: str) -> bool:
        """Return whether the keys may come from an address: the metadata of a remote issuer names no local one."""
        local = is_loopback(urlsplit(self._issuer).hostname or "")
        return is_fetchable(url) and (local or not is_loopback(urlsplit(url).hostname or ""))


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return where an issuer's metadata is: by OpenID Connect Discovery, and by RFC 8414."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    openid = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    return openid, f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"
