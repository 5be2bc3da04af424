"""A team's server of real parts on loopback: redis-server, nginx, replicas, and the sandbox behind them.

Each part is a process of its own, on a free port, with its files in one folder; each is ended by its own process id.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.reliability.processes import Served
from tests.spawned import ROOT, SERVER, environment

REQUIRED = "INCIDENT_MCP_REQUIRE_TEAM"
SECONDS = 30
"""The most to wait for a part to start or to end."""


def program(name: str) -> str:
    """Find redis-server or nginx; without it the test skips, or fails where INCIDENT_MCP_REQUIRE_TEAM is set."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{name} is not on the path")
        pytest.skip(f"{name} is not on the path; the tests of the team's server need it")
    return found


def free_port() -> int:
    """Return a port that nothing listens on, below those that the system gives to outgoing connections."""
    for port in random.sample(range(12_000, 30_000), 200):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port")


def wait_until(condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@dataclass
class Part:
    """A process, its output in a file."""

    name: str
    folder: Path
    command: list[str]
    settings: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start the process and return at once."""
        assert not self.running
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment(self.folder / f"{self.name}.state", **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self.process
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for its end."""
        if self.process is None:
            return
        if self.running:
            self.send(number)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(SECONDS)

    def told(self) -> str:
        """Return what the process wrote."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


class RedisServer(Part):
    """Keeps every write on disk before it answers, so that a stop loses nothing."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        data = folder / "redis"
        data.mkdir(exist_ok=True)
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(data)]
        command = [program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", *kept, *options]
        super().__init__("redis", folder, command)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers commands."""
        self.launch()
        wait_until(self._answers, f"redis-server did not start: {self.told()}")

    def pause(self) -> None:
        """Let it keep its connections and answer nothing."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """End the pause."""
        self.send(signal.SIGCONT)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


class Replica(Part):
    """One `incident-mcp serve`, always on the same port."""

    def __init__(self, number: int, folder: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        command = [*SERVER, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        super().__init__(f"replica{number}", folder, command, settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it serves."""
        self.launch()
        self.wait()

    def wait(self) -> None:
        """Wait until it serves."""
        wait_until(self.alive, f"{self.name} did not start: {self.told()}")

    def alive(self) -> bool:
        """Return whether it answers."""
        if not self.running:
            raise AssertionError(f"{self.name} ended: {self.told()}")
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/health", timeout=2).status_code == 200
        return False

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.end(signal.SIGKILL)


NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  client_max_body_size 8m;
  upstream replicas {{
{replicas}
    keepalive 64;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 120s;
      # Another replica is tried only for what was not sent to the first one: a POST is never sent twice.
      proxy_next_upstream error timeout;
    }}
  }}
}}
"""


class Nginx(Part):
    """Round robin over replicas."""

    def __init__(self, folder: Path, ports: list[int], port: int) -> None:
        self.port = port
        file = folder / "nginx.conf"
        # max_fails=0: a replica that was killed is back in a moment.
        replicas = "\n".join(f"    server 127.0.0.1:{each} max_fails=0;" for each in ports)
        user = "user root;" if os.geteuid() == 0 else ""
        file.write_text(NGINX.format(user=user, folder=folder, replicas=replicas, port=port), "utf-8")
        super().__init__("nginx", folder, [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(file)])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.launch()
        wait_until(self._listens, f"nginx did not start: {self.told()}")

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class Services(Served):
    """Both services in one process of their own."""

    def __init__(self, part: Part, ready: dict[str, str], http: httpx2.Client) -> None:
        super().__init__(ready, http)
        self.part = part

    def arrivals(self) -> dict[str, list[float]]:
        """Return when each request reached each service, in seconds."""
        return self._http.get(f"{self._url}/arrivals").json()


@contextlib.contextmanager
def services(folder: Path, bulk: int = 0) -> Iterator[Services]:
    """Serve the sandbox from a process of its own."""
    part = Part("services", folder, [sys.executable, "-m", "tests.serving.http.services", str(bulk)])
    part.launch()
    try:
        wait_until(lambda: "\n" in part.told(), "the sandbox did not start")
        with httpx2.Client(timeout=30) as http:
            yield Services(part, json.loads(part.told().splitlines()[0]), http)
    finally:
        part.end()


@dataclass
class Cluster:
    """All parts, running."""

    folder: Path
    services: Services
    redis: RedisServer
    nginx: Nginx
    replicas: list[Replica]

    @property
    def url(self) -> str:
        """The address of MCP, by nginx."""
        return f"{self.nginx.url}/mcp"

    def told(self) -> str:
        """Return what every replica wrote."""
        return "\n".join(replica.told() for replica in self.replicas)


@contextlib.contextmanager
def cluster(
    folder: Path, settings: dict[str, str], *, replicas: int = 3, bulk: int = 0, start: bool = True
) -> Iterator[Cluster]:
    """Start all parts; `settings` are the replicas' environment beside the addresses of the parts."""
    program("nginx")
    port = free_port()
    with contextlib.ExitStack() as ended:
        redis = RedisServer(folder)
        ended.callback(redis.end, signal.SIGKILL)
        redis.start()
        sandbox = ended.enter_context(services(folder, bulk))
        every = {
            **sandbox.settings(),
            "INCIDENT_MCP_REDIS_URL": redis.url,
            "INCIDENT_MCP_PUBLIC_URL": f"http://127.0.0.1:{port}/mcp",
            "INCIDENT_MCP_ALLOWED_HOSTS": f"127.0.0.1:{port}",
            **settings,
        }
        started = [Replica(number, folder, every) for number in range(replicas)]
        for replica in started:
            ended.callback(replica.end, signal.SIGKILL)
            if start:
                replica.launch()
        nginx = Nginx(folder, [replica.port for replica in started], port)
        ended.callback(nginx.end)
        nginx.start()
        if start:
            for replica in started:
                replica.wait()
        yield Cluster(folder, sandbox, redis, nginx, started)


def rss(process: subprocess.Popen[Any]) -> int:
    """Return the resident memory of a process in KiB (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
