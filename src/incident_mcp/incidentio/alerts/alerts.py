"""Alerts: what monitoring systems report to incident.io."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from incident_mcp.errors import IncidentMcpError, InputError
from incident_mcp.incidentio.alerts.access import LIST, SHOW, AlertRef, alert_advice, alert_id
from incident_mcp.incidentio.alerts.notes import AlertNote, read_notes
from incident_mcp.incidentio.alerts.sources import SOURCES, source_names
from incident_mcp.incidentio.dates import Day, is_reversed
from incident_mcp.incidentio.incidents.records import by_name, flattened, texts_of, value_text
from incident_mcp.incidentio.names.finding import find_optional
from incident_mcp.incidentio.pages import After, Limit, read_rows
from incident_mcp.incidentio.toolsets import ALERTS
from incident_mcp.records.record import Instant, Json, Listed, Name, Record, part, parts, without_none
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

_VALUE_KEYS = ("label", "catalog_entry", "literal")
"""The parts of an attribute's value, the most readable first."""


def _tag_names(value: object) -> object:
    return [tag["name"] for tag in parts({"tags": value}, "tags") if isinstance(tag.get("name"), str)] or None


def _attributes(entries: list[Json]) -> Json | None:
    """Return the values by attribute, for attributes that have any."""
    return by_name((part(entry, "attribute"), texts) for entry in entries if (texts := _texts(entry)))


def _texts(entry: Json) -> list[str]:
    values = [part(entry, "value"), *parts(entry, "array_value")]
    return [text for value in values if (text := _text(value))]


def _text(value: Json) -> str:
    return value_text({key: value[key] for key in _VALUE_KEYS if key in value})


Tags = Annotated[list[str] | None, BeforeValidator(_tag_names)]


class AlertRow(Record):
    """An alert in a list."""

    id: str
    title: Name | None = None
    status: str | None = None
    source: str | None = Field(default=None, validation_alias="alert_source_id")
    """Its name; its id where the key may not read sources."""
    tags: Tags = None
    created_at: Instant | None = None
    resolved_at: Instant | None = None


class Alerts(Listed):
    """A list of alerts."""

    MARK = "incidentio_get_alert shows one in full."
    alerts: list[AlertRow]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.alerts[:rows]
        if not shown:
            return None
        return self.model_copy(update={"alerts": shown, "has_more": True, "after": shown[-1].id})


class Alert(Record):
    """An alert in full, with its notes."""

    REST = ": the dashboard shows the rest"
    id: str
    title: str | None = None
    status: str | None = None
    source: str | None = Field(default=None, validation_alias="alert_source_id")
    """Its name; its id where the key may not read sources."""
    source_url: str | None = None
    deduplication_key: str | None = None
    description: str | None = None
    attributes: Annotated[dict[str, list[str]] | None, flattened(_attributes)] = None
    tags: Tags = None
    alert_group_ids: Annotated[list[str] | None, BeforeValidator(texts_of)] = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    resolved_at: Instant | None = None
    notes: list[AlertNote] | None = Field(default=None, validation_alias="the alert's notes")
    note: str | None = Field(default=None, validation_alias="a remark about the notes")


class AlertResponse(BaseModel):
    """The response envelope of one alert."""

    alert: Alert


Sourced = TypeVar("Sourced", Alert, AlertRow)


def _with_source(alert: Sourced, names: Mapping[str, str]) -> Sourced:
    """Return an alert with the name of its source."""
    return alert.model_copy(update={"source": names.get(alert.source or "", alert.source)})


async def read_alert(api: Api, alert: str) -> Alert:
    """Read an alert by its id."""
    return (await api.get(SHOW.request(at={"alert": alert}, advice=alert_advice(SHOW.scope)), AlertResponse)).alert


async def incidentio_list_alerts(
    api: IncidentioApi,
    status: Annotated[Literal["firing", "resolved"] | None, Field(description="Default: both.")] = None,
    source: Annotated[str | None, Field(description="Name or ID.")] = None,
    deduplication_key: Annotated[str | None, Field(description="Exact.")] = None,
    tags: Annotated[list[str] | None, Field(description="Any of these.")] = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    limit: Limit = 25,
    after: After = None,
) -> Alerts:
    """List alerts of all monitoring systems: firing or resolved, by source, tag or time."""
    if is_reversed(created_at_gte, created_at_lte):
        raise InputError("created_at_gte is later than created_at_lte, so nothing can match. Not sent.")
    api.allow(limit)
    found = await find_optional(api, SOURCES, source)
    filters = {
        "status[one_of]": status,
        "alert_source[one_of]": found and found.id,
        "deduplication_key[is]": deduplication_key,
        "created_at[gte]": created_at_gte,
        "created_at[lte]": created_at_lte,
    }
    query = [*without_none(**filters).items(), *(("tags[one_of]", tag) for tag in tags or ())]
    rows = await read_rows(api, LIST.request(query), AlertRow, limit=limit, after=after)
    names = await source_names(api)
    return Alerts(alerts=[_with_source(row, names) for row in rows], **rows.paging)


async def incidentio_get_alert(api: IncidentioApi, alert: AlertRef) -> Alert:
    """Get an alert in full: description, attributes, tags, link to its source, notes."""
    number = await alert_id(api, alert)
    found = await read_alert(api, number)
    names = await source_names(api)
    try:
        notes = await read_notes(api, number)
    except IncidentMcpError as failure:
        return _with_source(found.model_copy(update={"note": f"The notes could not be read: {failure}"}), names)
    more = None if notes.complete else f"Only {len(notes)} notes are shown."
    return _with_source(found.model_copy(update={"notes": list(notes) or None, "note": more}), names)


TOOLS = [
    read_tool(
        incidentio_list_alerts, "List alerts", toolset=ALERTS, keywords="firing alarms going off moment monitors"
    ),
    read_tool(
        incidentio_get_alert,
        "Get an alert",
        toolset=ALERTS,
        keywords="details show monitor alarm payload",
    ),
]
