"""Confirmation codes: a preview returns one, and an identical call with it performs the write, once.

A code holds when it was issued, a random ID, a hash of what the preview showed, and a hash of these with the exact
request, the account and the caller, keyed with a secret. So every process that shares the secret can check it, and the
journal only keeps the used ones.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.records.clock import unix_now
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, fingerprint
from incident_mcp.writing.journal.folder import SECRET, private_folder, publish
from incident_mcp.writing.outcome import WriteError

CODE_SECONDS = 600
"""For how long a code is valid."""
SECRET_BYTES = 32
_TIME_BYTES, _ID_BYTES, _SHOWN_BYTES, _HASH_BYTES = 5, 3, 3, 14
_BINARY = getattr(os, "O_BINARY", 0)
_CHARACTERS = (_TIME_BYTES + _ID_BYTES + _SHOWN_BYTES + _HASH_BYTES) * 8 // 5

ConfirmCode = Annotated[str | None, Field(description="Code of the preview; without it, only a preview.")]


@dataclass(frozen=True)
class ConfirmationCodes:
    """Issues and checks the codes of one caller.

    Args:
        secrets: Returns the secrets, at least one: the first makes codes, and all are accepted. It may read a file.
        caller: Who calls, where several callers share the secret and an account.
    """

    secrets: Callable[[], Sequence[bytes]]
    caller: str = ""

    async def issue(self, request: str, shown: str | None = None) -> str:
        """Return a code for a request.

        Args:
            request: A hash of the account, the tool and the exact request.
            shown: What the preview shows, None if that is not known for certain.

        Raises:
            WriteError: There is no secret.
        """
        stated = int(unix_now()).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_ID_BYTES) + _hash_of_shown(shown)
        code = stated + self._hash((await self._read_secrets())[0], stated, request)
        return base64.b32encode(code).decode().lower()

    async def check(self, code: str, request: str) -> str:
        """Return the ID of a code that is valid for a request, whether it was used or not.

        Raises:
            InputError: It is not a code, is of another request, or has expired.
            WriteError: There is no secret.
        """
        raw = _decode(code)
        stated, sent = raw[:-_HASH_BYTES], raw[-_HASH_BYTES:]
        hashes = [self._hash(secret, stated, request) for secret in await self._read_secrets()]
        if not any(hmac.compare_digest(each, sent) for each in hashes):
            raise rejection(
                "is not of a preview of this call: an argument or what it refers to changed, or the code is of another"
                " account, caller or server"
            )
        age = unix_now() - int.from_bytes(stated[:_TIME_BYTES], "big")
        if not -AHEAD_SECONDS <= age <= CODE_SECONDS:
            raise rejection(f"has expired: it is valid for {CODE_SECONDS // 60} minutes")
        return stated.hex()

    def _hash(self, secret: bytes, stated: bytes, request: str) -> bytes:
        text = fingerprint(self.caller, request).encode()
        return hmac.new(secret, b"confirmation code" + stated + text, hashlib.sha256).digest()[:_HASH_BYTES]

    async def _read_secrets(self) -> Sequence[bytes]:
        try:
            return await anyio.to_thread.run_sync(self.secrets)
        except (OSError, ValueError, RuntimeError) as error:
            raise WriteError.not_sent(
                f"This write needs a confirmation code, and the secret behind codes cannot be kept"
                f" ({type(error).__name__}: {error}). Set INCIDENT_MCP_STATE_DIR to a folder that can be written."
            ) from None


def age_of(code: str) -> float:
    """Return the seconds since a code was issued, by its ID."""
    return max(unix_now() - int.from_bytes(bytes.fromhex(code)[:_TIME_BYTES], "big"), 0.0)


def is_still_shown(code: str, shown: str | None) -> bool | None:
    """Return whether a preview shows the same as the one that returned a code; None if either is not known.

    Args:
        code: The ID of the code.
        shown: What the preview shows now, None if that is not known for certain.
    """
    stated, now = bytes.fromhex(code)[-_SHOWN_BYTES:], _hash_of_shown(shown)
    return stated == now if any(stated) and any(now) else None


def _hash_of_shown(shown: str | None) -> bytes:
    return bytes(_SHOWN_BYTES) if shown is None else hashlib.sha256(shown.encode()).digest()[:_SHOWN_BYTES]


def rejection(why: str) -> InputError:
    """Return the error of a code that is rejected."""
    return InputError(f"confirm: the code {why}. Not sent. Call without confirm for a new preview and code.")


def _decode(code: str) -> bytes:
    text = code.strip().upper()
    if len(text) == _CHARACTERS:
        with suppress(binascii.Error, ValueError):
            return base64.b32decode(text)
    raise rejection("is not one that a preview returned")


def secret_in(folder: Path) -> bytes:
    """Return the secret in a state folder; it is created if it is missing, cut off, or was readable by others.

    Raises:
        OSError: It cannot be read or created.
    """
    path = private_folder(folder) / SECRET
    for _ in range(3):
        if (secret := _read_private(path)) is not None:
            return secret
        new = path.with_name(f"{SECRET}-{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600), "wb") as file:
                # The mode above is subject to the umask.
                new.chmod(0o600)
                file.write(secrets.token_bytes(SECRET_BYTES))
                file.flush()
                os.fsync(file.fileno())
            publish(new, path)
        finally:
            new.unlink(missing_ok=True)
    raise OSError(f"{path} cannot be made private")


def _read_private(path: Path) -> bytes | None:
    """Return a secret that only its owner can read; delete another one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _BINARY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        private = os.name == "nt" or not os.fstat(descriptor).st_mode & 0o077
        secret = file.read(SECRET_BYTES + 1)
    if private and len(secret) == SECRET_BYTES:
        return secret
    path.unlink(missing_ok=True)
    return None
