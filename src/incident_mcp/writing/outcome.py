"""The outcomes of a write, and the function that describes the failed ones to the model.

| Outcome   | What it means                                                                          |
|-----------|----------------------------------------------------------------------------------------|
| `Done`    | the write took effect, in this call or in an earlier, identical one                    |
| `NotSent` | the write never reached the service, or was throttled: nothing was changed             |
| `Refused` | the service rejected the write: nothing was changed                                    |
| `Unknown` | the write was sent, and it may have taken effect; an identical call is safe            |

If an earlier, identical call's outcome is still unknown, a `NotSent` or `Refused` call does not change that.
"""

from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeAlias, TypeVar

from incident_mcp.errors import (
    IncidentMcpError,
    NoAnswerError,
    NotSentError,
    RefusedError,
    ServiceError,
    join_sentences,
)

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Done(Generic[T_co]):
    """The write took effect."""

    name: ClassVar[str] = "done"
    value: T_co


@dataclass(frozen=True, kw_only=True)
class _Failed:
    """What is known of a write that failed."""

    failure: ServiceError
    """Why the request failed."""
    advice: str = ""
    """What the call knows beyond the failure, like the names that would be valid."""
    journal_trouble: str | None = None
    """Why the journal could not be saved, and what that means for a repeat of the call."""
    earlier_unknown: bool = False
    """Whether an earlier, identical call's outcome is still unknown."""
    used_code: bool = False
    """Whether the call had a confirmation code, which is used up."""


@dataclass(frozen=True, kw_only=True)
class NotSent(_Failed):
    """The write never reached the service, or was throttled."""

    name: ClassVar[str] = "not sent"


@dataclass(frozen=True, kw_only=True)
class Refused(_Failed):
    """The service rejected the write."""

    name: ClassVar[str] = "refused"
    failure: RefusedError


@dataclass(frozen=True, kw_only=True)
class Unknown(_Failed):
    """The write was sent, and it may have taken effect."""

    name: ClassVar[str] = "unknown"
    failure: NoAnswerError


Failed: TypeAlias = NotSent | Refused | Unknown


class WriteError(IncidentMcpError):
    """A write failed.

    Attributes:
        outcome: What is known of it.
    """

    def __init__(self, outcome: Failed) -> None:
        super().__init__(describe(outcome))
        self.outcome = outcome

    @classmethod
    def not_sent(cls, why: str) -> Self:
        """Return the error of a write that was held back."""
        return cls(NotSent(failure=NotSentError(why)))


def outcome_of(failure: ServiceError) -> Failed:
    """Return what the failure of a write's own request means for the write."""
    match failure:
        case NoAnswerError():
            return Unknown(failure=failure)
        case RefusedError():
            return Refused(failure=failure)
        case _:
            return NotSent(failure=failure)


def describe(outcome: Failed) -> str:
    """Describe a failed write: who failed and why, what to do next, and the outcome."""
    failure = outcome.failure
    return join_sentences(
        failure.text,
        outcome.advice,
        outcome.journal_trouble,
        failure.step,
        f"Outcome: {_meaning(outcome)}",
        failure.request_id and f"Request id {failure.request_id}.",
    )


def _meaning(outcome: Failed) -> str:
    again = _AGAIN_WITH_CODE if outcome.used_code else _AGAIN
    if outcome.earlier_unknown:
        return (
            "still unknown: this call did nothing, and it is unknown whether an earlier, identical call did."
            f" {again[0].upper()}{again[1:]}, it will not be done twice."
        )
    match outcome:
        case NotSent():
            return f"not sent. {USED_UP}" if outcome.used_code else "not sent."
        case Refused():
            return "refused, nothing was changed."
        case Unknown():
            return f"sent, outcome unknown: {again}, it will not be done twice."


_AGAIN = "call again with the same arguments"
_AGAIN_WITH_CODE = "call again without confirm, then with the new code"
USED_UP = f"The code is used up: {_AGAIN_WITH_CODE}."
"""What follows if a call took its confirmation code and sent nothing."""
