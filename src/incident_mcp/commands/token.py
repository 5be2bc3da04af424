"""`incident-mcp token`: create, list and revoke static tokens of the team server."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from incident_mcp.commands.console import NotWritten, complain, put
from incident_mcp.errors import SettingError
from incident_mcp.records.clock import utc_now
from incident_mcp.serving.http.sign_in.token_file import TokenFileError, add_token, read_tokens, revoke_token
from incident_mcp.settings import filled_in, path_in

_VARIABLE = "INCIDENT_MCP_TOKENS_FILE"
_MAX_DAYS = 3_650


def tokens_file(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the token file that the command line or the environment names.

    Raises:
        SettingError: Neither does.
    """
    env, unfilled = filled_in(environ)
    path = path_in({_VARIABLE: str(given)} if given else env, _VARIABLE)
    if path is None:
        why = f" ({_VARIABLE} holds a placeholder)" if _VARIABLE in unfilled else ""
        raise SettingError(f"name the token file with --file or {_VARIABLE}{why}.")
    return path


def new(path: Path, name: str, role: str, days: int | None) -> int:
    """Create a token: stdout gets the token alone, stderr the rest.

    Returns:
        0; 2 if it cannot be created.

    Raises:
        NotWritten: It could not be printed; it was revoked again.
    """
    if days is not None and not 1 <= days <= _MAX_DAYS:
        complain(f"incident-mcp token new: --days takes 1 to {_MAX_DAYS}.")
        return 2
    expires = None if days is None else utc_now() + timedelta(days=days)
    try:
        token = add_token(path, name, role, expires)
    except TokenFileError as error:
        complain(f"incident-mcp token new: {error}")
        return 2
    try:
        put(token)
    except NotWritten:
        revoke_token(path, name)  # nobody has seen it
        raise
    until = "does not expire" if expires is None else f"expires {expires:%Y-%m-%d %H:%M} UTC"
    complain(f"Token {name} ({role}, {until}) was added to {path}. It is not stored and cannot be shown again.")
    return 0


def list_tokens(path: Path) -> int:
    """Print name, role, creation and expiry of each token.

    Returns:
        0; 2 if the file cannot be read.
    """
    try:
        rows = read_tokens(path)[1]
    except FileNotFoundError:
        complain(f"incident-mcp token list: {path} does not exist.")
        return 2
    except TokenFileError as error:
        complain(f"incident-mcp token list: {error}")
        return 2
    for row in rows:
        if row.expires_at is None:
            until = "does not expire"
        else:
            until = f"{'expires' if row.is_valid(utc_now()) else 'expired'} {row.expires_at:%Y-%m-%d %H:%M} UTC"
        put(f"{row.name}  {row.role}  created {row.created_at:%Y-%m-%d %H:%M} UTC  {until}")
    return 0


def revoke(path: Path, name: str) -> int:
    """Revoke a token.

    Returns:
        0; 2 if there is none with this name, or the file cannot be used.
    """
    try:
        revoke_token(path, name)
    except TokenFileError as error:
        complain(f"incident-mcp token revoke: {error}")
        return 2
    complain(f"Token {name} was revoked.")
    return 0
