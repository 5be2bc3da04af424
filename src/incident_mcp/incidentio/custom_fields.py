"""Custom fields and their options."""

from typing import Annotated

from pydantic import Field

from incident_mcp.incidentio.names.custom_fields import FIELDS, LIST_FIELDS, LIST_OPTIONS, MAX_OPTIONS, Option
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.pages import read_rows, read_unpaged
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Listed, Name, Record
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool


class FieldRow(Record):
    """A custom field."""

    id: str
    name: Name
    field_type: str | None = None
    catalog_type_id: str | None = None
    """Its values are the entries of this catalog type."""
    description: str | None = None


class CustomFields(Listed):
    """A list of custom fields, or one with its options."""

    custom_fields: list[FieldRow]
    options: list[str] | None = None
    note: str | None = None


async def incidentio_list_fields(
    api: IncidentioApi,
    field: Annotated[str | None, Field(description="Name or ID: list this field's options.")] = None,
) -> CustomFields:
    """List custom fields, or the options of one."""
    rows = await read_unpaged(api, LIST_FIELDS.request(), FieldRow)
    if field is None:
        return CustomFields(custom_fields=rows, unreadable=rows.unreadable)
    wanted = (await find(api, FIELDS, field)).id
    found = [row for row in rows if row.id == wanted]
    if found and found[0].catalog_type_id:
        return CustomFields(custom_fields=found, note="Its values are catalog entries: incidentio_find_entries.")
    request = LIST_OPTIONS.request([("custom_field_id", wanted)])
    options = await read_rows(api, request, Option, limit=MAX_OPTIONS)
    names = [option.name for option in options]
    return CustomFields(
        custom_fields=found, options=names, has_more=not options.complete, unreadable=options.unreadable
    )


TOOLS = [
    read_tool(
        incidentio_list_fields, "List custom fields", toolset=CATALOG, keywords="values choices attributes set fill"
    )
]
