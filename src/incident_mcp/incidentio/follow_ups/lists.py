"""What the lists of follow-ups and actions share: they are sorted by ID, oldest first, and filter neither by status."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.dates import is_reversed
from incident_mcp.incidentio.follow_ups.changes import remember
from incident_mcp.incidentio.follow_ups.records import Work
from incident_mcp.incidentio.names.incidents import IncidentName, incident_names
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation, Query

_Status = Literal["outstanding", "completed", "not_doing"]
Status = Annotated[_Status | None, Field(description="New status.")]
StatusFilter = Annotated[_Status | None, Field(description="Only these, among the rows looked at.")]
MOST_LOOKED_AT = 1_000
"""Rows that are searched for a status, or for what a lost request created."""
FILTERED_MODES = ("test", "tutorial", "stream")
"""Modes of incidents whose rows are listed only with a filter of the mode."""


Row = TypeVar("Row", bound=Work)


def filters_of(incident: IncidentName | None, created_at_gte: str | None, created_at_lte: str | None) -> Query:
    """Return the filters of a list.

    Raises:
        InputError: The window is reversed.
    """
    if is_reversed(created_at_gte, created_at_lte):
        raise InputError("created_at_gte is later than created_at_lte, so nothing can match. Not sent.")
    query = [] if incident is None else of_incident(incident)
    dates = {"gte": created_at_gte, "lte": created_at_lte}
    return query + [(f"created_at[{operator}]", value) for operator, value in dates.items() if value]


def of_incident(incident: IncidentName) -> list[tuple[str, str]]:
    """Return the filters for one incident: without its mode, those of test incidents are not listed."""
    query = [("incident_id", incident.id)]
    return query + [("incident_mode", mode) for mode in FILTERED_MODES if mode == incident.mode]


async def read_work(
    api: Api,
    operation: Operation,
    query: Query,
    row: type[Row],
    *,
    status: str | None,
    limit: int,
    after: str | None,
) -> tuple[Sequence[Row], Json]:
    """Return the rows to show, and the fields that describe what is not among them, and whether texts are whole."""
    request = operation.request(query)
    if status is None:
        rows = await read_rows(api, request, row, limit=limit, after=after)
        await remember(api, rows)
        return rows, rows.paging | {"whole": limit <= FEW}
    rows = await read_rows(api, request, row, limit=MOST_LOOKED_AT, after=after)
    found = [each for each in rows if each.status == status]
    await remember(api, found[:limit])
    return found[:limit], _paging(rows, found, limit)


def _paging(rows: Rows[Row], found: Sequence[Row], limit: int) -> Json:
    """Return where the rows of a status go on: after the last one shown, or after all that were looked at."""
    more = len(found) > limit
    looked_at = rows.index(found[limit - 1]) + 1 if more else len(rows)
    after = found[limit - 1].id if more else rows.after
    return {
        "has_more": after is not None,
        "after": after,
        "unreadable": rows.unreadable,
        "looked_at": looked_at,
        "whole": limit <= FEW,
    }


async def with_references(api: Api, rows: Sequence[Row], incident: IncidentName | None) -> list[Row]:
    """Return rows with their incident's reference, where it can be read; in a list of one incident without it."""
    if incident is not None:
        return list(rows)
    names = await incident_names(api, (row.incident_id for row in rows if row.incident_id))
    return [_with_reference(row, names) for row in rows]


def _with_reference(row: Row, names: Mapping[str, IncidentName]) -> Row:
    name = names.get(row.incident_id or "")
    return row.model_copy(update={"reference": (name and name.reference) or row.incident_id})


async def read_of_incident(api: Api, operation: Operation, incident: IncidentName, row: type[Row]) -> Rows[Row]:
    """Read all rows of an incident, to look for one that a request created."""
    return await read_rows(api, operation.request(of_incident(incident)), row, limit=MOST_LOOKED_AT)
