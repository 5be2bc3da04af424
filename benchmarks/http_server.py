"""The team's server over HTTP: calls a second beside a bare one-tool server, events, memory, and many clients.

Run with `uv run python benchmarks/http_server.py` or with names of parts: `calls events memory clients`. It needs
redis-server and nginx. Everything runs on 127.0.0.1, in pairs and in turns; `canned.py` stands for the services. The
load and all servers share the machine, so that what the load costs is missing from the figures of both sides.

Goals: at least 0.8 x the bare server's calls a second; event to notification p95 under 300 ms; memory flat within 5 %.
"""

import argparse
import asyncio
import base64
import hmac
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import httpx2  # noqa: E402  # the folder of the tests must be on the path first
from http_load import Outcome, load, tool_call  # noqa: E402

from tests.serving.http.cluster import Cluster, Nginx, Part, cluster, free_port, rss, wait_until  # noqa: E402
from tests.serving.http.people import Person, with_static_token  # noqa: E402

INCIDENT = "incidentio://incidents/INC-114"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Setup:
    """The servers that are compared."""

    cluster: Cluster
    person: Person
    hook_secret: str
    bare: list[Part]
    bare_url: str
    bare_nginx: Nginx
    incident: int
    """An alert of Ionhour, which has no rate limit: reading it costs one GET."""
    path: str
    """The path of that GET."""

    def ours(self, url: str) -> tuple[str, bytes]:
        """Return the call of our server, at an address."""
        arguments = {"incident_id": self.incident}
        return url, tool_call(url, "ionhour_get_incident", arguments, self.person.token)

    def bares(self, url: str) -> tuple[str, bytes]:
        """Return the call of the bare server, at an address."""
        return url, tool_call(url, "get", {"path": self.path})


@contextmanager
def canned() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the services from memory."""
    command = [sys.executable, str(HERE / "canned.py"), "20", "0", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process
        assert process.stdin
        process.stdin.close()


def paths_read(process: subprocess.Popen[str]) -> list[str]:
    """Return what was read from the services since the last time."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@contextmanager
def running(folder: Path, *, real: bool = False) -> Iterator[Setup]:
    """Start everything; `real`: on the sandbox instead of the canned answers."""
    tokens = folder / "tokens.json"
    person = with_static_token(tokens, "load", "pager")
    hook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    settings = {
        "INCIDENT_MCP_SECRET": os.urandom(32).hex(),
        "INCIDENT_MCP_TOKENS_FILE": str(tokens),
        "INCIDENT_MCP_WEBHOOK_SECRET": hook_secret,
    }
    with ExitStack() as ended:
        address, process = ended.enter_context(canned())
        if not real:
            settings |= {"INCIDENTIO_API_URL": f"{address}/incidentio", "IONHOUR_API_URL": f"{address}/ionhour/api"}
        started = ended.enter_context(cluster(folder, settings))
        incident = started.services.state()["ionhour"]["incidents"][0]["id"] if real else _incident(address)
        bare = [_bare(folder, address, number) for number in range(3)]
        for part, _ in bare:
            ended.callback(part.end)
        below = folder / "bare"
        below.mkdir()
        nginx = Nginx(below, [port for _, port in bare], free_port())
        ended.callback(nginx.end)
        nginx.start()
        url = f"http://127.0.0.1:{bare[0][1]}/mcp"
        setup = Setup(started, person, hook_secret, [part for part, _ in bare], url, nginx, incident, "")
        if not real:
            setup.path = _path_of(setup, process)
        yield setup


def _incident(address: str) -> int:
    headers = {"Authorization": "Bearer any"}
    return httpx2.get(f"{address}/ionhour/api/incidents", headers=headers).json()["items"][0]["id"]


def _bare(folder: Path, address: str, number: int) -> tuple[Part, int]:
    port = free_port()
    part = Part(f"bare{number}", folder, [sys.executable, str(HERE / "bare_http_server.py"), address, str(port)])
    part.launch()

    def listens() -> bool:
        try:
            return bool(httpx2.get(f"http://127.0.0.1:{port}/", timeout=2).status_code)
        except httpx2.HTTPError:
            return False

    wait_until(listens, "the bare server did not start")
    return part, port


def _path_of(setup: Setup, process: subprocess.Popen[str]) -> str:
    """Return the one path that a call reads once everything is cached."""
    url, request = setup.ours(f"{setup.cluster.replicas[0].url}/mcp")
    asyncio.run(load(url, request, 2, 1))
    paths_read(process)
    asyncio.run(load(url, request, 1, 1))
    (path,) = paths_read(process)
    return path


