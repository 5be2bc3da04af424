"""An incident as the API nests it, flattened: names for ids, role to person, field to values."""

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self, cast

from pydantic import AliasPath, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.pages import last_with_id
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Listed, Long, Name, Record, is_foreign, part, parts


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
    read = [(part(entry, "custom_field"), [value_text(each) for each in parts(entry, "values")]) for entry in entries]
    return _named((field, [value for value in values if value]) for field, values in read if any(values))


def value_text(value: Json) -> str:
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


class Incidents(Listed):
    """Incidents, and where to go on."""

    MARK = "Texts that end in … were cut to fit: get the one incident, or pass a smaller limit."
    incidents: list[IncidentRow]
    after: str | None = None
    total: int | None = None
    """Of all that match, where the API says it."""
    looked_at: int | None = None
    """With `name_contains`: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains`: whether those were all that the other filters leave."""
    note: str | None = None
    sorted_by_hits: bool = Field(default=False, exclude=True)
    """Whether the rows come in another order than the service's."""

    def first(self, rows: int) -> Self | None:
        """Return the answer with its first rows and the cursor behind them."""
        last = last_with_id(self.incidents, rows)
        if self.sorted_by_hits or not last:
            return None
        # The API's cursor is the id of the last record.
        update = {"incidents": self.incidents[:last], "has_more": True, "after": self.incidents[last - 1].id}
        return self.model_copy(update=update)
