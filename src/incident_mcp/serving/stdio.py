"""Serving MCP on stdio, and ending in time."""

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
from incident_mcp.serving.lines import Unread, mend, read_line, too_long
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.sdk import SessionMessage

CLOSING_SECONDS = 0.8
MOST_BYTES = 64 * 1024 * 1024
"""The longest line that is read."""
WATCH_SECONDS = 2
QUIET_SECONDS = 5
"""For how long nothing may have come on stdin before a server whose parent is gone ends."""
_log = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serve until stdin closes, a signal comes or the host is gone.

    Returns:
        0 after the end of stdin. A signal ends the process with 128 + its number, a host that is gone with 1.
    """
    return anyio.run(_serve, settings)


async def _serve(settings: Settings) -> int:
    closed = anyio.Event()
    server = build_server(settings, closed=closed.set)
    gc.freeze()
    gc.enable()
    wire = Wire(_take(0, "rb", os.open(os.devnull, os.O_RDONLY)), _take(1, "wb", 2), partial(_excerpt, settings))
    async with anyio.create_task_group() as tasks:

        async def end(code: int) -> NoReturn:
            tasks.cancel_scope.cancel()
            with anyio.move_on_after(CLOSING_SECONDS, shield=True):
                await closed.wait()
            # stdin is read in a thread that would keep the process until one more line comes.
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


def _take(descriptor: int, mode: str, instead: int) -> BinaryIO:
    """Take a standard stream for the protocol alone: what else reads or writes there gets `instead`."""
    # Never closed: a thread may still wait in it at the end.
    file = cast("BinaryIO", os.fdopen(os.dup(descriptor), mode, closefd=False))
    os.dup2(instead, descriptor)
    return file


def _excerpt(settings: Settings, line: bytes) -> str:
    """Return the start of a line for the log."""
    text = line[:2_000].decode(errors="replace")
    for key in filter(None, (settings.incidentio_key, settings.ionhour_key)):
        text = text.replace(key.get_secret_value(), "[key]")
    return shorten(one_line(text), 120)


@dataclass
class Wire:
    """JSON-RPC lines on two files, in place of the SDK's: no line stays without an answer or a line in the log.

    Args:
        stdin: Where lines come from.
        stdout: Where answers go.
        excerpt: Returns what the log may show of a line.
    """

    stdin: BinaryIO
    stdout: BinaryIO
    excerpt: Callable[[bytes], str]
    _broken: anyio.Event = field(default_factory=anyio.Event)
    _trouble: str = ""
    _parent: int = 0
    _heard: float = 0.0

    async def serve(self, server: Server[Any]) -> None:
        """Serve until stdin ends."""
        inward, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_stream, outward = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, inward, write_stream.clone())
            tasks.start_soon(self._write, outward)
            await server.run(read_stream, write_stream, server.create_initialization_options())

    async def host_is_gone(self) -> str:
        """Wait until nobody is there to serve, and return how that shows.

        A parent that is gone is no proof: a launcher may have left on purpose. So the parent is the process that is
        there when the first line comes, nobody is in a container's 1, and whoever still sends lines is served.
        """
        while True:
            with anyio.move_on_after(WATCH_SECONDS):
                await self._broken.wait()
                return self._trouble
            if sys.platform != "win32":
                watched = select.poll()
                watched.register(self.stdout, 0)
                if watched.poll(0):
                    return "Nobody reads stdout any more"
            quiet = time.monotonic() - self._heard > QUIET_SECONDS
            if quiet and self._parent > 1 and os.getppid() != self._parent:
                return "The process that started this server is gone, and nothing comes on stdin"

    async def _read(
        self,
        inward: MemoryObjectSendStream[SessionMessage | Exception],
        answers: MemoryObjectSendStream[SessionMessage],
    ) -> None:
        async with inward, answers:
            while line := await self._line():
                self._heard = time.monotonic()
                self._parent = self._parent or os.getppid()
                if len(line) > MOST_BYTES:
                    found = too_long(line[:65_536], MOST_BYTES)
                    await self._skip(line)
                else:
                    # What is no message may be long, and is looked at beside the others.
                    found = read_line(line) or await anyio.to_thread.run_sync(mend, line)
                if isinstance(found, Unread):
                    _log.warning("A line on stdin is %s: %s", found.reason, self.excerpt(line))
                    if found.kind == "request":
                        await answers.send(SessionMessage(found.error()))
                    # What waits for this response learns of it; nobody waits for a notification.
                    found = found.error() if found.kind == "response" else None
                if found is not None:
                    await inward.send(SessionMessage(found))

    async def _line(self) -> bytes:
        try:
            return await anyio.to_thread.run_sync(self.stdin.readline, MOST_BYTES + 1, abandon_on_cancel=True)
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
                    await anyio.to_thread.run_sync(self._put, line, abandon_on_cancel=True)
                except OSError as error:
                    self._trouble = f"stdout cannot be written ({error.strerror})"
                    self._broken.set()
                    await anyio.sleep_forever()

    def _put(self, line: bytes) -> None:
        self.stdout.write(line)
        self.stdout.flush()
