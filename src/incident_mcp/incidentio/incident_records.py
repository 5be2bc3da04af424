"""An incident as the API nests it, told flat: names for ids, role to person, field to values."""

from collections.abc import Mapping
from typing import Annotated, cast

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from incident_mcp.models import Instant, Json, Name, Record


def _people(assignments: object) -> object:
    """Role to person, of roles that somebody has."""
    if not isinstance(assignments, list):
        return assignments
    told: dict[str, str] = {}
    for entry in cast("list[Json]", assignments):
        person: Json = entry.get("assignee") or {}
        if name := person.get("name") or person.get("email") or person.get("id"):
            told[str((entry.get("role") or {}).get("name"))] = str(name)
    return told or None


def _values(entries: object) -> object:
    """Custom field to its values, of fields that have any."""
    if not isinstance(entries, list):
        return entries
    told = {
        str((entry.get("custom_field") or {}).get("name")): [_value(value) for value in entry.get("values") or ()]
        for entry in cast("list[Json]", entries)
    }
    return {name: values for name, values in told.items() if values} or None


def _value(value: Json) -> str:
    option, entry = value.get("value_option") or {}, value.get("value_catalog_entry") or {}
    said = option.get("value") or entry.get("name") or value.get("value_link") or value.get("value_numeric")
    return str(said or value.get("value_text") or value.get("value_timestamp") or "")


def _instants(entries: object) -> object:
    """Timestamp to its instant, of those that are set."""
    if not isinstance(entries, list):
        return entries
    told = {
        str((entry.get("incident_timestamp") or {}).get("name")): (entry.get("value") or {}).get("value")
        for entry in cast("list[Json]", entries)
    }
    return {name: at for name, at in told.items() if at} or None


def _durations(entries: object) -> object:
    """Duration metric to seconds, of those that are known."""
    if not isinstance(entries, list):
        return entries
    told = {
        str((entry.get("duration_metric") or {}).get("name")): entry.get("value_seconds")
        for entry in cast("list[Json]", entries)
    }
    return {name: seconds for name, seconds in told.items() if seconds is not None} or None


def actor(value: object) -> object:
    """Who did it: a user's name, or the name of the key, workflow or alert."""
    if not isinstance(value, Mapping):
        return value
    for kind in ("user", "api_key", "workflow", "alert"):
        who = value.get(kind)
        if isinstance(who, Mapping):
            name = who.get("name") or who.get("title") or who.get("id")
            return name if kind == "user" else f"{name} ({kind.replace('_', ' ')})"
    return None


Actor = Annotated[str, BeforeValidator(actor)]


class Incident(Record):
    """An incident, whole."""

    id: str
    reference: str | None = None
    """What people say aloud: INC-123."""
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
    creator: Actor | None = None
    roles: Annotated[dict[str, str] | None, BeforeValidator(_people)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    custom_fields: Annotated[dict[str, list[str]] | None, BeforeValidator(_values)] = Field(
        default=None, validation_alias="custom_field_entries"
    )
    timestamps: Annotated[dict[str, Instant] | None, BeforeValidator(_instants)] = Field(
        default=None, validation_alias="incident_timestamp_values"
    )
    duration_seconds: Annotated[dict[str, int] | None, BeforeValidator(_durations)] = Field(
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
    team_ids: list[str] | None = None
    has_debrief: bool | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    last_activity_at: Instant | None = None


class IncidentAnswer(BaseModel):
    """How one incident travels."""

    incident: Incident


def _lead(assignments: object) -> object:
    if not isinstance(assignments, list):
        return assignments
    for entry in cast("list[Json]", assignments):
        if (entry.get("role") or {}).get("role_type") == "lead":
            return (entry.get("assignee") or {}).get("name")
    return None


class IncidentRow(Record):
    """An incident in a list."""

    reference: str
    name: Name | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    lead: Annotated[str | None, BeforeValidator(_lead)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    created_at: Instant | None = None
    updated_at: Instant | None = None
