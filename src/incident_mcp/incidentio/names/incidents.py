"""References and names of incidents, cached for one minute."""

from collections.abc import Iterable

import anyio
from pydantic import BaseModel, Field

from incident_mcp.errors import IncidentMcpError, RefusedError, ServiceError
from incident_mcp.incidentio.access import LIST, read_one
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, read_rows
from incident_mcp.records.record import Record, shorten
from incident_mcp.transport.api import Api
from incident_mcp.writing.perform import Writer

_FORBIDDEN = 403
_MAX_SINGLE_READS = 8
"""Incidents that are read one by one because they are not among the newest."""
_MAX_PAGES = 8
"""Pages of the newest incidents, for an account whose pages must be small."""


class IncidentName(Record):
    """An incident's reference and name."""

    id: str
    reference: str | None = None
    name: str | None = None
    mode: str | None = Field(default=None, exclude=True)


class _Response(BaseModel):
    incident: IncidentName


async def incident_name(api: Api, incident: str) -> IncidentName:
    """Return an incident's names by any accepted reference; only its id if the key may not read incidents.

    Raises:
        InputError: The text is not a reference.
        RefusedError: The incident does not exist, or the key may not read incidents and the reference is a number.
    """
    at = path_id(incident)

    async def load() -> IncidentName:
        try:
            return (await read_one(api, at, _Response)).incident
        except RefusedError as failure:
            if failure.status != _FORBIDDEN or at.isdigit():
                raise
            return IncidentName(id=at)

    found, _ = await api.cached(f"incident {at}", load)
    return found


async def incident_names(api: Api, ids: Iterable[str]) -> dict[str, IncidentName]:
    """Return the names of incidents by id, where they can be read: one list of the newest replaces single reads."""
    requested = list(dict.fromkeys(ids))
    if not requested:
        return {}
    try:
        newest, _ = await api.cached("names of incidents", lambda: _newest_names(api))
    except ServiceError:
        return {}
    found = {number: newest[number] for number in requested if number in newest}

    async def read_single(number: str) -> None:
        try:
            found[number] = await incident_name(api, number)
        except IncidentMcpError:
            return

    missing = [number for number in requested if number not in found]
    async with anyio.create_task_group() as tasks:
        for number in missing[:_MAX_SINGLE_READS]:
            tasks.start_soon(read_single, number)
    return found


async def _newest_names(api: Api) -> dict[str, IncidentName]:
    query = [("mode[one_of]", mode) for mode in ("standard", "retrospective", "test", "tutorial")]
    page_size = api.service.page_sizes.get(LIST.path, MAX_PAGE_SIZE)
    rows = await read_rows(api, LIST.request(query), IncidentName, limit=min(MAX_PAGE_SIZE, page_size * _MAX_PAGES))
    return {row.id: row for row in rows}


async def describe_incident(
    api: Api, writer: Writer, incident: str, *, dry_run: bool, destructive: bool = False
) -> str:
    """Return an incident's reference and name if a write to it needs confirmation, otherwise `incident`."""
    if dry_run or not writer.needs_confirmation(destructive=destructive):
        return incident
    found = await incident_name(api, incident)
    return f'{found.reference or found.id} "{shorten(found.name or "", 100)}"'
