"""Who made a change: a user, an API key, a workflow, an alert."""

from typing import Annotated, cast

from pydantic import BeforeValidator

from incident_mcp.records.record import Json, part


def actor_name(value: object) -> object:
    """Return a user's name, or the name of a key, workflow, alert or other actor with its kind."""
    if not isinstance(value, dict):
        return value
    kinds = cast("Json", value)
    for kind in dict.fromkeys(("user", "api_key", "workflow", "alert", *kinds)):
        actor = part(kinds, kind)
        name = actor.get("name") or actor.get("title") or actor.get("id")
        if isinstance(name, str) and name:
            return name if kind == "user" else f"{name} ({kind.replace('_', ' ')})"
    return None


Actor = Annotated[str | None, BeforeValidator(actor_name)]
