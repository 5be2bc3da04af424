"""The private folder of the journal, its locks and the secret behind confirmation codes."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import filelock

NAME = "journal.sqlite3"
SECRET = "confirmation-secret"  # noqa: S105  # a file name
"""The file with the secret behind confirmation codes."""
CLOSED_INCIDENTS = "closed-incidents"
"""How the names of the files begin that keep what was read of closed incidents."""
SEEN = "seen.json"
"""The file with what `incident-mcp call` has shown."""
_LOCK = "lock-"


def private_folder(folder: Path) -> Path:
    """Create a folder that only its owner can enter; one that contains other files, or links, stays unchanged."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077 and not folder.is_symlink() and all(_is_ours(path) for path in folder.iterdir()):
        with suppress(PermissionError):
            folder.chmod(0o700)
    return folder


def _is_ours(path: Path) -> bool:
    return path.name.startswith((_LOCK, NAME, SECRET, SEEN, CLOSED_INCIDENTS)) and not path.is_symlink()


def publish(new: Path, path: Path) -> None:
    """Give a complete file its name, unless another process was faster."""
    try:
        os.link(new, path)
    except FileExistsError:
        return
    except OSError:
        # The file system does not support hard links.
        if not path.exists():
            new.rename(path)


def file_lock(folder: Path, name: str) -> "filelock.FileLock":
    """Return a lock among processes, not yet acquired; it ends with its process."""
    import filelock  # noqa: PLC0415  # only a journalled write needs it

    # A soft lock would outlive a process that was killed.
    return filelock.FileLock(folder / f"{_LOCK}{name}", mode=0o600, fallback_to_soft=False)


def release(lock: "filelock.FileLock") -> None:
    """Release a lock, and delete its file if this process holds it."""
    if lock.is_locked:
        # Safe only for the holder: a waiting process sees that its open file is gone, and creates a new one.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
    lock.release()


def sweep_locks(folder: Path) -> None:
    """Delete the lock files of killed processes and of earlier versions."""
    for path in folder.glob(f"{_LOCK}*"):
        lock = file_lock(folder, path.name.removeprefix(_LOCK))
        with suppress(OSError, NotImplementedError):
            lock.acquire(blocking=False)
            release(lock)
