"""incident.io's own SDK on the sandbox, and answers that must be what it expects."""

from types import ModuleType
from typing import Any

import attrs
import httpx
from incident_io import AuthenticatedClient

from incident_mcp.sandbox import INCIDENTIO_KEY, Sandbox


def sdk_client(box: Sandbox) -> AuthenticatedClient:
    """Return the vendor's client, connected to a sandbox."""
    return AuthenticatedClient(
        base_url="https://api.incident.io",
        token=INCIDENTIO_KEY,
        httpx_args={"transport": httpx.ASGITransport(box.incidentio_app)},
    )


def unknown_keys(value: Any, path: str = "$") -> list[str]:
    """Return the keys of an answer that the vendor's models do not have, at any depth.

    A model without fields is a map.
    """
    found: list[str] = []
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value)) if field.name != "additional_properties"]
        more = getattr(value, "additional_properties", {})
        found += [f"{path}.{key}" for key in more if names]
        for key, inner in [(name, getattr(value, name)) for name in names] or more.items():
            found += unknown_keys(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            found += unknown_keys(item, f"{path}[{number}]")
    return found


async def ask(operation: ModuleType, sdk: AuthenticatedClient, kind: type, status: int = 200, **arguments: Any) -> Any:
    """Call an operation, and return its answer once it is of this kind and has no undocumented key."""
    reply = await operation.asyncio_detailed(client=sdk, **arguments)
    assert int(reply.status_code) == status, reply.content
    assert type(reply.parsed) is kind
    assert unknown_keys(reply.parsed) == []
    return reply.parsed
