"""What a call costs: calls a second and CPU, as ratios to a bare tool that makes the same GETs, in the same run.

Run with `uv run python benchmarks/calls.py`, or with the name of one case behind it. Both are spawned servers on stdio,
and talk to one local service whose answers lie ready; the CPU is that of the server's process alone. Limits: one read
at least 0.9 times the bare tool's calls a second, a list of 25 at most 2 times its CPU, `situation` beside 1,000 recent
incidents under 0.15 s of CPU.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROUNDS = 4
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "calls", "version": "0"},
}
Program = subprocess.Popen[str]


@dataclass(frozen=True)
class Case:
    """A call, and how often it is made a round."""

    name: str
    tool: str
    arguments: dict[str, Any]
    calls: int
    each: int
    closed: int = 0
    named: int = 0
    """Characters of each name, if it is longer than the sandbox's."""
    least_rate: float = 0
    """Calls a second, as a ratio to the bare tool's."""
    most_cpu: float = float("inf")
    """CPU, as a ratio to the bare tool's."""
    most_seconds: float = float("inf")
    """CPU seconds a call."""


CASES = [
    Case("one read", "incidentio_get_incident", {"incident": "119"}, 100, 20, least_rate=0.9),
    Case("list of 25", "incidentio_list_incidents", {}, 40, 25, most_cpu=2),
    Case("list of 25 that is cut to fit", "incidentio_list_incidents", {}, 40, 25, named=120, most_cpu=2),
    Case("list of 250", "incidentio_list_incidents", {"limit": 250}, 8, 250),
    Case("situation 20 + 20", "situation", {}, 20, 20),
    Case("situation 200 + 200", "situation", {"limit": 100}, 5, 200),
    Case("situation, 1,000 recent, 100 alerts", "situation", {"limit": 100}, 3, 100, 1_000, most_seconds=0.15),
]


class Server:
    """A spawned MCP server on stdio."""

    def __init__(self, command: list[str], state: str, **settings: str) -> None:
        environment = {**os.environ, "INCIDENT_MCP_STATE_DIR": state, **settings}
        self.process = _spawn(command, environment)
        self._number = 0
        self.ask("initialize", INITIALIZE)
        self._say({"method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its result."""
        self._number += 1
        self._say({"id": self._number, "method": method, "params": params})
        assert self.process.stdout
        for line in self.process.stdout:
            # Parsed here only as far as it must be: this process shares the machine.
            if line.startswith(f'{{"jsonrpc":"2.0","id":{self._number},'):
                return json.loads(line)["result"]
        raise SystemExit(f"{self.process.args} ended")

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def round(self, tool: str, arguments: dict[str, Any], calls: int) -> tuple[float, float]:
        """Return the seconds and the CPU seconds of one call."""
        begun, cpu = time.perf_counter(), self._cpu()
        for _ in range(calls):
            result = self.ask("tools/call", {"name": tool, "arguments": arguments})
            assert not result.get("isError"), result
        return (time.perf_counter() - begun) / calls, (self._cpu() - cpu) / calls

    def _cpu(self) -> float:
        # The clock of another process, to the nanosecond: /proc/<pid>/stat counts in hundredths of a second.
        return time.clock_gettime((~self.process.pid << 3) | 2)


def _spawn(command: list[str], environment: dict[str, str]) -> Program:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def measure(case: Case, state: str) -> tuple[float, float, float]:
    """Return the calls a second and the CPU as ratios to the bare tool's, and the CPU seconds of a call."""
    with ExitStack() as ended:

        def start(process: Program) -> Program:
            ended.callback(process.wait, 20)
            assert process.stdin
            ended.callback(process.stdin.close)
            return process

        sizes = map(str, (case.each, case.closed, case.named))
        service = start(_spawn([sys.executable, str(HERE / "canned.py"), *sizes], {**os.environ}))
        assert service.stdin
        assert service.stdout
        address = f"http://127.0.0.1:{service.stdout.readline().strip()}"
        settings = {
            "INCIDENTIO_API_URL": f"{address}/incidentio",
            "INCIDENTIO_API_KEY": "canned",
            "IONHOUR_API_URL": f"{address}/ionhour/api",
            "IONHOUR_API_KEY": "canned",
        }
        ours = Server([sys.executable, "-m", "incident_mcp"], state, **settings)
        start(ours.process)
        bare = Server([sys.executable, str(HERE / "bare_server.py"), address], state)
        start(bare.process)
        ours.round(case.tool, case.arguments, 1)
        service.stdin.write("\n")
        service.stdin.flush()
        paths = json.loads(service.stdout.readline())
        same = ("get", {"path": paths[0]}) if len(paths) == 1 else ("get_all", {"paths": paths})
        rates, costs, seconds = [], [], []
        # In turns, so that a busy moment of the machine meets both.
        for number in range(ROUNDS + 1):
            taken, cpu = ours.round(case.tool, case.arguments, case.calls)
            bare_taken, bare_cpu = bare.round(*same, case.calls)
            if number:
                rates.append(bare_taken / taken)
                costs.append(cpu / bare_cpu)
                seconds.append(cpu)
    return statistics.median(rates), statistics.median(costs), statistics.median(seconds)


def main() -> None:
    """Print a line a case."""
    beyond: list[str] = []
    with tempfile.TemporaryDirectory() as state:
        for case in (case for case in CASES if sys.argv[1:] in ([], [case.name])):
            rate, cost, seconds = measure(case, state)
            print(f"{case.name}: {rate:.2f} x the calls a second, {cost:.2f} x the CPU, {seconds * 1000:.1f} ms of CPU")
            if rate < case.least_rate or cost > case.most_cpu or seconds > case.most_seconds:
                beyond.append(case.name)
    if beyond:
        raise SystemExit(f"beyond the limit: {', '.join(beyond)}")


if __name__ == "__main__":
    main()
