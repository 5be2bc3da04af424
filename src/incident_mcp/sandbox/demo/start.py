"""Start the server, run every step and print the summary."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import anyio
from mcp import Client, MCPError, StdioServerParameters
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from incident_mcp.records.tokens import count_tokens

from .outage import OUTAGE
from .steps import STEPS, Step
from .walk import Caller, StepError, Walk, facts

SERVER = (sys.executable, "-m", "incident_mcp", "--sandbox")
MAX_WIDTH = 110
"""Maximum width in columns."""
PAUSE = 0.35
"""Seconds between steps on a terminal, so that a person can follow; none in a pipe."""
TIME_LIMIT = 30
"""Maximum duration of the demo in seconds."""


def run(server: Sequence[str] = SERVER, *, full: bool = False) -> int:
    """Run all steps and print them.

    Args:
        server: The command that starts the server.
        full: Whether to walk an outage of several hours instead.

    Returns:
        0, or 1 if a step failed; its name is printed.
    """
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")  # not every terminal can print every name
    console = Console(markup=False, emoji=False, highlight=False)
    console.width = min(console.width, MAX_WIDTH)
    walk = Walk(console)
    failure = None
    try:
        with tempfile.TemporaryDirectory(prefix="incident-mcp-demo-") as state:
            steps = OUTAGE if full else STEPS
            anyio.run(_walk_in_time, walk, _parameters(server, os.environ, state, full=full), steps)
    except* (StepError, MCPError, OSError, LookupError, KeyboardInterrupt) as failures:
        failure = _first(failures)
    if failure is not None:
        _print_failure(walk, failure)
        return 1
    _print_end(walk, full=full)
    return 0


def _parameters(server: Sequence[str], environ: Mapping[str, str], state: str, *, full: bool) -> StdioServerParameters:
    """Return how to start the server: without the caller's keys and settings, and with its own state folder."""
    plain = {name: value for name, value in environ.items() if not name.startswith(("INCIDENT", "IONHOUR"))}
    return StdioServerParameters(
        command=server[0],
        args=list(server[1:]),
        env={**plain, "INCIDENT_MCP_STATE_DIR": state, **({"INCIDENT_MCP_TOOLSETS": "all"} if full else {})},
    )


async def _walk_in_time(walk: Walk, server: StdioServerParameters, steps: Sequence[Step]) -> None:
    try:
        with anyio.fail_after(TIME_LIMIT):
            await _walk(walk, server, steps)
    except TimeoutError:
        raise StepError(f"The demo did not finish within {TIME_LIMIT} s.") from None


async def _walk(walk: Walk, server: StdioServerParameters, steps: Sequence[Step]) -> None:
    walk.console.print(Text("incident-mcp demo", style="bold"))
    walk.console.print(
        Text(
            "An incident, on made-up data in memory; nothing leaves this machine. Each step"
            " shows its purpose, the tool call, the answer and how long it took."
        )
    )
    walk.begin("Start the server", "As an MCP host does: in a separate process, with MCP over stdin and stdout.")
    walk.row("run", Text(" ".join([Path(server.command).name, *server.args])))
    began = time.perf_counter()
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        walk.start_seconds = walk.took = time.perf_counter() - began
        walk.list_tokens = count_tokens(
            [tool.model_dump(include={"name", "description", "input_schema"}) for tool in tools]
        )
        walk.show(Text(f"connected: {len(tools)} tools, MCP {client.protocol_version}"))
        for step in steps:
            await anyio.sleep(PAUSE if walk.console.is_terminal else 0)
            walk.begin(step.title, step.why)
            await step.act(walk, Caller(client, walk))


def _first(failure: BaseException) -> BaseException:
    if isinstance(failure, BaseExceptionGroup):
        return _first(cast("BaseExceptionGroup[BaseException]", failure).exceptions[0])
    return failure


def _print_failure(walk: Walk, failure: BaseException) -> None:
    text = f"The answer has no {failure}." if isinstance(failure, LookupError) else str(failure)
    text = text or type(failure).__name__
    panel = Panel(Text(text), title=f"Step {walk.number} failed: {walk.title}", title_align="left", border_style="red")
    walk.console.print()
    walk.console.print(panel)


def _print_end(walk: Walk, *, full: bool) -> None:
    reference = walk.incident["reference"]
    taken_over = f"{reference} taken over, resolved, and written up"
    summary = {
        "Incidents": taken_over if full else f"{walk.declared} declared: {reference}, from first alert to close",
        "Steps": f"{walk.number}, each checked",
        "Tool calls": f"{walk.calls}: {walk.calls - walk.rejections} answered, {walk.rejections} rejected on purpose",
        "Tokens": f"{walk.tokens:,} in calls and answers, {walk.list_tokens:,} in the list of tools",
        "Time": f"{walk.seconds:.2f} s in tool calls, {walk.start_seconds:.1f} s to start the server",
    }
    walk.console.print()
    walk.console.print(Panel(facts(summary, *summary), title="Done", title_align="left", border_style="green"))
    walk.console.print(
        Text(
            ("" if full else "`incident-mcp demo --full` walks an outage of three hours up to its post-mortem. ")
            + "To try it with an assistant, add `incident-mcp --sandbox` as an MCP server; README.md shows how for each"
            " host."
        )
    )
