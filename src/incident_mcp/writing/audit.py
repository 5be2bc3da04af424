"""The audit log: one JSON line per write, each with the hash of the previous line, so that changes can be detected.

The chain reveals changed lines and lines removed from the middle; removing lines from the end leaves no trace.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import anyio.to_thread
import filelock

from incident_mcp.records.clock import utc_now
from incident_mcp.records.record import Json

NO_LINE = "0" * 64
"""The `previous` hash of the first line."""
_log = logging.getLogger(__name__)


@dataclass
class AuditLog:
    """Appends to one file, safely from several processes.

    Args:
        path: The file; created with mode 0600.
    """

    path: Path
    trouble: str | None = None
    """Why the last line could not be written."""

    async def append(self, entry: Json) -> None:
        """Append a line. A log that cannot be written fails no call, and is reported once per streak of failures."""
        await anyio.to_thread.run_sync(self._append, {"at": utc_now().isoformat(), **entry})

    def repair(self) -> None:
        """Replace a last line that a crash cut off with one that records this."""
        try:
            there = self.path.exists()
        except (OSError, ValueError):
            there = True
        if there:
            self._append(None)

    def _append(self, entry: Json | None) -> None:
        try:
            path = self.path.expanduser()  # fails if the home folder is unknown
            with filelock.FileLock(f"{path}.lock", timeout=5, mode=0o600):
                descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
                with os.fdopen(descriptor, "r+b") as file:
                    previous = _repair(file)
                    if entry is not None:
                        _write(file, entry, previous)
        except (OSError, ValueError, RuntimeError) as error:
            first = self.trouble is None
            self.trouble = f"The audit log cannot be written ({type(error).__name__}: {error})"
            if first:
                _log.warning("%s", self.trouble)
        else:
            self.trouble = None


def _write(file: BinaryIO, entry: Json, previous: str) -> str:
    # ASCII only: exact, and text-direction characters cannot make one line look like another.
    line = json.dumps({**entry, "previous": previous}, separators=(",", ":")).encode()
    file.seek(0, os.SEEK_END)
    file.write(line + b"\n")
    file.flush()
    os.fsync(file.fileno())
    return hashlib.sha256(line).hexdigest()


def _repair(file: BinaryIO) -> str:
    """Make the file end with a complete line, and return that line's hash."""
    size = file.seek(0, os.SEEK_END)
    tail = _tail(file, size)
    *complete, cut = tail.split(b"\n")
    previous = hashlib.sha256(complete[-1]).hexdigest() if complete else NO_LINE
    if not cut:
        return previous
    file.truncate(size - len(cut))
    note = {"at": utc_now().isoformat(), "mended": f"{len(cut)} bytes of a line that a crash cut"}
    return _write(file, note, previous)


def _tail(file: BinaryIO, size: int) -> bytes:
    """Return the end of the file from the start of its last complete line, or the whole file."""
    step = 65_536
    while True:
        start = max(0, size - step)
        file.seek(start)
        tail = file.read(size - start)
        if start == 0 or tail.count(b"\n") > 1:
            return tail
        step *= 4


@dataclass(frozen=True)
class Verified:
    """The result of checking a log."""

    lines: int
    """Complete, unchanged lines from the start."""
    problem: str | None = None
    """What is wrong with the first bad line, with its number; None if the log is intact."""


def verify(path: Path) -> Verified:
    """Check a log.

    Raises:
        OSError: It cannot be read.
    """
    previous, lines = NO_LINE, 0
    with path.open("rb") as file:
        for line in file:
            problem = _problem(line, previous)
            if problem is not None:
                return Verified(lines, f"line {lines + 1} {problem}")
            previous = hashlib.sha256(line[:-1]).hexdigest()
            lines += 1
    return Verified(lines)


def _problem(line: bytes, previous: str) -> str | None:
    if not line.endswith(b"\n"):
        return "is cut off (the next start of the server repairs it)"
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return "is not valid JSON"
    if not isinstance(entry, dict) or cast("Json", entry).get("previous") != previous:
        return "does not follow the previous line: one of the two was changed, or a line is missing"
    return None
