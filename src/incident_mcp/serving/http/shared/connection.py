"""The connection to Redis: every call of a script has a time limit, and one typed failure."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import anyio
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import AskError, ClusterCrossSlotError, ClusterError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from incident_mcp.errors import SettingError
from incident_mcp.writing.journal.entry import fingerprint

PREFIX = "incident-mcp:"
"""All keys start with it."""
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
AT_MOST_SECONDS = 3.0
"""For one script, connection included."""
AWAY_SECONDS = 1.0
"""For how long Redis counts as away after it did not answer; doubled each further time, so that reads go on."""
LONGEST_AWAY_SECONDS = 5.0
MAX_CONNECTIONS = 64

FAILURES = (RedisError, OSError, TimeoutError)
_AWAY = (LostConnectionError, RedisTimeoutError, OSError, TimeoutError)


class RedisAwayError(Exception):
    """Redis did not run a script, or its answer did not arrive; the text says why.

    Attributes:
        refused: It answered that it does not run the script.
        verb: What it cannot be: used if it refused, else reached.
    """

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused
        self.verb = "used" if refused else "reached"


def make_client(url: str) -> "Redis":
    """Return a client that repeats nothing by itself: a script must not run twice without its caller's knowledge.

    Raises:
        SettingError: The address cannot be used. Its text holds no part of it: there may be a password.
    """
    try:
        pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  # its options are untyped
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_SECONDS,
            decode_responses=True,
            # What is no UTF-8 is not ours: it is read as text that no script wrote.
            encoding_errors="replace",
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
            # Of one vendor's cloud; elsewhere it costs a round trip for each connection.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        # Options that do not exist, and names that no host has, would fail at the first connection.
        pool.make_connection()
        str(pool.connection_kwargs.get("host", "")).encode("idna")
    except (ValueError, TypeError, RedisError):
        raise SettingError(
            "INCIDENT_MCP_REDIS_URL cannot be used: it must be like redis://HOST:PORT/0, rediss://USER:PASSWORD@HOST:PORT/0"
            " or unix:///PATH, with special characters of the password percent-encoded."
        ) from None
    return Redis.from_pool(pool)


def key_of(kind: str, *parts: object) -> str:
    """Return the key of something; what identifies it cannot be read back."""
    return f"{PREFIX}{kind}:{fingerprint(*parts)[:40]}"


class Connection:
    """Runs scripts on Redis.

    Args:
        client: The client.
    """

    def __init__(self, client: "Redis") -> None:
        self.client = client
        self._scripts: dict[str, AsyncScript] = {}
        self._away_until = 0.0
        self._failures = 0
        """In a row."""
        self._why = ""

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[str | float] = ()) -> Any:  # noqa: ANN401  # what the script returns
        """Run a script that does the same when it runs twice, and return what it returns.

        It is not cancelled: what Redis did must be known. It is sent again once if the connection turns out to be
        closed.

        Raises:
            RedisAwayError: It did not run, or its answer did not arrive.
        """
        now = time.monotonic()
        if now < self._away_until:
            raise RedisAwayError(self._why)
        if self._failures:
            # One caller tries whether it is back; the others do not wait for that.
            self._away_until = now + AT_MOST_SECONDS
        registered = self._scripts.get(script) or self._scripts.setdefault(script, self.client.register_script(script))
        with anyio.CancelScope(shield=True):
            return await self._run_in_time(registered, keys, arguments)

    async def _run_in_time(self, script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | float]) -> object:
        failures = self._failures
        try:
            with anyio.fail_after(AT_MOST_SECONDS):
                answer = await _run(script, keys, arguments)
        except FAILURES as error:
            # After a fail-over, connections to what was the primary stay open, or are never answered.
            if isinstance(error, (*_AWAY, ReadOnlyError)) or "READONLY" in str(error):
                await self._forget_connections()
            raise self._failure(error, failures) from None
        self._is_back()
        return answer

    async def _forget_connections(self) -> None:
        with contextlib.suppress(*FAILURES):
            with anyio.fail_after(CONNECT_SECONDS):
                await self.client.connection_pool.disconnect(inuse_connections=False)

    async def ping(self) -> None:
        """Check that Redis answers, whether it counts as away or not.

        Raises:
            RedisAwayError: It does not.
        """
        failures = self._failures
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                await self.client.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]  # typed for both clients
        except FAILURES as error:
            raise self._failure(error, failures) from None
        self._is_back()

    def _is_back(self) -> None:
        self._failures, self._away_until = 0, 0.0

    def _failure(self, error: Exception, failures: int) -> RedisAwayError:
        """Return what an error means.

        Args:
            error: The error.
            failures: How many there were in a row when the call began: calls that fail together count once.
        """
        # Only the kind: a text may hold the address with its password.
        why = "no answer in time" if isinstance(error, TimeoutError | RedisTimeoutError) else type(error).__name__
        if isinstance(error, AskError | ClusterCrossSlotError | ClusterError):
            why = "it is a cluster or a part of one: it must be a single node, or one primary"
        if not isinstance(error, _AWAY):
            self._is_back()
            return RedisAwayError(why, refused=True)
        seconds = min(LONGEST_AWAY_SECONDS, AWAY_SECONDS * 2 ** min(failures, 10))
        self._failures = failures + 1
        self._away_until, self._why = time.monotonic() + seconds, why
        return RedisAwayError(why)


async def _run(script: AsyncScript, keys: Sequence[str], arguments: Sequence[str | float]) -> object:
    try:
        return await script(list(keys), list(arguments))  # pyright: ignore[reportUnknownVariableType]
    except LostConnectionError:
        # An idle connection that the other side closed.
        return await script(list(keys), list(arguments))  # pyright: ignore[reportUnknownVariableType]
