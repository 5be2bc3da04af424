"""A journalled write with 1,000 and with 300,000 rows in the journal, against one in memory and a bare tool.

Run with `uv run python benchmarks/journal.py`. Prints medians of wall and CPU time in ms, their ratios, and the flushes
of a write where strace is installed. Limits: with 300,000 rows 1.3 times the time with 1,000, on disk and in memory; 2
flushes.
"""

import gc
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import anyio
import httpx2
from mcp import Client
from mcp.server.mcpserver import MCPServer

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.writing.journal.entry import Entry
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.journal.protocol import Journal
from incident_mcp.writing.journal.sqlite import SqliteJournal

FEW, MANY = 1_000, 300_000
ROUNDS = 80
MOST = 1.3
FILL = """
INSERT INTO writes (intent, tool, account, key, state, answer, at, lands_by)
WITH RECURSIVE number (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :rows)
SELECT printf('%064x', i), 't', 'a', printf('%064x', i), 'done', '{}', :now - 3600 - i, 0 FROM number
"""
MORE = (
    "INSERT INTO touches SELECT intent, intent, at FROM writes WHERE tool = 't'",
    "INSERT INTO sent SELECT intent, 'writes', at FROM writes WHERE tool = 't'",
)
Taken = dict[str, list[tuple[float, float]]]


def entry(intent: str, at: float | None = None) -> Entry:
    """Make a row about to be sent."""
    at = time.time() if at is None else at
    return Entry(intent, "tool", "account", "key", "pending", None, at, at + 20, targets=("thing",))


async def write(journal: Journal, intent: str) -> None:
    """Do what the journal does for one write."""
    await journal.find(intent)
    await journal.mark_done(await journal.begin(entry(intent)), {"id": "1"})


async def filled(state: Path, rows: int) -> Path:
    """Make a journal of so many rows."""
    journal = SqliteJournal(lambda: state)
    await write(journal, "first")
    journal.close()
    with closing(sqlite3.connect(state / "journal.sqlite3")) as db, db:
        db.execute(FILL, {"rows": rows, "now": time.time()})
        for insert in MORE:
            db.execute(insert)
    return state


def remembering(rows: int) -> MemoryJournal:
    """Make a journal in memory whose process made so many writes."""
    journal = MemoryJournal()
    journal._own.entries.update((f"{number}", entry(f"{number}")) for number in range(rows))  # noqa: SLF001  # a week of writes
    return journal


def bare(box: Sandbox) -> MCPServer:
    """Make a server with one tool that posts an update and does nothing else."""
    server = MCPServer("bare")
    incidents = box.state()["incidentio"]["incidents"]
    incident = next(row["id"] for row in incidents if row["reference"] == "INC-114")
    http = httpx2.AsyncClient(
        transport=box.transport("incidentio"), headers={"Authorization": f"Bearer {box.key('incidentio')}"}
    )

    @server.tool()
    async def post(message: str) -> str:
        """Post an update."""
        body = {"idempotency_key": message, "incident_id": incident, "message": message}
        answer = await http.post("https://api.incident.io/v2/incident_updates", json=body)
        answer.raise_for_status()
        return answer.text

    return server


