"""What the lists of follow-ups and actions share: they are sorted by ID, oldest first, and filter neither by status."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.dates import is_reversed
from incident_mcp.incidentio.follow_ups.records import Work
from incident_mcp.incidentio.names.incidents import IncidentName, incident_names
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, quoted
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation, Query
from incident_mcp.transport.seen import record_key
from incident_mcp.writing.perform import Writer
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import WriteResult

Status = Literal["outstanding", "completed", "not_doing"]
StatusFilter = Annotated[Status | None, Field(description="Only these, among the rows looked at.")]
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
    """Return the rows to show, and the fields that describe what is not among them."""
    request = operation.request(query)
    if status is None:
        rows = await read_rows(api, request, row, limit=limit, after=after)
        await remember(api, rows)
        return rows, rows.paging
    rows = await read_rows(api, request, row, limit=MOST_LOOKED_AT, after=after)
    found = [each for each in rows if each.status == status]
    await remember(api, found[:limit])
    return found[:limit], _paging(rows, found, limit)


def _paging(rows: Rows[Row], found: Sequence[Row], limit: int) -> Json:
    """Return where the rows of a status go on: after the last one shown, or after all that were looked at."""
    more = len(found) > limit
    looked_at = rows.index(found[limit - 1]) + 1 if more else len(rows)
    after = found[limit - 1].id if more else rows.after
    return {"has_more": after is not None, "after": after, "unreadable": rows.unreadable, "looked_at": looked_at}


async def perform(
    api: Api,
    writer: Writer,
    plan: WritePlan[Any, Row],
    *,
    dry_run: bool,
    now: Row | None = None,
    seen: str | None = None,
) -> WriteResult[Row]:
    """Perform a write, unless its row was changed since it was shown, and remember what it returned."""
    if now is not None:
        await check_unchanged(api, now, seen)
    result = await writer.perform(api, plan, dry_run=dry_run)
    await remember(api, [result.record] if result.record else [])
    return result


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


Seen = Annotated[str | None, Field(description="`updated_at` from a refusal, to update anyway.")]


async def remember(api: Api, rows: Iterable[Work]) -> None:
    """Remember the state in which rows are shown."""
    await api.seen.remember({_key(api, row): row.version for row in rows if row.version})


async def check_unchanged(api: Api, now: Work, seen: str | None) -> None:
    """Check that nobody changed a row since it was shown to the caller; who was not shown it may write to it.

    The service has no precondition for updates, so a change in the moment between this reading and the update is lost.

    Raises:
        InputError: It was changed; nothing was sent.
    """
    shown, current = parse_instant(await api.seen.find(_key(api, now))), parse_instant(now.version)
    if shown is None or current is None or current in (shown, parse_instant(seen)):
        return
    state = {name: value for name, value in now.dump().items() if name in _STATE}
    described = ", ".join(f"{name} {quoted(str(value), 100)}" for name, value in state.items())
    raise InputError(
        f"It was changed since you read it. It is now: {described}. If your change still applies, call again with"
        f" seen={now.version}. Not sent."
    )


_STATE = ("title", "status", "assignee", "description")


def _key(api: Api, row: Work) -> str:
    # IDs are unique over follow-ups and actions.
    return record_key(api.service, "work", row.id)


def check_complete(body: Json, what: str, *required: str) -> None:
    """Check that a PUT, which replaces the whole record, has what it must send.

    Raises:
        InputError: A field was neither passed nor could it be read.
    """
    missing = [name for name in required if name not in body]
    if missing:
        raise InputError(
            f"The {missing[0]} of the {what} could not be read, and an update sends it: pass it. Not sent."
        )
