"""An Ionhour incident as the target of a write."""

from incident_mcp.ionhour.incidents.access import read_incident
from incident_mcp.records.record import shorten
from incident_mcp.transport.api import Api
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.perform import Writer


def write_targets(api: Api, incident_id: int) -> tuple[str, ...]:
    """Return the incident's key in the journal."""
    return (f"{account_of(api)} incident {incident_id}",)


async def confirmation_label(
    api: Api, writer: Writer, incident_id: int, *, dry_run: bool, destructive: bool = False
) -> str:
    """Return an incident's number, and its title if a write to it needs confirmation."""
    if dry_run or not writer.needs_confirmation(destructive=destructive):
        return str(incident_id)
    return f'{incident_id} "{shorten((await read_incident(api, incident_id)).title or "", 100)}"'
