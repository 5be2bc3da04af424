"""A plan of one write: its request, when the request may be sent again, and how to find its effect."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from incident_mcp.errors import RefusedError
from incident_mcp.records.record import A, R
from incident_mcp.transport.operation import Request
from incident_mcp.transport.retry import Repeat

DECLARE_SECONDS = 600
UPDATE_SECONDS = 120
"""For how long an identical call returns the earlier record: a declaration; an edit, update or note."""


@dataclass(frozen=True)
class Baseline:
    """The state before the first attempt: what is newer counts as the effect of the write."""

    started_at: float
    """Unix seconds by the service's clock."""
    existing_ids: tuple[str, ...] | None = None
    """IDs of what existed; None if that was not read."""


@dataclass(frozen=True)
class Existing(Generic[A]):
    """What exists before a write without an idempotency key is sent."""

    ids: tuple[str, ...]
    identical: A | None = None
    """One with the same text, created a moment ago."""


A_contra = TypeVar("A_contra", contravariant=True)


class Guard(Protocol[A_contra]):
    """Keeps a write from overwriting what somebody else changed since the caller saw it."""

    async def check(self) -> str | None:
        """Return a remark for the result, None without one.

        Raises:
            StaleError: Somebody else changed it.
        """
        ...

    async def begin(self) -> None:
        """Remember that the write is sent now."""
        ...

    async def undo(self) -> None:
        """Forget that it was sent: it did not take effect."""
        ...

    async def done(self, response: A_contra) -> None:
        """Remember what the response shows."""
        ...


@dataclass(frozen=True, kw_only=True)
class WritePlan(Generic[A, R]):
    """One logical write.

    Attributes:
        tool: The calling tool.
        request: The request; a keyed write's has no idempotency key yet.
        response_type: The type of the response.
        record_type: The type of the tool's record.
        to_record: Builds the record from the response.
        repeat: Whether the request may be sent again while its outcome is unknown.
        question: What will happen, in one sentence with its values, for a person to confirm.
        destructive: Whether something is lost or people are paged.
        remember_seconds: For how long an identical call returns this one's record; 0 keeps no journal entry.
        find_effect: Finds the effect of an earlier attempt, None without one.
        find_by_key: Finds the effect of an earlier attempt by its idempotency key, before anything is sent again.
        read_existing: Reads what exists before the write, and what is identical from the last n seconds.
        accept_any_effect: Whether `find_effect` counts regardless of who made it and when.
        caller_key: The caller's idempotency key, sent unchanged.
        fixed_key: An idempotency key that identifies the resource to create, regardless of its text.
        confirmed_with: What else a confirmation code is bound to, beyond the request.
        distinguished_by: What makes an otherwise identical call a different intent.
        again: How to do the same again on purpose, of a write without an idempotency key.
        already: What to say if what it would make is there, whoever made it; empty: that an identical call was made.
        declares: Whether it declares an incident.
        targets: The resources that it writes to.
        targets_of: The resources that it wrote to, by the response.
        created_at: When the response's record was created.
        matches_request: Whether the response's record is what was requested.
        still_in_effect: Whether what an identical, earlier write changed is unchanged; if not, a repeat is intended.
        repeat_request: Replaces the request after a lost attempt.
        check_again: Raises if it must not be sent any more, after a person took time to confirm it.
        explain_refusal: Explains a refusal further, as with the names that would be valid.
        guard: Keeps the write from overwriting what somebody else changed.
    """

    tool: str
    request: Request
    response_type: type[A]
    record_type: type[R]
    to_record: Callable[[A], R]
    repeat: Repeat
    question: str = ""
    destructive: bool = False
    remember_seconds: float = 0
    find_effect: Callable[[Baseline], Awaitable[A | None]] | None = None
    find_by_key: Callable[[str], Awaitable[A | None]] | None = None
    read_existing: Callable[[float], Awaitable[Existing[A]]] | None = None
    accept_any_effect: bool = False
    caller_key: str | None = None
    fixed_key: str | None = None
    confirmed_with: str = ""
    distinguished_by: str | None = None
    again: str = "change the text"
    already: str = ""
    declares: bool = False
    targets: tuple[str, ...] = ()
    targets_of: Callable[[A], tuple[str, ...]] | None = None
    created_at: Callable[[A], str | None] | None = None
    matches_request: Callable[[A], bool] | None = None
    still_in_effect: Callable[[], Awaitable[bool]] | None = None
    repeat_request: Request | None = None
    check_again: Callable[[], Awaitable[None]] | None = None
    explain_refusal: Callable[[RefusedError], Awaitable[str]] | None = None
    guard: Guard[A] | None = None

    @property
    def how_again(self) -> str:
        """How to do the same again on purpose."""
        again = "pass an idempotency_key" if self.repeat is Repeat.KEYED else self.again
        if self.declares:
            again = "pass this incident in despite"
        return f"To do it again on purpose, {again}."

    def finder(self, baseline: Baseline, key: str) -> Callable[[], Awaitable[A | None]] | None:
        """Return what finds the effect of an attempt with a key, None if nothing does."""
        if self.find_by_key is not None:
            return partial(self.find_by_key, key)
        return partial(self.find_effect, baseline) if self.find_effect else None

    def request_with_key(self, key: str) -> Request:
        """Return the request with an idempotency key, if the service accepts one."""
        if self.repeat is not Repeat.KEYED:
            return self.request
        return replace(self.request, body={"idempotency_key": key, **(self.request.body or {})})
