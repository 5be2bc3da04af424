"""A text written to harm in one field of one answer: CPU, and how long a ping waits meanwhile.

Run with `uv run python benchmarks/hostile.py`. Each kind of text goes into each field that is read, searched or shown,
with 1 MB and with half of it. Limits for 1 MB: 0.5 s of CPU, a ping in under 100 ms, and at most 2.3 times the CPU of
half as much over all kinds. The last column compares with a bare tool that returns the same bytes.
"""

import json
import logging
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.server.mcpserver import MCPServer

sys.path.insert(0, str(Path(__file__).parents[1]))

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.examples import calls
from tests.hostile import KINDS, At, Playing, Recording, fields, filled, put

MEGABYTE = 1_000_000
INCIDENTS, ALERTS = ("incidentio", "GET", "/v2/incidents"), ("ionhour", "GET", "/api/incidents")
Answers = dict[At, tuple[int, bytes]]


@dataclass(frozen=True)
class Case:
    """A call, and the field that holds the text."""

    tool: str
    arguments: dict[str, Any]
    at: At
    field: str


CASES = [
    Case("situation", {}, INCIDENTS, "incidents/*/summary"),
    Case("situation", {}, INCIDENTS, "incidents/*/name"),
    Case("situation", {}, ALERTS, "items/*/summary"),
    Case("situation", {}, ("incidentio", "GET", "/v2/incident_updates"), "incident_updates/*/message"),
    Case("incident_timeline", {"ionhour_incident_id": 4512}, ("ionhour", "GET", "/api/incident-notes/4512"), "*/body"),
    Case("incidentio_get_incident", {"incident": "INC-114"}, (*INCIDENTS[:2], "/v2/incidents/114"), "incident/summary"),
    Case("incidentio_list_incidents", {}, INCIDENTS, "incidents/*/name"),
    Case("incidentio_list_incidents", {"name_contains": "checkout api"}, INCIDENTS, "incidents/*/summary"),
    Case("ionhour_list_incidents", {"detail": True}, ALERTS, "items/*/summary"),
    Case("ionhour_list_incidents", {"name_contains": "checkout"}, ALERTS, "items/*/summary"),
    Case("ionhour_get_incident", {"incident_id": 4512}, ("ionhour", "GET", "/api/incidents/4512"), "summary"),
    Case("ionhour_list_notes", {"incident_id": 4512}, ("ionhour", "GET", "/api/incident-notes/4512"), "*/body"),
]


async def record(state: Path) -> Answers:
    """Return what the sandbox answers."""
    network = Recording(Sandbox())
    async with Client(build_server(Settings(sandbox=True, state_dir=state), network=network)) as client:
        for tool, arguments in calls():
            await client.call_tool(tool, arguments)
    return network.answers


async def measure(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[float, float]:
    """Return the CPU seconds of a call, and the seconds of the slowest ping meanwhile."""
    slowest, ended = 0.0, False

    async def ping() -> None:
        nonlocal slowest
        while not ended:
            begun = time.perf_counter()
            await client.send_ping()
            slowest = max(slowest, time.perf_counter() - begun)
            await anyio.sleep(0.005)

    begun = time.process_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ping)
        await client.call_tool(tool, arguments)
        ended = True
    return time.process_time() - begun, slowest


async def measure_ours(case: Case, answers: Answers, kind: str, length: int, state: Path) -> tuple[float, float]:
    """Return what a call costs with a text of a kind in the case's field."""
    status, content = answers[case.at]
    body = json.loads(content)
    spoiled = put(body, [fields(body)[case.field]], filled(kind, length))
    network = Playing({**answers, case.at: (status, spoiled)})
    async with Client(build_server(Settings(sandbox=True, state_dir=state), network=network), mode="legacy") as client:
        await client.list_tools()
        return await measure(client, case.tool, case.arguments)


async def measure_bare(text: str) -> float:
    """Return what a bare tool costs that returns the text."""
    server = MCPServer("bare", log_level="WARNING")

    @server.tool()
    async def get() -> str:
        return text

    async with Client(server, mode="legacy") as client:
        await client.list_tools()
        return (await measure(client, "get", {}))[0]


async def main() -> None:
    """Print a line a case: the dearest kind, the slowest ping, twice as much text, and the bare tool."""
    beyond: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        answers = await record(state)
        bare = sum([await measure_bare(filled(kind, MEGABYTE).encode(errors="replace").decode()) for kind in KINDS])
        for case in CASES:
            half = [await measure_ours(case, answers, kind, MEGABYTE // 2, state) for kind in KINDS]
            whole = [await measure_ours(case, answers, kind, MEGABYTE, state) for kind in KINDS]
            dearest = max(range(len(whole)), key=lambda number: whole[number][0])
            ping = max(slowest for _, slowest in whole)
            cost = sum(cpu for cpu, _ in whole)
            growth = cost / sum(cpu for cpu, _ in half)
            name = f"{case.tool}, {case.field}"
            print(
                f"{name}: at most {whole[dearest][0]:.2f} s of CPU ({list(KINDS)[dearest]}), ping {ping * 1000:.0f} ms,"
                f" {growth:.1f} x for twice as much, {cost / bare:.1f} x a bare tool"
            )
            if whole[dearest][0] >= 0.5 or ping >= 0.1 or growth > 2.3:
                beyond.append(name)
    if beyond:
        raise SystemExit(f"beyond the limit: {'; '.join(beyond)}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    anyio.run(main)
