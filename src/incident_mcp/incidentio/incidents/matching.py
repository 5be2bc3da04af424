"""Whether an incident is as an edit wants it."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel

from incident_mcp.incidentio.incidents.records import value_text
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Json, part, parts


class RawIncidentAnswer(BaseModel):
    """One incident as it travels, unread."""

    incident: Json


def holds(raw: Json, fields: Json) -> bool:
    """Return whether an incident is as an edit wants it, compared by meaning and not by spelling.

    Args:
        raw: The incident as the API describes it.
        fields: The body's fields of the edit.
    """
    return all(_is(raw, name, wanted) for name, wanted in fields.items())


def _is(raw: Json, name: str, wanted: Any) -> bool:  # noqa: ANN401  # any JSON
    match name:
        case "severity_id" | "incident_status_id":
            return part(raw, name.removesuffix("_id")).get("id") == wanted
        case "custom_field_entries":
            entries = {part(each, "custom_field").get("id"): parts(each, "values") for each in parts(raw, name)}
            return all(_same_values(entries.get(each["custom_field_id"], []), each["values"]) for each in wanted)
        case "incident_role_assignments":
            return all(_has_role(parts(raw, name), each) for each in wanted)
        case "incident_timestamp_values":
            at = {part(e, "incident_timestamp").get("id"): part(e, "value").get("value") for e in parts(raw, name)}
            return all(
                parse_instant(at.get(e["incident_timestamp_id"])) == parse_instant(e.get("value")) for e in wanted
            )
        case _:
            normalize = _NORMALIZED.get(name, _plain)
            return normalize(raw.get(name.removesuffix("_override"))) == normalize(wanted)


def _channel(value: object) -> str:
    return _plain(value).removeprefix("#")


def _has_role(slots: list[Json], wanted: Json) -> bool:
    """Return whether a role is assigned as wanted; without an assignee, whether nobody has it."""
    people = [part(slot, "assignee") for slot in slots if part(slot, "role").get("id") == wanted["incident_role_id"]]
    people = [person for person in people if person]
    if "assignee" not in wanted:
        return not people
    return any(
        all(str(person.get(key, "")).casefold() == str(value).casefold() for key, value in wanted["assignee"].items())
        for person in people
    )


def _same_values(held: list[Json], wanted: list[Json]) -> bool:
    """Return whether a field holds the values: written `value_option_id`, read `value_option.id`."""
    if len(held) != len(wanted):
        return False
    left = [_value_names(value) for value in held]
    for value in wanted:
        found = next((names for names in left if names & _value_names(value)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _value_names(value: Json) -> set[str]:
    """Return all that a value may be called: an entry of the catalog by its id, external id or alias."""
    option, entry = part(value, "value_option"), part(value, "value_catalog_entry")
    names = [value.get("value_option_id"), value.get("value_catalog_entry_id"), option.get("id"), entry.get("id")]
    aliases = entry.get("aliases")
    names += [entry.get("external_id"), *(cast("list[object]", aliases) if isinstance(aliases, list) else ())]
    found = {str(name) for name in names if name}
    return found or {_number(value["value_numeric"]) if "value_numeric" in value else _address(value_text(value))}


def _number(value: object) -> str:
    try:
        sign, digits, exponent = Decimal(str(value).strip()).as_tuple()
    except InvalidOperation:
        return str(value)
    if isinstance(exponent, str):
        return str(value)
    # `Decimal.normalize` would round to 28 digits.
    written = "".join(map(str, digits)).lstrip("0")
    bare = written.rstrip("0")
    return f"{'-' * sign}{bare}e{exponent + len(written) - len(bare)}" if bare else "0"


def _plain(value: object) -> str:
    """Return a text without what no reader sees: line ends, white space at the end of lines and around it."""
    text = str(value or "").replace("\r\n", "\n")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip()


def _address(value: object) -> str:
    """Return an address as two spellings of the same one agree; other text unchanged but for its white space."""
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


_NORMALIZED: dict[str, Callable[[object], str]] = {"call_url": _address, "slack_channel_name_override": _channel}
"""By field of an edit: what its texts are compared by; other texts by `_plain`."""
