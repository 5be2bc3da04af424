"""incident.io's error bodies."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.engine.shapes import Problem

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


def error_body(status: int, problems: Sequence[Problem], number: int) -> Json:
    """Return the body for a status; the request id follows from `number`."""
    kind = _TYPES.get(status, "api_error")
    return {
        "type": kind,
        "status": status,
        "request_id": str(uuid5(NAMESPACE_URL, f"incident.io sandbox request {number}")),
        "errors": [_to_error(problem, kind) for problem in problems],
    }


def throttled_body(now: datetime, retry_after: str, number: int) -> Json:
    """Return the body of a 429, which repeats its headers."""
    seconds = int(retry_after) if retry_after.isdecimal() else 1
    rate_limit = {
        "name": "Sandbox key",
        "limit": 1200,
        "remaining": 0,
        "retry_after": (now + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {**error_body(429, [Problem(_TOO_MANY)], number), "rate_limit": rate_limit}


def _to_error(problem: Problem, kind: str) -> Json:
    source = {"source": {"field": problem.field}} if problem.field else {}
    return {"code": problem.code or kind, "message": problem.message, **source}
