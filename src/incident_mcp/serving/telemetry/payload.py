"""Spans without what callers and services wrote: of the SDK's spans only what is listed here is sent."""

import re
from collections.abc import Callable

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

from incident_mcp.serving.telemetry.measures import SCOPE
from incident_mcp.serving.telemetry.tool_calls import UNKNOWN, known_name

METHODS = frozenset(
    {
        *("initialize", "ping", "server/discover", "completion/complete", "logging/setLevel"),
        *("tools/list", "tools/call", "prompts/list", "prompts/get", "skills/list", "skills/get"),
        *("resources/list", "resources/read", "resources/templates/list", "subscriptions/listen"),
        *("resources/subscribe", "resources/unsubscribe"),
        *("notifications/initialized", "notifications/cancelled", "notifications/progress"),
        "notifications/roots/list_changed",
    }
)


def _version(value: AttributeValue) -> AttributeValue:
    return value if isinstance(value, str) and re.fullmatch("[0-9]{4}(-[0-9]{2}){2}", value, re.ASCII) else UNKNOWN


def _word(value: AttributeValue) -> AttributeValue:
    """Return the name of an exception or a code."""
    return value if isinstance(value, str) and re.fullmatch("[A-Za-z0-9_.<>-]{1,80}", value, re.ASCII) else UNKNOWN


_OF_THE_SDK: dict[str, Callable[[AttributeValue], AttributeValue]] = {
    "mcp.method.name": lambda value: value if value in METHODS else UNKNOWN,
    "mcp.protocol.version": _version,
    "gen_ai.operation.name": _word,
    "gen_ai.tool.name": known_name,
    "error.type": _word,
    "rpc.response.status_code": _word,
    "incident_mcp.tool.outcome": _word,
}
"""Attributes of the SDK's spans that are sent, and how each is bounded: the client chooses some of their values."""


def without_payload(span: ReadableSpan) -> ReadableSpan:
    """Return a span as it is sent: with our attributes, and without events, links and the text of its status."""
    attributes = dict(span.attributes or {})
    name = span.name
    if span.instrumentation_scope is None or span.instrumentation_scope.name != SCOPE:
        attributes = {key: bound(attributes[key]) for key, bound in _OF_THE_SDK.items() if key in attributes}
        name = " ".join(str(attributes[key]) for key in ("mcp.method.name", "gen_ai.tool.name") if key in attributes)
    return ReadableSpan(
        name=name or UNKNOWN,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
