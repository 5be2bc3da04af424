"""A plan of one write: its request, when the request may be sent again, and how to find its effect."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic

from incident_mcp.errors import RefusedError
from incident_mcp.records.record import A, R
from incident_mcp.transport.operation import Request
from incident_mcp.transport.retry import Repeat

DECLARE_SECONDS = 600
UPDATE_SECONDS = 120
"""For how long an identical call returns the earlier record: a declaration; an edit, update or note."""


@dataclass(frozen=True)
class Baseline:
    """The state before the first attempt: what is newer counts as the write's effect."""

    started_at: float
    """Unix seconds by the service's clock."""
    existing_ids: tuple[str, ...] | None = None
    """Ids of what was there; None if that was not read."""


@dataclass(frozen=True)
class Existing(Generic[A]):
    """What is there before a write without an idempotency key is sent."""

    ids: tuple[str, ...]
    identical: A | None = None
    """One with the same text, created a moment ago."""


@dataclass(frozen=True, kw_only=True)
class WritePlan(Generic[A, R]):
    """One logical write.

    Attributes:
        tool: The tool that asks for it.
        request: The request; a keyed write's has no idempotency key yet.
        answer_type: What the service answers.
        record_type: What the tool returns.
        to_record: Makes the record from the answer.
        repeat: Whether the request may be sent again while its outcome is unknown.
        question: What will happen, in one sentence with its values, for a person to confirm.
        destructive: Whether something is lost or people are paged.
        remember_seconds: For how long an identical call returns this one's record; 0 keeps no journal entry.
        find_effect: Finds what an earlier attempt did, None if it did nothing.
        read_existing: Reads what is there before the write, and what of the given last seconds is identical.
        accept_any_effect: Whether `find_effect` accepts anything that is there, whoever made it and when.
        caller_key: The caller's idempotency key, sent unchanged.
        fixed_key: An idempotency key that identifies the thing itself, whatever its text.
        distinguished_by: What makes an otherwise identical call a different intent.
        declares: Whether it declares an incident.
        targets: What it writes to.
        targets_of: What it wrote to, by the answer.
        created_at: When the answer's record was created.
        matches_request: Whether the answer's record is what the request asks for.
        still_in_effect: Whether what an identical, earlier write changed is unchanged; if not, a repeat is intended.
        repeat_request: Replaces the request after a lost attempt.
        explain_refusal: Explains a refusal further, as with the names that would be valid.
    """

    tool: str
    request: Request
    answer_type: type[A]
    record_type: type[R]
    to_record: Callable[[A], R]
    repeat: Repeat
    question: str = ""
    destructive: bool = False
    remember_seconds: float = 0
    find_effect: Callable[[Baseline], Awaitable[A | None]] | None = None
    read_existing: Callable[[float], Awaitable[Existing[A]]] | None = None
    accept_any_effect: bool = False
    caller_key: str | None = None
    fixed_key: str | None = None
    distinguished_by: str | None = None
    declares: bool = False
    targets: tuple[str, ...] = ()
    targets_of: Callable[[A], tuple[str, ...]] | None = None
    created_at: Callable[[A], str | None] | None = None
    matches_request: Callable[[A], bool] | None = None
    still_in_effect: Callable[[], Awaitable[bool]] | None = None
    repeat_request: Request | None = None
    explain_refusal: Callable[[RefusedError], Awaitable[str]] | None = None

    def request_with_key(self, key: str) -> Request:
        """Return the request with an idempotency key, if the service accepts one."""
        if self.repeat is not Repeat.KEYED:
            return self.request
        return replace(self.request, body={"idempotency_key": key, **(self.request.body or {})})
