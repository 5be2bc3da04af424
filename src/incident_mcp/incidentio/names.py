"""Names for ids: whatever the account calls its severities, statuses, types, fields, options, roles and timestamps."""

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from pydantic import Field

from incident_mcp.errors import InputError, Refused, ServiceError
from incident_mcp.http import Api
from incident_mcp.incidentio.incident_statuses import IncidentStatus, load_statuses
from incident_mcp.incidentio.incident_types import IncidentType, load_types
from incident_mcp.incidentio.pages import Page, read_pages
from incident_mcp.incidentio.severities import Severity, load_severities
from incident_mcp.models import Json, Record

MOST_CANDIDATES = 20
MOST_OPTIONS = 5000


class Named(Protocol):
    """A row with an id and a name."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102


N = TypeVar("N", bound=Named)


class CustomField(Record):
    """A custom field; its options are read from an endpoint of their own."""

    id: str
    name: str
    field_type: str = "text"
    catalog_type_id: str | None = None


class _CustomFields(Record):
    rows: list[CustomField] = Field(validation_alias="custom_fields")


class Option(Record):
    """An option of a select field."""

    id: str
    name: str = Field(validation_alias="value")


class _Options(Page):
    rows: list[Option] = Field(validation_alias="custom_field_options")


class Role(Record):
    """A role in incidents."""

    id: str
    name: str


class _Roles(Record):
    rows: list[Role] = Field(validation_alias="incident_roles")


class Timestamp(Record):
    """A timestamp that incidents carry."""

    id: str
    name: str


class _Timestamps(Record):
    rows: list[Timestamp] = Field(validation_alias="incident_timestamps")


async def find(api: Api, what: str, value: str, load: Callable[[Api], Awaitable[Sequence[N]]], *, of: str = "") -> N:
    """Find a row by id or by name, in any case; a name not found is looked for once more in a fresh list.

    Args:
        api: incident.io.
        what: What it is, as the tools' argument calls it; the list is kept under this.
        value: Id or name.
        load: Reads the rows.
        of: What the list belongs to, for options of a field.

    Raises:
        InputError: Nothing or more than one thing fits; the text lists the candidates.
    """
    started = time.monotonic()
    rows, read_at = await api.cached(what + of, lambda: load(api))
    found = _fitting(rows, value)
    if not found and read_at < started:
        rows, _ = await api.cached(what + of, lambda: load(api), newer_than=read_at)
        found = _fitting(rows, value)
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(f"{row.name} ({row.id})" for row in found)
        raise InputError(f"{what} {value!r} fits several: {which}. Pass the id. Not sent.")
    raise InputError(f"There is no {what} {value[:80]!r}{of}. Pass one of: {candidates(rows)}. Not sent.")


def _fitting(rows: Sequence[N], value: str) -> list[N]:
    by_id = [row for row in rows if row.id == value]
    wanted = value.strip().casefold()
    return by_id or [row for row in rows if row.name.strip().casefold() == wanted]


def candidates(rows: Sequence[Named]) -> str:
    """List what could have been meant."""
    names = [row.name for row in rows]
    more = f", and {len(names) - MOST_CANDIDATES} more" if len(names) > MOST_CANDIDATES else ""
    return ", ".join(names[:MOST_CANDIDATES]) + more if names else "(the account has none)"


async def severity(api: Api, value: str | None) -> Severity | None:
    """Find a severity; None for None."""
    return None if value is None else await find(api, "severity", value, load_severities)


async def status(api: Api, value: str | None) -> IncidentStatus | None:
    """Find a status; None for None."""
    return None if value is None else await find(api, "status", value, load_statuses)


async def incident_type(api: Api, value: str | None) -> IncidentType | None:
    """Find an incident type; None for None."""
    return None if value is None else await find(api, "incident_type", value, load_types)


def id_of(row: Named | None) -> str | None:
    """Give a row's id; None for None."""
    return None if row is None else row.id


def name_of(row: Named | None) -> str | None:
    """Give a row's name; None for None."""
    return None if row is None else row.name


