"""Completions for the arguments of prompts and resource templates."""

from collections.abc import Sequence

import anyio

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.incidents.list import open_references
from incident_mcp.incidentio.severities import SEVERITIES
from incident_mcp.ionhour.incidents.access import unresolved_incidents
from incident_mcp.tooling.caller import Caller
from incident_mcp.transport.api import Api
from incident_mcp.transport.service import Service

PATIENCE = 2.0
"""Seconds: a user is typing."""


async def complete(caller: Caller, argument: str, typed: str) -> list[str]:
    """Return the values that complete an argument, the most likely first; an empty list if they cannot be read.

    Args:
        caller: Whose accounts are read.
        argument: Name of the prompt's or template's argument.
        typed: The text so far.
    """
    try:
        candidates = await _candidates(caller, argument)
    except IncidentMcpError:
        return []
    wanted = typed.strip().removeprefix("#").casefold()
    if argument == "incident" and wanted[:1].isdigit():
        wanted = f"inc-{wanted}"
    return [each for each in candidates if each.casefold().startswith(wanted)]


async def _candidates(caller: Caller, argument: str) -> Sequence[str]:
    if argument == "incident" and caller.incidentio is not None:
        api = _soon(caller.incidentio)
        return (await api.cached("open", lambda: open_references(api)))[0]
    if argument in ("severity", "focus") and caller.incidentio is not None:
        api = _soon(caller.incidentio)
        severities, _ = await SEVERITIES.read(api)
        return [row.name for row in reversed(severities)]
    if argument in ("ionhour_incident_id", "incident_id") and caller.ionhour is not None:
        api = _soon(caller.ionhour)
        workspace = caller.settings.ionhour_workspace_id
        (rows, _), _ = await api.cached("unresolved", lambda: unresolved_incidents(api, workspace))
        return [str(row.id) for row in rows]
    return []


def _soon(service: Service) -> Api:
    api = Api(service)
    api.deadline = anyio.current_time() + PATIENCE
    return api
