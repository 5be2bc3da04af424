"""Which tools the settings offer, and how an unknown tool is explained."""

import re

from incident_mcp.errors import SettingError
from incident_mcp.records.fitting import shorten
from incident_mcp.records.text import inert
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tool_modules import TOOLS
from incident_mcp.tooling.arguments import nearest
from incident_mcp.tooling.tools import ToolSpec

TOOLSETS = {tool.toolset.name: tool.toolset for tool in TOOLS}
DEFAULT_TOOLSETS = tuple(toolset.name for toolset in TOOLSETS.values() if toolset.default)


def select(settings: Settings) -> list[ToolSpec]:
    """Return the tools that these settings offer.

    With one key set, these are that service's tools. With none they are all tools, so that users see what exists and
    every call names the missing key.

    Raises:
        SettingError: A toolset does not exist.
    """
    unknown = [name for name in settings.toolsets or () if name not in (*TOOLSETS, "all")]
    if unknown:
        # Only a word is repeated: anything else may be a key that was pasted into the wrong variable.
        named = ", ".join(name if re.fullmatch("[a-z_]{1,20}", name) else "such name" for name in unknown)
        raise SettingError(f"INCIDENT_MCP_TOOLSETS: there is no {named}. There are: {', '.join(TOOLSETS)}, all.")
    return [tool for tool in TOOLS if _hidden_by(tool, settings) is None]


def _hidden_by(tool: ToolSpec, settings: Settings) -> str | None:
    """Return the setting that hides a tool, None if it is offered."""
    if tool.writes and settings.read_only:
        return "INCIDENT_MCP_READ_ONLY is set"
    toolsets = DEFAULT_TOOLSETS if settings.toolsets is None else settings.toolsets
    if not {"all", tool.toolset.name} & set(toolsets):
        return f"INCIDENT_MCP_TOOLSETS does not have {tool.toolset.name}"
    if settings.sandbox or _has_no_key(settings):
        return None
    return " and ".join(filter(None, map(settings.why_no_key, tool.services))) or None


def _has_no_key(settings: Settings) -> bool:
    return not any(settings.key(service) for service in KEY_VARIABLES)


def hidden(settings: Settings) -> dict[str, list[str]]:
    """Return the names of the tools that these settings do not offer, by reason."""
    reasons: dict[str, list[str]] = {}
    for tool in TOOLS:
        if reason := _hidden_by(tool, settings):
            reasons.setdefault(reason, []).append(tool.name)
    return reasons


def warnings(settings: Settings) -> list[str]:
    """Return what users should know about the settings: variables that count as unset, and that no key is set."""
    reasons = " ".join(hidden(settings))
    notes = [f"{name} {why}." for name, why in settings.unfilled.items() if name not in reasons]
    if not settings.sandbox and _has_no_key(settings):
        notes.append(f"No key is set: every call fails until {' or '.join(KEY_VARIABLES.values())} is set.")
    return notes


def explain_unknown(name: str, settings: Settings) -> str:
    """Return what to call instead of a tool that is not offered.

    Args:
        name: What was called: a tool that a setting hides, one with a host's prefix, or a misspelled one.
        settings: The settings.
    """
    shown = shorten(inert(name), 80)
    meant = max((tool for tool in TOOLS if name.endswith(tool.name)), key=lambda tool: len(tool.name), default=None)
    if meant is not None:
        if hidden := _hidden_by(meant, settings):
            return f"{meant.name} is not offered here: {hidden}."
        return f"There is no tool {shown!r}: call {meant.name}, without the prefix."
    known = [tool.name for tool in select(settings)]
    close = nearest(name, known)
    did_you_mean = f" Did you mean {close}?" if close else ""
    return f"There is no tool {shown!r}.{did_you_mean} There are: {', '.join(known)}."
