"""The file with an account's closed incidents, so that only changed ones are read again. It is never needed."""

import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import anyio.to_thread
from pydantic import ValidationError

from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Record
from incident_mcp.response.similar.records import ClosedIncident
from incident_mcp.writing.journal.folder import CLOSED_INCIDENTS, private_folder

KEPT_SECONDS = 86_400
"""After a day all incidents are read again, because deleted ones are in no list of changes."""
MAX_BYTES = 8_000_000
MAX_FILES = 8
"""Accounts whose incidents are kept."""
_VERSION = 1


class Kept(Record):
    """What a file contains."""

    version: int = _VERSION
    account: str
    read_at: float
    """Unix seconds by this machine's clock at which all incidents were read."""
    changed_until: str | None = None
    """The latest `updated_at` of an incident that was read."""
    complete: bool = False
    """True if the account has no further closed incidents."""
    incidents: Sequence[ClosedIncident] = ()


class Store:
    """Reads and writes the file. It fails silently: without a file, everything is read from the service.

    Args:
        folder: Finds the state folder; None keeps nothing.
        account: A hash of the service and the key.
    """

    def __init__(self, folder: Callable[[], Path] | None, account: str) -> None:
        self._folder = folder
        self._account = account

    async def read(self) -> Kept | None:
        """Return what is kept of this account; None if that is nothing, too old, or damaged."""
        return await anyio.to_thread.run_sync(self._read)

    async def write(self, kept: Kept) -> None:
        """Keep an account's incidents."""
        await anyio.to_thread.run_sync(self._write, kept)

    def _read(self) -> Kept | None:
        # RuntimeError: there is no home folder.
        with suppress(OSError, ValueError, RuntimeError, ValidationError):
            if self._folder is None:
                return None
            with self._path(self._folder()).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            kept = Kept.model_validate_json(content, by_alias=False, by_name=True)
            if self._is_usable(kept) and len(content) <= MAX_BYTES:
                return kept
        return None

    def _is_usable(self, kept: Kept) -> bool:
        is_ours = kept.version == _VERSION and kept.account == self._account
        return is_ours and 0 <= unix_now() - kept.read_at < KEPT_SECONDS

    def _write(self, kept: Kept) -> None:
        with suppress(OSError, ValueError, RuntimeError):
            if self._folder is None:
                return
            folder = private_folder(self._folder())
            content = kept.model_dump_json(exclude_none=True).encode()
            new = folder / f"{CLOSED_INCIDENTS}-new-{uuid.uuid4().hex}"
            try:
                with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(content)
                new.replace(self._path(folder))
            finally:
                new.unlink(missing_ok=True)
            _remove_oldest(folder)

    def _path(self, folder: Path) -> Path:
        return folder / f"{CLOSED_INCIDENTS}-{self._account}.json"


def _remove_oldest(folder: Path) -> None:
    """Remove the files of all but the last accounts, and what killed processes left."""
    files = sorted(folder.glob(f"{CLOSED_INCIDENTS}-*"), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in files[MAX_FILES:]:
        path.unlink(missing_ok=True)
