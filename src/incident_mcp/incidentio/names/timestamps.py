"""Incident timestamps by name."""

from collections.abc import Mapping, Sequence

from incident_mcp.errors import InputError
from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names.finding import distinct, find
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.instants import instant_with_zone
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST_TIMESTAMPS = Operation("GET", "/v2/incident_timestamps")


async def _load_timestamps(api: Api) -> Rows[NamedRow]:
    return await read_unpaged(api, LIST_TIMESTAMPS.request(), NamedRow)


_TIMESTAMPS = CachedList("timestamp", _load_timestamps)


async def timestamp_values(
    api: Api, timestamps: Mapping[str, str] | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Build the timestamp values of a request body; a timestamp to clear has no value.

    Args:
        api: incident.io.
        timestamps: Date and time by the timestamp's name.
        clear: Timestamps to clear.
    """
    entries: list[Json] = [
        {"incident_timestamp_id": await _timestamp_id(api, name), "value": _date_and_time(name, value)}
        for name, value in (timestamps or {}).items()
    ]
    entries += [{"incident_timestamp_id": await _timestamp_id(api, name)} for name in clear]
    return distinct(entries, "incident_timestamp_id", "timestamps") or None


async def _timestamp_id(api: Api, name: str) -> str:
    return (await find(api, _TIMESTAMPS, name)).id


def _date_and_time(name: str, value: str) -> str:
    at = instant_with_zone(value.strip())
    if at is None:
        raise InputError(
            f"timestamps.{name}: {value[:40]!r} is not an RFC 3339 date and time with a time zone, like"
            " 2026-11-21T03:12:00Z. Not sent."
        )
    return at.isoformat().replace("+00:00", "Z")
