"""A journal in SQLite, shared by the processes that use one state folder.

What this process wrote also stays in memory, regardless of the disk. A journal that exists but cannot be read is not
treated as empty: `unreadable` then contains the reason.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio.to_thread

from incident_mcp.records.clock import unix_now
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, Changes, Entry, LastWrite
from incident_mcp.writing.journal.file import JournalFile
from incident_mcp.writing.journal.folder import private_folder
from incident_mcp.writing.journal.locks import ProcessLocks
from incident_mcp.writing.journal.memory import FAILURES, MemoryJournal
from incident_mcp.writing.limits import WINDOW_SECONDS, WriteLimit

_log = logging.getLogger(__name__)


class SqliteJournal(MemoryJournal):
    """Implements `Journal` on disk.

    What cannot be saved is saved with the next change; until then `trouble` contains the reason.

    Args:
        folder: Finds the state folder, on the first write.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        super().__init__()
        self._folder = folder
        self._file = JournalFile(folder)
        self._unsaved = Changes()
        self._process_locks = ProcessLocks()
        self._warned = False

    @asynccontextmanager
    async def lock(self, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Keep other tasks and processes from the same name, and yield whether that succeeded before the deadline.

        Without a usable state folder it excludes only other tasks of this process.
        """
        async with super().lock(name, deadline) as acquired:
            folder = await anyio.to_thread.run_sync(self._lock_folder) if acquired else None
            if folder is None:
                yield acquired
                return
            async with self._process_locks.hold(folder, name, deadline) as acquired_among_processes:
                yield acquired_among_processes

    def _use_code(self, code: str) -> bool:
        return self._file.use_code(code)

    def _prepare(self) -> None:
        self._file.prepare()

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            self._file.close()

    def _entry(self, intent: str) -> Entry | None:
        stored = None
        self.unreadable = None
        self.lost = not self._file.exists()
        try:
            stored = self._file.entry(intent)
        except FAILURES as error:
            self.lost = True
            self._could_not_read(error)
        own = super()._entry(intent)
        if intent in self._unsaved.entries or stored is None or (own is not None and own.version > stored.version):
            return own
        return stored

    def _last_writes(self, targets: Sequence[str]) -> dict[str, LastWrite]:
        last_writes: dict[str, LastWrite] = {}
        with suppress(*FAILURES):
            last_writes = self._file.last_writes(targets)
        for target, own in super()._last_writes(targets).items():
            if target not in last_writes or own.at > last_writes[target].at:
                last_writes[target] = own
        return last_writes

    def _entries_with_key(self, account: str, key: str) -> list[Entry]:
        found: dict[str, Entry] = {}
        try:
            found = {entry.intent: entry for entry in self._file.entries_with_key(account, key)}
        except FAILURES as error:
            self._could_not_read(error)
        found |= {entry.intent: entry for entry in super()._entries_with_key(account, key)}
        return list(found.values())

    def _store(self, changes: Changes, limit: WriteLimit | None) -> None:
        """Save changes; what cannot be saved is retained for the next time.

        Raises:
            WriteLimitError: There were too many writes of this kind.
        """
        now = unix_now()
        if limit is not None and limit.maximum:
            # What this process wrote counts even if it could not be saved.
            self._check(limit, {}, now)
        unsaved = Changes()
        unsaved.add(self._unsaved)
        unsaved.add(changes)
        between = (now - WINDOW_SECONDS, now + AHEAD_SECONDS)
        kind, maximum = (limit.kind, limit.maximum) if limit else ("", 0)
        try:
            counted = self._file.save(unsaved, kind=kind, between=between, maximum=maximum)
        except FAILURES as error:
            self._unsaved = unsaved
            self._warn(error)
        else:
            if counted is not None and limit is not None:
                self._check(limit, counted, now)
            self._unsaved = Changes()
            self.trouble = None
            self._warned = False
        super()._store(changes, None)

    def _lock_folder(self) -> Path | None:
        try:
            return private_folder(self._folder())
        except (OSError, ValueError, RuntimeError) as error:
            self._warn(error)
            return None

    def _could_not_read(self, error: Exception) -> None:
        if self._file.exists():
            self.unreadable = f"The journal cannot be read ({type(error).__name__}: {error})"
        self._warn(error)

    def _warn(self, error: Exception) -> None:
        self.trouble = f"The journal cannot be written ({type(error).__name__}: {error})"
        if not self._warned:
            self._warned = True
            _log.warning("%s; continuing in memory: repeats are recognised only until this process ends.", self.trouble)
