"""Renamed tools and arguments: an old name works for one more release, and the result names the new one.

Names are for ever: `tests/tooling/released_names.json` has every released one, and each works or has an alias here.
"""

from incident_mcp.records.record import Json

TOOLS: dict[str, str] = {}
"""Old name of a tool to its new one."""
ARGUMENTS: dict[str, dict[str, str]] = {}
"""By tool, old name of an argument to its new one."""


def rename_arguments(tool: str, sent: Json) -> tuple[Json, list[str]]:
    """Return the arguments of a call by their new names, and a remark for each one that was renamed.

    An old name next to the new one stays, and is rejected as unknown.
    """
    renamed = {old: new for old, new in ARGUMENTS.get(tool, {}).items() if old in sent and new not in sent}
    remarks = [f"The argument {old} is now called {new}." for old, new in renamed.items()]
    return {renamed.get(name, name): value for name, value in sent.items()}, remarks


def remark_of(name: str) -> list[str]:
    """Return the remark for a tool that was called by an old name; none for any other."""
    return [f"{name} is now called {TOOLS[name]}."] if name in TOOLS else []
