"""Convert every tool as Google's and OpenAI's SDKs do: `convert.py FILE`, what `incident-mcp tools --json` wrote.

Needs google-genai and openai-agents, which are not installed with this project: `.ci/run` names their versions.
"""

import json
import sys
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agents.mcp import MCPServerStdio, MCPUtil
from agents.strict_schema import ensure_strict_json_schema
from google.genai import types
from google.genai._mcp_utils import mcp_to_gemini_tool
from mcp.types import Tool

TOOLS = [Tool.model_validate(tool) for tool in json.loads(Path(sys.argv[1]).read_text("utf-8"))]
SERVER = MCPServerStdio({"command": "incident-mcp"})  # names a server; never started


def google(tool: Tool) -> Collection[str]:
    [declaration] = mcp_to_gemini_tool(tool).function_declarations
    return declaration.parameters.properties


def google_answer(tool: Tool) -> Collection[str]:
    return google(tool.model_copy(update={"input_schema": tool.output_schema}))


def google_strict(tool: Tool) -> Collection[str]:
    schema = types.JSONSchema.model_validate(tool.input_schema)
    return types.Schema.from_json_schema(json_schema=schema, raise_error_on_unsupported_field=True).properties


def openai(tool: Tool) -> Collection[str]:
    function = MCPUtil.to_function_tool(tool, SERVER, convert_schemas_to_strict=False)
    return function.params_json_schema["properties"]


def openai_strict(tool: Tool) -> Collection[str]:
    schema = ensure_strict_json_schema(json.loads(json.dumps(tool.input_schema)))
    return set(schema["properties"]) & set(schema["required"])


def has_map(tool: Tool) -> bool:
    """Return whether an argument is a map (`additionalProperties`), which OpenAI's strict mode has no form for."""
    return any("additionalProperties" in argument for argument in tool.input_schema["properties"].values())


def faults(tools: list[Tool], convert: Callable[[Tool], Collection[str]], side: str) -> list[str]:
    """Return the tools that are not converted whole, each with its fault."""
    found = []
    for tool in tools:
        expected: dict[str, Any] = getattr(tool, side)["properties"]
        try:
            lost = set(expected) - set(convert(tool) or ())
        except Exception as error:  # noqa: BLE001  # whatever a converter raises is a tool it does not take
            found.append(f"{tool.name}: {error!r}")
        else:
            found += [f"{tool.name}: loses {', '.join(sorted(lost))}"] * bool(lost)
    return found


def main() -> int:
    plain = [tool for tool in TOOLS if not has_map(tool)]
    failed = 0 if TOOLS else 1
    for package, what, tools, convert, side in (
        ("google-genai", "MCP tool", TOOLS, google, "input_schema"),
        ("google-genai", "MCP tool, answer", TOOLS, google_answer, "output_schema"),
        ("google-genai", "no unsupported field", TOOLS, google_strict, "input_schema"),
        ("openai-agents", "MCP tool", TOOLS, openai, "input_schema"),
        ("openai-agents", "strict, those without a map", plain, openai_strict, "input_schema"),
    ):
        found = faults(tools, convert, side)
        print(f"{package} {version(package)}, {what}: {len(tools) - len(found)} of {len(tools)} tools")
        print(*(f"  {fault}" for fault in found), sep="\n", end="\n" if found else "")
        failed += len(found)
    return 1 if failed else 0


sys.exit(main())
