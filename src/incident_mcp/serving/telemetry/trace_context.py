"""W3C trace context: read from HTTP headers and from `_meta`, bounded, and never logged."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.span import TraceState

LONGEST_PARENT = 128
LONGEST_STATE = 512
MOST_STATES = 32
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PARENT = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?", re.ASCII)
_STATE = re.compile(
    "([a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    "=([ -+\\--<>-~]{0,255}[!-+\\--<>-~])",
    re.ASCII,
)
_KNOWN_FLAGS = 0b11
"""Sampled, and random trace id."""


def read_trace_context(parent: str, states: Sequence[str] = ()) -> SpanContext | None:
    """Return the span that a `traceparent` names; None if it cannot be used.

    Args:
        parent: The value of `traceparent`.
        states: The values of `tracestate`. One that is malformed or too long is left out: it is optional.
    """
    match = _PARENT.fullmatch(parent) if len(parent) <= LONGEST_PARENT else None
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more):
        return None
    context = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(int(flags, 16) & _KNOWN_FLAGS),
        trace_state=_read_state(states),
    )
    return context if context.is_valid else None


def _read_state(states: Sequence[str]) -> TraceState:
    if sum(map(len, states)) + len(states) - 1 > LONGEST_STATE:
        return TraceState()
    members = [member.strip(" \t") for state in states for member in state.split(",")]
    matches = [_STATE.fullmatch(member) for member in members if member]
    pairs = {match[1]: match[2] for match in matches if match}
    # The SDK logs a member that it cannot read, so that it must not get one.
    return TraceState(list(pairs.items())) if len(pairs) == len(matches) <= MOST_STATES else TraceState()


def format_traceparent(context: SpanContext) -> str:
    """Return a span as a `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class BoundedTraceContext(TextMapPropagator):
    """Reads trace context from the `_meta` of requests. It carries no baggage."""

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context with the span that the carrier names."""
        context = Context() if context is None else context
        parents: Sequence[Any] = getter.get(carrier, "traceparent") or ()
        states: Sequence[Any] = getter.get(carrier, "tracestate") or ()
        found = _read_values(parents, states)
        return context if found is None else set_span_in_context(NonRecordingSpan(found), context)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Write the current span's `traceparent` into a carrier."""
        span_context = get_current_span(context).get_span_context()
        if span_context.is_valid:
            setter.set(carrier, "traceparent", format_traceparent(span_context))

    @property
    def fields(self) -> set[str]:
        """The fields that `inject` sets."""
        return {"traceparent"}


def _read_values(parents: Sequence[Any], states: Sequence[Any]) -> SpanContext | None:
    """Read values that may be of any type, since `_meta` is JSON."""
    if len(parents) != 1 or len(states) > MOST_STATES or not all(isinstance(each, str) for each in (*parents, *states)):
        return None
    return read_trace_context(parents[0], states)


def with_trace_context(app: App) -> App:
    """Return an app whose requests have the span of their `traceparent` header as the current one.

    The SDK's span of a message becomes its child, unless the `_meta` of the message names another parent.
    """

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        found = _read_headers(scope["headers"]) if scope["type"] == "http" else None
        if found is None:
            await app(scope, receive, send)
            return
        token = attach(set_span_in_context(NonRecordingSpan(found)))
        try:
            await app(scope, receive, send)
        finally:
            detach(token)

    return traced


def _read_headers(headers: Iterable[tuple[bytes, bytes]]) -> SpanContext | None:
    parents: list[str] = []
    states: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value[: LONGEST_PARENT + 1].decode("latin-1").strip(" \t"))
        elif name == b"tracestate":
            states.append(value[: LONGEST_STATE + 1].decode("latin-1"))
    return _read_values(parents, states)
