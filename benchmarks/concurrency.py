"""The server while the services are slow: ping beside 32 calls that hang, and 32 reads of 200 ms at once.

Run with `uv run python benchmarks/concurrency.py`. Limits: a ping in under 100 ms, the 32 reads in under 1 s.
"""

import tempfile
import time
import warnings
from pathlib import Path

import anyio
from mcp import Client

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings

CALLS = 32
PINGS = 50
READ = ("incidentio_get_incident", {"incident": "INC-114"})


def _client(box: Sandbox, state: str) -> Client:
    settings = Settings(sandbox=True, state_dir=Path(state))
    return Client(build_server(settings, network=box), mode="legacy")


async def ping_while_calls_hang(state: str) -> list[float]:
    """Give the milliseconds of each ping."""
    box = Sandbox()
    box.fail(Fault("hang_before"))
    taken: list[float] = []
    async with _client(box, state) as client, anyio.create_task_group() as tasks:
        for _ in range(CALLS):
            tasks.start_soon(client.call_tool, *READ)
        while len(box.requests) < 16:  # noqa: ASYNC110  # the sandbox has no event
            await anyio.sleep(0.01)
        for _ in range(PINGS):
            begun = time.perf_counter()
            await client.send_ping()
            taken.append((time.perf_counter() - begun) * 1000)
        tasks.cancel_scope.cancel()
    return taken


async def reads_at_once(state: str) -> float:
    """Give the seconds that all the reads take together."""
    box = Sandbox()
    box.fail(Fault("delay", seconds=0.2))
    async with _client(box, state) as client:
        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLS):
                tasks.start_soon(client.call_tool, *READ)
        return time.perf_counter() - begun


def main() -> None:
    """Print both figures."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as state:
        pings = sorted(anyio.run(ping_while_calls_hang, state))
        seconds = anyio.run(reads_at_once, state)
    print(f"ping while {CALLS} calls hang: median {pings[PINGS // 2]:.1f} ms, slowest {pings[-1]:.1f} ms (limit 100)")
    print(f"{CALLS} reads of 200 ms at once: {seconds:.2f} s (limit 1.00)")
    if pings[-1] >= 100 or seconds >= 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
