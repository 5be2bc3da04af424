"""Reading a recording, which may come from anybody: bounded, and rejected with the number of its first bad line."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from incident_mcp.records.record import shorten
from incident_mcp.records.text import inert
from incident_mcp.transport.recording.file import MAGIC, MAX_BYTES, MAX_LINE

_LONGEST = 2 * MAX_LINE


class RecordingError(Exception):
    """A file is not a recording; the text says where."""


_At = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]
"""Unix seconds up to the year 9999."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    session: Annotated[str, Field(pattern="^[a-z]{4,12}$")]
    at: _At


class RecordedSettings(BaseModel):
    """The settings that change answers."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    incidentio_url: str
    ionhour_url: str
    ionhour_workspace_id: int | None = None
    read_only: bool = False
    toolsets: tuple[str, ...] | None = None
    discovery: bool = True
    max_declares: int = 5
    max_writes: int = 30
    stale_minutes: int = 60
    me: str | None = None
    ignore_arguments: tuple[str, ...] = ()
    sandbox: bool = False


class Start(_Line):
    """The first line of a session."""

    kind: Literal["start"]
    version: str = "unknown"
    settings: RecordedSettings
    accounts: dict[str, str]
    """The services that had a key, and what identifies the account there."""


class Called(_Line):
    """A tool was called."""

    kind: Literal["call"]
    call: Annotated[int, Field(ge=1)]
    tool: str
    arguments: dict[str, Any]
    ahead: dict[str, Annotated[float, Field(allow_inf_nan=False)] | None] = {}


class Failure(BaseModel):
    """How a request failed without a response."""

    kind: str
    text: str
    step: str = ""
    transient: bool = False
    late: bool = False


class Exchange(_Line):
    """A request, and its response or failure."""

    kind: Literal["exchange"]
    call: Annotated[int, Field(ge=0)] = 0
    service: str
    method: str
    path: str
    query: list[tuple[str, str]] = []
    body: dict[str, Any] | None = None
    status: Annotated[int, Field(ge=100, le=599)] = 200
    headers: dict[str, str] = {}
    content: Any = Field(default=None, validation_alias="json")
    text: str | None = None
    failure: Failure | None = None
    too_large: int | None = None
    """Bytes of a body that was left out."""


class Result(_Line):
    """The result of a call."""

    kind: Literal["result"]
    call: Annotated[int, Field(ge=1)]
    answer: dict[str, Any] | None = None
    error: str | None = None
    asked: bool = False
    """Whether it was a question to a person."""


class Full(_Line):
    """The file reached its largest size."""

    kind: Literal["full"]


Line: TypeAlias = Start | Called | Exchange | Result | Full
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


@dataclass
class RecordedCall:
    """A call, its requests and its result."""

    start: Start
    called: Called
    exchanges: list[tuple[int, Exchange]] = field(default_factory=list[tuple[int, Exchange]])
    """Each with its place in the file."""
    result: Result | None = None
    """None if the process ended, or the host cancelled the call."""
    ended: int = 0
    """The place in the file of the last line of the call."""


@dataclass
class Recording:
    """A recording that was read."""

    calls: list[RecordedCall] = field(default_factory=list[RecordedCall])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    starts: list[Start] = field(default_factory=list[Start])
    notes: list[str] = field(default_factory=list[str])
    """What is missing of it."""
    ends_at: float = 0.0


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises:
        OSError: The file cannot be read.
        RecordingError: It is not a recording; the text names the line.
    """
    recording = Recording()
    sessions: dict[str, Start] = {}
    calls: dict[tuple[str, int], RecordedCall] = {}
    for number, line in _lines(path, recording):
        try:
            _add(recording, sessions, calls, line)
        except KeyError:
            raise RecordingError(f"line {number} is of a session or call that did not start before it") from None
    if not recording.starts:
        raise RecordingError("it is empty")
    return recording


def _add(
    recording: Recording,
    sessions: dict[str, Start],
    calls: dict[tuple[str, int], RecordedCall],
    line: Line,
) -> None:
    recording.ends_at = max(recording.ends_at, line.at)
    if isinstance(line, Start):
        recording.starts.append(line)
        sessions[line.session] = line
        return
    start = sessions[line.session]
    match line:
        case Full():
            recording.notes.append("It reached its largest size: what came after was not recorded.")
        case Called():
            calls[line.session, line.call] = call = RecordedCall(start, line, ended=len(recording.exchanges))
            recording.calls.append(call)
        case Result():
            calls[line.session, line.call].result = line
        case Exchange():
            if line.call:
                call = calls[line.session, line.call]
                call.ended = len(recording.exchanges)
                call.exchanges.append((call.ended, line))
            recording.exchanges.append(line)


def _lines(path: Path, recording: Recording) -> Iterator[tuple[int, Line]]:
    """Yield the lines with their numbers; a line that a crash cut off before a new session or the end is left out."""
    cut, whole = 0, True
    for number, line in _raw_lines(path):
        if cut and not line.startswith(MAGIC):
            raise _invalid(cut)
        cut, whole = 0, line.endswith(b"\n")
        content = _parse(line)
        if content is not None:
            yield number, _check(number, content)
        elif line.strip():
            recording.notes.append(f"Line {number} was cut off by a crash.")
            cut = number
    if cut and whole:
        raise _invalid(cut)


def _invalid(number: int) -> RecordingError:
    return RecordingError(f"line {number} is not valid JSON")


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    read = 0
    with path.open("rb") as file:
        for number in itertools.count(1):
            line = file.readline(_LONGEST + 1)
            read += len(line)
            if len(line) > _LONGEST:
                raise RecordingError(f"line {number} is longer than {_LONGEST // 1_000_000} MB")
            if read > MAX_BYTES:
                raise RecordingError(f"it is larger than {MAX_BYTES // 1_000_000} MB")
            if number == 1 and line and not line.startswith(MAGIC):
                raise RecordingError("line 1 is not the start of a recording")
            if not line:
                return
            yield number, line


def _parse(line: bytes) -> object:
    """Return the JSON of a line, None if it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _check(number: int, content: object) -> Line:
    try:
        return _LINE.validate_python(content)
    except (ValidationError, RecursionError) as error:
        why = "nested too deep"
        if isinstance(error, ValidationError):
            problem = error.errors(include_url=False, include_input=False)[0]
            why = f"{'.'.join(map(str, problem['loc'])) or 'the whole'}: {problem['msg']}"
        raise RecordingError(f"line {number} is not of a recording ({shorten(inert(why), 200)})") from None
