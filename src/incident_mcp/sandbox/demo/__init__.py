"""`incident-mcp demo`: an incident from first alert to close, by a real MCP client on a spawned server."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import cast

import anyio
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from .steps import STEPS
from .walk import Caller, StepError, Walk, facts

SERVER = (sys.executable, "-m", "incident_mcp", "--sandbox")
WIDEST = 110
"""Columns used of a wider terminal."""
PAUSE = 0.35
"""Seconds between steps on a terminal, so that a person can follow; a pipe gets none."""


def run(server: Sequence[str] = SERVER) -> int:
    """Walk all steps and print them.

    Args:
        server: The command that starts the server.

    Returns:
        0, or 1 when a step failed, which is named.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # names hold what not every terminal can write
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = min(console.width, WIDEST)
    walk = Walk(console)
    began = time.perf_counter()
    failure = None
    try:
        with tempfile.TemporaryDirectory(prefix="incident-mcp-demo-") as state:
            anyio.run(_walk, walk, _parameters(server, os.environ, state))
    except* (StepError, MCPError, OSError, LookupError) as failures:
        failure = _first(failures)
    if failure is not None:
        _tell_failure(walk, failure)
        return 1
    _tell_end(walk, time.perf_counter() - began)
    return 0


async def _walk(walk: Walk, server: StdioServerParameters) -> None:
    walk.console.print(Text("incident-mcp demo", style="bold"))
    walk.console.print(
        Text(
            "An incident from first alert to close, on made-up data in memory: nothing leaves this machine. Each step"
            " says why, which tool is called with what, what came back and how long that took."
        )
    )
    walk.begin(*CONNECT)
    walk.row("run", Text(" ".join(["python", *server.args])))
    began = time.perf_counter()
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        walk.took = time.perf_counter() - began
        walk.show(Text(f"{len(tools)} tools, MCP {client.protocol_version}"))
        for step in STEPS:
            walk.begin(step.title, step.why)
            await step.act(walk, Caller(client, walk))


def _parameters(server: Sequence[str], environ: Mapping[str, str], state: str) -> StdioServerParameters:
    """Give the server's command and environment: none of the caller's keys and settings, and a state folder of its own."""
    plain = {name: value for name, value in environ.items() if not name.startswith(("INCIDENT", "IONHOUR"))}
    return StdioServerParameters(
        command=server[0], args=list(server[1:]), env={**plain, "INCIDENT_MCP_STATE_DIR": state}
    )


def _first(failure: BaseException) -> BaseException:
    return _first(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure


def _tell_failure(walk: Walk, failure: BaseException) -> None:
    text = f"The answer has no {failure}." if isinstance(failure, LookupError) else str(failure)
    told = Panel(Text(text), title=f"Step {walk.number} failed: {walk.title}", title_align="left", border_style="red")
    walk.console.print()
    walk.console.print(told)


def _tell_end(walk: Walk, seconds: float) -> None:
    facts = {
        "incidents declared": f"{walk.declared}: {walk.incident['reference']}, from first alert to close",
        "tool calls": f"{walk.calls}: {walk.calls - walk.refusals} answered, {walk.refusals} refused on purpose",
        "steps": f"{walk.number}, all as they should be",
        "time": f"{walk.seconds:.2f} s in tool calls, {seconds:.1f} s in all",
    }
    walk.console.print()
    walk.console.print(Panel(facts(facts, *facts), title="Done", title_align="left", border_style="green"))
    walk.console.print(
        Text(
            "Try it yourself: give an assistant `incident-mcp --sandbox` as MCP server. README.md says how, host by host."
        )
    )
