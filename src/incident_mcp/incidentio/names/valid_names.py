"""The names that are valid where the service rejected a severity, a status or an incident type."""

from incident_mcp.errors import RefusedError, ServiceError
from incident_mcp.incidentio.incident_statuses import STATUSES, IncidentStatus
from incident_mcp.incidentio.incident_types import TYPES, IncidentType
from incident_mcp.incidentio.named_rows import CachedList
from incident_mcp.incidentio.names.finding import candidates
from incident_mcp.incidentio.severities import SEVERITIES, Severity
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api

_LISTS: dict[str, CachedList[Severity] | CachedList[IncidentStatus] | CachedList[IncidentType]] = {
    "severity_id": SEVERITIES,
    "to_severity_id": SEVERITIES,
    "incident_status_id": STATUSES,
    "to_incident_status_id": STATUSES,
    "incident_type_id": TYPES,
}
"""By the request body's field."""


async def valid_names(api: Api, sent: Json, refused: RefusedError) -> str:
    """Return the names of the severities, statuses and types for the fields that a service rejected.

    Args:
        api: incident.io.
        sent: The request body's fields. A field in it was found by name, so its value exists and is not allowed here.
        refused: The refusal.
    """
    fields = dict.fromkeys(field.rpartition(".")[2] for field, _ in refused.problems)
    return " ".join([await _names_for(api, field, sent) for field in fields if field in _LISTS])


async def _names_for(api: Api, field: str, sent: Json) -> str:
    rows = _LISTS[field]
    try:
        loaded, _ = await rows.read(api)
    except ServiceError:
        return f"Pass {'another' if field in sent else 'a'} {rows.kind}."
    if field in sent:
        return f"Not every {rows.kind} is allowed here. The account has {candidates(loaded)}."
    return f"Pass {rows.kind}: one of {candidates(loaded)}."
