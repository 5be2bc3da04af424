"""What Ionhour's resources share: camelCase read as snake case, and lists that come bare or in an envelope."""

from typing import Annotated, cast

from pydantic import ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from incident_mcp.models import Record

IncidentId = Annotated[int, Field(ge=1, description="The alert's number.")]
NoteId = Annotated[int, Field(ge=1, description="The note's number.")]


class IonhourRecord(Record):
    """A record whose keys the API writes in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


class Listing(Record):
    """A list answer: Ionhour documents an envelope, and its own code reads a bare array."""

    page: int = 1
    page_count: int = Field(default=1, validation_alias="pageCount")

    @property
    def has_more(self) -> bool:
        """Whether a further page exists."""
        return self.page < self.page_count

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"items": cast("list[object]", value)} if isinstance(value, list) else value
