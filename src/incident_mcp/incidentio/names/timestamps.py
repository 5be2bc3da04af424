"""Incident timestamps by name."""

from collections.abc import Sequence

from incident_mcp.errors import InputError
from incident_mcp.incidentio.names.finding import distinct, find
from incident_mcp.incidentio.pages import Rows, read_unpaged
from incident_mcp.records.instants import instant_with_zone
from incident_mcp.records.record import Json, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST_TIMESTAMPS = Operation("GET", "/v2/incident_timestamps")


class Timestamp(Record):
    """A timestamp that incidents carry."""

    id: str
    name: str


async def _load_timestamps(api: Api) -> Rows[Timestamp]:
    return await read_unpaged(api, LIST_TIMESTAMPS.request(), Timestamp)


async def timestamp_values(api: Api, wanted: dict[str, str] | None, clear: Sequence[str] = ()) -> list[Json] | None:
    """Write timestamps as a body wants them; a cleared one has no value."""
    entries: list[Json] = [
        {"incident_timestamp_id": await _timestamp_id(api, name), "value": _instant(name, at)}
        for name, at in (wanted or {}).items()
    ]
    entries += [{"incident_timestamp_id": await _timestamp_id(api, name)} for name in clear]
    return distinct(entries, "incident_timestamp_id", "timestamps") or None


async def _timestamp_id(api: Api, name: str) -> str:
    return (await find(api, "timestamp", name, _load_timestamps)).id


def _instant(name: str, at: str) -> str:
    instant = instant_with_zone(at.strip())
    if instant is None:
        raise InputError(
            f"timestamps.{name}: {at[:40]!r} is no RFC 3339 instant with a zone, like 2026-11-21T03:12:00Z. Not sent."
        )
    return instant.isoformat().replace("+00:00", "Z")
