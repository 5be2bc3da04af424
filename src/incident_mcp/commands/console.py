"""Writing to a console of any encoding that may be closed or full."""

import errno
import io
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress


class NotWritten(Exception):
    """stdout is closed or full, or has no reader; the message says which."""


def prepare() -> None:
    """Escape characters that an encoding lacks, and reserve the descriptors of closed standard streams."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def complain(text: str) -> None:
    """Write a line to stderr; a failure cannot be reported anywhere."""
    if sys.stderr is not None:  # a `print` to a closed stderr would go to stdout
        with suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


@contextmanager
def printing() -> Generator[None]:
    """Run code that prints to stdout.

    Raises:
        NotWritten: Not all of it could be written.
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
        NotWritten: It could not be written.
    """
    with printing():
        print(text)


def put_json(value: object) -> None:
    """Write JSON to stdout, with escapes when the console's encoding lacks a character.

    Raises:
        NotWritten: It could not be written.
    """
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeError:
        text = json.dumps(value)
    put(text)


def discard_stdout() -> None:
    """Discard unwritten output, so that the interpreter does not report it at exit."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
