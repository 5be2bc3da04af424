"""Who did something: a user, an API key, a workflow."""

from typing import Annotated, cast

from pydantic import BeforeValidator

from incident_mcp.records.record import Json, part


def actor(value: object) -> object:
    """Return who did it: a user's name, or the name of the key, workflow, alert or whatever else it was."""
    if not isinstance(value, dict):
        return value
    kinds = cast("Json", value)
    for kind in dict.fromkeys(("user", "api_key", "workflow", "alert", *kinds)):
        who = part(kinds, kind)
        name = who.get("name") or who.get("title") or who.get("id")
        if isinstance(name, str) and name:
            return name if kind == "user" else f"{name} ({kind.replace('_', ' ')})"
    return None


Actor = Annotated[str | None, BeforeValidator(actor)]
