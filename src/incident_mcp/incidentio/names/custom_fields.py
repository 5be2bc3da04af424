"""Custom fields and their values by name: options, catalog entries."""

import re
from collections.abc import Awaitable, Callable, Sequence

from pydantic import Field

from incident_mcp.errors import InputError, RefusedError
from incident_mcp.incidentio.names.finding import N, distinct, find, fitting, is_complete
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, Rows, read_page, read_rows, read_unpaged
from incident_mcp.records.record import Json, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MOST_OPTIONS = 5000
"""Options of a field, and entries of a catalog type, that are looked through for a name."""
LIST_FIELDS = Operation("GET", "/v2/custom_fields", scope="custom_fields.view")
LIST_OPTIONS = Operation("GET", "/v1/custom_field_options", scope="custom_fields.view")
LIST_ENTRIES = Operation("GET", "/v3/catalog_entries", scope="catalog_entries.view")
_ID = re.compile(r"[0-9A-Za-z_-]{20,64}", re.ASCII)


class CustomField(Record):
    """A custom field; its options are read from an endpoint of their own."""

    id: str
    name: str
    field_type: str = "text"
    catalog_type_id: str | None = None


class Option(Record):
    """An option of a select field."""

    id: str
    name: str = Field(validation_alias="value")


class CatalogEntry(Record):
    """An entry of a catalog type, which a custom field of that type takes as its value."""

    id: str
    name: str
    external_id: str | None = None
    aliases: list[str] | None = None

    @property
    def other_names(self) -> tuple[str, ...]:
        """What else it is called."""
        return tuple(filter(None, (self.external_id, *(self.aliases or ()))))


async def _load_fields(api: Api) -> Rows[CustomField]:
    return await read_unpaged(api, LIST_FIELDS.request(), CustomField)


async def _option_id(api: Api, field: CustomField, value: str) -> str:
    async def load(api: Api) -> Rows[Option]:
        return await read_rows(api, LIST_OPTIONS.request([("custom_field_id", field.id)]), Option, limit=MOST_OPTIONS)

    return await _among_many(api, "option", value, load, field)


async def _entry_id(api: Api, field: CustomField, value: str) -> str:
    """Find a catalog entry by its id, external id, alias or name: first by the service's own look-up of one of them."""
    type_id = field.catalog_type_id or ""
    query = [("catalog_type_id", type_id)]

    async def load(api: Api) -> Rows[CatalogEntry]:
        return await read_rows(api, LIST_ENTRIES.request(query), CatalogEntry, limit=MOST_OPTIONS)

    async def look_up() -> list[CatalogEntry]:
        request = LIST_ENTRIES.request([*query, ("identifier", value.strip())])
        return (await read_page(api, request, CatalogEntry, rows=MAX_PAGE_SIZE)).rows

    try:
        identified, _ = await api.cached(f"catalog entry {type_id} {value.strip()}", look_up)
        found = fitting(identified, value)
        if len(found) == 1:
            return found[0].id
        return await _among_many(api, "catalog entry", value, load, field)
    except RefusedError as failure:
        if failure.status not in (403, 404):
            raise
        # The key may not read the catalog; the API itself takes an entry's id, external id or alias.
        return value.strip()


async def _among_many(
    api: Api, what: str, value: str, load: Callable[[Api], Awaitable[Sequence[N]]], field: CustomField
) -> str:
    """Find an id in a list that may be longer than what is looked through: there an id passes unchecked."""
    try:
        return (await find(api, what, value, load, of=f" of custom field {field.name}", key=field.id)).id
    except InputError:
        rows, _ = await api.cached(what + field.id, lambda: load(api))
        if not is_complete(rows) and _ID.fullmatch(value.strip()):
            return value.strip()
        raise


async def custom_field_entries(
    api: Api, wanted: dict[str, list[str]] | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Write custom fields as a body wants them: the field's type decides the key of each value; `[]` unsets a field.

    Args:
        api: incident.io.
        wanted: Field to values.
        clear: Fields to unset.
    """
    both = {**(wanted or {}), **{name: [] for name in clear}}
    entries = [await _entry(api, name, values) for name, values in both.items()]
    return distinct(entries, "custom_field_id", "custom_fields") or None


async def _entry(api: Api, name: str, values: list[str]) -> Json:
    field = await find(api, "custom field", name, _load_fields)
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


async def custom_field_filter(api: Api, wanted: dict[str, list[str]] | None, operator: str) -> list[tuple[str, str]]:
    """Write custom fields as a list's filter wants them."""
    query: list[tuple[str, str]] = []
    for name, values in (wanted or {}).items():
        field = await find(api, "custom field", name, _load_fields)
        for value in values:
            sent = value
            if field.catalog_type_id:
                sent = await _entry_id(api, field, value)
            elif field.field_type in ("single_select", "multi_select"):
                sent = await _option_id(api, field, value)
            query.append((f"custom_field[{field.id}][{operator}]", sent))
    return query