async def take_turns(calls: dict[str, Callable[[str], Awaitable[object]]], rounds: int) -> Taken:
    """Time every call in turn, so that a busy moment hits all alike; returns (wall, CPU) in ms."""
    taken: Taken = {name: [] for name in calls}
    for number in range(rounds + 5):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            await call(f"Message {number}.")
            if number >= 5:
                taken[name].append(((time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000))
    return taken


async def measure(folder: Path) -> tuple[Taken, Taken]:
    """Time whole calls of a tool, and the journal alone."""
    states = {rows: await filled(folder / str(rows), rows) for rows in (FEW, MANY)}
    gc.collect()
    gc.freeze()
    async with AsyncExitStack() as stack:

        async def caller(server: MCPServer, tool: str, **more: str) -> Callable[[str], Awaitable[object]]:
            client = await stack.enter_async_context(Client(server, mode="legacy"))

            async def call(message: str) -> None:
                result = await client.call_tool(tool, {"message": message, **more})
                assert not result.is_error, result.content

            return call

        def ours(**settings: object) -> Awaitable[Callable[[str], Awaitable[object]]]:
            network = Sandbox() if "state_dir" in settings else None
            chosen = Settings(sandbox=True, max_writes=0, **settings)  # type: ignore[arg-type]
            return caller(build_server(chosen, network=network), "incidentio_post_update", incident="INC-114")

        calls = {
            "a bare tool": await caller(bare(Sandbox()), "post"),
            "in memory": await ours(),
            f"{FEW:,} rows": await ours(state_dir=states[FEW]),
            f"{MANY:,} rows": await ours(state_dir=states[MANY]),
        }
        tools = await take_turns(calls, ROUNDS)
    journals: dict[str, Journal] = {
        f"{rows:,} rows": SqliteJournal(lambda rows=rows: states[rows]) for rows in (FEW, MANY)
    }
    journals |= {f"{rows:,} own rows": remembering(rows) for rows in (FEW, MANY)}

    def each(journal: Journal) -> Callable[[str], Awaitable[object]]:
        return lambda message: write(journal, message)

    alone = await take_turns({name: each(journal) for name, journal in journals.items()}, 2 * ROUNDS)
    for journal in journals.values():
        journal.close()
    return tools, alone


def flushes(state: Path) -> float | None:
    """Count the flushes of a write under strace: what 20 more writes of one process add."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    counts = []
    for writes in (10, 30):
        log = state / "strace"
        command = [strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(log), sys.executable, __file__]
        subprocess.run([*command, str(state), str(writes)], check=True)
        counts.append(log.read_text().count("sync("))
    return (counts[1] - counts[0]) / 20


async def write_many(state: Path, count: int) -> None:
    """Write rows in a process of its own."""
    journal = SqliteJournal(lambda: state)
    for number in range(count):
        await write(journal, f"{count} {number}")
    journal.close()


def show(taken: Taken, base: str) -> dict[str, tuple[float, float]]:
    """Print medians, and what each is of a base."""
    medians = {
        name: (statistics.median(wall for wall, _ in pairs), statistics.median(cpu for _, cpu in pairs))
        for name, pairs in taken.items()
    }
    for name, (wall, cpu) in medians.items():
        ratios = f"{wall / medians[base][0]:.2f} and {cpu / medians[base][1]:.2f} x {base}"
        print(f"  {name}: {wall:.2f} ms, CPU {cpu:.2f} ms: {ratios}")
    return medians


def main() -> None:
    """Print all of it."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        tools, alone = anyio.run(measure, Path(folder))
        print("a write through the server:")
        whole = show(tools, "a bare tool")
        print("the journal's part of it:")
        part = show(alone, f"{FEW:,} rows")
        counted = {rows: flushes(Path(folder) / str(rows)) for rows in (FEW, MANY)}
    too_much = False
    for name, medians, kind in (
        ("a write", whole, "rows"),
        ("the journal", part, "rows"),
        ("memory", part, "own rows"),
    ):
        wall, cpu = (medians[f"{MANY:,} {kind}"][each] / medians[f"{FEW:,} {kind}"][each] for each in (0, 1))
        print(f"{name}, {MANY:,} against {FEW:,} {kind}: wall {wall:.2f}, CPU {cpu:.2f} (limit {MOST})")
        too_much |= max(wall, cpu) > MOST
    for rows, count in counted.items():
        print(
            f"flushes of a write with {rows:,} rows: {'not counted (no strace)' if count is None else count} (limit 2)"
        )
        too_much |= count is not None and count > 2
    if too_much:
        raise SystemExit(1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        anyio.run(write_many, Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
