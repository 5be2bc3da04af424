"""Severities, statuses and incident types by name."""

from collections.abc import Awaitable, Callable, Sequence

from incident_mcp.errors import InputError, RefusedError, ServiceError
from incident_mcp.incidentio.incident_statuses import IncidentStatus, load_statuses
from incident_mcp.incidentio.incident_types import IncidentType, load_types
from incident_mcp.incidentio.names.finding import Named, candidates, find
from incident_mcp.incidentio.severities import Severity, load_severities
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api


async def find_severity(api: Api, value: str | None) -> Severity | None:
    """Find a severity; None for None."""
    return None if value is None else await find(api, "severity", value, load_severities)


async def find_status(api: Api, value: str | None) -> IncidentStatus | None:
    """Find a status; None for None."""
    return None if value is None else await find(api, "status", value, load_statuses)


async def find_incident_type(api: Api, value: str | None) -> IncidentType | None:
    """Find an incident type; None for None."""
    return None if value is None else await find(api, "incident_type", value, load_types)


async def named_filter(
    api: Api, name: str, wanted: Sequence[str] | None, unwanted: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Write a filter by status, severity or incident_type as a list wants it."""
    _, load = _NAMED_FIELDS[f"{'incident_' if name == 'status' else ''}{name}_id"]
    query = [(f"{name}[one_of]", (await find(api, name, value, load)).id) for value in wanted or ()]
    return query + [(f"{name}[not_in]", (await find(api, name, value, load)).id) for value in unwanted or ()]


def id_of(row: Named | None) -> str | None:
    """Return a row's id; None for None."""
    return None if row is None else row.id


def name_of(row: Named | None) -> str | None:
    """Return a row's name; None for None."""
    return None if row is None else row.name


async def closed_status(api: Api, value: str | None) -> IncidentStatus:
    """Return the account's closed status, or the named one of several.

    Raises:
        InputError: There are several and none is named, or the named one is not of category `closed`.
    """
    if value is not None:
        named = await find(api, "status", value, load_statuses)
        if named.category != "closed":
            raise InputError(
                f"Status {named.name} is of category {named.category}, not closed: set it with"
                " incidentio_edit_incident, or pass a closed one. Not sent."
            )
        return named
    rows, _ = await api.cached("status", lambda: load_statuses(api))
    closed = [row for row in rows if row.category == "closed"]
    if len(closed) == 1:
        return closed[0]
    raise InputError(f"Pass status: the account's closed ones are {candidates(closed)}. Not sent.")


_NAMED_FIELDS: dict[str, tuple[str, Callable[[Api], Awaitable[Sequence[Named]]]]] = {
    "severity_id": ("severity", load_severities),
    "to_severity_id": ("severity", load_severities),
    "incident_status_id": ("status", load_statuses),
    "to_incident_status_id": ("status", load_statuses),
    "incident_type_id": ("incident_type", load_types),
}


async def valid_names(api: Api, sent: Json, refused: RefusedError) -> str:
    """Return the names of the severities, statuses and types that a refusal complains about.

    Args:
        api: incident.io.
        sent: The body's fields; what stands there was found by name, so it is refused for another reason.
        refused: The refusal.
    """
    fields = dict.fromkeys(field.rpartition(".")[2] for field, _ in refused.problems)
    return " ".join([await _candidates_for(api, name, sent) for name in fields if name in _NAMED_FIELDS])


async def _candidates_for(api: Api, field: str, sent: Json) -> str:
    argument, load = _NAMED_FIELDS[field]
    try:
        rows, _ = await api.cached(argument, lambda: load(api))
    except ServiceError:
        return f"Pass {'another' if field in sent else 'a'} {argument}."
    if field in sent:
        return f"Not every {argument} fits here; the account has {candidates(rows)}."
    return f"Pass {argument}: one of {candidates(rows)}."
