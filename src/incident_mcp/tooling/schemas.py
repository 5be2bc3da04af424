"""The tools' schemas, generated with `uv run python -m tools.generate` and shipped as data.

Pydantic would have to build every validator first, which is a tenth of the server's startup.
"""

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from incident_mcp.records.record import Json


class Schemas(NamedTuple):
    """The schemas of a tool."""

    input: Json
    output: Json


def shipped(tool: str) -> Schemas:
    """Return the schemas of a tool.

    Raises:
        LookupError: They were not generated.
    """
    try:
        return Schemas(*_read()[tool])
    except KeyError:
        raise LookupError(f"{tool} has no schemas: run `uv run python -m tools.generate`.") from None


@cache
def _read() -> dict[str, tuple[Json, Json]]:
    return json.loads(Path(__file__).with_suffix(".json").read_bytes())
