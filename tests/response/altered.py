"""Responses of the sandbox, changed before they are sent: real accounts return what no document mentions."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from incident_mcp.sandbox import Sandbox

Json = dict[str, Any]
NO_TIMESTAMPS = [
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-14:00",
    "yesterday",
    "",
    1_763_683_200,
    1e400,
    True,
    {"at": 1},
    [],
    None,
]
"""Values that are not timestamps."""


def alter(box: Sandbox, path: str, change: Callable[[Any], None]) -> None:
    """Change the body of every response to a GET of a path, in place; Ionhour's paths begin with /api."""
    routes = (box.ionhour if path.startswith("/api") else box.incidentio).routes
    answer = routes["GET", path]

    def altered(call: Any) -> Any:
        reply = answer(call)
        body = json.loads(json.dumps(reply.body))
        change(body)
        return replace(reply, body=body)

    routes["GET", path] = altered
