"""An incident, flattened: names instead of ids, person by role, values by custom field."""

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Self, cast

from pydantic import AliasPath, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.incidents.impact import has_unreadable_end, impact_for
from incident_mcp.incidentio.pages import last_with_id
from incident_mcp.records.clock import utc_now
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import Instant, Json, Listed, Long, Name, Record, is_foreign, part, parts


def flattened(read: Callable[[list[Json]], object]) -> BeforeValidator:
    """Flatten a nested list of the API; a value from this project's own dump is already flat."""

    def flatten(value: object, info: ValidationInfo) -> object:
        if not is_foreign(info):
            return value
        return read(parts({"value": value}, "value"))

    return BeforeValidator(flatten)


def by_name(entries: Iterable[tuple[Json, Any]]) -> Json | None:
    """Return values by the name of what they belong to; a second item of the same name is shown with its id."""
    values: Json = {}
    ids: dict[str, object] = {}
    for item, value in entries:
        number = _text(item.get("id"))
        name = _text(item.get("name")) or number or "?"
        if ids.setdefault(name, number) != number:
            name = f"{name} ({number})"
        values[name] = [*values[name], *value] if isinstance(value, list) and name in values else value
    return values or None


def _text(value: object) -> str:
    """Return a text or number as text; an empty text for anything else."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def texts_of(value: object) -> object:
    """Return the readable items of a list of texts."""
    return [text for item in cast("list[object]", value) if (text := _text(item))] if isinstance(value, list) else value


def _person(assignee: Json) -> str | None:
    names = (_text(assignee.get(key)) for key in ("name", "email", "id"))
    return next(filter(None, names), None)


def _people(entries: list[Json]) -> Json | None:
    """Return the person by role, for assigned roles; several people with the same role are joined by commas."""
    assigned = [(part(entry, "role"), [name]) for entry in entries if (name := _person(part(entry, "assignee")))]
    people = by_name(assigned)
    return people and {role: ", ".join(names) for role, names in people.items()}


def _values(entries: list[Json]) -> Json | None:
    """Return the values by custom field, for fields that have any."""
    read = [(part(entry, "custom_field"), [value_text(each) for each in parts(entry, "values")]) for entry in entries]
    return by_name((field, [value for value in values if value]) for field, values in read if any(values))


def value_text(value: Json) -> str:
    """Return a custom field's value as text: an option's or entry's name, or any text of a value of unknown kind."""
    kinds = [name for name in value if name.startswith("value_")] or [name for name in value if name != "id"]
    return next((text for name in kinds if (text := _inner_text(value[name]))), "")


def _inner_text(value: object) -> str:
    if isinstance(value, dict):
        fields = cast("Json", value)
        texts = (_inner_text(fields.get(name)) for name in ("value", "name", "label", "email", "id"))
        return next(filter(None, texts), "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value)


def _times(entries: list[Json]) -> Json | None:
    """Return the date and time by incident timestamp, for timestamps that are set."""
    read = [(part(entry, "incident_timestamp"), part(entry, "value").get("value")) for entry in entries]
    return by_name((timestamp, time) for timestamp, time in read if parse_instant(time))


Timestamps = Annotated[dict[str, Instant] | None, flattened(_times)]
"""The date and time by incident timestamp."""


def _durations(entries: list[Json]) -> Json | None:
    """Return the seconds by duration metric, for known durations."""
    read = [(part(entry, "duration_metric"), entry.get("value_seconds")) for entry in entries]
    return by_name(
        (metric, round(seconds))
        for metric, seconds in read
        if isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds)
    )


def _lead(entries: list[Json]) -> str | None:
    """Return the incident lead's name, from role assignments."""
    leads = [_person(part(entry, "assignee")) for entry in entries if part(entry, "role").get("role_type") == "lead"]
    return ", ".join(dict.fromkeys(filter(None, leads))) or None


Lead = Annotated[str | None, flattened(_lead)]


class Incident(Long):
    """A full incident record."""

    REST = ": incidentio_get_incident with offset={offset} shows the rest"
    id: str
    reference: str | None = None
    """INC-123."""
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
    roles: Annotated[dict[str, str] | None, flattened(_people)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    custom_fields: Annotated[dict[str, list[str]] | None, flattened(_values)] = Field(
        default=None, validation_alias="custom_field_entries"
    )
    timestamps: Timestamps = Field(default=None, validation_alias="incident_timestamp_values")
    impact_for: str | None = Field(default=None, validation_alias="how long customers have been affected")
    duration_seconds: Annotated[dict[str, int] | None, flattened(_durations)] = Field(
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
    team_ids: Annotated[list[str] | None, BeforeValidator(texts_of)] = None
    has_debrief: bool | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    last_activity_at: Instant | None = None
    severity_id: str | None = Field(default=None, validation_alias=AliasPath("severity", "id"), exclude=True)
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""
    changed_at: str | None = Field(default=None, validation_alias="updated_at", exclude=True)
    """`updated_at` unrounded."""
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments", exclude=True)
    end_unreadable: Annotated[bool, flattened(has_unreadable_end)] = Field(
        default=False, validation_alias="incident_timestamp_values", exclude=True
    )

    def dump(self) -> Json:
        """Return the record as JSON, with how long the impact has lasted until now."""
        lasted = None if self.end_unreadable else impact_for(self.timestamps, utc_now(), self.status_category)
        dump = self.model_copy(update={"impact_for": lasted})
        return super(Incident, dump).dump()


class IncidentResponse(BaseModel):
    """The response envelope of one incident."""

    incident: Incident


class IncidentRow(Record):
    """An incident in a list."""

    id: str | None = Field(default=None, exclude=True)
    """Also the cursor of the next row."""
    reference: str
    name: Name | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    lead: Lead = Field(default=None, validation_alias="incident_role_assignments")
    created_at: Instant | None = None
    updated_at: Instant | None = None
    """Omitted if the incident was not updated since it was created."""
    changed_at: str | None = Field(default=None, validation_alias="updated_at", exclude=True)
    """`updated_at` unrounded."""

    @field_validator("updated_at")
    @classmethod
    def _omit_if_not_updated(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value == info.data.get("created_at") else value


class Incidents(Listed):
    """A list of incidents."""

    MARK = "Texts that end in … were cut to fit: get the incident, or pass a smaller limit."
    incidents: list[IncidentRow]
    after: str | None = None
    total: int | None = None
    """Number of matches, if the API reports it."""
    looked_at: int | None = None
    """With `name_contains`: number of incidents searched."""
    looked_at_all: bool | None = None
    """With `name_contains`: true if all incidents that match the other filters were searched."""
    note: str | None = None
    sorted_by_hits: bool = Field(default=False, exclude=True)
    """True if the rows are not in the service's order."""

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        last = last_with_id(self.incidents, rows)
        if self.sorted_by_hits or not last:
            return None
        # The cursor is the id of the last row.
        update = {"incidents": self.incidents[:last], "has_more": True, "after": self.incidents[last - 1].id}
        return self.model_copy(update=update)