def cpu(processes: list[Part]) -> float:
    """Return the CPU seconds of processes so far."""
    total = 0
    for part in processes:
        assert part.process
        fields = Path(f"/proc/{part.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def compare_calls(setup: Setup, calls: int, rounds: int) -> list[str]:
    """Print our calls a second beside the bare server's; return what is beyond its goal."""
    beyond: list[str] = []
    one = (setup.ours(f"{setup.cluster.replicas[0].url}/mcp"), setup.bares(setup.bare_url))
    three = (setup.ours(setup.cluster.url), setup.bares(f"{setup.bare_nginx.url}/mcp"))
    for name, pair in (("one replica", one), ("three behind nginx", three)):
        for clients in (1, 10):
            ratios, ours, bare = _in_turns(*pair, calls, clients, rounds)
            median = statistics.median(ratios)
            print(f"{name}, {clients} client(s): {median:.2f} x the bare calls a second")
            print(f"  incident-mcp {ours.line()}\n  bare         {bare.line()}")
            if median < 0.8:
                beyond.append(f"calls, {name}, {clients} client(s)")
    return beyond


def _in_turns(
    ours: tuple[str, bytes], bare: tuple[str, bytes], calls: int, clients: int, rounds: int
) -> tuple[list[float], Outcome, Outcome]:
    ratios: list[float] = []
    sums = (Outcome(), Outcome())
    for number in range(rounds + 1):
        each = [asyncio.run(load(*side, calls, clients)) for side in (ours, bare)]
        # The first round warms up.
        if number:
            ratios.append(each[0].rate / each[1].rate)
            for total, outcome in zip(sums, each, strict=True):
                total.latencies += outcome.latencies
                total.errors += outcome.errors
                total.seconds += outcome.seconds
    return ratios, *sums


def measure_memory(setup: Setup, calls: int) -> list[str]:
    """Print the resident memory of one replica over many calls."""
    replica = setup.cluster.replicas[1]
    assert replica.process
    request = setup.ours(f"{replica.url}/mcp")
    asyncio.run(load(*request, calls // 10, 10))
    sizes = [rss(replica.process)]
    for _ in range(9):
        asyncio.run(load(*request, calls // 10, 10))
        sizes.append(rss(replica.process))
    growth = sizes[-1] / sizes[0] - 1
    print(f"memory over {calls} calls, after each tenth: {', '.join(f'{size / 1024:.1f}' for size in sizes)} MiB")
    print(f"  growth after the first tenth: {growth:+.1%}")
    return ["memory"] if growth > 0.05 else []


def measure_clients(setup: Setup, counts: list[int], calls: int) -> list[str]:
    """Print what many clients cost."""
    parts = {"replicas": setup.cluster.replicas, "redis": [setup.cluster.redis], "nginx": [setup.cluster.nginx]}
    for clients in counts:
        before = {name: cpu(list(each)) for name, each in parts.items()}
        outcome = asyncio.run(load(*setup.ours(setup.cluster.url), max(calls, clients * 3), clients, 60))
        spent = {name: cpu(list(each)) - before[name] for name, each in parts.items()}
        sizes = [rss(replica.process) // 1024 for replica in setup.cluster.replicas if replica.process]
        cost = ", ".join(f"{name} {seconds / outcome.seconds:.2f}" for name, seconds in spent.items())
        print(f"{clients} clients over three replicas: {outcome.line()}")
        print(f"  CPU cores: {cost}; memory of the replicas: {sizes} MiB")
    return []


async def measure_events(setup: Setup, clients: int, events: int) -> list[str]:
    """Print how long an event at the receiver takes to each of many listening clients."""
    taken: list[float] = []
    arrived: asyncio.Queue[float] = asyncio.Queue()
    listening = asyncio.Semaphore(0)

    async def listen() -> None:
        async with (
            setup.person.connect(setup.cluster.url, seconds=120) as client,
            client.listen(resource_subscriptions=[INCIDENT]) as subscription,
        ):
            listening.release()
            async for _ in subscription:
                arrived.put_nowait(time.perf_counter())

    tasks = [asyncio.ensure_future(listen()) for _ in range(clients)]
    for _ in tasks:
        await asyncio.wait_for(listening.acquire(), 30)
    async with httpx2.AsyncClient(timeout=20) as http:
        for number in range(events):
            sent = time.perf_counter()
            await _send_hook(http, setup, number)
            taken += [await asyncio.wait_for(arrived.get(), 20) - sent for _ in tasks]
            await asyncio.sleep(1.2)  # further apart than notifications of one resource may be
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    outcome = Outcome(taken, seconds=1)
    times = "  ".join(f"p{part} {outcome.at(part / 100):.0f}" for part in (50, 95, 99))
    print(f"event to notification, {clients} clients over three replicas, {events} events: {times} ms")
    return ["events"] if outcome.at(0.95) > 300 else []


async def _send_hook(http: httpx2.AsyncClient, setup: Setup, number: int) -> None:
    incidents = setup.cluster.services.state()["incidentio"]["incidents"]
    identity = next(row["id"] for row in incidents if row["reference"] == "INC-114")
    name = "public_incident.incident_updated_v2"
    body = json.dumps({"event_type": name, name: {"id": identity, "name": f"Changed {number}"}}).encode()
    key = base64.b64decode(setup.hook_secret.removeprefix("whsec_"))
    stamp = f"msg_{number}.{int(time.time())}"
    signature = base64.b64encode(hmac.digest(key, f"{stamp}.".encode() + body, "sha256")).decode()
    headers = {"webhook-id": f"msg_{number}", "webhook-timestamp": stamp.partition(".")[2]}
    response = await http.post(
        f"{setup.cluster.nginx.url}/hooks/incidentio",
        content=body,
        headers={**headers, "webhook-signature": f"v1,{signature}"},
    )
    assert response.status_code == 204, response.text


def main() -> None:
    """Print the figures; exit with 1 if one is beyond its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["calls", "events", "memory", "clients"]
    parser.add_argument("parts", nargs="*", default=parts, help="which parts to run")
    parser.add_argument("--calls", type=int, default=500, help="calls a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-calls", type=int, default=2_000)
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100, 1_000])
    options: Any = parser.parse_args()
    beyond: list[str] = []
    for names in (["calls", "memory", "clients"], ["events"]):
        wanted = [name for name in names if name in options.parts]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), real=wanted == ["events"]) as setup:
            if "calls" in wanted:
                beyond += compare_calls(setup, options.calls, options.rounds)
            if "memory" in wanted:
                beyond += measure_memory(setup, options.memory_calls)
            if "clients" in wanted:
                beyond += measure_clients(setup, options.clients, options.calls)
            if "events" in wanted:
                beyond += asyncio.run(measure_events(setup, 20, 20))
    if beyond:
        raise SystemExit(f"beyond the goal: {', '.join(beyond)}")


if __name__ == "__main__":
    main()
