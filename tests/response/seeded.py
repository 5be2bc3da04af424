"""Rows of the sandbox's seeds."""

from typing import Any

from incident_mcp.sandbox import Sandbox


def incident(box: Sandbox, reference: str) -> dict[str, Any]:
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)


def alert(box: Sandbox, number: int) -> dict[str, Any]:
    return next(row for row in box.ionhour.incidents if row["id"] == number)


def line(box: Sandbox, number: int, public_id: str | None = None) -> str:
    """Return the line in a summary that links an alert."""
    return f"Ionhour incident {number} ({public_id or alert(box, number)['publicId']})"
