"""The tools for an agent that has a shell and no MCP: `incident-mcp tools` and `incident-mcp call`."""

import json
import sys
from collections.abc import Sequence
from typing import Any, cast

import anyio
from mcp import Client
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent

from incident_mcp.catalogue import select
from incident_mcp.server import build_server
from incident_mcp.settings import Settings


def print_tools(settings: Settings, *, as_json: bool) -> int:
    """Print the tools that these settings offer."""
    tools = [spec.build() for spec in select(settings)]
    if as_json:
        print(json.dumps([_as_json(tool) for tool in tools], ensure_ascii=False))
        return 0
    from rich.console import Console  # noqa: PLC0415  # JSON does without
    from rich.table import Table  # noqa: PLC0415

    table = Table("Tool", "What it does", "Arguments (* required)", box=None, padding=(0, 2, 0, 0))
    for tool in tools:
        required = tool.parameters.get("required", [])
        arguments = " ".join(f"{name}*" if name in required else name for name in tool.parameters["properties"])
        table.add_row(tool.name, tool.description.partition("\n")[0], arguments)
    Console().print(table)
    return 0


def _as_json(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "inputSchema": tool.parameters,
        "outputSchema": tool.output_schema,
    }


def call(settings: Settings, name: str, pairs: Sequence[str], as_json: str | None) -> int:
    """Call one tool; the answer goes to stdout as JSON, an error to stderr.

    Returns:
        0, 1 when the tool failed, 2 when the command line cannot be read.
    """
    known = [spec.name for spec in select(settings)]
    try:
        if name not in known:
            raise _Usage(f"There is no tool {name}. There are: {', '.join(known)}.")  # noqa: TRY301
        arguments = _arguments(pairs, as_json)
    except _Usage as error:
        print(f"incident-mcp call: {error}", file=sys.stderr)
        return 2
    result = anyio.run(_call, settings, name, arguments)
    if result.is_error:
        print("\n".join(part.text for part in result.content if isinstance(part, TextContent)), file=sys.stderr)
        return 1
    print(json.dumps(result.structured_content, ensure_ascii=False))
    return 0


class _Usage(Exception):
    """The command line cannot be read."""


def _arguments(pairs: Sequence[str], as_json: str | None) -> dict[str, Any]:
    if as_json is not None:
        if pairs:
            raise _Usage("Pass either key=value pairs or --json, not both.")
        try:
            given: object = json.loads(as_json)
        except ValueError as error:
            raise _Usage(f"--json takes one JSON object: {error}.") from None
        if not isinstance(given, dict):
            raise _Usage('--json takes one JSON object, like \'{"incident": "INC-123"}\'.')
        return cast("dict[str, Any]", given)
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise _Usage(f"{pair!r} is no key=value pair.")
        if key in arguments:
            raise _Usage(f'{key} is given twice; pass a list as JSON: {key}=\'["a","b"]\'.')
        arguments[key] = value
    return arguments


async def _call(settings: Settings, name: str, arguments: dict[str, Any]) -> CallToolResult:
    async with Client(build_server(settings)) as client:
        return await client.call_tool(name, arguments)
