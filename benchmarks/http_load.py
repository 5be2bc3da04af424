"""Load over HTTP/1.1 that costs little itself: one prepared POST, sent again on each connection when it is answered."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

VERSION = "2026-07-28"


def tool_call(url: str, tool: str, arguments: dict[str, Any], token: str | None = None) -> bytes:
    """Return a tool call as bytes."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    parts = urlsplit(url)
    lines = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Accept: application/json, text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"MCP-Protocol-Version: {VERSION}",
        "Mcp-Method: tools/call",
        f"Mcp-Name: {tool}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Outcome:
    """What the calls of one run took."""

    latencies: list[float] = field(default_factory=list[float])
    errors: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def at(self, part: float) -> float:
        """Return a percentile in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000 if ordered else float("nan")

    def line(self) -> str:
        """Return the figures."""
        times = "  ".join(f"p{part:.0f} {self.at(part / 100):.1f}" for part in (50, 95, 99))
        return f"{self.rate:.0f}/s  {times} ms  errors {dict(self.errors) or 'none'}"


class _Connection(asyncio.Protocol):
    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._received = bytearray()
        self._needed = -1
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._needed < 0:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._received.lower().find(b"content-length:", 0, end)
            self._needed = 0
            if at >= 0:
                length = int(self._received[at + 15 : self._received.index(b"\r\n", at)])
                self._needed = end + 4 + length
        done = len(self._received) >= self._needed if self._needed else self._received.endswith(b"0\r\n\r\n")
        if done:
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(type(exc).__name__ if exc else "closed", waiting=self._sent_at > 0)

    def _answered(self) -> None:
        status = bytes(self._received[9:12]).decode()
        failed = status != "200" or b'"isError":true' in self._received
        self._run.answered(time.perf_counter() - self._sent_at, status if failed else None)
        self._received.clear()
        self._needed, self._sent_at = -1, 0.0
        self._send()

    def _send(self) -> None:
        assert self._transport
        if self._run.take():
            self._sent_at = time.perf_counter()
            self._transport.write(self._run.request)
        else:
            self._transport.close()


class _Run:
    def __init__(self, url: str, request: bytes, calls: int) -> None:
        parts = urlsplit(url)
        self.request, self._left = request, calls
        self.host, self.port = parts.hostname, parts.port
        self.outcome = Outcome()
        self._open = 0
        self._done = asyncio.Event()

    def take(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def answered(self, seconds: float, error: str | None) -> None:
        if error is None:
            self.outcome.latencies.append(seconds)
        else:
            self.outcome.errors[error] += 1

    def lost(self, why: str, *, waiting: bool) -> None:
        if waiting:
            self.outcome.errors[why] += 1
            if self._left > 0:
                _ = asyncio.ensure_future(self.connect())  # noqa: RUF006  # counted by _open
                return
        self._open -= 1
        if self._open == 0:
            self._done.set()

    async def connect(self) -> None:
        try:
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.create_connection(lambda: _Connection(self), self.host, self.port), 10)
        except (OSError, TimeoutError) as error:
            self._left -= 1
            self.lost(f"connect: {type(error).__name__}", waiting=True)

    async def __call__(self, clients: int, seconds: float) -> Outcome:
        self._open = clients
        began = time.perf_counter()
        await asyncio.gather(*(self.connect() for _ in range(clients)))
        try:
            await asyncio.wait_for(self._done.wait(), seconds)
        except TimeoutError:
            self.outcome.errors["not finished"] += self._open
            self._left = 0
        self.outcome.seconds = time.perf_counter() - began
        return self.outcome


async def load(url: str, request: bytes, calls: int, clients: int, seconds: float = 120) -> Outcome:
    """Make so many calls from so many connections, for at most so many seconds."""
    return await _Run(url, request, calls)(clients, seconds)
