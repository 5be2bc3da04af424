"""Which incident an id is: its reference and name, read once and kept for a minute."""

from collections.abc import Iterable

import anyio
from pydantic import BaseModel

from incident_mcp.errors import IncidentMcpError, RefusedError, ServiceError
from incident_mcp.incidentio.access import LIST, read_one
from incident_mcp.incidentio.ids import path_id
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, read_rows
from incident_mcp.records.record import Record, shorten
from incident_mcp.transport.api import Api
from incident_mcp.writing.perform import Writer

_FORBIDDEN = 403
_MOST_SINGLE = 8
"""Incidents that are read singly since the newest ones do not hold them."""
_MOST_PAGES = 8
"""Pages of the newest incidents, for an account whose pages must be small."""


class IncidentName(Record):
    """What an incident is called."""

    id: str
    reference: str | None = None
    name: str | None = None


class _Answer(BaseModel):
    incident: IncidentName


async def named(api: Api, incident: str) -> IncidentName:
    """Return an incident by any of its spellings; by its id alone where the key may not read incidents.

    Raises:
        InputError: It is no reference.
        RefusedError: There is no such incident, or the key may not read the incident that a number names.
    """
    at = path_id(incident)

    async def load() -> IncidentName:
        try:
            return (await read_one(api, at, _Answer)).incident
        except RefusedError as failure:
            if failure.status != _FORBIDDEN or at.isdigit():
                raise
            return IncidentName(id=at)

    found, _ = await api.cached(f"incident {at}", load)
    return found


async def incident_names(api: Api, ids: Iterable[str]) -> dict[str, IncidentName]:
    """Return what incidents are called, as far as that can be read: by one list of the newest, not one call each."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}

    async def load() -> dict[str, IncidentName]:
        query = [("mode[one_of]", mode) for mode in ("standard", "retrospective", "test", "tutorial")]
        a_page = api.service.page_sizes.get(LIST.path, MAX_PAGE_SIZE)
        most = min(MAX_PAGE_SIZE, a_page * _MOST_PAGES)
        rows = await read_rows(api, LIST.request(query), IncidentName, limit=most)
        return {row.id: row for row in rows}

    try:
        newest, _ = await api.cached("names of incidents", load)
    except ServiceError:
        return {}
    found = {number: newest[number] for number in wanted if number in newest}

    async def single(number: str) -> None:
        try:
            found[number] = await named(api, number)
        except IncidentMcpError:
            return

    async with anyio.create_task_group() as tasks:
        for number in [number for number in wanted if number not in found][:_MOST_SINGLE]:
            tasks.start_soon(single, number)
    return found


async def describe_incident(
    api: Api, writer: Writer, incident: str, *, dry_run: bool, destructive: bool = False
) -> str:
    """Return an incident's reference and name, if a write to it needs confirmation; else what was passed."""
    if dry_run or not writer.needs_confirmation(destructive=destructive):
        return incident
    found = await named(api, incident)
    return f'{found.reference or found.id} "{shorten(found.name or "", 100)}"'
