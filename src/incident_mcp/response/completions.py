"""Completions for the arguments of prompts and resource templates."""

from collections.abc import Sequence

from incident_mcp.deps import App
from incident_mcp.errors import IncidentMcpError
from incident_mcp.http import Api
from incident_mcp.incidentio.incidents import open_references
from incident_mcp.incidentio.severities import load_severities
from incident_mcp.ionhour.incidents import unresolved_incidents

MOST = 100
"""The protocol's limit."""


async def complete(app: App, argument: str, typed: str) -> list[str]:
    """Give what the argument may become, the likeliest first; nothing when it cannot be read.

    Args:
        app: The services.
        argument: Name of the prompt's or template's argument.
        typed: What is there so far.
    """
    try:
        candidates = await _candidates(app, argument)
    except IncidentMcpError:
        return []
    wanted = typed.strip().lstrip("#").casefold()
    fitting = [
        each for each in candidates if each.casefold().startswith(wanted) or each.casefold().startswith(f"inc-{wanted}")
    ]
    return fitting[:MOST]


async def _candidates(app: App, argument: str) -> Sequence[str]:
    if argument == "incident" and app.incidentio is not None:
        api = Api(app.incidentio)
        return (await api.cached("open", lambda: open_references(api)))[0]
    if argument == "severity" and app.incidentio is not None:
        api = Api(app.incidentio)
        severities, _ = await api.cached("severity", lambda: load_severities(api))
        return [row.name for row in reversed(severities)]
    if argument in ("ionhour_incident_id", "incident_id") and app.ionhour is not None:
        api = Api(app.ionhour)
        workspace = app.settings.ionhour_workspace_id
        (rows, _), _ = await api.cached("unresolved", lambda: unresolved_incidents(api, workspace))
        return [str(row.id) for row in rows]
    return []
