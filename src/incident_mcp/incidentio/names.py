"""Ids by name: the account's severities, statuses, types, custom fields and their values, roles and timestamps."""

import re
from collections.abc import Awaitable, Callable, Sequence

from pydantic import Field

from incident_mcp.errors import InputError, RefusedError, ServiceError
from incident_mcp.incidentio import people
from incident_mcp.incidentio.finding import N, Named, candidates, find, fitting, is_complete
from incident_mcp.incidentio.incident_statuses import IncidentStatus, load_statuses
from incident_mcp.incidentio.incident_types import IncidentType, load_types
from incident_mcp.incidentio.pages import MOST_A_PAGE, Rows, read_page, read_rows, read_unpaged
from incident_mcp.incidentio.severities import Severity, load_severities
from incident_mcp.records.instants import instant_with_zone
from incident_mcp.records.record import Json, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

MOST_OPTIONS = 5000
"""Options of a field, and entries of a catalog type, that are looked through for a name."""
LIST_FIELDS = Operation("GET", "/v2/custom_fields", scope="custom_fields.view")
LIST_OPTIONS = Operation("GET", "/v1/custom_field_options", scope="custom_fields.view")
LIST_ENTRIES = Operation("GET", "/v3/catalog_entries", scope="catalog_entries.view")
LIST_ROLES = Operation("GET", "/v2/incident_roles", scope="incident_roles.view")
LIST_TIMESTAMPS = Operation("GET", "/v2/incident_timestamps")
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


class Role(Record):
    """A role in incidents."""

    id: str
    name: str
    shortform: str | None = None

    @property
    def other_names(self) -> tuple[str, ...]:
        """What it is called in Slack."""
        return (self.shortform,) if self.shortform else ()


class Timestamp(Record):
    """A timestamp that incidents carry."""

    id: str
    name: str


async def severity(api: Api, value: str | None) -> Severity | None:
    """Find a severity; None for None."""
    return None if value is None else await find(api, "severity", value, load_severities)


async def status(api: Api, value: str | None) -> IncidentStatus | None:
    """Find a status; None for None."""
    return None if value is None else await find(api, "status", value, load_statuses)


async def incident_type(api: Api, value: str | None) -> IncidentType | None:
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


async def _load_fields(api: Api) -> Rows[CustomField]:
    return await read_unpaged(api, LIST_FIELDS.request(), CustomField)


async def _load_roles(api: Api) -> Rows[Role]:
    return await read_unpaged(api, LIST_ROLES.request(), Role)


async def _load_timestamps(api: Api) -> Rows[Timestamp]:
    return await read_unpaged(api, LIST_TIMESTAMPS.request(), Timestamp)


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
        return (await read_page(api, request, CatalogEntry, rows=MOST_A_PAGE)).rows

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
    return _once(entries, "custom_field_id", "custom_fields") or None


def _once(entries: list[Json], key: str, argument: str) -> list[Json]:
    """Return entries of which none is about the same thing as another.

    Raises:
        InputError: Two names are the same thing's.
    """
    if len({entry[key] for entry in entries}) < len(entries):
        raise InputError(f"{argument} names one thing twice. Pass it once. Not sent.")
    return entries


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


async def role_assignments(
    api: Api, wanted: dict[str, str] | None, me: str | None, clear: Sequence[str] = ()
) -> list[Json] | None:
    """Write roles as a body wants them; a cleared one has no assignee."""
    entries = [
        {
            "incident_role_id": await _role_id(api, role),
            "assignee": await people.reference(api, f"roles.{role}", who, me),
        }
        for role, who in (wanted or {}).items()
    ]
    entries += [{"incident_role_id": await _role_id(api, role)} for role in clear]
    return _once(entries, "incident_role_id", "roles") or None


async def _role_id(api: Api, role: str) -> str:
    return (await find(api, "role", role, _load_roles)).id


async def role_filter(api: Api, wanted: dict[str, list[str]] | None, me: str | None) -> list[tuple[str, str]]:
    """Write who has which role as a list's filter wants it: by user ids."""
    query: list[tuple[str, str]] = []
    for role, whos in (wanted or {}).items():
        key = f"incident_role[{await _role_id(api, role)}][one_of]"
        query += [(key, await people.user_id(api, f"incident_role.{role}", who, me)) for who in whos]
    return query


async def timestamp_values(api: Api, wanted: dict[str, str] | None, clear: Sequence[str] = ()) -> list[Json] | None:
    """Write timestamps as a body wants them; a cleared one has no value."""
    entries: list[Json] = [
        {"incident_timestamp_id": await _timestamp_id(api, name), "value": _instant(name, at)}
        for name, at in (wanted or {}).items()
    ]
    entries += [{"incident_timestamp_id": await _timestamp_id(api, name)} for name in clear]
    return _once(entries, "incident_timestamp_id", "timestamps") or None


async def _timestamp_id(api: Api, name: str) -> str:
    return (await find(api, "timestamp", name, _load_timestamps)).id


def _instant(name: str, at: str) -> str:
    instant = instant_with_zone(at.strip())
    if instant is None:
        raise InputError(
            f"timestamps.{name}: {at[:40]!r} is no RFC 3339 instant with a zone, like 2026-11-21T03:12:00Z. Not sent."
        )
    return instant.isoformat().replace("+00:00", "Z")


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
