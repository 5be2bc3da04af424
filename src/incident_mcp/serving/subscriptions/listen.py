"""The handler of `subscriptions/listen`: one call is one stream.

The SDK's handler compares URIs as text, so that a change of INC-114 would not reach a client that wrote 114, and it
honours what the caller may not see. This one resolves each URI with the caller's keys before it honours it.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from mcp import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from incident_mcp.records.text import inert
from incident_mcp.response.resources import SITUATION
from incident_mcp.serving.subscriptions.events import Event, Events, LocalEvents
from incident_mcp.serving.subscriptions.looks import look_at_alerts, look_at_incidents
from incident_mcp.serving.subscriptions.poller import Budget, Look, Pace, Poller
from incident_mcp.serving.subscriptions.watched import Resolver, Watched
from incident_mcp.tooling.caller import Call, Caller, Request
from incident_mcp.tooling.sdk import SUBSCRIPTION_ID_META_KEY
from incident_mcp.transport.service import Service

SHOWN = frozenset({"incident", "page"})
"""Kinds of events that change the answer of `situation`, or what `catch_up` reports as urgent."""
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(frozen=True)
class ListenLimits:
    """Bounds of streams."""

    streams: int = 1_000
    """In this process."""
    streams_per_caller: int = 20
    uris: int = 50
    """Of a stream."""
    spacing: float = 0.2
    """Seconds between two deliveries of a stream: changes in between are delivered as one."""
    longest: float | None = None
    """Seconds after which a stream ends, and its client has to sign in again; None: never."""


class Stream:
    """What one stream watches, and what it has not delivered yet: at most one notification of each URI."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._uris: dict[str, list[str]] = {}
        for each in watched:
            self._uris.setdefault(each.key, []).append(each.uri)
        self._pending: dict[str, None] = {}
        self._wake = anyio.Event()
        self.has_ended = False

    def __contains__(self, key: str) -> bool:
        return key in self._uris

    def mark(self, keys: Iterable[str]) -> None:
        """Mark what changed for delivery."""
        for key in keys:
            self._pending |= dict.fromkeys(self._uris.get(key, ()))
        if self._pending:
            self._wake.set()

    def mark_changed(self, keys: Iterable[str]) -> None:
        """Mark incidents that a poll found changed, and with them the situation."""
        self.mark([*keys, SITUATION])

    def mark_all(self) -> None:
        """Mark everything."""
        self.mark(list(self._uris))

    def end(self) -> None:
        """End the stream after what is pending."""
        self.has_ended = True
        self._wake.set()

    async def next(self) -> list[str]:
        """Wait for changes, and return their URIs; none once the stream has ended."""
        await self._wake.wait()
        if not self.has_ended:
            self._wake = anyio.Event()
        uris, self._pending = list(self._pending), {}
        return uris


