"""The tools for an agent that has a shell and no MCP: `incident-mcp tools` and `incident-mcp call`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp import Client
from mcp_types import CallToolResult, TextContent, Tool

from incident_mcp.catalogue import TOOLS, TOOLSETS, explain_unknown, hidden, select, warnings
from incident_mcp.commands.console import NotWritten, complain, discard_stdout, put, put_json
from incident_mcp.records.record import shorten
from incident_mcp.records.tokens import count_tokens, tokenizer
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


def print_tools(settings: Settings, *, as_json: bool) -> int:
    """Print the tools that these settings offer, set by set, and what each set costs a model."""
    offered = {spec.name: spec.definition for spec in select(settings)}
    notes = warnings(settings)
    notes += [f"Not offered: {', '.join(names)}: {reason}." for reason, names in hidden(settings).items()]
    if as_json:
        put_json([_as_json(tool) for tool in offered.values()])
        for note in notes:
            complain(note)
        return 0
    from rich.console import Console  # noqa: PLC0415  # JSON does without

    console = Console(soft_wrap=False)
    for toolset in TOOLSETS:
        tools = [spec for spec in TOOLS if spec.toolset.name == toolset]
        _print_toolset(console, toolset, [offered[spec.name] for spec in tools if spec.name in offered], len(tools))
    for note in notes:
        put(note)
    return 0


def _print_toolset(console: "Console", toolset: str, shown: Sequence[Tool], most: int) -> None:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    cost = sum(count_tokens(listed(tool)) for tool in shown)
    about = "" if tokenizer() else "about "
    console.print(f"{toolset}: {len(shown)} of {most} tools offered, {about}{cost:,} tokens", highlight=False)
    table = Table(Column("Tool", no_wrap=True), "What it does", box=None, padding=(0, 2, 0, 0))
    for tool in shown:
        required = tool.input_schema.get("required", [])
        names = [f"{name}*" if name in required else name for name in tool.input_schema["properties"]]
        first_line = (tool.description or "").partition("\n")[0]
        table.add_row(tool.name, f"{first_line} [dim]{escape(', '.join(names))}[/dim]")
    console.print(table)


def listed(tool: Tool) -> dict[str, Any]:
    """Return what a model reads of a tool."""
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}


def _as_json(tool: Tool) -> dict[str, Any]:
    return {**listed(tool), "title": tool.title, "outputSchema": tool.output_schema}


def call(settings: Settings, name: str, pairs: Sequence[str], as_json: str | None) -> int:
    """Call one tool; the answer goes to stdout as JSON, an error to stderr.

    Returns:
        0, 1 when the tool failed, 2 when the command line cannot be read.
    """
    known = [spec.name for spec in select(settings)]
    try:
        if name not in known:
            raise _Usage(explain_unknown(name, settings))  # noqa: TRY301
        arguments = _arguments(pairs, as_json)
    except _Usage as error:
        complain(f"incident-mcp call: {error}")
        return 2
    result = anyio.run(_call, settings, name, arguments)
    if result.is_error:
        complain("\n".join(part.text for part in result.content if isinstance(part, TextContent)))
        return 1
    try:
        put_json(result.structured_content)
    except NotWritten as error:
        outcome = _outcome(name, result.structured_content or {})
        complain(f"incident-mcp call: the answer could not be written to stdout ({error}). {outcome}")
        discard_stdout()
        return 1
    return 0


def _outcome(name: str, answer: dict[str, Any]) -> str:
    """Say what a call did whose answer nobody read."""
    writes = any(spec.name == name and spec.writes for spec in TOOLS)
    if not writes or answer.get("dry_run"):
        return "Nothing was written to the service."
    return f"The write was done, do not repeat it: {shorten(json.dumps(answer), 2_000)}"


class _Usage(Exception):
    """The command line cannot be read."""


def _arguments(pairs: Sequence[str], as_json: str | None) -> dict[str, Any]:
    if as_json is not None:
        if pairs:
            raise _Usage("Pass either key=value pairs or --json, not both.")
        try:
            parsed: object = json.loads(as_json)
        except ValueError as error:
            raise _Usage(f"--json takes one JSON object: {error}.") from None
        if not isinstance(parsed, dict):
            raise _Usage('--json takes one JSON object, like \'{"incident": "INC-123"}\'.')
        return cast("dict[str, Any]", parsed)
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise _Usage(f"{pair!r} is no key=value pair.")
        if key in arguments:
            raise _Usage(f'{key!r} is passed twice; pass a list as JSON: KEY=\'["a","b"]\'.')
        arguments[key] = value
    return arguments


async def _call(settings: Settings, name: str, arguments: dict[str, Any]) -> CallToolResult:
    async with Client(build_server(settings)) as client:
        return await client.call_tool(name, arguments)
