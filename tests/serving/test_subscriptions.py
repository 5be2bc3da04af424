"""Subscriptions to incidents and to the situation: what is honoured, and what notifies."""

# ruff: noqa: SIM117  # the server, then its client

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import JSONRPCRequest
from pydantic import SecretStr

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server, make_server
from incident_mcp.serving.subscriptions import (
    Budget,
    Event,
    Listen,
    ListenLimits,
    LocalEvents,
    Pace,
    forget_incidents,
)
from incident_mcp.settings import Settings
from incident_mcp.tooling.sdk import SessionMessage
from incident_mcp.transport.service import Cached, Service

pytestmark = pytest.mark.anyio

SITUATION = "incident-mcp://situation"
INC_114 = "incidentio://incidents/INC-114"
NEVER = Pace(quick=3600, slow=3600, fed=3600)
"""Only the first poll, which finds out what is known."""
AT_ONCE = Pace(quick=0.01, slow=0.01, fed=0.01, failing=0.01, least=0.01)
NO_WAIT = ListenLimits(spacing=0)


def incident(box: Sandbox, reference: str = "INC-114") -> dict[str, Any]:
    [row] = [row for row in box.incidentio.incidents if row["reference"] == reference]
    return row


def event(box: Sandbox, reference: str = "INC-114", **more: Any) -> Event:
    return Event(**{"kinds": frozenset({"incident"}), "incidents": frozenset({incident(box, reference)["id"]}), **more})


class Served:
    """A client of a server on the sandbox, and the events that it hears."""

    def __init__(self, client: Client, events: LocalEvents, listen: Listen, server: Any) -> None:
        self.client, self.events, self.listen, self.server = client, events, listen, server

    async def first(self, subscription: Any) -> str:
        with anyio.fail_after(5):
            return (await anext(aiter(subscription))).uri


@asynccontextmanager
async def serving(
    box: Sandbox | None, *, pace: Pace = NEVER, limits: ListenLimits = NO_WAIT, budget: int = 10_000, **settings: Any
) -> AsyncIterator[Served]:
    events = LocalEvents()
    listen = Listen(events, limits, pace, Budget(budget))
    chosen = Settings(**{"sandbox": box is not None, **settings})
    built = build_server(chosen, network=box)
    server = make_server("", built.lifespan, listen)
    async with Client(server) as client:
        yield Served(client, events, listen, server)


@pytest.fixture
async def served(box: Sandbox) -> AsyncIterator[Served]:
    async with serving(box) as each:
        yield each


async def test_the_situation_is_a_resource_with_the_tool_s_answer(served: Served):
    [content] = (await served.client.read_resource(SITUATION)).contents
    answer = (await served.client.call_tool("situation", {})).structured_content
    assert {**json.loads(content.text), "as_of": ""} == {**answer, "as_of": ""}


async def test_the_acknowledgement_names_exactly_what_is_honoured(served: Served):
    wanted = [INC_114, "incidentio://incidents/INC-9999", "incidentio://severities", "x://y", SITUATION, INC_114]
    async with served.client.listen(
        resource_subscriptions=wanted, tools_list_changed=True, resources_list_changed=True
    ) as subscription:
        assert subscription.honored.resource_subscriptions == [INC_114, SITUATION]
        assert not subscription.honored.tools_list_changed
        assert not subscription.honored.resources_list_changed


@pytest.mark.parametrize("spelling", ["INC-114", "inc-114", "114", "%23inc-114", "ID"])
async def test_an_event_notifies_with_the_uri_as_the_client_wrote_it(served: Served, box: Sandbox, spelling):
    number = incident(box)["id"]
    uri = "incidentio://incidents/" + (number if spelling == "ID" else spelling)
    async with served.client.listen(resource_subscriptions=[uri]) as subscription:
        await served.events.publish(event(box, "INC-113"))
        await served.events.publish(event(box))
        assert await served.first(subscription) == uri


async def test_an_incident_that_the_key_may_not_see_is_neither_honoured_nor_notified(served: Served, box: Sandbox):
    hidden = event(box)
    box.incidentio.incidents.remove(incident(box))
    async with served.client.listen(resource_subscriptions=[INC_114, SITUATION]) as subscription:
        assert subscription.honored.resource_subscriptions == [SITUATION]
        await served.events.publish(hidden)
        assert await served.first(subscription) == SITUATION


