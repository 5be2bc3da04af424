"""The file of a recording: lines of JSON that are only appended, private, and bounded in size."""

import os
import stat
from pathlib import Path

MAGIC = b'{"incident_mcp_recording":1,'
"""How the first line of a session begins, and with it every recording."""
MAX_BYTES = 100_000_000
"""Of a whole file: nothing more is recorded then."""
MAX_LINE = 8_000_000
"""Bytes. The body of a longer line is left out."""


class FullError(Exception):
    """The file has reached its largest size."""


class RecordFile:
    """A file to append to, which other processes may append to as well.

    Args:
        path: The file; created with mode 0600.

    Raises:
        OSError: It cannot be written, or is something other than a recording.
        RuntimeError: There is no home folder for `~`.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(path.expanduser(), flags, 0o600)
        try:
            self._check()
        except OSError:
            self.close()
            raise

    def _check(self) -> None:
        """Raise unless the file is empty or a recording; make it private."""
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file")
        self._is_cut = False
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            if status.st_size and file.read(len(MAGIC)) != MAGIC:
                raise OSError("it holds something other than a recording, and stays unchanged")
            if status.st_size:
                file.seek(-1, os.SEEK_END)
                self._is_cut = file.read(1) != b"\n"
        if os.name != "nt":
            os.fchmod(self._descriptor, 0o600)

    def append(self, line: bytes, most: int = MAX_BYTES) -> None:
        """Append a line in one write, so that a crash loses no earlier one.

        Args:
            line: The line, without its end.
            most: Bytes that the file may have afterwards.

        Raises:
            FullError: The file would be larger.
            OSError: It could not be written.
        """
        # After a line that a crash cut off, a new one begins.
        data = (b"\n" if self._is_cut else b"") + line + b"\n"
        if os.fstat(self._descriptor).st_size + len(data) > most:
            raise FullError
        if os.write(self._descriptor, data) != len(data):
            raise OSError("a line was written in part only")
        self._is_cut = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
