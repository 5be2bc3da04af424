"""Base of Ionhour's records, and its numbers as arguments."""

from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from incident_mcp.records.record import Json, Record, is_foreign

IncidentId = Annotated[int, Field(ge=1, description="Alert number.")]
NoteId = Annotated[int, Field(ge=1, description="Note number.")]


class IonhourRecord(Record):
    """A record that the API sends with camelCase keys."""

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object, info: ValidationInfo) -> object:
        # Some fields have two keys: a null under one must not hide the value under the other.
        return without_nulls(value) if is_foreign(info) else value


def without_nulls(value: Any, depth: int = 3) -> Any:  # noqa: ANN401  # the JSON edge
    """Remove nulls from an object and the objects in it, as deep as fields are read."""
    if not isinstance(value, dict) or not depth:
        return cast("object", value)
    record = cast("Json", value)
    return {name: without_nulls(item, depth - 1) for name, item in record.items() if item is not None}