class Listen:
    """Serves `subscriptions/listen` for all callers of a process.

    Args:
        events: Brings what webhooks report; without a receiver nothing is published there.
        limits: Bounds of streams.
        pace: How often to poll.
        budget: How many requests all polling may make.
    """

    def __init__(
        self,
        events: Events | None = None,
        limits: ListenLimits | None = None,
        pace: Pace | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._events = events or LocalEvents()
        self._limits = limits or ListenLimits()
        self._pace = pace or Pace()
        self._budget = budget or Budget()
        self._resolver = Resolver()
        self._streams: set[Stream] = set()
        self._callers: Counter[object] = Counter()
        self._pollers: dict[tuple[str, str], Poller] = {}

    async def __call__(self, request: Request, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve a stream until the client leaves or the server ends it.

        Raises:
            MCPError: The request has no ID, there are too many streams or URIs, or nothing could be resolved.
        """
        if request.request_id is None:
            raise MCPError(INVALID_REQUEST, "subscriptions/listen requires a request id")
        caller = Call(request).caller
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: request.request_id}
        uris = params.notifications.resource_subscriptions or []
        if len(uris) > self._limits.uris:
            raise MCPError(INVALID_PARAMS, f"A stream may watch {self._limits.uris} resources, not {len(uris)}.")
        with self._place_of(caller):
            resolution = await self._resolver.resolve(caller, uris)
            if resolution.failure and not resolution.watched:
                raise MCPError(INTERNAL_ERROR, inert(resolution.failure))
            await self._serve(request, caller, resolution.watched, meta)
        return SubscriptionsListenResult(_meta=meta)

    def close(self) -> None:
        """End all streams after what is pending."""
        for stream in list(self._streams):
            stream.end()

    @contextmanager
    def _place_of(self, caller: Caller) -> Generator[None]:
        """Count a stream, unless there are too many."""
        accounts = [service.account for service in (caller.incidentio, caller.ionhour) if service]
        name = (caller.settings.person, *accounts)
        if self._callers.total() >= self._limits.streams or self._callers[name] >= self._limits.streams_per_caller:
            most = min(self._limits.streams, self._limits.streams_per_caller)
            raise MCPError(INTERNAL_ERROR, f"Too many streams are open (at most {most}): close one, then listen again.")
        self._callers[name] += 1
        try:
            yield
        finally:
            self._callers[name] -= 1
            self._callers += Counter()

    async def _serve(self, request: Request, caller: Caller, watched: Sequence[Watched], meta: dict[str, Any]) -> None:
        stream = Stream(watched)
        with ExitStack() as stack:
            self._streams.add(stream)
            stack.callback(self._streams.discard, stream)
            pollers = self._join(stack, stream, caller, watched)
            stack.callback(self._events.subscribe(partial(self._hear, stream, [poller for poller, _ in pollers])))
            async with anyio.create_task_group() as tasks:
                for poller, service in pollers:
                    tasks.start_soon(poller.run, service)
                if self._limits.longest is not None:
                    tasks.start_soon(_end_after, stream, self._limits.longest)
                await self._deliver(request, stream, watched, meta)
                tasks.cancel_scope.cancel()

    async def _deliver(
        self, request: Request, stream: Stream, watched: Sequence[Watched], meta: dict[str, Any]
    ) -> None:
        """Acknowledge what is honoured, then deliver changes until the stream ends."""
        send = partial(request.session.send_notification, related_request_id=request.request_id)
        # None of the lists changes while a server runs.
        honoured = SubscriptionFilter(resource_subscriptions=[each.uri for each in watched] or None)
        acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
        try:
            await send(SubscriptionsAcknowledgedNotification(params=acknowledged))
            while True:
                for uri in await stream.next():
                    changed = ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
                    await send(ResourceUpdatedNotification(params=changed))
                if stream.has_ended:
                    return
                await anyio.sleep(self._limits.spacing)
        except _GONE:
            return

    def _hear(self, stream: Stream, pollers: Sequence[Poller], event: Event) -> None:
        """Mark what an event changes for one stream."""
        if event.missed:
            stream.mark_all()
            return
        keys = [f"incidentio {each}" for each in event.incidents]
        for poller in pollers:
            if poller.look is not look_at_incidents:
                continue
            if event.private:
                poller.hurry()
            for key in keys:
                poller.announce(key, event.stamp)
        if not event.private:
            stream.mark([*keys, SITUATION] if event.kinds & SHOWN else keys)

    def _join(
        self, stack: ExitStack, stream: Stream, caller: Caller, watched: Sequence[Watched]
    ) -> list[tuple[Poller, Service]]:
        """Join the pollers of what a stream watches until the stack is closed."""
        joined: list[tuple[Poller, Service]] = []
        workspace = caller.settings.ionhour_workspace_id
        for slug, service in (("incidentio", caller.incidentio), ("ionhour", caller.ionhour)):
            stamps = {each.key: each.stamp for each in watched if each.key.startswith(f"{slug} ")}
            # A recording has no answers for requests that its calls did not make.
            if service is None or service.tape is not None or not (stamps or SITUATION in stream):
                continue
            place = (service.account, f"{slug} {workspace}")
            look: Look = look_at_incidents if slug == "incidentio" else look_at_alerts(workspace)
            poller = self._pollers.setdefault(place, Poller(look, self._budget, self._pace))
            stack.callback(self._leave, place)
            stack.callback(poller.add(stream.mark_changed, stamps))
            joined.append((poller, service))
        return joined

    def _leave(self, place: tuple[str, str]) -> None:
        """Drop a poller when nobody listens to it."""
        poller = self._pollers.get(place)
        if poller is not None and poller.is_idle:
            del self._pollers[place]


async def _end_after(stream: Stream, seconds: float) -> None:
    await anyio.sleep(seconds)
    stream.end()
