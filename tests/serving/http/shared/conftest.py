"""A Redis server of the test, which it may stop, kill, empty and start again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incident_mcp.serving.http.shared import SharedState


@dataclass
class RedisServer:
    """A `redis-server` process on a free port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *options: str) -> None:
        """Start it, empty, and wait until it answers."""
        binary = shutil.which("redis-server")
        assert binary
        arguments = ["--port", f"{self.port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options]
        self.process = subprocess.Popen(
            [binary, *arguments], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.command("PING")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("redis-server does not answer")

    def command(self, *words: str) -> bytes:
        """Send a command and return the start of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return connection.recv(1_000_000)

    def stop(self) -> None:
        """Let it answer nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; what it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def restart(self, *options: str) -> None:
        self.kill()
        self.start(*options)

    def flush(self) -> None:
        assert self.command("FLUSHALL").startswith(b"+OK")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        if os.environ.get("INCIDENT_MCP_REQUIRE_TEAM") == "1":
            pytest.fail("redis-server is missing")
        pytest.skip("redis-server is missing")
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis(redis_process: RedisServer) -> Iterator[RedisServer]:
    """An empty Redis."""
    if redis_process.process is None or redis_process.process.poll() is not None:
        redis_process.start()
    redis_process.flush()
    yield redis_process
    if redis_process.process is not None:
        redis_process.resume()


class Replica(SharedState):
    """What one replica shares with the others, and a journal whose limits count the writes of everybody together."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.journal = self.journal_of("")


@asynccontextmanager
async def shared(server: RedisServer) -> AsyncIterator[Replica]:
    """What one replica shares with the others."""
    state = Replica(server.url)
    await state.open()
    try:
        yield state
    finally:
        await state.close()
