"""The schemas that the package ships; tests/docs/test_generated.py checks that they are up to date."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from incident_mcp.tooling.schemas import shipped
from tools.generate import COMMAND
from tools.schemas import flatten


def flattened(model: type[BaseModel]):
    schema = model.model_json_schema()
    return flatten(schema, schema.get("$defs", {}))


def test_a_tool_without_schemas_names_the_command_that_generates_them():
    with pytest.raises(LookupError, match=COMMAND):
        shipped("not_generated")


class Place(BaseModel):
    """Where it is."""

    street: str
    number: int | None = Field(default=None, ge=1)


def test_a_schema_is_flat_without_references_unions_titles_booleans_or_idle_defaults():
    class Person(BaseModel, extra="forbid"):
        place: Place | None = None
        kind: Literal["a", "b"] = Field("a", description="Which.")
        active: bool = False

    assert flattened(Person)["properties"] == {
        "place": {
            "description": "Where it is.",
            "properties": {"street": {"type": "string"}, "number": {"type": "integer", "minimum": 1}},
            "type": "object",
            "required": ["street"],
        },
        "kind": {"enum": ["a", "b"], "type": "string", "description": "Which.", "default": "a"},
        "active": {"type": "boolean"},
    }
    assert flattened(Person).keys() == {"properties", "type"}


@pytest.mark.parametrize("annotation", [int | str, tuple[int, int]])
def test_a_schema_that_hosts_reject_is_not_generated(annotation):
    class Odd(BaseModel):
        odd: annotation

    with pytest.raises(ValueError, match="some hosts reject"):
        flattened(Odd)
