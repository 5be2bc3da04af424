"""The records of the sandbox's incident.io account, and what its operations share."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count

from incident_mcp.sandbox.engine.clock import Clock, account_ulid
from incident_mcp.sandbox.engine.service import ApiError, Backend, Call, Json, Reply, RouteTable
from incident_mcp.sandbox.engine.shapes import Problem, Shape, find_problems

from .errors import error_body, throttled_body
from .on_call import OnCall, Paging

API_KEY_ACTOR: Json = {"api_key": {"id": account_ulid("api key"), "name": "Sandbox key"}}
"""The actor of everything that the key does."""


class Bucket:
    """The documented token bucket: 1200 requests, refilled at 20 a second.

    It never throttles and never reports itself as empty. A test may set `level`.
    """

    limit = 1200

    def __init__(self) -> None:
        self.level = float(self.limit)
        self._refilled_at = time.monotonic()

    def take(self, now: datetime) -> dict[str, str]:
        """Spend one request at an instant of the sandbox's clock, and return the rate limit headers."""
        present = time.monotonic()
        self.level = min(self.limit, self.level + (present - self._refilled_at) * 20)
        self._refilled_at = present
        self.level = max(1.0, self.level - 1)
        full_at = now.timestamp() + (self.limit - self.level) / 20
        return {
            "X-RateLimit-Limit": "1200, 1200;window=60",
            "X-RateLimit-Remaining": str(int(self.level)),
            "X-RateLimit-Used": str(self.limit - int(self.level)),
            "X-RateLimit-Reset": str(int(full_at)),
        }


class IncidentIO(Backend):
    """One account's records, as the API's JSON."""

    name = "incidentio"

    def __init__(self, clock: Clock, key: str, routes: RouteTable) -> None:
        super().__init__(clock, key, routes)
        self.bucket = Bucket()
        self.severities: list[Json] = []
        self.statuses: list[Json] = []
        self.types: list[Json] = []
        self.roles: list[Json] = []
        self.custom_fields: list[Json] = []
        self.options: list[Json] = []
        self.catalog_types: list[Json] = []
        self.catalog_entries: list[Json] = []
        self.timestamps: list[Json] = []
        self.users: list[Json] = []
        self.teams: list[Json] = []
        self.incidents: list[Json] = []
        self.updates: list[Json] = []
        self.on_call = OnCall()
        self.paging = Paging()
        self.done: dict[tuple[str, str], str] = {}
        """(operation, idempotency key) to the id of the record that the first call created."""
        self._request_numbers = count(1)

    def error(self, status: int, problems: Sequence[Problem], retry_after: str | None = None) -> Json:
        """Return the vendor's error body."""
        number = next(self._request_numbers)
        if status == 429:  # noqa: PLR2004  # the one body with a part of its own
            return throttled_body(self.clock.now, retry_after or "1", number)
        return error_body(status, problems, number)

    def missing_key(self, *, wrong: bool) -> Json:
        """Return the 401 body."""
        if wrong:
            return self.error(401, [Problem("The API key is not valid", code="unauthenticated")])
        message = "No authorization material provided in request"
        return self.error(401, [Problem(message, code="missing_authorization_material")])

    def headers(self) -> dict[str, str]:
        """Return the rate limit headers, which every authenticated reply carries."""
        return self.bucket.take(self.clock.now)

    def state(self) -> Json:
        """Return every record that a call can change."""
        self.run_timers()
        return {"incidents": self.incidents, "updates": self.updates, **self.rows}

    def next_number(self) -> int:
        """Return the number in the next incident's reference."""
        return max((number_of(incident) for incident in self.incidents), default=100) + 1

    def create_once(self, operation: str, key: str, rows: list[Json], create: Callable[[], Json]) -> Json:
        """Return the record that an earlier call with this idempotency key created; else create it."""
        record = by_id(rows, self.done.get((operation, key)))
        if record is None:
            record = create()
            self.done[operation, key] = record["id"]
        return record


Routes = Mapping[tuple[str, str], Callable[[IncidentIO, Call], Reply]]


def number_of(incident: Json) -> int:
    """Return 123 for INC-123."""
    return int(incident["reference"].removeprefix("INC-"))


def by_id(records: Iterable[Json], wanted: object) -> Json | None:
    """Return the record with this id, if any."""
    return next((record for record in records if record["id"] == wanted), None)


def by_name(records: Iterable[Json], wanted: str) -> Json:
    """Return the record with this name; for seeds."""
    return next(record for record in records if record["name"] == wanted)


def read_body(body: object, shape: Shape) -> Json:
    """Return the body if it has this shape; else raise a 422 that lists every problem."""
    problems = tuple(find_problems(body, shape))
    if problems or not isinstance(body, dict):
        raise ApiError(422, *problems)
    return body  # pyright: ignore[reportUnknownVariableType]  # JSON objects have string keys


def referenced(records: Iterable[Json], body: Json, key: str, at: str = "") -> Json | None:
    """Return the record whose id is `body[key]`; None if the body has no such key.

    Raises:
        ApiError: 422, if no record has the id.
    """
    if key not in body:
        return None
    record = by_id(records, body[key])
    if record is None:
        raise ApiError(422, Problem(f"{at}{key}: nothing has the id {body[key]!r}", at + key, "not_found"))
    return record
