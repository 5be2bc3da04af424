"""Events, replays and the feed between replicas, on a Redis of one's own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from incident_mcp.errors import NotSentError
from incident_mcp.records.clock import unix_now
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http.hooks.replays import Claim
from incident_mcp.serving.http.shared.connection import make_client
from incident_mcp.serving.http.shared.events import CHANNEL, FEED, RedisEvents, RedisFeed, RedisReplays
from incident_mcp.serving.server import build_server, make_server
from incident_mcp.serving.subscriptions import Event, Listen
from incident_mcp.settings import Settings
from incident_mcp.tooling.feed import FeedEntry

from .conftest import Receiver, RedisServer, headers, updated

pytestmark = [pytest.mark.anyio, pytest.mark.team]


@asynccontextmanager
async def connected(server: RedisServer, *, decode: bool = True) -> AsyncIterator[Redis]:
    client = make_client(server.url) if decode else Redis.from_url(server.url, retry=Retry(NoBackoff(), 0))
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


class Replica:
    """What one process has."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self.events, self.replays, self.feed = RedisEvents(client), RedisReplays(client), RedisFeed(client)
        self.heard: list[Event] = []
        self.events.subscribe(self.heard.append)


@asynccontextmanager
async def replicas(server: RedisServer) -> AsyncIterator[list[Replica]]:
    async with connected(server) as first, connected(server, decode=False) as second:
        both = [Replica(first), Replica(second)]
        async with anyio.create_task_group() as tasks:
            for each in both:
                tasks.start_soon(each.events.run)
            await until(lambda: all(each.events.is_connected for each in both))
            yield both
            tasks.cancel_scope.cancel()


async def until(true: Any) -> None:
    with anyio.fail_after(10):
        while not true():  # noqa: ASYNC110  # what it waits for has no event
            await anyio.sleep(0.01)


async def test_an_event_reaches_the_listeners_of_every_replica_once(redis_server: RedisServer):
    event = Event(frozenset({"incident"}), frozenset({"01FDAG4SAP5TYPT98WGR2N7W91"}), 5.0, stamp="x")
    async with replicas(redis_server) as both:
        await both[0].events.publish(event)
        await until(lambda: all(each.heard for each in both))
        await both[1].events.publish(Event(private=True))
        await until(lambda: all(len(each.heard) > 1 for each in both))
        assert [each.heard for each in both] == [[event, Event(private=True)]] * 2
        assert both[1].heard[0].stamp == "x"


async def test_after_a_reconnection_listeners_hear_once_that_events_may_be_missing(redis_server: RedisServer):
    async with replicas(redis_server) as both:
        redis_server.stop()
        await until(lambda: not any(each.events.is_connected for each in both))
        redis_server.start()
        await until(lambda: all(each.events.is_connected for each in both))
        assert [each.heard for each in both] == [[Event(missed=True)]] * 2
        await both[0].events.publish(Event(private=True))
        await until(lambda: all(len(each.heard) > 1 for each in both))
        assert [each.heard[-1] for each in both] == [Event(private=True)] * 2


async def test_a_quiet_connection_is_checked_and_kept(redis_server: RedisServer, monkeypatch):
    monkeypatch.setattr("incident_mcp.serving.http.shared.events._QUIET_SECONDS", 0.05)
    async with replicas(redis_server) as both:
        await anyio.sleep(0.5)
        assert all(each.events.is_connected for each in both)
        assert [each.heard for each in both] == [[], []]


async def test_a_connection_that_says_nothing_is_given_up_and_listeners_hear_that_events_may_be_missing(
    redis_server: RedisServer, monkeypatch
):
    monkeypatch.setattr("incident_mcp.serving.http.shared.events._QUIET_SECONDS", 0.05)
    monkeypatch.setattr("incident_mcp.serving.http.shared.events._ANSWER_SECONDS", 0.2)
    async with replicas(redis_server) as both:
        redis_server.pause()
        await until(lambda: not any(each.events.is_connected for each in both))
        redis_server.pause(again=True)
        await until(lambda: all(each.events.is_connected for each in both))
        assert [each.heard for each in both] == [[Event(missed=True)]] * 2


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"kinds": 5}), "x" * 100_000, b"\xff"])
async def test_a_message_that_cannot_be_read_says_only_that_something_changed(redis_server: RedisServer, text):
    async with replicas(redis_server) as [one, _]:
        await one.client.publish(CHANNEL, text)
        await until(lambda: one.heard)
        assert one.heard == [Event(missed=True)]


