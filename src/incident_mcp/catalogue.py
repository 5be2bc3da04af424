"""Which tools the settings offer, and how an unknown tool is explained."""

import re

from incident_mcp.errors import SettingError
from incident_mcp.records.fitting import shorten
from incident_mcp.records.text import inert
from incident_mcp.settings import KEY_VARIABLES, Settings
from incident_mcp.tooling.arguments import nearest
from incident_mcp.tooling.tools import ROLES, ToolSpec, shipped_tools

_CALL_OTHERS = ("find_tools", "use_read_tool", "use_write_tool")
TOOLS = [tool for tool in shipped_tools() if tool.name not in _CALL_OTHERS]
TOOLSETS = {tool.toolset.name: tool.toolset for tool in TOOLS}
DEFAULT_TOOLSETS = tuple(toolset.name for toolset in TOOLSETS.values() if toolset.default)
RESPONDER = ("core", "oncall", "alerts")
"""The toolsets of `responder`, which are the default."""
DISCOVERY = tuple(tool for tool in shipped_tools() if tool.name in _CALL_OTHERS)
"""Tools that find and call those that are not listed; they are part of `core`."""
MOST_NAMED = 30
"""Tools that the answer to an unknown name lists."""


def select(settings: Settings) -> list[ToolSpec]:
    """Return the tools that these settings list.

    With one key set, these are that service's tools. With none they are all tools, so that users see what exists and
    every call names the missing key. Where tools are reachable and not listed, those that find and call them follow.

    Raises:
        SettingError: A toolset does not exist.
    """
    unknown = [name for name in settings.toolsets or () if name not in (*TOOLSETS, "responder", "all")]
    if unknown:
        # Only a word is repeated: anything else may be a key that was pasted into the wrong variable.
        named = ", ".join(name if re.fullmatch("[a-z_]{1,20}", name) else "such name" for name in unknown)
        known = ", ".join(TOOLSETS)
        raise SettingError(f"INCIDENT_MCP_TOOLSETS: there is no {named}. There are: {known}, responder, all.")
    listed = [tool for tool in TOOLS if _hidden_by(tool, settings) is None]
    return listed + _discovery(settings)


def reachable(settings: Settings) -> list[ToolSpec]:
    """Return the tools that these settings allow, listed or not."""
    may_find = settings.discovery and "core" in _toolsets(settings)
    return [tool for tool in TOOLS if _hidden_by(tool, settings, listed_only=not may_find) is None]


def _discovery(settings: Settings) -> list[ToolSpec]:
    """Return the tools that find and call those that are not listed, if there are any."""
    kinds = {tool.writes for tool in unlisted(settings)}
    if not kinds:
        return []
    return [tool for tool in DISCOVERY if tool.name == "find_tools" or tool.writes in kinds]


def _toolsets(settings: Settings) -> set[str]:
    """Return the names of the toolsets that the settings list."""
    names = set(DEFAULT_TOOLSETS if settings.toolsets is None else settings.toolsets)
    return names | set(RESPONDER if "responder" in names else ()) | set(TOOLSETS if "all" in names else ())


def _is_listed(tool: ToolSpec, settings: Settings) -> bool:
    return tool.toolset.name in _toolsets(settings)


def _hidden_by(tool: ToolSpec, settings: Settings, *, listed_only: bool = True) -> str | None:
    """Return the setting that hides a tool, None if it is offered; with `listed_only` also if it is not listed."""
    if tool.writes and settings.read_only:
        return "INCIDENT_MCP_READ_ONLY is set"
    if not _has_role(tool, settings):
        return f"it needs the role {tool.role}, and yours is {settings.role}"
    if listed_only and not _is_listed(tool, settings):
        return f"INCIDENT_MCP_TOOLSETS does not have {tool.toolset.name}"
    if settings.sandbox or _has_no_key(settings):
        return None
    return " and ".join(filter(None, map(settings.why_no_key, tool.services))) or None


def _has_role(tool: ToolSpec, settings: Settings) -> bool:
    return settings.role is None or ROLES.index(tool.role) <= ROLES.index(settings.role)


def _has_no_key(settings: Settings) -> bool:
    return not any(settings.key(service) for service in KEY_VARIABLES)


def hidden(settings: Settings) -> dict[str, list[str]]:
    """Return the names of the tools that these settings do not let anyone call, by reason."""
    reachable_names = {tool.name for tool in reachable(settings)}
    reasons: dict[str, list[str]] = {}
    for tool in TOOLS:
        reason = _hidden_by(tool, settings)
        if reason and tool.name not in reachable_names:
            reasons.setdefault(reason, []).append(tool.name)
    return reasons


def unlisted(settings: Settings) -> list[ToolSpec]:
    """Return the tools that only `find_tools` finds."""
    return [tool for tool in reachable(settings) if not _is_listed(tool, settings)]


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
    ending = [tool for tool in (*TOOLS, *DISCOVERY) if name.endswith(tool.name)]
    if ending:
        return _explain_known(max(ending, key=lambda tool: len(tool.name)), shown, settings)
    known = [tool.name for tool in select(settings)]
    close = nearest(name, known)
    did_you_mean = f" Did you mean {close}?" if close else ""
    more = f", and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return f"There is no tool {shown!r}.{did_you_mean} There are: {', '.join(known[:MOST_NAMED])}{more}."


def _explain_known(meant: ToolSpec, shown: str, settings: Settings) -> str:
    """Return how to call a tool that was called by another name, or is not listed."""
    if meant in unlisted(settings):
        by = "use_write_tool" if meant.writes else "use_read_tool"
        return f"{meant.name} is not listed here: call it with {by}. find_tools shows its arguments."
    if hidden := _hidden_by(meant, settings):
        return f"{meant.name} is not offered here: {hidden}."
    if meant in DISCOVERY and meant not in select(settings):
        reason = "there is no unlisted tool for it" if settings.discovery else "INCIDENT_MCP_DISCOVERY is 0"
        return f"{meant.name} is not offered here: {reason}."
    return f"There is no tool {shown!r}: call {meant.name}, without the prefix."
