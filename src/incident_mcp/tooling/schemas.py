"""The tools as hosts read them, generated with `uv run python -m tools.generate` and shipped as data.

To list them, no tool's module is imported and no validator is built: that would be a third of the server's startup.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from incident_mcp.records.record import Json


class Shipped(NamedTuple):
    """A tool as it is shipped; the fields are in the order of the file."""

    module: str
    title: str
    description: str
    writes: bool
    destructive: bool
    idempotent: bool
    takes_two_calls: bool
    services: tuple[str, ...]
    """The services that it always needs."""
    keywords: str
    toolset: tuple[str, str, bool]
    """Its toolset's name, description, and whether it is a default."""
    input: Json
    output: Json


def shipped(tool: str) -> Shipped:
    """Return a tool as it is shipped.

    Raises:
        LookupError: It was not generated.
    """
    try:
        return all_shipped()[tool]
    except KeyError:
        raise LookupError(f"{tool} has no schemas: run `uv run python -m tools.generate`.") from None


@cache
def all_shipped() -> dict[str, Shipped]:
    """Return all tools as they are shipped, by name, in the order in which they are listed."""
    rows = json.loads(Path(__file__).with_suffix(".json").read_bytes())
    return {name: Shipped(*row) for name, row in rows.items()}
