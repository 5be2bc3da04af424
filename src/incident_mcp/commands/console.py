"""Writing to a console, whatever its encoding, and whether it is open, closed or full."""

import errno
import io
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress


class NotWritten(Exception):
    """stdout is closed or full, or nobody reads it; the text says which."""


def prepare() -> None:
    """Let stdout and stderr escape what their encoding lacks, and keep their numbers from other files if closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(text: str) -> None:
    """Write a line to stderr; there is nowhere to say that this failed."""
    if sys.stderr is not None:  # a `print` to a closed stderr would go to stdout
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


@contextmanager
def printing() -> Generator[None]:
    """Let something print to stdout.

    Raises:
        NotWritten: Not all of it arrived.
    """
    try:
        yield
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")  # noqa: TRY301  # as any other failure
        sys.stdout.flush()
    except OSError as error:
        raise NotWritten(error.strerror or str(error)) from error


def put(text: str) -> None:
    """Write a line to stdout.

    Raises:
        NotWritten: It did not arrive.
    """
    with printing():
        print(text)


def put_json(value: object) -> None:
    """Write JSON to stdout, with escapes when the console's encoding lacks a character.

    Raises:
        NotWritten: It did not arrive.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeError:
        text = json.dumps(value)
    put(text)


def discard_stdout() -> None:
    """Throw away what stdout still holds, so that the end of the process does not complain about it."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
