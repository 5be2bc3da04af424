"""Intents: how an identical write is recognised, and the idempotency keys that are derived from it."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request
from incident_mcp.writing.journal.entry import fingerprint

BUCKET_SECONDS = 6 * 3600
"""How long the first key of an intent stays the same."""
MAX_KEYS = 12
"""Maximum number of keys of earlier intents that one call skips."""


@dataclass(frozen=True)
class Intent:
    """Identifies a write: two identical calls have the same intent."""

    account: str
    hash: str

    def key(self, now: float, after: str | None = None) -> str:
        """Return an idempotency key: the first one of the current bucket, or the one that follows `after`."""
        bucket = int(now // BUCKET_SECONDS)
        keys = [self._derived(bucket, number) for number in range(MAX_KEYS * 8)]
        return keys[keys.index(after) + 1] if after in keys[:-1] else keys[0]

    def late_key(self, now: float, window: float) -> str:
        """Return a key of the current window, for an intent that is repeated very often."""
        return self._derived(int(now // max(window, 1.0)), -1)

    def _derived(self, bucket: int, number: int) -> str:
        return fingerprint("key", self.account, self.hash, bucket, number)[:32]


def account_of(api: Api) -> str:
    """Return a hash that identifies a service and an API key."""
    return api.service.account


def intent_of(api: Api, tool: str, request: Request, *more: str | None) -> Intent:
    """Return the intent of a request.

    Args:
        api: The service.
        tool: The calling tool.
        request: The request, without a derived key.
        *more: What else distinguishes it: the caller's key, the incidents to ignore as duplicates.
    """
    account = account_of(api)
    parts = (account, tool, request.method, request.path, _canonical(request.body), *more)
    return Intent(account, fingerprint(*parts))


def _canonical(value: Any, name: str = "") -> Any:  # noqa: ANN401  # the JSON edge
    """Return a body without meaningless differences: order, padding, line endings and the case of an email address."""
    if isinstance(value, dict):
        return {key: _canonical(item, key) for key, item in cast("Json", value).items()}
    if isinstance(value, list):
        return sorted(map(_canonical, cast("list[object]", value)), key=fingerprint)
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").strip()
    if name == "email":
        return text.casefold()
    return _canonical_number(text) if name == "value_numeric" else text


def _canonical_number(text: str) -> str:
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text
