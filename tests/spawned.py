"""What tests with a spawned server share: its environment, and the programs that drive it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVER = [sys.executable, "-m", "incident_mcp"]
OURS = ("INCIDENT", "IONHOUR")

NODE_PACKAGES = {
    "mcp-inspector": "@modelcontextprotocol/inspector",
    "mcpb": "@anthropic-ai/mcpb",
    "conformance": "@modelcontextprotocol/conformance",
}


def environment(state: Path, **settings: str) -> dict[str, str]:
    """Return this process's environment without its settings of ours, and with the given ones."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**plain, "INCIDENT_MCP_STATE_DIR": str(state), **settings}


def node_program(name: str) -> str:
    """Find a Node program; without it the test skips, or fails where INCIDENT_MCP_REQUIRE_NODE is set."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not on the path (npm package {NODE_PACKAGES[name]}, Node 22.19 or newer)"
        if os.environ.get("INCIDENT_MCP_REQUIRE_NODE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(*command: str | Path, timeout: float = 60, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its output captured."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,
    )
