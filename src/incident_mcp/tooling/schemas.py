"""JSON schemas from annotations, flat and without `$ref`, `anyOf`, titles or nulls: some hosts drop a tool with these.

No schema is a boolean either (`additionalProperties: false`), because converters of large SDKs do not accept one. The
server rejects unknown arguments itself.

Pydantic generates such schemas too, but builds every validator first, which would add a tenth to the server's startup.
The tests compare each schema with pydantic's.
"""

import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from incident_mcp.records.record import Json

_SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def object_schema(model: type[BaseModel]) -> Json:
    """Return the schema of a model's fields, under their own names."""
    fields = {name: info for name, info in model.model_fields.items() if not info.exclude}
    schema: Json = {"properties": {name: _field(info) for name, info in fields.items()}, "type": "object"}
    if required := [name for name, info in fields.items() if info.is_required()]:
        schema["required"] = required
    return schema


def _field(info: FieldInfo) -> Json:
    schema = {**_type(info.annotation), **_bounds(info.metadata)}
    if info.description:
        schema["description"] = info.description
    # An omitted argument means False or None anyway.
    if not info.is_required() and info.default is not None and info.default is not False:
        schema["default"] = info.default
    return schema


def _type(annotation: Any) -> Json:  # noqa: ANN401, PLR0911  # any annotation; a table
    """Return the schema of a type; of `T | None` it is that of T."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return {**_type(inner[0]), **_bounds(inner[1:])}
    if origin in (Union, UnionType):
        (arm,) = (arm for arm in inner if arm is not type(None))
        return _type(arm)
    if origin is Literal:
        return {"enum": list(inner), "type": "string"}
    if origin is list:
        return {"items": _type(inner[0]), "type": "array"}
    if origin is dict:
        return {"type": "object"} if inner[1] is Any else {"additionalProperties": _type(inner[1]), "type": "object"}
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    return {"description": inspect.cleandoc(annotation.__doc__), **object_schema(annotation)}


def _bounds(metadata: Any) -> Json:  # noqa: ANN401  # whatever stands in an annotation
    """Return the keywords of bounds; validators next to them have none."""
    keywords: Json = {}
    for each in metadata:
        if isinstance(each, FieldInfo):
            keywords |= _bounds(each.metadata) | ({"description": each.description} if each.description else {})
        elif isinstance(each, MinLen):
            keywords["minLength"] = each.min_length
        elif isinstance(each, MaxLen):
            keywords["maxLength"] = each.max_length
        elif isinstance(each, Ge):
            keywords["minimum"] = each.ge
        elif isinstance(each, Le):
            keywords["maximum"] = each.le
    return keywords
