"""The schemas of a tool as hosts read them, generated with pydantic.

They are flat, without `$ref`, `anyOf`, titles or nulls, because some hosts drop a tool that has one. No schema is a
boolean (`additionalProperties: false`), because converters of large SDKs do not accept it; the server rejects unknown
arguments itself.
"""

import inspect
from typing import Any, get_args, get_origin

from incident_mcp.tooling.tools import ToolResult, ToolSpec
from incident_mcp.writing.result import WriteResult

Schema = dict[str, Any]

KEYWORDS = (
    *("enum", "items", "additionalProperties", "properties", "type", "required"),
    *("minLength", "maxLength", "minimum", "maximum", "description", "default"),
)
"""The keywords that a schema may have, in their order."""
RESULT_PROPERTIES: Schema = {
    "dry_run": {"type": "boolean", "description": "True: nothing was written."},
    "would_send": {
        "type": "object",
        "description": "The request that a call without dry_run sends.",
        "properties": {
            "service": {"type": "string"},
            "method": {"type": "string"},
            "path": {"type": "string"},
            "body": {"type": "object"},
        },
        "required": ["service", "method", "path"],
    },
    "repeated": {
        "type": "boolean",
        "description": "True: an earlier, identical call did this; nothing new was created.",
    },
    "similar_open": {
        "type": "array",
        "items": {"type": "string"},
        "description": "For declarations: incidents that may be the same outage.",
    },
    "note": {"type": "string", "description": "Remarks about the result."},
}
"""What `WriteResult.dump` adds to a record."""


def input_schema(spec: ToolSpec) -> Schema:
    """Return the schema of a tool's arguments."""
    return _flat_object(spec.arguments.model_json_schema())


def output_schema(spec: ToolSpec) -> Schema:
    """Return the schema of a tool's result."""
    result = inspect.signature(spec.fn, eval_str=True).return_annotation
    if result == ToolResult:
        # The result of the tool that it calls.
        return {"type": "object"}
    writes = get_origin(result) is WriteResult
    record = get_args(result)[0] if writes else result
    schema = _flat_object(record.model_json_schema(by_alias=False, mode="serialization"))
    if writes:
        schema.pop("required", None)
        schema["properties"] |= _result_properties(spec)
    return schema


def _result_properties(spec: ToolSpec) -> Schema:
    """Return what `WriteResult.dump` adds to a record: of a write that takes two calls, the preview and its code."""
    if isinstance(spec.preview, bool):
        return RESULT_PROPERTIES
    preview = _flat_object(spec.preview.model_json_schema(by_alias=False, mode="serialization"))
    code = {"type": "string", "description": "The code with which an identical call sends the request."}
    rest = {name: value for name, value in RESULT_PROPERTIES.items() if name not in ("dry_run", "similar_open")}
    rest["would_send"] = {**rest["would_send"], "description": "The request that was held back."}
    return {"preview": preview, "confirm": code, **rest}


def _flat_object(schema: Schema) -> Schema:
    flat = flatten(schema, schema.get("$defs", {}))
    flat.pop("description", None)
    return flat


def flatten(schema: Schema, definitions: Schema) -> Schema:
    """Return one of pydantic's schemas with references inlined, `T | None` as T, no titles, no null or false defaults.

    Raises:
        ValueError: A keyword is not among `KEYWORDS`.
    """
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    arms = [arm for arm in schema.get("anyOf", ()) if arm.get("type") != "null"]
    if len(arms) == 1:
        return flatten({**arms[0], **{name: value for name, value in schema.items() if name != "anyOf"}}, definitions)
    flat = {name: _flatten_value(name, value, definitions) for name, value in schema.items() if _is_kept(name, value)}
    if unknown := flat.keys() - set(KEYWORDS):
        raise ValueError(f"A schema has {', '.join(unknown)}, which some hosts reject. Allowed: {', '.join(KEYWORDS)}.")
    # A nested object starts with its description.
    order = ("description", *KEYWORDS) if "properties" in flat else KEYWORDS
    return {name: flat[name] for name in sorted(flat, key=order.index)}


def _flatten_value(name: str, value: Any, definitions: Schema) -> Any:  # noqa: ANN401  # any keyword's value
    if name == "properties":
        return {key: flatten(item, definitions) for key, item in value.items()}
    return flatten(value, definitions) if isinstance(value, dict) else value


def _is_kept(name: str, value: object) -> bool:
    if name == "default":
        # Omitting the argument means the same.
        return value is not None and value is not False
    return name not in ("$defs", "$ref", "title") and not (name == "additionalProperties" and isinstance(value, bool))
