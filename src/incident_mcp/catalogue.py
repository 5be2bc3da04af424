"""Which tools there are, in the order in which they are listed."""

import re

from incident_mcp.errors import SettingError
from incident_mcp.incidentio import (
    incident_close,
    incident_statuses,
    incident_types,
    incident_updates,
    incidents,
    severities,
)
from incident_mcp.ionhour import events, notes
from incident_mcp.ionhour import incidents as ionhour_incidents
from incident_mcp.response import declare, situation, timeline
from incident_mcp.settings import Settings
from incident_mcp.toolset import ToolSpec

TOOLS: list[ToolSpec] = [
    *situation.TOOLS,
    *timeline.TOOLS,
    *declare.TOOLS,
    *severities.TOOLS,
    *incident_statuses.TOOLS,
    *incident_types.TOOLS,
    *incidents.TOOLS,
    *incident_close.TOOLS,
    *incident_updates.TOOLS,
    *ionhour_incidents.TOOLS,
    *events.TOOLS,
    *notes.TOOLS,
]
TOOLSETS = tuple(dict.fromkeys(tool.toolset for tool in TOOLS))


def select(settings: Settings) -> list[ToolSpec]:
    """Give the tools that these settings offer.

    With one key set, only that service's tools; with none, all, so that a person sees what there is and every call
    says which key is missing.

    Raises:
        SettingError: A toolset does not exist.
    """
    unknown = [name for name in settings.toolsets if name not in (*TOOLSETS, "all")]
    if unknown:
        # A word is repeated; anything else may be a key that was pasted into the wrong variable.
        named = ", ".join(name if re.fullmatch("[a-z]{1,20}", name) else "such name" for name in unknown)
        raise SettingError(f"INCIDENT_MCP_TOOLSETS: there is no {named}. There are: {', '.join(TOOLSETS)}, all.")
    return [tool for tool in TOOLS if _offered(tool, settings)]


def _offered(tool: ToolSpec, settings: Settings) -> bool:
    if tool.writes and settings.read_only:
        return False
    if "all" not in settings.toolsets and tool.toolset not in settings.toolsets:
        return False
    keys = {"incidentio": settings.incidentio_key, "ionhour": settings.ionhour_key}
    if settings.sandbox or not any(keys.values()):
        return True
    return all(keys[service] for service in tool.services)
