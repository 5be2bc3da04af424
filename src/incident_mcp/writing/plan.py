"""What a write is: its request, how it may be repeated, and how it is recognised."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic

from incident_mcp.errors import RefusedError
from incident_mcp.records.record import A, R
from incident_mcp.transport.api import Repeat
from incident_mcp.transport.operation import Request

DECLARE_SECONDS = 600
UPDATE_SECONDS = 120
"""For how long an identical call is answered with the earlier record: a declaration; an edit, update or note."""


@dataclass(frozen=True)
class Since:
    """From when on, and beside what, a record counts as this write's effect."""

    began: float
    """Unix seconds by the service's clock."""
    before: tuple[str, ...] | None = None
    """Ids of what was there before; None if that was not read."""


@dataclass(frozen=True)
class Earlier(Generic[A]):
    """What is there before a write without a key is sent."""

    ids: tuple[str, ...]
    identical: A | None = None
    """One with the same text, made in the last moments."""


@dataclass(frozen=True, kw_only=True)
class WritePlan(Generic[A, R]):
    """One logical write.

    Attributes:
        tool: The tool that asks for it.
        request: The request; of a keyed write without its key.
        answer: What the service answers.
        record: What the tool answers.
        to_record: Makes the record of the answer.
        repeat: Whether the request may be sent again when its outcome is open.
        question: What will happen, in one sentence with its values, for a person to confirm.
        destructive: Something is lost or people are paged.
        remembered: Seconds for which an identical call is answered with this one's record; 0 keeps no row.
        look: Finds what an earlier attempt did, if it was done.
        earlier: Reads what is there before the write is sent, and what of the last seconds is identical.
        any_earlier: `look` counts whatever is there, whoever made it and when.
        caller_key: The caller's idempotency key, sent unchanged.
        fixed_key: A key that stands for the thing itself, whatever the words.
        deliberate: What makes an otherwise identical call another intent.
        declares: It declares an incident.
        things: What it writes to.
        things_of: What it wrote to, by the answer.
        made_at: When the answer's record was made.
        same: Whether the answer's record is what was asked for.
        stands: Whether what an identical, earlier write changed is still so; else a repeat is meant.
        again: What is sent in place of the request once an attempt was lost.
        explain: Says more on a refusal, like the names that would be valid.
    """

    tool: str
    request: Request
    answer: type[A]
    record: type[R]
    to_record: Callable[[A], R]
    repeat: Repeat
    question: str = ""
    destructive: bool = False
    remembered: float = 0
    look: Callable[[Since], Awaitable[A | None]] | None = None
    earlier: Callable[[float], Awaitable[Earlier[A]]] | None = None
    any_earlier: bool = False
    caller_key: str | None = None
    fixed_key: str | None = None
    deliberate: str | None = None
    declares: bool = False
    things: tuple[str, ...] = ()
    things_of: Callable[[A], tuple[str, ...]] | None = None
    made_at: Callable[[A], str | None] | None = None
    same: Callable[[A], bool] | None = None
    stands: Callable[[], Awaitable[bool]] | None = None
    again: Request | None = None
    explain: Callable[[RefusedError], Awaitable[str]] | None = None
