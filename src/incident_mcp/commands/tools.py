"""`incident-mcp tools`: the tools that the settings offer, and what they cost a model."""

from collections.abc import Sequence
from typing import Any

from mcp_types import Tool

from incident_mcp.catalogue import DISCOVERY, TOOLS, TOOLSETS, hidden, select, unlisted, warnings
from incident_mcp.commands.console import complain, put, put_json
from incident_mcp.records.tokens import count_tokens, tokenizer
from incident_mcp.settings import Settings


def print_tools(settings: Settings, *, as_json: bool) -> int:
    """Print the tools that these settings offer, by toolset, and what each toolset costs a model."""
    offered = {spec.name: spec.definition for spec in select(settings)}
    if as_json:
        put_json([_as_json(tool) for tool in offered.values()])
    else:
        _print_tables(offered)
    for note in (*warnings(settings), *_not_listed(settings), *_not_offered(settings)):
        (complain if as_json else put)(note)
    return 0


def _not_listed(settings: Settings) -> list[str]:
    names = [spec.name for spec in unlisted(settings)]
    return [f"Not listed, but found by find_tools: {', '.join(names)}."] if names else []


def _not_offered(settings: Settings) -> list[str]:
    return [f"Not offered: {', '.join(names)}: {reason}." for reason, names in hidden(settings).items()]


def _print_tables(offered: dict[str, Tool]) -> None:
    from rich.console import Console  # noqa: PLC0415  # imported only for tables

    console = Console(soft_wrap=False)
    for toolset in TOOLSETS:
        names = [spec.name for spec in (*TOOLS, *DISCOVERY) if spec.toolset.name == toolset]
        shown = [offered[name] for name in names if name in offered]
        console.print(f"{toolset}: {len(shown)} of {len(names)} tools offered, {_cost(shown)} tokens", highlight=False)
        console.print(_table(shown))


def _cost(shown: Sequence[Tool]) -> str:
    about = "" if tokenizer() else "about "
    return f"{about}{sum(count_tokens(listed(tool)) for tool in shown):,}"


def _table(shown: Sequence[Tool]) -> Any:  # noqa: ANN401  # rich is imported only for tables
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415

    table = Table(Column("Tool", no_wrap=True), "What it does", box=None, padding=(0, 2, 0, 0))
    for tool in shown:
        required = tool.input_schema.get("required", [])
        names = [f"{name}*" if name in required else name for name in tool.input_schema["properties"]]
        first_line = (tool.description or "").partition("\n")[0]
        table.add_row(tool.name, f"{first_line} [dim]{escape(', '.join(names))}[/dim]")
    return table


def listed(tool: Tool) -> dict[str, Any]:
    """Return what a model reads of a tool."""
    return {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}


def _as_json(tool: Tool) -> dict[str, Any]:
    return {**listed(tool), "title": tool.title, "outputSchema": tool.output_schema}
