"""Calling tools that are not listed: `use_read_tool` and `use_write_tool`."""

from typing import Annotated, Any

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.records.fitting import shorten
from incident_mcp.records.text import inert
from incident_mcp.tooling import aliases
from incident_mcp.tooling.arguments import nearest
from incident_mcp.tooling.caller import Caller
from incident_mcp.tooling.dependencies import CurrentCall
from incident_mcp.tooling.tools import ToolResult, ToolSpec, read_tool, write_tool

ToolName = Annotated[str, Field(min_length=1, description="Name from find_tools.")]
ToolArguments = Annotated[dict[str, Any] | None, Field(description="Its arguments.")]


async def use_read_tool(call: CurrentCall, tool: ToolName, arguments: ToolArguments = None) -> ToolResult:
    """Call a tool that reads and is not listed."""
    spec = _find(call.caller, tool)
    if spec.writes:
        raise InputError(f"{spec.name} writes: call it with use_write_tool. Not sent.")
    return await spec.call(call, arguments or {}, call.caller.settings.ignore_arguments, name=tool)


async def use_write_tool(call: CurrentCall, tool: ToolName, arguments: ToolArguments = None) -> ToolResult:
    """Call a tool that writes and is not listed. Its own checks, preview and confirmation apply."""
    spec = _find(call.caller, tool)
    if not spec.writes:
        raise InputError(f"{spec.name} only reads: call it with use_read_tool.")
    return await spec.call(call, arguments or {}, call.caller.settings.ignore_arguments, name=tool)


def _find(caller: Caller, name: str) -> ToolSpec:
    """Return a tool that the caller may reach; a host's prefix does not matter.

    Raises:
        InputError: There is none of this name for this caller.
    """
    known = caller.reachable
    wanted = aliases.TOOLS.get(name, name)
    found = max((each for each in known if wanted == each or wanted.endswith(f"_{each}")), key=len, default=None)
    if found is None:
        close = nearest(name, known)
        hint = f"Did you mean {close}?" if close else "find_tools finds one by words."
        if caller.settings.read_only:
            hint += " Tools that write are not offered: INCIDENT_MCP_READ_ONLY is set."
        if caller.settings.role is not None:
            hint += f" Your role is {caller.settings.role}: tools that need more are not offered."
        raise InputError(f"Unknown tool {shorten(inert(name), 80)!r}. {hint} Not sent.")
    return known[found]


DISCOVERY = [
    read_tool(use_read_tool, "Use a tool that reads"),
    write_tool(use_write_tool, "Use a tool that writes", destructive=True),
]
