"""An incident as the API nests it, told flat: names for ids, role to person, field to values."""

from typing import Annotated, Any, cast

from pydantic import AliasPath, BaseModel, BeforeValidator, Field, model_validator

from incident_mcp.models import Instant, Json, Name, Record, part, parts, to_second


def _entries(value: object) -> list[Json] | None:
    """The entries of a nested list, None for what is no list: it was told flat before."""
    return parts({"value": value}, "value") if isinstance(value, list) else None


def _people(value: object) -> object:
    """Role to person, of roles that somebody has."""
    if (entries := _entries(value)) is None:
        return value
    told: Json = {}
    for entry in entries:
        person = part(entry, "assignee")
        if name := person.get("name") or person.get("email") or person.get("id"):
            told[str(part(entry, "role").get("name"))] = str(name)
    return told or None


def _values(value: object) -> object:
    """Custom field to its values, of fields that have any."""
    if (entries := _entries(value)) is None:
        return value
    told = {
        str(part(entry, "custom_field").get("name")): [
            said for each in parts(entry, "values") if (said := _value(each))
        ]
        for entry in entries
    }
    return {name: values for name, values in told.items() if values} or None


def _value(value: Json) -> str:
    option, entry = part(value, "value_option"), part(value, "value_catalog_entry")
    said = option.get("value") or entry.get("name") or value.get("value_link") or value.get("value_numeric")
    return str(said or value.get("value_text") or value.get("value_timestamp") or "")


def _instants(value: object) -> object:
    """Timestamp to its instant, of those that are set."""
    if (entries := _entries(value)) is None:
        return value
    told = {str(part(entry, "incident_timestamp").get("name")): part(entry, "value").get("value") for entry in entries}
    return {name: at for name, at in told.items() if at} or None


def _durations(value: object) -> object:
    """Duration metric to seconds, of those that are known."""
    if (entries := _entries(value)) is None:
        return value
    told = {str(part(entry, "duration_metric").get("name")): entry.get("value_seconds") for entry in entries}
    return {name: seconds for name, seconds in told.items() if seconds is not None} or None


def actor(value: object) -> object:
    """Who did it: a user's name, or the name of the key, workflow or alert."""
    if not isinstance(value, dict):
        return value
    told = cast("Json", value)
    for kind in ("user", "api_key", "workflow", "alert"):
        who = part(told, kind)
        if name := who.get("name") or who.get("title") or who.get("id"):
            return name if kind == "user" else f"{name} ({kind.replace('_', ' ')})"
    return None


Actor = Annotated[str | None, BeforeValidator(actor)]


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
    creator: Actor = None
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


class RawIncidentAnswer(BaseModel):
    """One incident as it travels, unread."""

    incident: Json


def holds(raw: Json, fields: Json) -> bool:
    """Say whether an incident is as an edit wants it.

    Args:
        raw: The incident as the API tells it.
        fields: The body's fields of the edit.
    """
    return all(_is(raw, name, wanted) for name, wanted in fields.items())


def _is(raw: Json, name: str, wanted: Any) -> bool:  # noqa: ANN401  # any JSON
    match name:
        case "severity_id" | "incident_status_id":
            return part(raw, name.removesuffix("_id")).get("id") == wanted
        case "slack_channel_name_override":
            return raw.get("slack_channel_name") == wanted
        case "custom_field_entries":
            values = {part(e, "custom_field").get("id"): _value_ids(parts(e, "values")) for e in parts(raw, name)}
            return all(values.get(e["custom_field_id"], []) == _value_ids(e["values"]) for e in wanted)
        case "incident_role_assignments":
            people = {part(e, "role").get("id"): part(e, "assignee") for e in parts(raw, name)}
            return all(people.get(e["incident_role_id"], {}).items() >= e["assignee"].items() for e in wanted)
        case "incident_timestamp_values":
            at = {part(e, "incident_timestamp").get("id"): part(e, "value").get("value") for e in parts(raw, name)}
            return all(to_second(at.get(e["incident_timestamp_id"])) == to_second(e["value"]) for e in wanted)
        case _:
            return raw.get(name) == wanted


def _value_ids(values: list[Json]) -> list[str]:
    """What a value is, written (`value_option_id`) and read (`value_option.id`) alike."""
    return sorted(
        str(
            value.get("value_option_id")
            or value.get("value_catalog_entry_id")
            or part(value, "value_option").get("id")
            or part(value, "value_catalog_entry").get("id")
            or _value(value)
        )
        for value in values
    )


def lead_of(value: object) -> object:
    """Who leads, of an incident's role assignments."""
    if (entries := _entries(value)) is None:
        return value
    leads = (part(entry, "assignee") for entry in entries if part(entry, "role").get("role_type") == "lead")
    return next((told for each in leads if (told := each.get("name") or each.get("email") or each.get("id"))), None)


class IncidentRow(Record):
    """An incident in a list."""

    reference: str
    name: Name | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    lead: Annotated[str | None, BeforeValidator(lead_of)] = Field(
        default=None, validation_alias="incident_role_assignments"
    )
    created_at: Instant | None = None
    updated_at: Instant | None = None
    """Left out while it is the instant of creation."""

    @model_validator(mode="before")
    @classmethod
    def _never_updated(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        told = cast("Json", value)
        same = told.get("updated_at") == told.get("created_at")
        return {name: item for name, item in told.items() if not (same and name == "updated_at")}
