"""The audit log: one JSON line a write, each with the hash of the line before, so that a change shows.

A chain shows what was changed or taken out of its middle; lines cut off its end leave no trace in the file itself.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import anyio.to_thread
import filelock

from incident_mcp.records.record import Json

NO_LINE = "0" * 64
"""What stands for the hash of the line before the first."""
_log = logging.getLogger(__name__)


@dataclass
class AuditLog:
    """Appends to one file, from any number of processes.

    Args:
        path: The file; made with mode 0600.
    """

    path: Path
    trouble: str | None = None
    """Why the last line could not be written."""

    async def append(self, entry: Json) -> None:
        """Add a line; a log that cannot be written loses no call, and is logged once until it can be again."""
        await anyio.to_thread.run_sync(self._append, {"at": datetime.now(UTC).isoformat(), **entry})

    def mend(self) -> None:
        """Replace a last line that a crash cut by one that says so."""
        try:
            there = self.path.exists()
        except (OSError, ValueError):
            there = True
        if there:
            self._append(None)

    def _append(self, entry: Json | None) -> None:
        try:
            path = self.path.expanduser()  # a `~` that is still there has no home folder
            with filelock.FileLock(f"{path}.lock", timeout=5, mode=0o600):
                descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
                with os.fdopen(descriptor, "r+b") as file:
                    previous = _mend(file)
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
    # In ASCII: exact, and a text-direction character cannot make a line read as another one.
    line = json.dumps({**entry, "previous": previous}, separators=(",", ":")).encode()
    file.seek(0, os.SEEK_END)
    file.write(line + b"\n")
    file.flush()
    os.fsync(file.fileno())
    return hashlib.sha256(line).hexdigest()


def _mend(file: BinaryIO) -> str:
    """Make the file end with a whole line and give that line's hash."""
    size = file.seek(0, os.SEEK_END)
    tail = _tail(file, size)
    *whole, cut = tail.split(b"\n")
    previous = hashlib.sha256(whole[-1]).hexdigest() if whole else NO_LINE
    if not cut:
        return previous
    file.truncate(size - len(cut))
    note = {"at": datetime.now(UTC).isoformat(), "mended": f"{len(cut)} bytes of a line that a crash cut"}
    return _write(file, note, previous)


def _tail(file: BinaryIO, size: int) -> bytes:
    """Give the end of the file from the start of its last whole line on, or all of it."""
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
    """What a check of a log found."""

    lines: int
    """Whole, unchanged ones from the first on."""
    problem: str | None = None
    """What is wrong with the first bad line, by number; None when the log is intact."""


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
        return "is cut (the next start of the server mends it)"
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return "is no JSON"
    if not isinstance(entry, dict) or cast("Json", entry).get("previous") != previous:
        return "does not follow the line before: one of the two was changed, or one is missing"
    return None
