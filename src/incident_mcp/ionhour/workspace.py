"""The workspace, without which Ionhour lists neither dependencies nor maintenance windows."""

from incident_mcp.errors import SettingError
from incident_mcp.settings import Settings

_SANDBOX = 1
"""The sandbox's only workspace."""


def known_workspace(settings: Settings) -> int | None:
    """Return the workspace's number if it is known: no documented request tells it to an API key."""
    return settings.ionhour_workspace_id or (_SANDBOX if settings.sandbox else None)


def require_workspace(settings: Settings) -> int:
    """Return the workspace's number.

    Raises:
        SettingError: It is not set.
    """
    workspace = known_workspace(settings)
    if workspace is None:
        raise SettingError(
            "Ionhour lists this only for one workspace: set IONHOUR_WORKSPACE_ID to the number of the key's workspace"
            " where this server is started, and restart it. Not sent."
        )
    return workspace
