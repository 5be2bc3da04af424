"""An example of every tool: the arguments of normal calls on the sandbox, collected from the tools' own test modules.

A module that tests tools has two constants, written as literals:

EXAMPLES: tool to the arguments of a call, or to a list of several. Every net calls every tool by them.
EFFECTS: tool that writes to what its example does, or to a list for its first examples; see `Effect`. The matrix in
tests/reliability puts each through every fault.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Sandbox
from incident_mcp.tooling.tools import ToolSpec
from tests.conftest import NOW

Arguments = dict[str, Any]
TESTS = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The request that carries a write out, and the rows of the sandbox's state that show how often it took effect."""

    request: str
    """Method and path, with `*` for an id that differs from run to run."""
    rows: str
    """A list in the sandbox's state: `ionhour.notes`."""
    where: Arguments
    """What the rows have that the write adds or changes; an incident by its reference, `...` for any value."""
    journalled: bool = False
    """The journal recognises an identical call."""
    looks: bool = False
    """After a lost reply it looks whether the write took effect."""
    keyless: bool = False
    """The service cannot recognise a repeat: a request that may still be under way is not sent again."""
    deletes: bool = False
    """Its answer is empty, and a repeat is refused because there is nothing left to delete."""
    empty: bool = False
    """Its answer is empty: any answer that does not deny it says that it is done."""
    finds: bool = False
    """A repeat finds what was made and sends nothing, so the journal's row stays as it was."""

    @property
    def path(self) -> str:
        """A regular expression of the request's path."""
        return re.escape(self.request.partition(" ")[2]).replace(r"\*", "[^/]+") + "$"

    @property
    def bodiless(self) -> bool:
        """Whether its answer has no body that could prove it."""
        return self.deletes or self.empty

    def count(self, state: Mapping[str, Any]) -> int:
        """Return how often the write took effect since the sandbox was seeded."""
        after, before = (sum(_has(row, self.where) for row in _rows(each, self.rows)) for each in (state, _seeded()))
        return after - before


@cache
def _seeded() -> dict[str, Any]:
    return Sandbox(now=NOW).state()


def _rows(state: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Return a list of the state with references in place of incident.io's ids, which differ from run to run."""
    service, name = path.split(".")
    references = {row["id"]: row["reference"] for row in state["incidentio"]["incidents"]}
    return [row | {"incident_id": references.get(row.get("incident_id"))} for row in state[service][name]]


def _has(row: object, where: object) -> bool:
    """Return whether a row has these values, at any depth."""
    if isinstance(where, dict):
        return isinstance(row, dict) and all(key in row and _has(row[key], value) for key, value in where.items())
    return where is ... or row == where


def _collected(constant: str) -> dict[str, list[Any]]:
    """Return the rows of a constant of all test modules by tool, without importing the modules."""
    found: dict[str, list[Any]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        text = file.read_text("utf-8")
        # Most modules have none, and parsing takes long.
        if not re.search(rf"^{constant}\b.* = ", text, re.MULTILINE):
            continue
        for node in ast.parse(text).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and target.id == constant:
                for tool, rows in ast.literal_eval(node.value).items():
                    assert tool not in found, f"{file}: another module has {constant} of {tool}, too"
                    found[tool] = rows if isinstance(rows, list) else [rows]
    return found


EXAMPLES: dict[str, list[Arguments]] = _collected("EXAMPLES")
EFFECTS: dict[str, list[Effect]] = {
    tool: [Effect(**row) for row in rows] for tool, rows in _collected("EFFECTS").items()
}


def module_of(spec: ToolSpec) -> str:
    """Return the path of the test module that mirrors a tool's source."""
    *folders, name = spec.fn.__module__.split(".")[1:]
    return "/".join(["tests", *folders, f"test_{name}.py"])


def examples(spec: ToolSpec) -> list[Arguments]:
    """Return the arguments of a tool's example calls, the plainest first."""
    found = EXAMPLES.get(spec.name, [])
    assert found, f"{spec.name} has no example: add EXAMPLES to {module_of(spec)}"
    return found


def calls() -> list[tuple[str, Arguments]]:
    """Return every example, in the catalogue's order: one sandbox takes all of them."""
    return [(spec.name, arguments) for spec in TOOLS for arguments in EXAMPLES.get(spec.name, [])]
