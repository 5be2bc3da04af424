"""Write all that follows from the tools' source: `uv run python -m tools.generate`.

That is the list of tools that the package ships, each tool's contract as a snapshot, README's tables, the list in
manifest.json and the list of released names. A module keeps its place in the list; a new one comes last in its room.
`--check` only prints the files that are stale, and exits with 1 if there are any.
"""

import ast
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from incident_mcp.records.tokens import count_tokens
from incident_mcp.response import find_tools, use_tools
from incident_mcp.settings import Settings
from incident_mcp.tooling.schemas import Shipped
from incident_mcp.tooling.tools import Toolset, ToolSpec
from tools.schemas import input_schema, output_schema

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "incident_mcp"
SCHEMAS = PACKAGE / "tooling" / "schemas.json"
SNAPSHOTS = ROOT / "tests" / "tooling" / "snapshots"
RELEASED = ROOT / "tests" / "tooling" / "released_names.json"
ROOMS = ("response", "incidentio", "ionhour")
COMPACT: dict[str, Any] = {"ensure_ascii": False, "separators": (",", ":")}
COMMAND = "uv run python -m tools.generate"


def modules_with_tools() -> list[str]:
    """Return the modules that define `TOOLS`: in the order in which they are shipped, a new one last in its room."""
    files = [file for room in ROOMS for file in (PACKAGE / room).rglob("*.py") if _defines_tools(file)]
    found = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files}
    shipped = json.loads(SCHEMAS.read_text("utf-8")) if SCHEMAS.exists() else {}
    modules = dict.fromkeys(Shipped(*row).module for row in shipped.values())
    names = [name for name in modules if name in found] + sorted(found - set(modules))
    return sorted(names, key=lambda name: ROOMS.index(name.split(".")[1]))


def _defines_tools(file: Path) -> bool:
    body = ast.parse(file.read_text("utf-8")).body
    names = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    names += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return any(isinstance(name, ast.Name) and name.id == "TOOLS" for name in names)


def source_tools() -> list[ToolSpec]:
    """Return all tools as their modules define them, in the order of the list; those that call others come last."""
    modules = [importlib.import_module(name) for name in modules_with_tools()]
    return [spec for module in modules for spec in module.TOOLS] + [*find_tools.DISCOVERY, *use_tools.DISCOVERY]


def shipped_schemas(tools: list[ToolSpec]) -> str:
    """Return all tools as the package ships them: one line for each, its fields in the order of `Shipped`."""
    rows = (f"{json.dumps(spec.name)}:{json.dumps(_shipped(spec), **COMPACT)}" for spec in tools)
    return "{\n" + ",\n".join(rows) + "\n}\n"


def _shipped(spec: ToolSpec) -> Shipped:
    return Shipped(
        module=spec.fn.__module__,
        title=spec.title,
        description=spec.description,
        writes=spec.writes,
        destructive=spec.destructive,
        idempotent=spec.idempotent,
        takes_two_calls=bool(spec.preview),
        services=spec.services,
        keywords=spec.keywords,
        toolset=(spec.toolset.name, spec.toolset.description, spec.toolset.default),
        input=input_schema(spec),
        output=output_schema(spec),
    )


def contract(spec: ToolSpec) -> dict[str, Any]:
    """Return what a host reads of a tool."""
    tool = spec.definition
    return {
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "annotations": tool.annotations.model_dump(by_alias=True, exclude_none=True),
        "inputSchema": tool.input_schema,
        "outputSchema": tool.output_schema,
    }


def snapshots(tools: list[ToolSpec]) -> dict[Path, str]:
    """Return the snapshot of each tool's contract."""
    return {
        SNAPSHOTS / f"{spec.name}.json": json.dumps(contract(spec), indent=2, ensure_ascii=False) + "\n"
        for spec in tools
    }


