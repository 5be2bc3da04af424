"""Custom field entries, roles and timestamps of an incident: from the form of a request to the form of an answer."""

import re
from collections.abc import Iterator

from incident_mcp.sandbox.engine.service import ApiError, Json
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, by_id

_KEYS = ("value_text", "value_link", "value_numeric", "value_option_id", "value_catalog_entry_id", "value_timestamp")
_EXPECTED_KEY = {
    "text": "value_text",
    "link": "value_link",
    "numeric": "value_numeric",
    "single_select": "value_option_id",
    "multi_select": "value_option_id",
}
_FORMS = {
    "value_numeric": (r"-?\d+(\.\d+)?", "must be a number, written as a string"),
    "value_link": (r"https?://\S+", "must be a URL"),
}

ENTRIES: Shape = {
    "custom_field_id": Field("string", required=True),
    "values": Field("list", required=True, shape={key: Field("string") for key in ("id", *_KEYS)}),
}
ASSIGNMENTS: Shape = {
    "incident_role_id": Field("string", required=True),
    "assignee": Field("object", shape={key: Field("string") for key in ("id", "email", "slack_user_id")}),
}
TIMESTAMP_VALUES: Shape = {
    "incident_timestamp_id": Field("string", required=True),
    "value": Field("instant"),
}


def write_entries(account: IncidentIO, incident: Json, entries: list[Json]) -> None:
    """Set these custom fields and leave the others. An empty list of values is shown as an unset entry."""
    for number, entry in enumerate(entries):
        at = f"custom_field_entries.{number}."
        field = by_id(account.custom_fields, entry["custom_field_id"])
        if field is None:
            raise _unknown(at + "custom_field_id", entry["custom_field_id"])
        if len(entry["values"]) > 1 and field["field_type"] != "multi_select":
            raise _invalid(at + "values", f"{field['name']} takes one value")
        written: list[Json] = entry["values"]
        values = [_read_value(account, field, value, f"{at}values.{n}.") for n, value in enumerate(written)]
        shown: list[Json] = incident["custom_field_entries"]
        others = [old for old in shown if old["custom_field"]["id"] != field["id"]]
        incident["custom_field_entries"] = [*others, {"custom_field": _embedded(account, field), "values": values}]


def _embedded(account: IncidentIO, field: Json) -> Json:
    """Return a custom field as incidents embed it: with its options, which GET /v2/custom_fields leaves out."""
    named = {key: field[key] for key in ("id", "name", "description", "field_type")}
    return {**named, "options": options_of(account, field)}


def options_of(account: IncidentIO, field: Json) -> list[Json]:
    """Return the options of a custom field."""
    return [option for option in account.options if option["custom_field_id"] == field["id"]]


def _read_value(account: IncidentIO, field: Json, value: Json, at: str) -> Json:
    key = "value_catalog_entry_id" if "catalog_type_id" in field else _EXPECTED_KEY[field["field_type"]]
    keys = [name for name in _KEYS if name in value]
    if keys != [key]:
        raise _invalid(at + [*keys, key][0], f"{field['name']} takes exactly {key}")
    text: str = value[key]
    if key == "value_option_id":
        return {"value_option": _find_option(account, field, text, at + key)}
    if key == "value_catalog_entry_id":
        return {"value_catalog_entry": _find_entry(account, text, at + key)}
    if key in _FORMS and not re.fullmatch(_FORMS[key][0], text):
        raise _invalid(at + key, _FORMS[key][1])
    return {key: text}


def _find_option(account: IncidentIO, field: Json, text: str, at: str) -> Json:
    option = by_id(options_of(account, field), text)
    if option is None:
        raise _unknown(at, text)
    return option


def _find_entry(account: IncidentIO, text: str, at: str) -> Json:
    """Return the entry with this id, external id or alias, as the API accepts them."""
    for entry in account.catalog_entries:
        if text in {entry["id"], entry["external_id"], *entry["aliases"]}:
            return entry
    raise _unknown(at, text)


def write_roles(account: IncidentIO, incident: Json, assignments: list[Json], *, creating: bool) -> None:
    """Assign these roles and leave the others. Without `assignee` a role is cleared.

    Clearing is an assumption: the vendor does not say what a missing `assignee` does.
    """
    for number, assignment in enumerate(assignments):
        at = f"incident_role_assignments.{number}."
        role = by_id(account.roles, assignment["incident_role_id"])
        if role is None:
            raise _unknown(at + "incident_role_id", assignment["incident_role_id"])
        if role["role_type"] == "reporter" and not creating:
            raise _invalid(at + "incident_role_id", "the reporter can only be assigned when creating an incident")
        slot = next(slot for slot in incident["incident_role_assignments"] if slot["role"]["id"] == role["id"])
        slot.pop("assignee", None)
        if "assignee" in assignment:
            slot["assignee"] = slim_user(find_user(account, assignment["assignee"], at + "assignee"))


def find_user(account: IncidentIO, reference: Json, at: str) -> Json:
    """Return the user that a reference names by id, email or Slack id."""
    if not reference:
        raise _invalid(at, "must have one of id, email, slack_user_id")
    for user in account.users:
        if all(user[key] == value for key, value in reference.items()):
            return user
    raise _unknown(at, reference)


def slim_user(user: Json) -> Json:
    """Return a user as incidents and updates embed them."""
    return {key: user[key] for key in ("id", "name", "email", "slack_user_id", "role")}


_SLIM_CATEGORIES = {"live": "active", "learning": "post-incident"}
"""The status categories that a slim incident names otherwise."""


def slim_incident(incident: Json) -> Json:
    """Return an incident as alerts and escalations embed it."""
    category = incident["incident_status"]["category"]
    summary = {"summary": incident["summary"]} if incident.get("summary") else {}
    return {
        "id": incident["id"],
        "external_id": int(incident["reference"].removeprefix("INC-")),
        "reference": incident["reference"],
        "name": incident["name"],
        "status_category": _SLIM_CATEGORIES.get(category, category),
        "visibility": incident["visibility"],
        **summary,
    }


def write_timestamps(account: IncidentIO, incident: Json, entries: list[Json]) -> None:
    """Set these timestamps and leave the others. Without `value` one is cleared, which the vendor leaves open."""
    for number, entry in enumerate(entries):
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
    """Return the unset roles and timestamps of a new incident, which the API lists in full."""
    embedded = [{**role, "required": role["role_type"] == "lead"} for role in account.roles]
    yield "incident_role_assignments", [{"role": role} for role in embedded]
    yield "incident_timestamp_values", [{"incident_timestamp": dict(timestamp)} for timestamp in account.timestamps]


def _unknown(at: str, wanted: object) -> ApiError:
    return ApiError(422, Problem(f"{at}: nothing fits {wanted!r}", at, "not_found"))


def _invalid(at: str, why: str) -> ApiError:
    return ApiError(422, Problem(f"{at}: {why}", at, "invalid_value"))