async def closed_status(api: Api, value: str | None) -> IncidentStatus:
    """Give the account's closed status, or the named one of several.

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


async def _load_fields(api: Api) -> list[CustomField]:
    return (await api.get("/v2/custom_fields", _CustomFields, scope="custom_fields.view")).rows


async def _load_roles(api: Api) -> list[Role]:
    return (await api.get("/v2/incident_roles", _Roles, scope="incident_roles.view")).rows


async def _load_timestamps(api: Api) -> list[Timestamp]:
    return (await api.get("/v2/incident_timestamps", _Timestamps)).rows


async def _option_id(api: Api, field: CustomField, value: str) -> str:
    async def load(api: Api) -> list[Option]:
        query = [("custom_field_id", field.id)]
        pages = await read_pages(
            api, "/v1/custom_field_options", _Options, query, limit=MOST_OPTIONS, scope="custom_fields.view"
        )
        return [row for page in pages for row in page.rows]

    return (await find(api, "option", value, load, of=f" of custom field {field.name}")).id


async def custom_field_entries(api: Api, given: dict[str, list[str]] | None) -> list[Json] | None:
    """Write custom fields as a body wants them: the field's type decides the key of each value; `[]` unsets a field."""
    return None if given is None else [await _entry(api, name, values) for name, values in given.items()]


async def _entry(api: Api, name: str, values: list[str]) -> Json:
    field = await find(api, "custom field", name, _load_fields)
    if len(values) > 1 and field.field_type != "multi_select":
        raise InputError(f"Custom field {field.name} takes one value, not {len(values)}. Not sent.")
    return {"custom_field_id": field.id, "values": [await _value(api, field, value) for value in values]}


async def _value(api: Api, field: CustomField, value: str) -> Json:
    if field.catalog_type_id:
        # The API takes an entry's id, external id or alias as it is.
        return {"value_catalog_entry_id": value}
    match field.field_type:
        case "single_select" | "multi_select":
            return {"value_option_id": await _option_id(api, field, value)}
        case "numeric":
            if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value.strip()):
                raise InputError(f"Custom field {field.name} takes a number, not {value[:40]!r}. Not sent.")
            return {"value_numeric": value.strip()}
        case "link":
            return {"value_link": value}
        case _:
            return {"value_text": value}


async def custom_field_filter(api: Api, given: dict[str, list[str]] | None) -> list[tuple[str, str]]:
    """Write custom fields as a list's filter wants them."""
    query: list[tuple[str, str]] = []
    for name, values in (given or {}).items():
        field = await find(api, "custom field", name, _load_fields)
        select = field.field_type in ("single_select", "multi_select") and not field.catalog_type_id
        ids = [await _option_id(api, field, value) if select else value for value in values]
        query += [(f"custom_field[{field.id}][one_of]", wanted) for wanted in ids]
    return query


async def role_assignments(api: Api, given: dict[str, str] | None) -> list[Json] | None:
    """Write roles as a body wants them."""
    if given is None:
        return None
    return [
        {"incident_role_id": (await find(api, "role", role, _load_roles)).id, "assignee": _person(role, person)}
        for role, person in given.items()
    ]


def _person(role: str, person: str) -> Json:
    person = person.strip()
    if re.fullmatch(r"[^@\s]+@[^@\s]+", person):
        return {"email": person}
    if re.fullmatch(r"[UW][A-Z0-9]{5,15}", person):
        return {"slack_user_id": person}
    if re.fullmatch(r"[0-9A-Za-z_-]{16,}", person):
        return {"id": person}
    raise InputError(f"roles.{role}: {person[:60]!r} is no email, user id or Slack id (U...). Not sent.")


async def timestamp_values(api: Api, given: dict[str, str] | None) -> list[Json] | None:
    """Write timestamps as a body wants them."""
    if given is None:
        return None
    return [
        {
            "incident_timestamp_id": (await find(api, "timestamp", name, _load_timestamps)).id,
            "value": _instant(name, at),
        }
        for name, at in given.items()
    ]


def _instant(name: str, at: str) -> str:
    try:
        instant = datetime.fromisoformat(at.strip())
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InputError(
            f"timestamps.{name}: {at[:40]!r} is no RFC 3339 instant with a zone, like 2026-11-21T03:12:00Z. Not sent."
        )
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


_NAMED_FIELDS: dict[str, tuple[str, Callable[[Api], Awaitable[Sequence[Named]]]]] = {
    "severity_id": ("severity", load_severities),
    "to_severity_id": ("severity", load_severities),
    "incident_status_id": ("status", load_statuses),
    "to_incident_status_id": ("status", load_statuses),
    "incident_type_id": ("incident_type", load_types),
}


async def valid_names(api: Api, sent: Json, refused: Refused) -> str:
    """Say which names there are, of the severities, statuses and types that a refusal complains about.

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
