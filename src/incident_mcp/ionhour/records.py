"""What Ionhour's resources share: camelCase read as snake case, and nulls that hide nothing."""

from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from incident_mcp.records.record import Json, Record, is_foreign

IncidentId = Annotated[int, Field(ge=1, description="Alert number.")]
NoteId = Annotated[int, Field(ge=1, description="Note number.")]


class IonhourRecord(Record):
    """A record whose keys the API writes in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object, info: ValidationInfo) -> object:
        # Some fields have two places: a null in the one must not hide the value in the other.
        return without_nulls(value) if is_foreign(info) else value


def without_nulls(value: Any, depth: int = 3) -> Any:  # noqa: ANN401  # the JSON edge
    """Remove the nulls from an object and from those in it, as deep as fields are read."""
    if not isinstance(value, dict) or not depth:
        return cast("object", value)
    record = cast("Json", value)
    return {name: without_nulls(item, depth - 1) for name, item in record.items() if item is not None}
