"""MCP on stdio, with an end in time."""

import gc
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, NoReturn, cast

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import Server

from incident_mcp.records.record import shorten
from incident_mcp.records.text import one_line
from incident_mcp.serving.lines import InvalidLine, read_line, repair_line, too_long
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.sdk import SessionMessage

CLOSING_SECONDS = 0.8
MAX_BYTES = 64 * 1024 * 1024
"""Longer lines are rejected."""
WATCH_SECONDS = 2
QUIET_SECONDS = 5
"""Time without a line on stdin after which the server ends if its parent process is gone."""
Build = Callable[[Callable[[], None]], Server[Any]]
"""Builds a server that calls a function after its last call."""
_log = logging.getLogger(__name__)


def serve(settings: Settings, build: Build | None = None) -> int:
    """Serve until stdin closes, a signal arrives or the host is gone.

    Args:
        settings: The settings.
        build: Builds another server than that of the settings.

    Returns:
        0 after the end of stdin. A signal ends the process with 128 + its number; if the host is gone, it ends with 1.
    """
    return anyio.run(_serve, settings, build)


async def _serve(settings: Settings, build: Build | None) -> int:
    closed = anyio.Event()
    server = build(closed.set) if build else build_server(settings, closed=closed.set)
    gc.freeze()
    gc.enable()
    wire = Wire(_take(0, "rb", os.open(os.devnull, os.O_RDONLY)), _take(1, "wb", 2), partial(_excerpt, settings))
    async with anyio.create_task_group() as tasks:

        async def end(code: int) -> NoReturn:
            tasks.cancel_scope.cancel()
            with anyio.move_on_after(CLOSING_SECONDS, shield=True):
                await closed.wait()
            # A thread reads stdin and would keep the process alive until the next line.
            os._exit(code)

        async def end_on_signal() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    await end(128 + number)

        async def end_without_host() -> None:
            _log.warning("%s: ending.", await wire.host_is_gone())
            await end(1)

        if sys.platform != "win32":
            tasks.start_soon(end_on_signal)
        tasks.start_soon(end_without_host)
        await wire.serve(server)
        tasks.cancel_scope.cancel()
    return 0


def _take(descriptor: int, mode: str, replacement: int) -> BinaryIO:
    """Reserve a standard stream for the protocol: all other code that uses it gets the replacement."""
    # Never closed: a thread may still be waiting for it at the end.
    file = cast("BinaryIO", os.fdopen(os.dup(descriptor), mode, closefd=False))
    os.dup2(replacement, descriptor)
    return file


def _excerpt(settings: Settings, line: bytes) -> str:
    """Return the start of a line for the log."""
    text = line[:2_000].decode(errors="replace")
    for key in filter(None, (settings.incidentio_key, settings.ionhour_key)):
        text = text.replace(key.get_secret_value(), "[key]")
    return shorten(one_line(text), 120)


@dataclass
class Wire:
    """JSON-RPC lines on two files, instead of the SDK's reader and writer: every line gets a response or a log entry.

    Args:
        stdin: The file that lines are read from.
        stdout: The file that responses are written to.
        excerpt: Returns the part of a line that the log may show.
    """

    stdin: BinaryIO
    stdout: BinaryIO
    excerpt: Callable[[bytes], str]
    _broken: anyio.Event = field(default_factory=anyio.Event)
    _failure: str = ""
    _parent: int = 0
    _last_line_at: float = 0.0

    async def serve(self, server: Server[Any]) -> None:
        """Serve until stdin ends."""
        inward, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_stream, outward = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, inward, write_stream.clone())
            tasks.start_soon(self._write, outward)
            await server.run(read_stream, write_stream, server.create_initialization_options())

    async def host_is_gone(self) -> str:
        """Wait until the host is gone, and return how that was noticed.

        The end of the parent process proves nothing: a launcher may exit on purpose. So the parent is the process that
        exists when the first line arrives, process 1 of a container does not count, and a host that still sends lines
        is served.
        """
        while True:
            with anyio.move_on_after(WATCH_SECONDS):
                await self._broken.wait()
                return self._failure
            if sys.platform != "win32":
                watched = select.poll()
                watched.register(self.stdout, 0)
                if watched.poll(0):
                    return "Nobody reads stdout any more"
            quiet = time.monotonic() - self._last_line_at > QUIET_SECONDS
            if quiet and self._parent > 1 and os.getppid() != self._parent:
                return "The process that started this server is gone, and nothing comes on stdin"

    async def _read(
        self,
        inward: MemoryObjectSendStream[SessionMessage | Exception],
        outgoing: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        async with inward, outgoing:
            while line := await self._line():
                self._last_line_at = time.monotonic()
                self._parent = self._parent or os.getppid()
                if len(line) > MAX_BYTES:
                    message = too_long(line[:65_536], MAX_BYTES)
                    await self._skip(line)
                else:
                    # An invalid line may be long, so it is examined without blocking the others.
                    message = read_line(line) or await anyio.to_thread.run_sync(repair_line, line)
                if isinstance(message, InvalidLine):
                    _log.warning("A line on stdin is %s: %s", message.reason, self.excerpt(line))
                    if message.kind == "request":
                        await outgoing.send(SessionMessage(message.error()))
                    # The call that waits for this response fails; no call waits for a notification.
                    message = message.error() if message.kind == "response" else None
                if message is not None:
                    await inward.send(SessionMessage(message))

    async def _line(self) -> bytes:
        try:
            return await anyio.to_thread.run_sync(self.stdin.readline, MAX_BYTES + 1, abandon_on_cancel=True)
        except OSError:
            return b""

    async def _skip(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = await self._line()

    async def _write(self, outward: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with outward:
            async for item in outward:
                line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                try:
                    await anyio.to_thread.run_sync(self._write_line, line, abandon_on_cancel=True)
                except OSError as error:
                    self._failure = f"stdout cannot be written ({error.strerror})"
                    self._broken.set()
                    await anyio.sleep_forever()

    def _write_line(self, line: bytes) -> None:
        self.stdout.write(line)
        self.stdout.flush()
