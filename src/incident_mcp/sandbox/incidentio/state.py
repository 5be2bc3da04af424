"""What the sandboxed incident.io account holds."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count

from incident_mcp.sandbox.clock import Clock
from incident_mcp.sandbox.service import Json, Refusal, Routes
from incident_mcp.sandbox.shapes import Flaw, Shape, flaws

from . import account
from .errors import error_body, throttled_body

API_KEY_ACTOR: Json = {"api_key": {"id": account.account_ulid("api key"), "name": "Sandbox key"}}
"""Who does what this key does."""


class RateLimit:
    """The documented token bucket: 1200 requests, refilled at 20 a second.

    It only tells; it refuses nobody, so it never tells of an empty bucket. A test may set `level`.
    """

    limit = 1200

    def __init__(self) -> None:
        self.level = float(self.limit)
        self._seen = time.monotonic()

    def take(self, now: datetime) -> dict[str, str]:
        """Spend one request at an instant of the sandbox's clock, and return the headers with what is left."""
        present = time.monotonic()
        self.level = min(self.limit, self.level + (present - self._seen) * 20)
        self._seen = present
        self.level = max(1.0, self.level - 1)
        full_at = now.timestamp() + (self.limit - self.level) / 20
        return {
            "X-RateLimit-Limit": "1200, 1200;window=60",
            "X-RateLimit-Remaining": str(int(self.level)),
            "X-RateLimit-Used": str(self.limit - int(self.level)),
            "X-RateLimit-Reset": str(int(full_at)),
        }


class IncidentIO:
    """One account's records, JSON-shaped as the API answers them."""

    name = "incidentio"

    def __init__(self, clock: Clock, key: str) -> None:
        self.clock = clock
        self.key = key
        self.routes: Routes = {}
        self.bucket = RateLimit()
        self.severities = account.severities()
        self.statuses = account.statuses()
        self.types = account.incident_types()
        self.roles = account.roles()
        self.custom_fields = account.custom_fields()
        self.options = account.options()
        self.catalog_types = account.catalog_types()
        self.catalog_entries = account.catalog_entries()
        self.timestamps = account.timestamps()
        self.users = account.users()
        self.incidents: list[Json] = []
        self.updates: list[Json] = []
        self.timeline_items: list[Json] = []
        self.attachments: list[Json] = []
        self.done: dict[tuple[str, str], str] = {}
        """(operation, idempotency key) to the id of what the first call made."""
        self._request_numbers = count(1)

    def error(self, status: int, flaws: Sequence[Flaw], retry_after: str | None = None) -> Json:
        """The vendor's error body."""
        number = next(self._request_numbers)
        if status == 429:  # noqa: PLR2004  its body has a part of its own
            return throttled_body(self.clock.now, retry_after or "1", number)
        return error_body(status, flaws, number)

    def missing_key(self, *, given: bool) -> Json:
        """401."""
        if given:
            return self.error(401, [Flaw("unauthenticated", "The API key is not valid", "")])
        message = "No authorization material provided in request"
        return self.error(401, [Flaw("missing_authorization_material", message, "")])

    def headers(self) -> dict[str, str]:
        """The rate limit headers, which every authenticated reply carries."""
        return self.bucket.take(self.clock.now)

    def next_number(self) -> int:
        """The number in the next incident's reference."""
        return max((number_of(incident) for incident in self.incidents), default=100) + 1

    def state(self) -> Json:
        """Everything that calls can change."""
        return {
            "incidents": self.incidents,
            "updates": self.updates,
            "timeline_items": self.timeline_items,
            "attachments": self.attachments,
        }


def number_of(incident: Json) -> int:
    """123 of INC-123."""
    return int(incident["reference"].removeprefix("INC-"))


def by_id(records: Iterable[Json], wanted: object) -> Json | None:
    """The record with this id."""
    return next((record for record in records if record["id"] == wanted), None)


def by_name(records: Iterable[Json], wanted: str) -> Json:
    """The record with this name; for seeds."""
    return next(record for record in records if record["name"] == wanted)


def checked(body: object, shape: Shape) -> Json:
    """The body, when it has this shape; else a 422 that names everything wrong with it."""
    found = tuple(flaws(body, shape))
    if found or not isinstance(body, dict):
        raise Refusal(422, *found)
    return body  # pyright: ignore[reportUnknownVariableType]  JSON objects have string keys


def referred(records: Iterable[Json], body: Json, key: str, at: str = "") -> Json | None:
    """The record that `body[key]` names; None when the body has no such key, 422 when there is no such record."""
    if key not in body:
        return None
    record = by_id(records, body[key])
    if record is None:
        raise Refusal(422, Flaw("not_found", f"{at}{key}: nothing has the id {body[key]!r}", at + key))
    return record
