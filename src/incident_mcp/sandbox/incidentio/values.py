"""Custom field entries, roles and timestamps: from the way they are written to the way they are read."""

import re
from collections.abc import Iterator

from incident_mcp.sandbox.service import Json, Refusal
from incident_mcp.sandbox.shapes import Flaw, Part, Shape

from .state import IncidentIO, by_id

_KEYS = ("value_text", "value_link", "value_numeric", "value_option_id", "value_catalog_entry_id", "value_timestamp")
_WANTED_KEY = {
    "text": "value_text",
    "link": "value_link",
    "numeric": "value_numeric",
    "single_select": "value_option_id",
    "multi_select": "value_option_id",
}

ENTRIES: Shape = {
    "custom_field_id": Part("string", required=True),
    "values": Part("list", required=True, shape={key: Part("string") for key in ("id", *_KEYS)}),
}
ASSIGNMENTS: Shape = {
    "incident_role_id": Part("string", required=True),
    "assignee": Part("object", shape={key: Part("string") for key in ("id", "email", "slack_user_id")}),
}
TIMESTAMP_VALUES: Shape = {
    "incident_timestamp_id": Part("string", required=True),
    "value": Part("instant"),
}


def write_entries(account: IncidentIO, incident: Json, given: list[Json]) -> None:
    """Set these custom fields and leave the others. An empty list of values stays on show as an unset entry."""
    for number, entry in enumerate(given):
        at = f"custom_field_entries.{number}."
        field = by_id(account.custom_fields, entry["custom_field_id"])
        if field is None:
            raise _unknown(at + "custom_field_id", entry["custom_field_id"])
        if len(entry["values"]) > 1 and field["field_type"] != "multi_select":
            raise _invalid(at + "values", f"{field['name']} takes one value")
        given_values: list[Json] = entry["values"]
        values = [_read_value(account, field, value, f"{at}values.{n}.") for n, value in enumerate(given_values)]
        entries: list[Json] = incident["custom_field_entries"]
        kept = [old for old in entries if old["custom_field"]["id"] != field["id"]]
        incident["custom_field_entries"] = [*kept, {"custom_field": embedded_field(account, field), "values": values}]


def embedded_field(account: IncidentIO, field: Json) -> Json:
    """A custom field as incidents carry it: with its options, which GET /v2/custom_fields leaves out."""
    named = {key: field[key] for key in ("id", "name", "description", "field_type")}
    return {**named, "options": [option for option in account.options if option["custom_field_id"] == field["id"]]}


def _read_value(account: IncidentIO, field: Json, value: Json, at: str) -> Json:
    wanted = "value_catalog_entry_id" if "catalog_type_id" in field else _WANTED_KEY[field["field_type"]]
    given = [key for key in _KEYS if key in value]
    if given != [wanted]:
        raise _invalid(at + (given[0] if given else wanted), f"{field['name']} takes exactly {wanted}")
    text: str = value[wanted]
    if wanted == "value_option_id":
        options = [option for option in account.options if option["custom_field_id"] == field["id"]]
        option = by_id(options, text)
        if option is None:
            raise _unknown(at + wanted, text)
        return {"value_option": option}
    if wanted == "value_catalog_entry_id":
        return {"value_catalog_entry": _catalog_entry(account, text, at + wanted)}
    if wanted == "value_numeric" and not re.fullmatch(r"-?\d+(\.\d+)?", text):
        raise _invalid(at + wanted, "must be a number, written as a string")
    if wanted == "value_link" and not re.match(r"https?://\S+$", text):
        raise _invalid(at + wanted, "must be a URL")
    return {wanted: text}


def _catalog_entry(account: IncidentIO, text: str, at: str) -> Json:
    """Find an entry by what the API accepts: its id, external id or an alias."""
    for entry in account.catalog_entries:
        if text in {entry["id"], entry["external_id"], *entry["aliases"]}:
            return entry
    raise _unknown(at, text)


def write_roles(account: IncidentIO, incident: Json, given: list[Json], *, creating: bool) -> None:
    """Assign these roles and leave the others. Without `assignee` a role becomes empty.

    That last is the plausible reading; the vendor does not say what it does.
    """
    for number, assignment in enumerate(given):
        at = f"incident_role_assignments.{number}."
        role = by_id(account.roles, assignment["incident_role_id"])
        if role is None:
            raise _unknown(at + "incident_role_id", assignment["incident_role_id"])
        if role["role_type"] == "reporter" and not creating:
            raise _invalid(at + "incident_role_id", "the reporter can only be assigned when creating an incident")
        slot = next(slot for slot in incident["incident_role_assignments"] if slot["role"]["id"] == role["id"])
        slot.pop("assignee", None)
        if "assignee" in assignment:
            slot["assignee"] = slim_user(_person(account, assignment["assignee"], at + "assignee"))


def _person(account: IncidentIO, reference: Json, at: str) -> Json:
    if not reference:
        raise _invalid(at, "must have one of id, email, slack_user_id")
    for user in account.users:
        if all(user[key] == value for key, value in reference.items()):
            return user
    raise _unknown(at, reference)


def slim_user(user: Json) -> Json:
    """A person as incidents and updates carry them."""
    return {key: user[key] for key in ("id", "name", "email", "slack_user_id", "role")}


def write_timestamps(account: IncidentIO, incident: Json, given: list[Json]) -> None:
    """Set these timestamps and leave the others. Without `value` one is cleared, which the vendor leaves open."""
    for number, entry in enumerate(given):
        timestamp = by_id(account.timestamps, entry["incident_timestamp_id"])
        if timestamp is None:
            at = f"incident_timestamp_values.{number}.incident_timestamp_id"
            raise _unknown(at, entry["incident_timestamp_id"])
        slots = incident["incident_timestamp_values"]
        slot = next(slot for slot in slots if slot["incident_timestamp"]["id"] == timestamp["id"])
        slot.pop("value", None)
        if "value" in entry:
            slot["value"] = {"value": entry["value"]}


def empty_slots(account: IncidentIO) -> Iterator[tuple[str, list[Json]]]:
    """Roles and timestamps of an incident in which nothing is filled in: all are listed."""
    embedded = [{**role, "required": role["role_type"] == "lead"} for role in account.roles]
    yield "incident_role_assignments", [{"role": role} for role in embedded]
    yield "incident_timestamp_values", [{"incident_timestamp": dict(timestamp)} for timestamp in account.timestamps]


def _unknown(at: str, wanted: object) -> Refusal:
    return Refusal(422, Flaw("not_found", f"{at}: nothing fits {wanted!r}", at))


def _invalid(at: str, why: str) -> Refusal:
    return Refusal(422, Flaw("invalid_value", f"{at}: {why}", at))
