"""An Ionhour incident as the target of a write."""

from incident_mcp.ionhour.incidents.incident import read_incident
from incident_mcp.records.record import shorten
from incident_mcp.transport.api import Api
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.perform import Writer


def write_targets(api: Api, incident_id: int) -> tuple[str, ...]:
    """Return what stands for an incident in the journal."""
    return (f"{account_of(api)} incident {incident_id}",)


async def described(
    api: Api, writer: Writer, incident_id: int, *, dry_run: bool, destructive: bool = False
) -> str | None:
    """Return an incident's number and title, if a write to it needs confirmation."""
    if dry_run or not writer.needs_confirmation(destructive=destructive):
        return None
    return f'{incident_id} "{shorten((await read_incident(api, incident_id)).title or "", 100)}"'
