"""What a caller has been shown, in a file: for `incident-mcp call`, where each call is a process."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

from incident_mcp.records.clock import unix_now
from incident_mcp.transport.seen import SEEN_SECONDS
from incident_mcp.writing.journal.folder import SEEN, private_folder

MAX_KEPT = 300
"""Records in the file: the oldest are forgotten first."""
MAX_BYTES = 5_000_000
"""A larger file is not this project's."""


class SeenFile:
    """What has been shown, in the state folder. A file that cannot be read or written is as good as none."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    async def remember(self, records: Mapping[str, str]) -> None:
        """Remember records as they were shown; of two processes at once, one may lose what it remembers."""
        kept = self._read()
        now = unix_now()
        for key, value in records.items():
            kept.pop(key, None)
            kept[key] = (now, value)
        with suppress(OSError, RuntimeError):
            self._write(dict(list(kept.items())[-MAX_KEPT:]))

    async def find(self, key: str) -> str | None:
        """Return what was remembered of a record."""
        return self._read().get(key, (0.0, None))[1]

    def _read(self) -> dict[str, tuple[float, str]]:
        """Return what is in the file and has not expired; what is dated in the future has."""
        try:
            path = self._folder() / SEEN
            rows: object = json.loads(path.read_bytes()) if path.stat().st_size <= MAX_BYTES else None
        except (OSError, RuntimeError, ValueError, RecursionError):
            return {}
        now = unix_now()
        return {key: (float(at), value) for key, (at, value) in _well_formed(rows) if 0 <= now - at <= SEEN_SECONDS}

    def _write(self, kept: Mapping[str, tuple[float, str]]) -> None:
        folder = private_folder(self._folder())
        # Only its owner can read a file that `mkstemp` makes.
        number, name = tempfile.mkstemp(prefix=f"{SEEN}.", dir=folder)
        new = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            new.replace(folder / SEEN)
        except OSError:
            new.unlink(missing_ok=True)
            raise


def _well_formed(rows: object) -> list[tuple[str, tuple[float, str]]]:
    found: list[tuple[str, tuple[float, str]]] = []
    for key, row in cast("dict[str, object]", rows).items() if isinstance(rows, dict) else ():
        match row:
            case [int() | float() as at, str() as value]:
                found.append((key, (at, value)))
            case _:
                continue
    return found