async def test_an_event_about_something_private_makes_the_poller_ask_with_the_callers_key(box: Sandbox):
    async with serving(box, pace=Pace(quick=3600, slow=3600, least=0.01)) as served:
        async with served.client.listen(resource_subscriptions=[INC_114, SITUATION]) as subscription:
            await until(lambda: lists(box, "/v2/incidents") == 1)
            incident(box)["updated_at"] = "2026-11-21T02:59:59Z"
            await served.events.publish(Event(frozenset({"incident"}), private=True))
            assert await served.first(subscription) == INC_114
    assert lists(box, "/v2/incidents") >= 2
    assert lists(box, "/incidents") <= 1, "nothing is private in Ionhour"


async def test_after_lost_events_everything_that_is_watched_is_notified_once(served: Served):
    async with served.client.listen(resource_subscriptions=[INC_114, SITUATION]) as subscription:
        await served.events.publish(Event(missed=True))
        assert {await served.first(subscription), await served.first(subscription)} == {INC_114, SITUATION}


async def test_a_poll_finds_a_change_by_its_content_and_never_notifies_without_one(box: Sandbox):
    async with serving(box, pace=AT_ONCE) as served:
        async with served.client.listen(resource_subscriptions=[INC_114]) as subscription:
            heard: list[str] = []

            async def hear() -> None:
                async for each in subscription:
                    heard.append(each.uri)  # noqa: PERF401  # one by one

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hear)
                await until(lambda: lists(box, "/v2/incidents") > 5)
                assert heard == []
                incident(box)["updated_at"] = "2026-11-21T02:59:59Z"
                await until(lambda: bool(heard))
                polls = lists(box, "/v2/incidents")
                await until(lambda: lists(box, "/v2/incidents") > polls + 5)
                assert heard == [INC_114]
                tasks.cancel_scope.cancel()


async def test_a_change_in_ionhour_is_found_by_polling(box: Sandbox):
    alert = next(row for row in box.ionhour.incidents if row["id"] == 4512)
    uri = "ionhour://incidents/4512"
    async with serving(box, pace=AT_ONCE) as served:
        async with served.client.listen(resource_subscriptions=[uri]) as subscription:
            assert subscription.honored.resource_subscriptions == [uri]
            alert |= {"acknowledgedAt": "2026-11-21T02:59:59Z"}
            assert await served.first(subscription) == uri
            alert |= {"state": "RESOLVED", "resolvedAt": "2026-11-21T02:59:59Z"}
            assert await served.first(subscription) == uri


async def test_all_streams_of_an_account_share_one_poller_which_stops_with_the_last(box: Sandbox):
    async with serving(box, pace=NEVER, limits=ListenLimits(spacing=0, streams_per_caller=1_000)) as served:
        async with anyio.create_task_group() as tasks:
            ready = []

            async def watch() -> None:
                async with served.client.listen(resource_subscriptions=[INC_114, SITUATION]):
                    ready.append(1)
                    await anyio.sleep_forever()

            for _ in range(1_000):
                tasks.start_soon(watch)
            with anyio.fail_after(60):
                while len(ready) < 1_000:  # noqa: ASYNC110  # a thousand tasks
                    await anyio.sleep(0.05)
            with pytest.raises(MCPError, match="Too many streams"):
                async with served.client.listen(resource_subscriptions=[INC_114]):
                    pass
            await until(lambda: lists(box, "/incidents") == 1)
            assert lists(box, "/v2/incidents") == 1
            assert len(box.requests) < 40, "resolved once for the account, not for each stream"
            tasks.cancel_scope.cancel()
        await until(lambda: not served.listen._pollers)


async def test_the_budget_bounds_the_requests_of_all_pollers(box: Sandbox):
    async with serving(box, pace=AT_ONCE, budget=5) as served:
        async with served.client.listen(resource_subscriptions=[SITUATION]):
            await until(lambda: lists(box, "/v2/incidents") + lists(box, "/incidents") == 5)
            await anyio.sleep(0.2)
            assert len(box.requests) == 5


async def test_too_many_uris_are_rejected(served: Served, box: Sandbox):
    uris = [f"incidentio://incidents/{number}" for number in range(51)]
    with pytest.raises(MCPError, match="A stream may watch 50 resources, not 51"):
        async with served.client.listen(resource_subscriptions=uris):
            pass
    assert box.requests == []


async def test_a_caller_may_open_some_streams(box: Sandbox):
    async with serving(box, limits=ListenLimits(streams_per_caller=1)) as served:
        async with served.client.listen(resource_subscriptions=[INC_114]):
            with pytest.raises(MCPError, match="at most 1"):
                async with served.client.listen(resource_subscriptions=[INC_114]):
                    pass
        await until(lambda: not served.listen._callers)
        async with served.client.listen(resource_subscriptions=[INC_114]):
            pass


