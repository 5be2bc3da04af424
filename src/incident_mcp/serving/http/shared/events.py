"""Events, the feed and the IDs of webhooks, in Redis."""

import json
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

import anyio
from pydantic import TypeAdapter
from redis.exceptions import RedisError

from incident_mcp.errors import NotSentError
from incident_mcp.records.clock import unix_now
from incident_mcp.serving.http.hooks.replays import CLAIMED_SECONDS, REMEMBERED_SECONDS, Claim, EventsAwayError
from incident_mcp.serving.http.shared.connection import PREFIX
from incident_mcp.serving.subscriptions.events import Event, Listener, LocalEvents
from incident_mcp.tooling.feed import KEPT_SECONDS, MAX_ENTRIES, FeedEntry

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHANNEL = f"{PREFIX}events"
FEED = f"{PREFIX}feed"
_MAX_MESSAGE = 64_000
_QUIET_SECONDS = 15.0
"""Time without a message after which the connection is checked."""
_ANSWER_SECONDS = 3.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_EVENT = TypeAdapter(Event)
_ENTRY = TypeAdapter(FeedEntry)
_AWAY = (RedisError, OSError, TimeoutError)
_log = logging.getLogger(__name__)


@contextmanager
def _reached() -> Generator[None]:
    """Raise `EventsAwayError` if Redis does not answer in time."""
    try:
        with anyio.fail_after(_ANSWER_SECONDS):
            yield
    except _AWAY as error:
        # Only its type: a text may hold the address with its password.
        raise EventsAwayError(type(error).__name__) from None


class RedisEvents:
    """Carries events to the listeners of all replicas.

    `run` has to run for as long as there are listeners. Redis keeps no messages for a connection that is away, so after
    each reconnection listeners hear that events may have been missed.

    Args:
        client: The client; one of its connections is used for as long as `run` runs.
    """

    def __init__(self, client: "Redis") -> None:
        self._client: Any = client
        self._local = LocalEvents()
        self.is_connected = False
        """Whether messages arrive."""

    async def publish(self, event: Event) -> None:
        """Deliver an event to every listener of every replica.

        Raises:
            EventsAwayError: Redis cannot be reached.
        """
        fields = asdict(event) | {"kinds": sorted(event.kinds), "incidents": sorted(event.incidents)}
        with _reached():
            await self._client.publish(CHANNEL, json.dumps(fields))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener of this process, and return a function that removes it."""
        return self._local.subscribe(listener)

    async def run(self) -> None:
        """Receive events until this is cancelled."""
        wait, missed = _FIRST_WAIT, False
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    await self._confirmed(channel)
                    if missed:
                        self._local.deliver(Event(missed=True))
                    wait, missed = _FIRST_WAIT, True
                    self.is_connected = True
                    await self._receive(channel)
            except _AWAY as error:
                if self.is_connected:
                    _log.warning("Events of other replicas do not arrive (%s): connecting again.", type(error).__name__)
                    self.is_connected = False
            missed = True
            await anyio.sleep(wait)
            wait = min(_LONGEST_WAIT, wait * 2)

    async def _confirmed(self, channel: Any) -> None:  # noqa: ANN401  # redis types it for both clients
        with anyio.fail_after(_ANSWER_SECONDS):
            while _type_of(await channel.get_message(timeout=_ANSWER_SECONDS)) != "subscribe":
                pass

    async def _receive(self, channel: Any) -> None:  # noqa: ANN401  # as above
        """Deliver messages until the connection is lost."""
        is_checked = False
        while True:
            message = await channel.get_message(timeout=_QUIET_SECONDS if not is_checked else _ANSWER_SECONDS)
            if message is None:
                if is_checked:
                    raise TimeoutError
                await channel.ping()
                is_checked = True
                continue
            is_checked = False
            if _type_of(message) == "subscribe":
                # The client connected again by itself.
                self._local.deliver(Event(missed=True))
            elif _type_of(message) == "message":
                self._deliver(message.get("data"))

    def _deliver(self, data: object) -> None:
        """Deliver a message; one that cannot be read, of a newer version perhaps, says only that something changed."""
        text = data if isinstance(data, str | bytes) and len(data) <= _MAX_MESSAGE else ""
        try:
            event = _EVENT.validate_json(text)
        except ValueError:
            event = Event(missed=True)
        self._local.deliver(event)


class RedisReplays:
    """Remembers the IDs of webhooks for all replicas.

    Args:
        client: The client.
    """

    def __init__(self, client: "Redis") -> None:
        self._client: Any = client

    async def claim(self, number: str) -> Claim:
        """Claim a webhook for reading, unless it was read or is being read.

        Raises:
            EventsAwayError: Redis cannot be reached.
        """
        key = _key_of(number)
        with _reached():
            if await self._client.set(key, Claim.IN_WORK.value, nx=True, ex=CLAIMED_SECONDS):
                return Claim.NEW
            found = await self._client.get(key)
        return Claim.DONE if _as_text(found) == Claim.DONE.value else Claim.IN_WORK

    async def finish(self, number: str) -> None:
        """Remember that it was read.

        Raises:
            EventsAwayError: Redis cannot be reached.
        """
        with _reached():
            await self._client.set(_key_of(number), Claim.DONE.value, ex=REMEMBERED_SECONDS)

    async def release(self, number: str) -> None:
        """Give a claim up; where that fails, it expires."""
        with anyio.CancelScope(shield=True), suppress(EventsAwayError), _reached():
            await self._client.delete(_key_of(number))


class RedisFeed:
    """Keeps the feed in a stream: the newest 500 entries, for up to 24 hours.

    Args:
        client: The client.
    """

    def __init__(self, client: "Redis") -> None:
        self._client: Any = client

    async def append(self, entry: FeedEntry) -> None:
        """Add an entry.

        Raises:
            EventsAwayError: Redis cannot be reached.
        """
        with _reached():
            await self._client.xadd(FEED, {"entry": json.dumps(asdict(entry))}, maxlen=MAX_ENTRIES, approximate=False)
            await self._client.expire(FEED, int(KEPT_SECONDS))

    async def entries(self) -> Sequence[FeedEntry]:
        """Return the entries.

        Raises:
            NotSentError: Redis cannot be reached.
        """
        try:
            with _reached():
                rows = await self._client.xrange(FEED, count=MAX_ENTRIES)
        except EventsAwayError:
            raise NotSentError("What this server keeps of webhooks cannot be read now: Redis is away.") from None
        found: dict[str, FeedEntry] = {}
        for _, fields in cast("list[tuple[object, dict[Any, Any]]]", rows):
            with suppress(ValueError):
                entry = _ENTRY.validate_json(fields.get("entry") or fields.get(b"entry") or "")
                if entry.at > unix_now() - KEPT_SECONDS:
                    found.setdefault(entry.key, entry)
        return list(found.values())


def _type_of(message: Any) -> object:  # noqa: ANN401  # redis does not type its messages
    return message["type"] if message else None


def _key_of(number: str) -> str:
    return f"{PREFIX}webhook:{blake2b(number.encode(errors='replace'), digest_size=16).hexdigest()}"


def _as_text(value: object) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else cast("str | None", value)
