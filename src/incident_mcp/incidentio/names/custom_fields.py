"""Custom fields by name, and their values: options and catalog entries."""

import re
from collections.abc import Mapping, Sequence

from pydantic import Field

from incident_mcp.errors import InputError, RefusedError
from incident_mcp.incidentio.named_rows import CachedList, N, NamedRow, unpaged_list
from incident_mcp.incidentio.names.finding import distinct, find, matching
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, Rows, read_page, read_rows
from incident_mcp.records.record import Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MAX_OPTIONS = 5000
"""Options of a field, and entries of a catalog type, that are searched for a name."""
LIST_FIELDS = Operation("GET", "/v2/custom_fields", scope="custom_fields.view")
LIST_OPTIONS = Operation("GET", "/v1/custom_field_options", scope="custom_fields.view")
LIST_ENTRIES = Operation("GET", "/v3/catalog_entries", scope="catalog_entries.view")
_ID = re.compile(r"[0-9A-Za-z_-]{20,64}", re.ASCII)


class CustomField(NamedRow):
    """A custom field; its options have an endpoint of their own."""

    field_type: str = "text"
    catalog_type_id: str | None = None


class Option(NamedRow):
    """An option of a select field."""

    name: str = Field(validation_alias="value")


class CatalogEntry(NamedRow):
    """An entry of a catalog type: a value of custom fields of that type."""

    external_id: str | None = None
    aliases: list[str] | None = None

    @property
    def other_names(self) -> tuple[str, ...]:
        """Further names that refer to it."""
        return tuple(filter(None, (self.external_id, *(self.aliases or ()))))


FIELDS = unpaged_list("custom field", LIST_FIELDS, CustomField)


async def _option_id(api: Api, field: CustomField, value: str) -> str:
    async def load(api: Api) -> Rows[Option]:
        return await read_rows(api, LIST_OPTIONS.request([("custom_field_id", field.id)]), Option, limit=MAX_OPTIONS)

    return await _find_id(api, CachedList("option", load, field.id, f" of custom field {field.name}"), value)


async def _entry_id(api: Api, field: CustomField, value: str) -> str:
    """Find a catalog entry by id, external id, alias or name; the service can look up all but the name."""
    type_id = field.catalog_type_id or ""
    query = [("catalog_type_id", type_id)]

    async def load(api: Api) -> Rows[CatalogEntry]:
        return await read_rows(api, LIST_ENTRIES.request(query), CatalogEntry, limit=MAX_OPTIONS)

    async def look_up() -> list[CatalogEntry]:
        request = LIST_ENTRIES.request([*query, ("identifier", value.strip())])
        return (await read_page(api, request, CatalogEntry, size=MAX_PAGE_SIZE)).rows

    try:
        identified, _ = await api.cached(f"catalog entry {type_id} {value.strip()}", look_up)
        found = matching(identified, value)
        if len(found) == 1:
            return found[0].id
        entries = CachedList("catalog entry", load, field.id, f" of custom field {field.name}")
        return await _find_id(api, entries, value)
    except RefusedError as failure:
        if failure.status not in (403, 404):
            raise
        # The key may not read the catalog. The API itself accepts an entry's id, external id or alias.
        return value.strip()


async def _find_id(api: Api, rows: CachedList[N], value: str) -> str:
    """Find a row's id; if the list is longer than what is searched, an unknown id is accepted."""
    try:
        return (await find(api, rows, value)).id
    except InputError:
        loaded, _ = await rows.read(api)
        if not loaded.complete and _ID.fullmatch(value.strip()):
            return value.strip()
        raise


async def custom_field_entries(
    api: Api, fields: Mapping[str, Sequence[str]] | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Build the custom fields of a request body; a field's type decides the key of its values, `[]` unsets a field.

    Args:
        api: incident.io.
        fields: Values by field.
        clear: Fields to unset.
    """
    both = {**(fields or {}), **dict.fromkeys(clear, ())}
    entries = [await _entry(api, name, values) for name, values in both.items()]
    return distinct(entries, "custom_field_id", "custom_fields") or None


async def _entry(api: Api, name: str, values: Sequence[str]) -> Json:
    field = await find(api, FIELDS, name)
    if len(values) > 1 and field.field_type != "multi_select":
        raise InputError(f"Custom field {field.name} takes one value, not {len(values)}. Not sent.")
    return {"custom_field_id": field.id, "values": [await _value(api, field, value) for value in values]}


async def _value(api: Api, field: CustomField, value: str) -> Json:
    if field.catalog_type_id:
        return {"value_catalog_entry_id": await _entry_id(api, field, value)}
    match field.field_type:
        case "single_select" | "multi_select":
            return {"value_option_id": await _option_id(api, field, value)}
        case "numeric":
            if not re.fullmatch(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", value.strip(), re.ASCII):
                raise InputError(f"Custom field {field.name} takes a number, not {value[:40]!r}. Not sent.")
            return {"value_numeric": value.strip()}
        case "link":
            return {"value_link": value}
        case _:
            return {"value_text": value}


async def custom_field_filter(api: Api, parameter: str, fields: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return the query parameters of a filter by custom fields: `parameter` with the field's id, and each value."""
    query: list[tuple[str, str]] = []
    for name, values in fields.items():
        field = await find(api, FIELDS, name)
        query += [(parameter.format(id=field.id), await _filter_value(api, field, value)) for value in values]
    return query


async def _filter_value(api: Api, field: CustomField, value: str) -> str:
    if field.catalog_type_id:
        return await _entry_id(api, field, value)
    if field.field_type in ("single_select", "multi_select"):
        return await _option_id(api, field, value)
    return value