def readme(tools: list[ToolSpec]) -> str:
    """Return README with the tables of tools."""
    toolsets = list(dict.fromkeys(spec.toolset for spec in tools))
    tables = "\n\n".join(_table(toolset, [spec for spec in tools if spec.toolset == toolset]) for toolset in toolsets)
    return _replaced("README.md", r"(?<=<!-- tools -->\n).*?(?=<!-- end of tools -->)", f"\n{tables}\n\n")


def _replaced(document: str, pattern: str, text: str) -> str:
    """Return a document with the one place that a pattern matches replaced."""
    content = (ROOT / document).read_text("utf-8")
    replaced, places = re.subn(pattern, lambda _: text, content, flags=re.DOTALL)
    if places != 1:
        raise SystemExit(f"{document}: {pattern} matches {places} places, not one.")
    return replaced


def _table(toolset: Toolset, tools: list[ToolSpec]) -> str:
    offered = "offered by default" if toolset.default else f"with `INCIDENT_MCP_TOOLSETS={toolset.name}`"
    rows = [
        f"| `{spec.name}` | {_summary(spec).rstrip('.').replace('|', '/')} | {'writes' if spec.writes else 'reads'} |"
        for spec in tools
    ]
    count = f"{len(tools)} tool{'s' if len(tools) > 1 else ''}"
    head = f"**`{toolset.name}`** ({count}, {sum(map(_cost, tools)):,} tokens, {offered}): {toolset.description}"
    return "\n".join([head, "", "| Tool | What it does | |", "|---|---|---|", *rows])


def _cost(spec: ToolSpec) -> int:
    """Return the tokens of a tool in a list."""
    return count_tokens({"name": spec.name, "description": spec.description, "inputSchema": input_schema(spec)})


def _summary(spec: ToolSpec) -> str:
    return " ".join((spec.fn.__doc__ or "").split("\n\n")[0].split())


def manifest(tools: list[ToolSpec]) -> str:
    """Return manifest.json with the tools that are listed by default."""
    listed = importlib.import_module("incident_mcp.catalogue").select(Settings())
    names = [spec.name for spec in listed]
    entries = [{"name": spec.name, "description": _summary(spec)} for spec in tools if spec.name in names]
    rows = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    return _replaced("manifest.json", r'(?<=  "tools": \[\n).*?(?=\n  \])', rows)


def released_names(tools: list[ToolSpec]) -> str:
    """Return the list of released tools and arguments, with the new ones; none is ever removed from it."""
    names: dict[str, list[str]] = json.loads(RELEASED.read_text("utf-8")) if RELEASED.exists() else {}
    for spec in tools:
        arguments = spec.definition.input_schema.get("properties", {})
        names[spec.name] = sorted({*names.get(spec.name, ()), *arguments})
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(names[name])}" for name in sorted(names))
    return f"{{\n{rows}\n}}\n"


def generated() -> dict[Path, str | None]:
    """Return all generated files with their content; None for a file that is to be deleted."""
    tools = source_tools()
    if stale(schemas := {SCHEMAS: shipped_schemas(tools)}):
        return schemas
    files: dict[Path, str | None] = dict(snapshots(tools))
    files |= {file: None for file in SNAPSHOTS.glob("*.json") if file not in files}
    files[RELEASED] = released_names(tools)
    return files | {ROOT / "README.md": readme(tools), ROOT / "manifest.json": manifest(tools)}


def stale(files: dict[Path, str | None]) -> list[Path]:
    """Return the files whose content is another than it should be."""
    return [file for file, text in files.items() if (file.read_text("utf-8") if file.exists() else None) != text]


def main(arguments: list[str]) -> int:
    """Write what is stale, or with `--check` print it."""
    files = generated()
    changed = stale(files)
    for file in changed:
        print(file.relative_to(ROOT))
        text = files[file]
        if "--check" in arguments:
            continue
        if text is None:
            file.unlink()
        else:
            file.write_text(text, "utf-8")
    if "--check" in arguments:
        return 1 if changed else 0
    return main(arguments) if changed and len(files) == 1 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
