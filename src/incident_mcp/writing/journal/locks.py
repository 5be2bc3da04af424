"""Locks by name: among the tasks of this process, and among processes that share a folder."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import filelock

from incident_mcp.writing.journal.folder import file_lock, release

_log = logging.getLogger(__name__)
_NO_LOCKS = "The state folder does not support file locks: identical calls from several processes are not serialized"


@dataclass
class _TaskLock:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    users: int = 0
    """Tasks that hold it or wait for it."""


class TaskLocks:
    """Locks among the tasks of this process."""

    def __init__(self) -> None:
        self._locks: dict[str, _TaskLock] = {}

    @asynccontextmanager
    async def hold(self, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Hold a lock, and yield whether it was acquired a second before the deadline."""
        task_lock = self._locks.setdefault(name, _TaskLock())
        task_lock.users += 1
        try:
            acquired = await _acquire(task_lock.lock, deadline)
            try:
                yield acquired
            finally:
                if acquired:
                    task_lock.lock.release()
        finally:
            task_lock.users -= 1
            if not task_lock.users:
                del self._locks[name]


async def _acquire(lock: anyio.Lock, deadline: float) -> bool:
    with suppress(anyio.WouldBlock):
        lock.acquire_nowait()
        return True
    with anyio.move_on_after(max(0.0, deadline - 1 - anyio.current_time())):
        await lock.acquire()
        return True
    return False


class ProcessLocks:
    """Locks among processes; a folder that does not support them is logged once per streak."""

    def __init__(self) -> None:
        self._warned = False

    @asynccontextmanager
    async def hold(self, folder: Path, name: str, deadline: float) -> AsyncGenerator[bool]:
        """Hold a lock, and yield whether it was acquired a second before the deadline."""
        lock = file_lock(folder, name)
        try:
            yield await self._acquire(lock, deadline)
        finally:
            release(lock)

    async def _acquire(self, lock: "filelock.FileLock", deadline: float) -> bool:
        while True:
            try:
                lock.acquire(blocking=False)
            except TimeoutError:
                if anyio.current_time() + 1 > deadline:
                    return False
                await anyio.sleep(0.05)
            except (OSError, ValueError, NotImplementedError) as error:
                if not self._warned:
                    self._warned = True
                    _log.warning("%s (%s: %s)", _NO_LOCKS, type(error).__name__, error)
                return True
            else:
                self._warned = False
                return True
