"""When a request is sent again.

| What happened                                        | Sent again                                            |
|------------------------------------------------------|-------------------------------------------------------|
| 429, or no connection was made                       | any request: the service did not process it           |
| 408, 500, 502, 503, 504, connection lost, no answer  | reads, and writes that are keyed or harmless; edits,  |
| in time                                              | when reading back finds them not done; notes too,     |
|                                                      | unless they may still take effect (408, 504, no       |
|                                                      | answer in time)                                       |
| 409 of an operation whose document calls it passing  | as above: the service did not process it              |
| every other status, an answer that cannot be read    | never                                                 |

There are at most four attempts, inside the call's 45 seconds. The wait is `Retry-After` if the service sends one, else
half a second to a second, doubled each time.
"""

import math
import random
from enum import Enum

from incident_mcp.errors import NoAnswerError, NotSentError, ServiceError, join_sentences
from incident_mcp.transport.operation import Request

_LONGEST_WAIT = 86_400


class Repeat(Enum):
    """Whether a request may be sent again after a failure that leaves its outcome unknown."""

    READ = "a read"
    KEYED = "a write that its idempotency key makes safe to repeat"
    HARMLESS = "a write that does the same when done twice"
    CHECKED = "a write that does the same when done twice, and is read back before it is sent again"
    NEVER = "a write that a repeat would do twice: sent again only if reading back finds nothing and it is too late"


def may_repeat(failure: ServiceError, repeat: Repeat, *, read_back: bool) -> bool:
    """Return whether a request may be sent again after a failure.

    Args:
        failure: The failure.
        repeat: The kind of request.
        read_back: Whether the effect of the lost attempt is looked up first.
    """
    if failure.status == 429:
        return True
    if isinstance(failure, NotSentError) or repeat is not Repeat.NEVER:
        return failure.transient
    return failure.transient and read_back and not failure.late


def wait_before(attempt: int, failure: ServiceError, backoff: float) -> float:
    """Return the seconds to wait after an attempt that failed.

    Args:
        attempt: Its number, from 1 on.
        failure: The failure.
        backoff: The longest wait after the first attempt.
    """
    jitter = random.uniform(0.5, 1) * backoff * 2 ** (attempt - 1)  # noqa: S311  # not a secret
    return failure.retry_after or jitter


def with_requested_wait(failure: ServiceError, *, fits: bool) -> ServiceError:
    """Return a failure after which nothing more is sent, with the wait that the service asks for.

    Args:
        failure: The failure.
        fits: Whether the call has time for that wait.
    """
    if not failure.retry_after:
        return failure
    longer = "" if fits else ", longer than a call may take"
    return failure.with_advice(f"It asks to wait {_format_wait(failure.retry_after)}{longer}: call again after that.")


def _format_wait(seconds: float) -> str:
    # A longer one comes from a wrong clock or a wrong number.
    return f"{math.ceil(seconds)} s" if seconds <= _LONGEST_WAIT else "more than a day"


def lost_write(failure: ServiceError, repeat: Repeat) -> NoAnswerError | None:
    """Return the failure if it leaves open whether a write took effect."""
    return failure if isinstance(failure, NoAnswerError) and repeat is not Repeat.READ else None


def is_deleted(request: Request, lost: NoAnswerError | None, failure: ServiceError) -> bool:
    """Return whether a lost attempt to delete took effect: its target is gone."""
    return lost is not None and failure.status == 404 and request.method == "DELETE"


def followed_by(lost: NoAnswerError | None, later: ServiceError) -> ServiceError:
    """Return a later failure; after a lost write it is that one's failure, which names the later one."""
    if lost is None or later is lost:
        return later
    return lost.with_advice(f"After that: {join_sentences(later.text, later.step)}")
