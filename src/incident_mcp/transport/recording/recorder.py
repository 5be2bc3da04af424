"""Recording a session: its settings, its calls, the requests of each call with their answers, and its results."""

import json
import logging
import secrets
import string
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path

import anyio.to_thread
from pydantic import SecretStr

from incident_mcp import __version__
from incident_mcp.errors import ServiceError
from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import Json, read_json, without_none
from incident_mcp.transport.operation import Request
from incident_mcp.transport.recording.anonymizer import Anonymizer
from incident_mcp.transport.recording.file import MAX_BYTES, MAX_LINE, FullError, RecordFile
from incident_mcp.transport.redaction import Redactor
from incident_mcp.transport.tape import Response, Send

HEADERS = ("content-type", "date", "retry-after", "x-ratelimit-remaining", "x-request-id")
"""Those that are read of a response; no others are recorded, and none of a request."""
_FOR_THE_END = 1_000
"""Bytes of the largest size that are kept for the line that says that it was reached."""
_call: ContextVar[int] = ContextVar("recorded call", default=0)
"""The call that runs; 0 outside of calls."""
_log = logging.getLogger(__name__)


class Recorder:
    """Appends what happens to a file. It never fails a call: trouble is logged once and ends the recording.

    Args:
        path: The file.
        keys: Keys and secrets of the settings.
    """

    def __init__(self, path: Path, keys: Iterable[SecretStr]) -> None:
        self._path = path
        self._redact_keys = Redactor(keys)
        self._session = "".join(secrets.choice(string.ascii_lowercase) for _ in range(6))
        self._anonymizer = Anonymizer(self._session)
        self._lock = threading.Lock()
        self._calls = 0
        self._file: RecordFile | None = None
        try:
            self._file = RecordFile(path)
        except (OSError, ValueError, RuntimeError) as error:
            self._end(f"nothing is recorded: {error}")

    def start(self, header: Json) -> None:
        """Begin a session.

        Args:
            header: What a replay needs of the settings.
        """
        self._append(lambda: {"incident_mcp_recording": 1, **self._line("start"), "version": __version__, **header})

    async def begin_call(self, tool: str, arguments: Json, ahead: Mapping[str, float | None]) -> int:
        """Record that a tool is called, and return the number of the call.

        Args:
            tool: The tool's name.
            arguments: As they were sent.
            ahead: Seconds by which each service's clock is ahead.
        """
        self._calls += 1
        line = self._line("call") | {"call": self._calls, "tool": tool, "arguments": arguments, "ahead": {**ahead}}
        _call.set(self._calls)
        await self._write(lambda: line)
        return self._calls

    async def end_call(self, number: int, **result: object) -> None:
        """Record the result of a call: its `answer`, its `error`, or that it `asked` a person."""
        line = self._line("result") | {"call": number, **result}
        await self._write(lambda: line)

    async def exchange(self, service: str, request: Request, send: Send) -> Response:
        """Send a request, and record it with its response or failure.

        Raises:
            ServiceError: There was no connection or no response.
        """
        try:
            response = await send(request)
        except ServiceError as failure:
            line = self._request(service, request) | {"failure": _describe(failure)}
            await self._write(lambda: line)
            raise
        line = self._request(service, request) | {"at": response.at, "status": response.status}
        await self._write(partial(self._with_response, line, response))
        return response

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _line(self, kind: str) -> Json:
        return {"kind": kind, "session": self._session, "at": unix_now()}

    def _request(self, service: str, request: Request) -> Json:
        return self._line("exchange") | {
            "call": _call.get(),
            "service": service,
            "method": request.method,
            "path": request.path,
            "query": list(request.query),
            "body": request.body,
        }

    def _with_response(self, line: Json, response: Response) -> Json:
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        content = self._redact_keys(response.content)
        if len(content) > MAX_LINE:
            return {**line, "headers": headers, "too_large": len(content)}
        body = read_json(content) if content.strip() else None
        if body is None or not _is_valid(body):
            return {**line, "headers": headers, "text": content.decode(errors="replace")}
        return {**line, "headers": headers, "json": body}

    async def _write(self, make: Callable[[], Json]) -> None:
        # In a thread: a body may be large. Not given up when the call is cancelled.
        await anyio.to_thread.run_sync(self._append, make)

    def _append(self, make: Callable[[], Json]) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.append(self._encoded(make()), MAX_BYTES - _FOR_THE_END)
            except FullError:
                with suppress(FullError, OSError):
                    self._file.append(_dump(self._line("full")))
                self._end(f"it has {MAX_BYTES // 1_000_000} MB, and nothing more is recorded")
            except Exception as error:  # noqa: BLE001  # a recording fails no call
                self._end(f"nothing more is recorded ({type(error).__name__}: {error})")

    def _encoded(self, line: Json) -> bytes:
        """Return a line, redacted; a body that makes it too long is left out."""
        pairs = line.pop("query", None)
        path = line.pop("path", None)
        redacted = {name: self._anonymizer.json(value, name) for name, value in line.items()}
        if path is not None:
            redacted["path"] = self._anonymizer.path(path)
            redacted["query"] = [[name, self._anonymizer.json(value, name)] for name, value in pairs]
        encoded = self._redact_keys(_dump(redacted))
        if len(encoded) > MAX_LINE:
            rest = {name: redacted[name] for name in redacted if name not in ("json", "text", "answer", "error")}
            encoded = self._redact_keys(_dump({**rest, "too_large": len(encoded)}))
        return encoded

    def _end(self, why: str) -> None:
        _log.warning("INCIDENT_MCP_RECORD=%s: %s.", self._path, why)
        if self._file is not None:
            self._file.close()
            self._file = None


def _dump(line: Json) -> bytes:
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode()


def _is_valid(body: object) -> bool:
    """Return whether a body can be written as JSON: Python reads NaN, which is not JSON."""
    try:
        json.dumps(body, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True


def _describe(failure: ServiceError) -> Json:
    """Return what a replay needs to fail in the same way."""
    return without_none(
        kind=type(failure).__name__,
        text=failure.text,
        step=failure.step or None,
        transient=failure.transient,
        late=failure.late,
    )
