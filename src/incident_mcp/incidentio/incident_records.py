"""An incident as the API nests it, flattened: names for ids, role to person, field to values."""

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import AliasPath, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Long, Name, Record, is_foreign, part, parts


def _flat(read: Callable[[list[Json]], object]) -> BeforeValidator:
    """Flatten a nested list of the API's; what was flattened before, as our own dumps are, stays as it is."""

    def flatten(value: object, info: ValidationInfo) -> object:
        if not is_foreign(info):
            return value
        return read(parts({"value": value}, "value"))

    return BeforeValidator(flatten)


def _named(entries: Iterable[tuple[Json, Any]]) -> Json | None:
    """Return values by the names of what they belong to; a second thing of the same name carries its id."""
    values: Json = {}
    ids: dict[str, object] = {}
    for thing, value in entries:
        number = _text(thing.get("id"))
        name = _text(thing.get("name")) or number or "?"
        if ids.setdefault(name, number) != number:
            name = f"{name} ({number})"
        values[name] = [*values[name], *value] if isinstance(value, list) and name in values else value
    return values or None


def _text(value: object) -> str:
    """Return a text or number as text, and nothing of anything else."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _texts(value: object) -> object:
    """Return the readable items of a list of texts."""
    return [text for item in cast("list[object]", value) if (text := _text(item))] if isinstance(value, list) else value


def _person(assignee: Json) -> str | None:
    names = (_text(assignee.get(key)) for key in ("name", "email", "id"))
    return next(filter(None, names), None)


def _people(entries: list[Json]) -> Json | None:
    """Role to person, of roles that somebody has; several people of one role are joined by a comma."""
    assigned = [(part(entry, "role"), [who]) for entry in entries if (who := _person(part(entry, "assignee")))]
    named = _named(assigned)
    return named and {role: ", ".join(people) for role, people in named.items()}


def _values(entries: list[Json]) -> Json | None:
    """Custom field to its values, of fields that have any."""
    read = [(part(entry, "custom_field"), [_value(each) for each in parts(entry, "values")]) for entry in entries]
    return _named((field, [value for value in values if value]) for field, values in read if any(values))


def _value(value: Json) -> str:
    """Return a value's words: of an option or entry its name, of a kind that is not known whatever it holds."""
    kinds = [name for name in value if name.startswith("value_")] or [name for name in value if name != "id"]
    return next((text for name in kinds if (text := _words(value[name]))), "")


def _words(value: object) -> str:
    if isinstance(value, dict):
        parts_of = cast("Json", value)
        return next(
            (text for name in ("value", "name", "label", "email", "id") if (text := _words(parts_of.get(name)))), ""
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value)


def _instants(entries: list[Json]) -> Json | None:
    """Timestamp to its instant, of those that are set."""
    read = [(part(entry, "incident_timestamp"), part(entry, "value").get("value")) for entry in entries]
    return _named((each, at) for each, at in read if parse_instant(at))


def _durations(entries: list[Json]) -> Json | None:
    """Duration metric to seconds, of those that are known."""
    read = [(part(entry, "duration_metric"), entry.get("value_seconds")) for entry in entries]
    return _named(
        (each, round(seconds))
        for each, seconds in read
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds)
    )


def actor(value: object) -> object:
    """Return who did it: a user's name, or the name of the key, workflow, alert or whatever else it was."""
    if not isinstance(value, dict):
        return value
    kinds = cast("Json", value)
    for kind in dict.fromkeys(("user", "api_key", "workflow", "alert", *kinds)):
        who = part(kinds, kind)
        name = who.get("name") or who.get("title") or who.get("id")
        if isinstance(name, str) and name:
            return name if kind == "user" else f"{name} ({kind.replace('_', ' ')})"
    return None


Actor = Annotated[str | None, BeforeValidator(actor)]


class Incident(Long):
    """An incident, whole."""

    REST = ": incidentio_get_incident with offset={offset} shows the rest"
    id: str
    reference: str | None = None
    """What people call it: INC-123."""
    name: str | None = None
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    incident_type: str | None = Field(default=None, validation_alias=AliasPath("incident_type", "name"))
    mode: str | None = None
    visibility: str | None = None
    summary: str | None = None
    permalink: str | None = None
    call_url: str | None = None
    creator: Actor = None
    roles: Annotated[dict[str, str] | None, _flat(_people)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    custom_fields: Annotated[dict[str, list[str]] | None, _flat(_values)] = Field(
        default=None, validation_alias="custom_field_entries"
    )
    timestamps: Annotated[dict[str, Instant] | None, _flat(_instants)] = Field(
        default=None, validation_alias="incident_timestamp_values"
    )
    duration_seconds: Annotated[dict[str, int] | None, _flat(_durations)] = Field(
        default=None, validation_alias="duration_metrics"
    )
    slack_channel_id: str | None = None
    slack_channel_name: str | None = None
    slack_channel_url: str | None = None
    slack_team_id: str | None = None
    ms_teams_channel_url: str | None = None
    postmortem_document_url: str | None = None
    external_issue: str | None = Field(
        default=None, validation_alias=AliasPath("external_issue_reference", "issue_permalink")
    )
    team_ids: Annotated[list[str] | None, BeforeValidator(_texts)] = None
    has_debrief: bool | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    last_activity_at: Instant | None = None
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("severity", "id"), exclude=True)
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` to the last digit."""


class IncidentAnswer(BaseModel):
    """How one incident travels."""

    incident: Incident


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
    return found or {_number(value["value_numeric"]) if "value_numeric" in value else _address(_value(value))}


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


def _lead(entries: list[Json]) -> str | None:
    """Return who leads, of an incident's role assignments."""
    leads = [_person(part(entry, "assignee")) for entry in entries if part(entry, "role").get("role_type") == "lead"]
    return ", ".join(dict.fromkeys(filter(None, leads))) or None


Lead = Annotated[str | None, _flat(_lead)]


class IncidentRow(Record):
    """An incident in a list."""

    id: str | None = Field(default=None, exclude=True)
    """What the API takes for the cursor behind it."""
    reference: str
    name: Name | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments")
    created_at: Instant | None = None
    updated_at: Instant | None = None
    """Left out while it is the instant of creation."""

    @field_validator("updated_at")
    @classmethod
    def _never_updated(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value == info.data.get("created_at") else value
