"""incident.io's error bodies (section 3.3 of the reference)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from incident_mcp.sandbox.service import Json
from incident_mcp.sandbox.shapes import Flaw

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "resource_forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    409: "conflict",
    412: "precondition_failed",
    413: "payload_too_large",
    422: "validation_error",
    429: "too_many_requests",
}
_TOO_MANY = "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests."


def error_body(status: int, flaws: Sequence[Flaw], number: int) -> Json:
    """The body for a status; `number` makes the request id."""
    kind = _TYPES.get(status, "api_error")
    return {
        "type": kind,
        "status": status,
        "request_id": str(uuid5(NAMESPACE_URL, f"incident.io sandbox request {number}")),
        "errors": [_single(flaw, kind) for flaw in flaws],
    }


def throttled_body(now: datetime, retry_after: str, number: int) -> Json:
    """The body of a 429, which says the same as its headers."""
    seconds = int(retry_after) if retry_after.isdecimal() else 1
    body = error_body(429, [Flaw("", _TOO_MANY, "")], number)
    return {
        **body,
        "rate_limit": {
            "name": "Sandbox key",
            "limit": 1200,
            "remaining": 0,
            "retry_after": (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def _single(flaw: Flaw, kind: str) -> Json:
    single: Json = {"code": flaw.code or kind, "message": flaw.message}
    if flaw.field:
        single["source"] = {"field": flaw.field}
    return single