async def test_a_service_that_is_down_is_reported_and_not_taken_for_a_missing_incident(served: Served, box: Sandbox):
    box.fail(Fault("status", service="incidentio", status=503))
    with pytest.raises(MCPError, match=r"incident\.io answered 503"):
        async with served.client.listen(resource_subscriptions=[INC_114]):
            pass


async def test_without_a_key_nothing_is_honoured():
    async with serving(None) as served:
        async with served.client.listen(resource_subscriptions=[INC_114, SITUATION]) as subscription:
            assert subscription.honored.resource_subscriptions is None


async def test_the_server_ends_streams_after_what_is_pending(served: Served, box: Sandbox):
    async with served.client.listen(resource_subscriptions=[INC_114]) as subscription:
        await served.events.publish(event(box))
        served.listen.close()
        with anyio.fail_after(5):
            assert [each.uri async for each in subscription] == [INC_114]


async def test_a_stream_ends_after_its_longest_time(box: Sandbox):
    async with serving(box, limits=ListenLimits(longest=0.05)) as served:
        async with served.client.listen(resource_subscriptions=[INC_114]) as subscription:
            with anyio.fail_after(5):
                assert [each async for each in subscription] == []


async def test_a_burst_of_events_is_delivered_as_few_notifications_and_the_last_is_not_lost(box: Sandbox):
    async with serving(box, limits=ListenLimits(spacing=0.2)) as served:
        async with served.client.listen(resource_subscriptions=[INC_114]) as subscription:
            for _ in range(500):
                await served.events.publish(event(box))
            assert await served.first(subscription) == INC_114
            await served.events.publish(event(box))
            assert await served.first(subscription) == INC_114


async def test_a_client_that_stopped_reading_delays_nobody(box: Sandbox):
    async with serving(box) as served:
        async with stalled(served.server, [INC_114, SITUATION]) as frames:
            async with served.client.listen(resource_subscriptions=[INC_114]) as subscription:
                for _ in range(200):
                    await served.events.publish(event(box))
                    assert await served.first(subscription) == INC_114
            with anyio.fail_after(5):
                received = [await frames.receive() for _ in range(3)]
            methods = [each.message.method for each in received]
            assert methods == ["notifications/subscriptions/acknowledged", *["notifications/resources/updated"] * 2]
            await anyio.sleep(0.05)
            assert frames.statistics().tasks_waiting_send == 0, "200 changes are one of each"


@asynccontextmanager
async def stalled(server: Any, uris: list[str]) -> AsyncIterator[Any]:
    """Listen over a connection of which nothing is read but what the test receives."""
    inward, read_stream = anyio.create_memory_object_stream[Any](0)
    write_stream, outward = anyio.create_memory_object_stream[Any](0)
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "stalled", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"_meta": meta, "notifications": {"resourceSubscriptions": uris}}
    request = JSONRPCRequest(jsonrpc="2.0", id="listen-1", method="subscriptions/listen", params=params)
    async with inward, read_stream, write_stream, outward, anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, read_stream, write_stream, server.create_initialization_options())
        await inward.send(SessionMessage(request))
        yield outward
        tasks.cancel_scope.cancel()


async def test_a_server_without_a_handler_of_its_own_polls(box: Sandbox):
    async with Client(build_server(Settings(sandbox=True), network=box)) as client:
        async with client.listen(resource_subscriptions=[INC_114]) as subscription:
            assert subscription.honored.resource_subscriptions == [INC_114]
            await until(lambda: lists(box, "/v2/incidents") == 1)


async def test_an_event_drops_cached_names_of_incidents_only():
    names = ("open", "names of incidents", "incident 114", "severities")
    service = Service("incident.io", "https://api.invalid", SecretStr("x"), "KEY")
    service.cache |= {name: Cached() for name in names}
    forget_incidents(service, Event(frozenset({"schedule"})))
    assert set(service.cache) == set(names)
    forget_incidents(service, Event(frozenset({"incident"})))
    assert set(service.cache) == {"severities"}


def lists(box: Sandbox, path: str) -> int:
    return sum(request.path.removeprefix("/api") == path for request in box.requests)


async def until(true: Any) -> None:
    with anyio.fail_after(5):
        while not true():  # noqa: ASYNC110  # what it waits for has no event
            await anyio.sleep(0.005)
