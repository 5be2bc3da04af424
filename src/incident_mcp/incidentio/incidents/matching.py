"""Whether an incident has the values of an edit, compared by meaning and not as written."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel

from incident_mcp.incidentio.incidents.records import value_text
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, part, parts


class RawIncidentResponse(BaseModel):
    """The response envelope of one incident, not parsed further."""

    incident: Json


def matches_edit(raw: Json, fields: Json) -> bool:
    """Return whether an incident has the values of an edit.

    Args:
        raw: The incident as the API returns it.
        fields: The fields in the edit's request body.
    """
    return all(_COMPARISONS.get(name, _same_text)(raw, name, requested) for name, requested in fields.items())


def _same_id(raw: Json, name: str, requested: str) -> bool:
    return part(raw, name.removesuffix("_id")).get("id") == requested


def _same_text(raw: Json, name: str, requested: str) -> bool:
    return _plain(raw.get(name)) == _plain(requested)


def _same_address(raw: Json, name: str, requested: str) -> bool:
    return _address(raw.get(name)) == _address(requested)


def _same_channel(raw: Json, name: str, requested: str) -> bool:
    current = raw.get(name.removesuffix("_override"))
    return _plain(current).removeprefix("#") == _plain(requested).removeprefix("#")


def _same_custom_fields(raw: Json, name: str, requested: list[Json]) -> bool:
    current = {part(entry, "custom_field").get("id"): parts(entry, "values") for entry in parts(raw, name)}
    return all(_same_values(current.get(entry["custom_field_id"], []), entry["values"]) for entry in requested)


def _same_timestamps(raw: Json, name: str, requested: list[Json]) -> bool:
    current = {part(entry, "incident_timestamp").get("id"): part(entry, "value") for entry in parts(raw, name)}
    return all(
        parse_instant(current.get(entry["incident_timestamp_id"], {}).get("value")) == parse_instant(entry.get("value"))
        for entry in requested
    )


def _same_roles(raw: Json, name: str, requested: list[Json]) -> bool:
    return all(_same_role(parts(raw, name), assignment) for assignment in requested)


def _same_role(current: list[Json], requested: Json) -> bool:
    """Return whether a role matches the requested assignment; without an assignee, whether it is unassigned."""
    slots = [slot for slot in current if part(slot, "role").get("id") == requested["incident_role_id"]]
    people = [person for slot in slots if (person := part(slot, "assignee"))]
    if "assignee" not in requested:
        return not people
    return any(_same_person(person, requested["assignee"]) for person in people)


def _same_person(person: Json, requested: Json) -> bool:
    return all(str(person.get(key, "")).casefold() == str(value).casefold() for key, value in requested.items())


def _same_values(current: list[Json], requested: list[Json]) -> bool:
    """Return whether a custom field has these values: sent as `value_option_id`, returned as `value_option.id`."""
    if len(current) != len(requested):
        return False
    left = [_value_names(value) for value in current]
    for value in requested:
        found = next((names for names in left if names & _value_names(value)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _value_names(value: Json) -> set[str]:
    """Return all names of a value: for a catalog entry its id, external id and aliases."""
    option, entry = part(value, "value_option"), part(value, "value_catalog_entry")
    names = [value.get("value_option_id"), value.get("value_catalog_entry_id"), option.get("id"), entry.get("id")]
    aliases = entry.get("aliases")
    names += [entry.get("external_id"), *(cast("list[object]", aliases) if isinstance(aliases, list) else ())]
    found = {str(name) for name in names if name}
    return found or {_number(value["value_numeric"]) if "value_numeric" in value else _address(value_text(value))}


def _number(value: object) -> str:
    """Return a number in a form that is the same for `1`, `1.0` and `01`; other text unchanged."""
    try:
        sign, digits, exponent = Decimal(str(value).strip()).as_tuple()
    except InvalidOperation:
        return str(value)
    if isinstance(exponent, str):
        return str(value)
    # `Decimal.normalize` would round to 28 digits.
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return "0"
    return f"{'-' * sign}{significant}e{exponent + len(written) - len(significant)}"


def _plain(value: object) -> str:
    """Return a text without invisible differences: line ends, and white space around it and at the end of lines."""
    text = str(value or "").replace("\r\n", "\n")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def _address(value: object) -> str:
    """Return a URL in a form that is the same for equivalent ones; other text as `_plain` returns it."""
    text = _plain(value)
    if not re.match(r"https?://", text, re.IGNORECASE):
        return text
    try:
        split = urlsplit(text)
    except ValueError:
        return text
    return split._replace(
        scheme=split.scheme.lower(), netloc=split.netloc.lower(), path=split.path.rstrip("/")
    ).geturl()


_COMPARISONS: dict[str, Callable[[Json, str, Any], bool]] = {
    "severity_id": _same_id,
    "incident_status_id": _same_id,
    "custom_field_entries": _same_custom_fields,
    "incident_role_assignments": _same_roles,
    "incident_timestamp_values": _same_timestamps,
    "call_url": _same_address,
    "slack_channel_name_override": _same_channel,
}
"""By the request body's field; other fields are texts."""
