"""The time of day, which a replay sets back to when it was recorded."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_other: ContextVar[Callable[[], float] | None] = ContextVar("clock", default=None)


def unix_now() -> float:
    """Return the Unix time in seconds."""
    other = _other.get()
    return other() if other else time.time()


def utc_now() -> datetime:
    """Return the current instant in UTC."""
    return datetime.fromtimestamp(unix_now(), UTC)


@contextmanager
def other_clock(read: Callable[[], float]) -> Generator[None]:
    """Read another clock in this task, and in the tasks and threads that it starts.

    Args:
        read: Returns the Unix time in seconds.
    """
    token = _other.set(read)
    try:
        yield
    finally:
        _other.reset(token)
