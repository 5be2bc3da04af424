"""Rules under which every host's and SDK's converter takes a tool; `tests/converters` runs some of them for real."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from incident_mcp.catalogue import TOOLS

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

# What Google's Schema, OpenAI's strict mode and the hosts' own forms all know or ignore.
ANNOTATIONS = {"description", "default"}
KEYWORDS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items"},
    "string": {"enum", "minLength", "maxLength"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
}
VALUES = {"array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
PROPERTY = r"[a-zA-Z_][a-zA-Z0-9_]{0,63}"  # Google's rule, the narrowest
DEEPEST = 5

Schema = dict[str, Any]


def walk(schema: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every schema in a schema, itself first, each with the path to it; one that is no object, too."""
    yield path, schema
    if not isinstance(schema, dict):
        return
    for name, inner in schema.get("properties", {}).items():
        yield from walk(inner, (*path, name))
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from walk(schema[keyword], (*path, keyword))


def has_one_known_type(schema: Schema) -> bool:
    return isinstance(schema.get("type"), str) and schema["type"] in KEYWORDS


def has_known_keywords(schema: Schema) -> bool:
    return set(schema) <= {"type", *ANNOTATIONS, *KEYWORDS[schema["type"]]}


def says_what_an_array_holds(schema: Schema) -> bool:
    return schema["type"] != "array" or bool(schema.get("items"))


def chooses_among_strings(schema: Schema) -> bool:
    choices = schema.get("enum", ["any"])
    return bool(choices) and all(isinstance(choice, str) and choice for choice in choices)


def requires_what_it_has(schema: Schema) -> bool:
    required = schema.get("required", [])
    # An empty `required` is invalid in an older draft.
    return ("required" not in schema or bool(required)) and set(required) <= set(schema.get("properties", {}))


def names_its_properties_plainly(schema: Schema) -> bool:
    return all(re.fullmatch(PROPERTY, name) for name in schema.get("properties", {}))


def describes_itself_or_not_at_all(schema: Schema) -> bool:
    return isinstance(text := schema.get("description", "any"), str) and bool(text.strip())


def has_a_default_of_its_type(schema: Schema) -> bool:
    return "default" not in schema or isinstance(schema["default"], VALUES[schema["type"]])


RULES = [
    has_known_keywords,
    says_what_an_array_holds,
    chooses_among_strings,
    requires_what_it_has,
    names_its_properties_plainly,
    describes_itself_or_not_at_all,
    has_a_default_of_its_type,
]


@pytest.fixture
async def published(connect) -> list[tuple[tuple[str, ...], Any]]:
    """Every schema that a client lists, at every depth, with the path to it."""
    async with connect() as call:
        tools = (await call.client.list_tools()).tools
    assert [tool.name for tool in tools] == [spec.name for spec in TOOLS]
    return [
        found
        for tool in tools
        for side, schema in (("input", tool.input_schema), ("output", tool.output_schema))
        for found in walk(schema, (tool.name, side))
    ]


async def test_every_schema_is_an_object_of_one_type_and_none_a_boolean(published):
    assert [path for path, schema in published if not (isinstance(schema, dict) and has_one_known_type(schema))] == []
    assert [path for path, schema in published if len(path) == 2 and schema["type"] != "object"] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
async def test_every_schema_at_every_depth(published, rule: Callable[[Schema], bool]):
    assert [path for path, schema in published if isinstance(schema, dict) and not rule(schema)] == []


async def test_no_schema_is_nested_more_than_five_deep(published):
    assert [path for path, _ in published if len(path) - 1 > DEEPEST] == []


async def test_every_tool_and_argument_has_a_plain_name_and_a_description(connect):
    async with connect() as call:
        tools = (await call.client.list_tools()).tools
    assert [tool.name for tool in tools if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}", tool.name)] == []
    assert [tool.name for tool in tools if not (tool.description or "").strip()] == []
    arguments = [(tool.name, *each) for tool in tools for each in tool.input_schema["properties"].items()]
    assert [(tool, name) for tool, name, schema in arguments if not schema.get("description", "").strip()] == []


@pytest.mark.parametrize(
    ("rule", "schema"),
    [
        (has_one_known_type, {"type": ["string", "null"]}),
        (has_one_known_type, {"type": "null"}),
        (has_one_known_type, {"anyOf": [{"type": "string"}]}),
        (has_known_keywords, {"type": "object", "oneOf": []}),
        (has_known_keywords, {"type": "string", "pattern": "a"}),
        (says_what_an_array_holds, {"type": "array"}),
        (chooses_among_strings, {"type": "string", "enum": [1]}),
        (chooses_among_strings, {"type": "string", "enum": []}),
        (requires_what_it_has, {"type": "object", "properties": {}, "required": ["a"]}),
        (requires_what_it_has, {"type": "object", "required": []}),
        (names_its_properties_plainly, {"type": "object", "properties": {"a.b": {}}}),
        (names_its_properties_plainly, {"type": "object", "properties": {"$a": {}}}),
        (describes_itself_or_not_at_all, {"type": "string", "description": " "}),
        (has_a_default_of_its_type, {"type": "string", "default": None}),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_a_rule_finds_what_breaks_it(rule: Callable[[Schema], bool], schema: Schema):
    assert not rule(schema)


def test_the_walk_finds_a_boolean_at_any_depth():
    inner = {"type": "object", "additionalProperties": True}
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": inner}}}
    assert (("rows", "items", "additionalProperties"), True) in list(walk(schema, ()))
