"""Sign-in with static tokens, for pipelines and for teams without an identity provider."""

import hmac
import logging
import threading
import time
from pathlib import Path

import anyio
import anyio.to_thread

from incident_mcp.errors import SettingError
from incident_mcp.records.clock import utc_now
from incident_mcp.serving.http.sdk import AccessToken
from incident_mcp.serving.http.sign_in.roles import scopes_of
from incident_mcp.serving.http.sign_in.token_file import (
    TokenFileError,
    TokenRow,
    Version,
    hash_token,
    read_tokens,
)

ISSUER = "incident-mcp:tokens"
"""The issuer of static tokens in a principal, which no identity provider can have: it is no URL."""
SUBJECT_PREFIX = "token:"
"""Before the name of a static token, where subjects of an identity provider are named too."""
MAX_TOKEN = 200
"""Characters; a longer text is no static token."""
KEPT_SECONDS = 3_600.0
"""How long tokens stay valid after the file became unusable: a typing error in it must not revive a revoked token for
ever, nor lock everybody out at once."""
RETRY_SECONDS = 1.0
"""Between two attempts to read an unusable file that has not changed."""
_THREADS = 4
_log = logging.getLogger(__name__)


class StaticTokens:
    """The tokens of a file, which is read again when it changes.

    Args:
        path: The file.

    Raises:
        SettingError: The file is missing or cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._tried: Version | None = None
        self._tried_at = 0.0
        self._trouble: str | None = None
        self._unusable_since: float | None = None
        self._version: Version | None = None
        self._rows: tuple[TokenRow, ...] = ()
        try:
            self._version, self._rows = read_tokens(path)
        except FileNotFoundError:
            raise SettingError(
                f"INCIDENT_MCP_TOKENS_FILE: {path} does not exist. Create it with `incident-mcp token new`."
            ) from None
        except TokenFileError as error:
            raise SettingError(f"INCIDENT_MCP_TOKENS_FILE: {error}") from None

    async def verify(self, token: str) -> AccessToken | None:
        """Return whose token it is, None if it is not valid."""
        if len(token) > MAX_TOKEN:
            return None
        row = _match(await self._current(), hash_token(token))
        return None if row is None or not row.is_valid(utc_now()) else _principal(row)

    async def ready(self) -> str | None:
        """Return why the file cannot be used, None if it can."""
        await self._current()
        return self._trouble

    async def _current(self) -> tuple[TokenRow, ...]:
        if self._is_unchanged():
            return self._rows
        return await anyio.to_thread.run_sync(self._read_changes, limiter=self._limiter)

    def _is_unchanged(self) -> bool:
        """Return whether the file is as it was read: a stat on the event loop.

        A thread for it takes 100 times as long. A network file system that hangs would stop the server here.
        """
        if self._trouble is not None:
            return False
        try:
            return Version.of(self._path.stat()) == self._version
        except OSError:
            return False

    def _read_changes(self) -> tuple[TokenRow, ...]:
        with self._lock:
            try:
                self._read_if_changed()
            except FileNotFoundError:
                # Without the file, valid and revoked tokens cannot be distinguished.
                self._rows, self._version, self._tried = (), None, None
                self._report(f"{self._path} does not exist: no static token is accepted")
            except (TokenFileError, OSError, ValueError) as error:
                self._unusable_since = self._unusable_since or time.monotonic()
                why = str(error) if isinstance(error, TokenFileError) else f"{self._path} cannot be read."
                self._report(f"{why} The tokens read before stay valid for {KEPT_SECONDS / 60:.0f} minutes")
            if self._unusable_since is not None and time.monotonic() - self._unusable_since >= KEPT_SECONDS:
                self._rows = ()
            return self._rows

    def _read_if_changed(self) -> None:
        version = Version.of(self._path.stat())
        if version == self._version and self._trouble is None:
            return
        if version == self._tried and time.monotonic() - self._tried_at < RETRY_SECONDS:
            return
        self._tried, self._tried_at = version, time.monotonic()
        version, self._rows = read_tokens(self._path)
        self._version = version  # last: `_is_unchanged` reads it in another thread
        self._trouble = self._unusable_since = None

    def _report(self, trouble: str) -> None:
        if self._trouble != trouble:
            _log.warning("Static tokens: %s", trouble)
        self._trouble = trouble


def _match(rows: tuple[TokenRow, ...], sha256: str) -> TokenRow | None:
    """Compare with every row, so that the time taken does not show which rows are there."""
    found: TokenRow | None = None
    for row in rows:
        if hmac.compare_digest(row.sha256, sha256):
            found = row
    return found


def _principal(row: TokenRow) -> AccessToken:
    return AccessToken(
        token="",
        client_id=SUBJECT_PREFIX + row.name,
        scopes=scopes_of(row.role),
        expires_at=None if row.expires_at is None else int(row.expires_at.timestamp()),
        subject=row.name,
        claims={"iss": ISSUER, "role": row.role, "name": row.name},
    )
