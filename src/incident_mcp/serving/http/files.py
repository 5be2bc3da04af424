"""Files that are read again when they change: the services' keys, each person's keys, and the secrets."""

import json
import logging
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, cast

import anyio
import anyio.to_thread

from incident_mcp.errors import SettingError
from incident_mcp.settings import SECRET_BYTES, filled_in, key_in

T = TypeVar("T")
MAX_BYTES = 1_000_000
WATCH_SECONDS = 2.0
_log = logging.getLogger(__name__)


@dataclass
class WatchedFile(Generic[T]):
    """A file and what it holds; a change that cannot be used is logged, and what it held before stays in use.

    Args:
        variable: The variable that names it, for errors.
        path: The file.
        read: Reads its text; raises SettingError.
        changed: Called with what it holds now, after a change.

    Raises:
        SettingError: It cannot be used at the start.
    """

    variable: str
    path: Path
    read: Callable[[str], T]
    changed: Callable[[T], None] = lambda _: None
    value: T = field(init=False)
    trouble: str | None = None
    _version: tuple[int, ...] = ()
    _turn: anyio.Lock = field(default_factory=anyio.Lock)

    def __post_init__(self) -> None:
        self._version, self.value = self._load()

    def _load(self) -> tuple[tuple[int, ...], T]:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):
                # Reading a pipe would wait for its writer.
                raise SettingError(f"{self.variable}: that is not a file.")
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise SettingError(f"{self.variable}: the file cannot be read ({error.strerror}).") from None
        if os.name != "nt" and found.st_mode & stat.S_IRWXO:
            raise SettingError(f"{self.variable}: others may read the file. Run `chmod o-rwx` on it.")
        if len(content) > MAX_BYTES:
            raise SettingError(f"{self.variable}: the file is larger than {MAX_BYTES // 1_000_000} MB.")
        version = (found.st_mtime_ns, found.st_size, found.st_ino)
        return version, self.read(content.decode(errors="replace"))

    def _has_changed(self) -> bool:
        try:
            found = self.path.stat()
        except OSError:
            return True
        return (found.st_mtime_ns, found.st_size, found.st_ino) != self._version

    async def refresh(self) -> None:
        """Read the file again if it changed."""
        async with self._turn:
            await self._refresh()

    async def _refresh(self) -> None:
        if not await anyio.to_thread.run_sync(self._has_changed):
            return
        try:
            self._version, self.value = await anyio.to_thread.run_sync(self._load)
        except SettingError as error:
            if self.trouble is None:
                _log.warning("%s What it held before stays in use.", error)
            self.trouble = str(error)
            return
        self.trouble = None
        _log.warning("%s was read again: it has changed.", self.variable)
        self.changed(self.value)


async def watch(files: list[WatchedFile[object]]) -> None:
    """Read files again when they change, for ever."""
    while True:
        await anyio.sleep(WATCH_SECONDS)
        for file in files:
            await file.refresh()


def read_key(variable: str) -> Callable[[str], str]:
    """Return what reads a file that holds one API key."""

    def read(text: str) -> str:
        # As the variable for the key itself is read: a key in quotes counts as none.
        name = variable.removesuffix("_FILE")
        env, unfilled = filled_in({name: text})
        if name in unfilled:
            why = unfilled[name].partition(":")[0]
            raise SettingError(f"{variable}: the file {why}. It takes the bare key.")
        key = key_in({variable: env[name]} if name in env else {}, variable)
        if key is None:
            raise SettingError(f"{variable}: the file is empty.")
        return key.get_secret_value()

    return read


def read_secrets(text: str) -> tuple[bytes, ...]:
    """Read a file with a secret in each line: the first makes codes, all are accepted.

    Raises:
        SettingError: There is none, or one is too short.
    """
    found = tuple(dict.fromkeys(line.strip().encode() for line in text.splitlines() if line.strip()))
    if not found or any(len(secret) < SECRET_BYTES for secret in found):
        raise SettingError(
            f"INCIDENT_MCP_SECRET_FILE: each line takes a secret of {SECRET_BYTES} bytes or more, for example from"
            " `openssl rand -hex 32`."
        )
    return found


@dataclass(frozen=True)
class PersonalKeys:
    """The keys of one person."""

    incidentio: str | None = field(default=None, repr=False)
    ionhour: str | None = field(default=None, repr=False)
    me: str | None = None


def read_personal_keys(text: str) -> dict[str, PersonalKeys]:
    """Read `{"<subject>": {"incidentio": "...", "ionhour": "...", "me": "..."}}`.

    Raises:
        SettingError: It is something else; the text repeats no key.
    """
    try:
        rows: object = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingError("INCIDENT_MCP_KEYS_FILE: the file is not JSON.") from None
    if not isinstance(rows, dict):
        raise SettingError(_KEYS_FORM)
    return {subject: _personal(row) for subject, row in cast("dict[str, object]", rows).items()}


_KEYS_FORM = (
    'INCIDENT_MCP_KEYS_FILE takes {"subject": {"incidentio": "key", "ionhour": "key", "me": "email"}}; each of'
    " the three may be left out."
)


def _personal(row: object) -> PersonalKeys:
    if not isinstance(row, dict) or not set(cast("dict[str, object]", row)) <= {"incidentio", "ionhour", "me"}:
        raise SettingError(_KEYS_FORM)
    values = cast("dict[str, object]", row)
    if not all(isinstance(value, str) and re.fullmatch("[!-~]{1,4096}", value) for value in values.values()):
        raise SettingError(_KEYS_FORM)
    return PersonalKeys(**cast("dict[str, str]", values))
