"""The file of static tokens: who may sign in with which role, and the hash of each token.

A token has 256 random bits. It cannot be guessed or found by hashing candidates, so a plain SHA-256 protects it; a slow
password hash would only let strangers make the server work.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import filelock

from incident_mcp.records.clock import utc_now
from incident_mcp.serving.http.sign_in.roles import ROLES

PREFIX = "imcp_"
"""How every static token begins, so that secret scanners can find one."""
MAX_BYTES = 1_000_000
MAX_ROWS = 1_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LOCK_SECONDS = 5


class TokenFileError(Exception):
    """The file cannot be used; the text says why and what to do, and holds nothing of a token."""


@dataclass(frozen=True)
class TokenRow:
    """One token of the file."""

    name: str
    role: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Return whether the token has not expired."""
        return self.expires_at is None or now < self.expires_at

    def to_json(self) -> dict[str, str]:
        """Return the row as it is stored."""
        row = {"name": self.name, "role": self.role, "sha256": self.sha256, "created_at": self.created_at.isoformat()}
        return row if self.expires_at is None else {**row, "expires_at": self.expires_at.isoformat()}


@dataclass(frozen=True)
class Version:
    """What distinguishes one state of the file from another without reading it."""

    changed_ns: int
    size: int
    inode: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Version":
        """Return the version that a file's status describes."""
        return cls(found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def hash_token(token: str) -> str:
    """Return the hash under which a token is stored."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def read_tokens(path: Path) -> tuple[Version, tuple[TokenRow, ...]]:
    """Read the file.

    Raises:
        FileNotFoundError: There is none.
        TokenFileError: It cannot be used.
    """
    try:
        # Non-blocking, because opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            _check_access(path, found)
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise TokenFileError(f"{path} cannot be read ({why or type(error).__name__}).") from None
    if len(content) > MAX_BYTES:
        raise TokenFileError(f"{path} is larger than {MAX_BYTES} bytes.")
    return Version.of(found), _parse(path, content)


def _check_access(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise TokenFileError(f"{path} is not a regular file.")
    if os.name != "posix":
        return
    # A mounted secret belongs to root, and the server's group reads it.
    forbidden = 0o077 if found.st_uid == os.geteuid() else 0o037
    if found.st_mode & forbidden:
        raise TokenFileError(f"{path} is accessible to other users. Run `chmod 600 {path}`.")


def _parse(path: Path, content: bytes) -> tuple[TokenRow, ...]:
    malformed = TokenFileError(f"{path} is malformed. Write it with `incident-mcp token new` and `token revoke`.")
    try:
        document: object = json.loads(content)
    except (ValueError, RecursionError):
        raise malformed from None
    rows = cast("dict[str, object]", document).get("tokens") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise malformed
    listed = cast("list[object]", rows)
    if len(listed) > MAX_ROWS:
        raise TokenFileError(f"{path} holds more than {MAX_ROWS} tokens.")
    try:
        parsed = tuple(_parse_row(row) for row in listed)
    except (ValueError, OverflowError):
        raise malformed from None
    _check_unique(path, "name", [row.name for row in parsed])
    _check_unique(path, "sha256", [row.sha256 for row in parsed])
    return parsed


def _check_unique(path: Path, field: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise TokenFileError(f"{path} contains the same {field} twice.")


def _parse_row(row: object) -> TokenRow:
    match row:
        case {"name": str(name), "role": str(role), "sha256": str(sha256), "created_at": str(created)}:
            known = _NAME.fullmatch(name) and role in ROLES and _HASH.fullmatch(sha256)
            if known:
                expires = cast("dict[str, Any]", row).get("expires_at")
                return TokenRow(name, role, sha256, _instant(created), None if expires is None else _instant(expires))
        case _:
            pass
    raise ValueError("malformed row")


def _instant(text: object) -> datetime:
    instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    if instant is None or instant.tzinfo is None:
        raise ValueError("no instant")
    return instant.astimezone(UTC)


def add_token(path: Path, name: str, role: str, expires_at: datetime | None = None) -> str:
    """Create a token, store its hash, and return the token, which is stored nowhere.

    Raises:
        TokenFileError: The name or the file cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise TokenFileError("A name takes 1 to 64 letters, digits and . _ @ -, and begins with a letter or a digit.")
    if role not in ROLES:
        raise TokenFileError(f"A role is one of {', '.join(ROLES)}.")
    token = PREFIX + secrets.token_urlsafe(32)
    with _edited(path) as rows:
        if any(row.name == name for row in rows):
            raise TokenFileError(f"{path} already holds a token with this name. Revoke it first, or choose another.")
        if len(rows) >= MAX_ROWS:
            raise TokenFileError(f"{path} holds {MAX_ROWS} tokens already. Revoke some first.")
        rows.append(TokenRow(name, role, hash_token(token), utc_now(), expires_at))
    return token


def revoke_token(path: Path, name: str) -> None:
    """Remove a token from the file.

    Raises:
        TokenFileError: There is no such token, or the file cannot be used.
    """
    if not path.exists():
        raise TokenFileError(f"{path} does not exist: there is no token with this name.")
    with _edited(path) as rows:
        kept = [row for row in rows if row.name != name]
        if len(kept) == len(rows):
            raise TokenFileError(f"{path} holds no token with this name. `incident-mcp token list` shows the names.")
        rows[:] = kept


@contextmanager
def _edited(path: Path) -> Generator[list[TokenRow]]:
    """Read the rows under a lock, and store what the block made of them."""
    try:
        target = Path(os.path.realpath(path))  # a link to the file stays a link
        with filelock.FileLock(f"{target}.lock", timeout=_LOCK_SECONDS, mode=0o600):
            try:
                rows = list(read_tokens(target)[1])
            except FileNotFoundError:
                rows = []
            yield rows
            _write(target, rows)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise TokenFileError(f"{path} cannot be written ({why}).") from None


def _write(path: Path, rows: Sequence[TokenRow]) -> None:
    # Only its owner can read a file that `mkstemp` makes.
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump({"tokens": [row.to_json() for row in rows]}, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