async def test_a_webhook_that_one_replica_received_is_a_duplicate_for_another(redis_server: RedisServer):
    async with replicas(redis_server) as both:
        first, second = (Receiver(["whsec_" + "QUJD" * 8], each.events, each.feed, each.replays) for each in both)
        body = updated()
        found = headers(first.secrets[0], body)
        statuses = [(await each.send(body, found)).status_code for each in (first, second, first)]
        assert statuses == [204, 200, 200]
        await until(lambda: all(each.heard for each in both))
        assert [len(each.heard) for each in both] == [1, 1]


async def test_a_webhook_at_one_replica_notifies_a_client_of_another(redis_server: RedisServer):
    box = Sandbox()
    [row] = [row for row in box.incidentio.incidents if row["reference"] == "INC-114"]
    async with replicas(redis_server) as both:
        receiver = Receiver(events=both[0].events, feed=both[0].feed, replays=both[0].replays)
        built = build_server(Settings(sandbox=True), network=box)
        server = make_server("", built.lifespan, Listen(both[1].events))
        uri = "incidentio://incidents/%23inc-114"
        async with Client(server) as client, client.listen(resource_subscriptions=[uri]) as subscription:
            assert await receiver.post(updated(row["id"])) == 204
            with anyio.fail_after(10):
                assert (await anext(aiter(subscription))).uri == uri


async def test_what_is_being_received_is_claimed_by_one_replica(redis_server: RedisServer):
    async with replicas(redis_server) as [one, other]:
        assert await one.replays.claim("msg_1") is Claim.NEW
        assert await other.replays.claim("msg_1") is Claim.IN_WORK
        await one.replays.release("msg_1")
        assert await other.replays.claim("msg_1") is Claim.NEW
        await other.replays.finish("msg_1")
        assert await one.replays.claim("msg_1") is Claim.DONE
        [key] = await one.client.keys("incident-mcp:webhook:*")
        assert 600 <= await one.client.ttl(key) <= 660


async def test_while_redis_is_away_a_webhook_is_asked_for_again(redis_server: RedisServer):
    async with replicas(redis_server) as [one, _]:
        receiver = Receiver(events=one.events, feed=one.feed, replays=one.replays)
        redis_server.stop()
        assert await receiver.post(updated()) == 503
        redis_server.start()
        await until(lambda: one.events.is_connected)
        assert await receiver.post(updated()) == 204


async def test_the_feed_is_shared_bounded_and_has_each_entry_once(redis_server: RedisServer):
    async with replicas(redis_server) as [one, other]:
        for number in range(510):
            await one.feed.append(FeedEntry(str(number), "on_call_changed", unix_now(), title="Primary"))
        await other.feed.append(FeedEntry("509", "on_call_changed", unix_now(), title="Primary"))
        await one.feed.append(FeedEntry("old", "on_call_changed", unix_now() - 90_000))
        entries = await other.feed.entries()
        assert len(entries) == len({each.key for each in entries}) <= 500
        assert entries[-1].key == "509"
        assert entries[0].title == "Primary"


async def test_an_entry_of_the_feed_that_is_no_text_is_skipped(redis_server: RedisServer):
    async with connected(redis_server) as client:
        await client.xadd(FEED, {"entry": b"\xff"})
        feed = RedisFeed(client)
        await feed.append(FeedEntry("1", "on_call_changed", unix_now(), title="Primary"))
        assert [entry.title for entry in await feed.entries()] == ["Primary"]


async def test_a_feed_that_cannot_be_read_says_so(redis_server: RedisServer):
    async with connected(redis_server) as client:
        redis_server.stop()
        with pytest.raises(NotSentError, match="Redis is away"):
            await RedisFeed(client).entries()
