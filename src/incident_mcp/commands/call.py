"""`incident-mcp call`: one tool, for an agent that has a shell and no MCP."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import anyio
from mcp import Client
from mcp_types import CallToolResult, TextContent

from incident_mcp.catalogue import TOOLS, explain_unknown, reachable, select
from incident_mcp.commands.console import NotWritten, complain, discard_stdout, put_json
from incident_mcp.records.record import shorten
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings


def call(settings: Settings, name: str, pairs: Sequence[str], as_json: str | None) -> int:
    """Call one tool; print its result to stdout as JSON, or its error to stderr.

    Returns:
        0, 1 if the tool failed, 2 if the command line cannot be parsed.
    """
    try:
        settings = _settings_for(name, settings)
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
        outcome = describe_write(name, result.structured_content or {})
        complain(f"incident-mcp call: the answer could not be written to stdout ({error}). {outcome}")
        discard_stdout()
        return 1
    return 0


def _settings_for(name: str, settings: Settings) -> Settings:
    """Return settings that list a tool, which may be one that only `find_tools` finds: a shell needs no list."""
    if any(spec.name == name for spec in select(settings)):
        return settings
    if any(spec.name == name for spec in reachable(settings)):
        return replace(settings, toolsets=("all",))
    raise _Usage(explain_unknown(name, settings))


def describe_write(name: str, result: dict[str, Any]) -> str:
    """Return what a call did, for a caller who did not get its result."""
    writes = any(spec.name == name and spec.writes for spec in TOOLS)
    if not writes or result.get("dry_run"):
        return "Nothing was written to the service."
    text = shorten(json.dumps(result), 2_000)
    if any(step.get("outcome") == "failed" for step in result.get("steps", ())):
        return f"The write was done in part. Call again with the same arguments to finish it: {text}"
    if result.get("repeated"):
        return f"An earlier, identical call had done it, and nothing was written: {text}"
    return f"The write was done, do not repeat it: {text}"


class _Usage(Exception):
    """The command line cannot be parsed."""


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
            raise _Usage(f"{pair!r} is not a key=value pair.")
        if key in arguments:
            raise _Usage(f'{key!r} is passed twice; pass a list as JSON: KEY=\'["a","b"]\'.')
        arguments[key] = value
    return arguments


async def _call(settings: Settings, name: str, arguments: dict[str, Any]) -> CallToolResult:
    async with Client(build_server(settings, one_call=True)) as client:
        return await client.call_tool(name, arguments)
