"""Spawn to tool list answered, over stdio, against a one-tool server in the same run.

Run with `uv run python benchmarks/startup.py`. Prints medians in ms and their ratio; design limit 1.10.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
SERVERS = {
    "one tool": [sys.executable, str(HERE / "one_tool_server.py")],
    "incident-mcp": [sys.executable, "-m", "incident_mcp"],
}
MESSAGES = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "startup", "version": "0"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
]


def spawn_to_list(command: list[str], cache: str) -> tuple[float, int]:
    """Return the milliseconds from spawn to the tool list, and how many tools it has."""
    # Bytecode is kept, as it is after the first start of what is installed.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
    begun = time.perf_counter()
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert server.stdin
    assert server.stdout
    server.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in MESSAGES))
    server.stdin.flush()
    for line in server.stdout:
        answer = json.loads(line)
        if answer.get("id") == 2:
            taken = (time.perf_counter() - begun) * 1000
            server.stdin.close()
            server.wait(10)
            return taken, len(answer["result"]["tools"])
    raise SystemExit(f"{command} ended without a tool list")


def main() -> None:
    """Take turns, so that a busy moment hits both alike."""
    taken: dict[str, list[float]] = {name: [] for name in SERVERS}
    tools = {}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(ROUNDS + 1):
            for name, command in SERVERS.items():
                milliseconds, tools[name] = spawn_to_list(command, cache)
                taken[name].append(milliseconds)
    medians = {name: statistics.median(values[1:]) for name, values in taken.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.0f} ms, {tools[name]} tools")
    print(f"ratio: {medians['incident-mcp'] / medians['one tool']:.3f}")


if __name__ == "__main__":
    main()
