"""Shapes of request bodies, and the problems of a body that does not match its shape."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from .clock import read_instant


@dataclass(frozen=True)
class Field:
    """One key of a JSON object."""

    kind: Literal["string", "boolean", "integer", "instant", "object", "list", "strings"]
    required: bool = False
    choices: tuple[str, ...] = ()
    not_empty: bool = False
    shape: "Mapping[str, Field]" = field(default_factory=dict[str, "Field"])
    """The keys of an object, or of every object in a list."""


Shape = Mapping[str, Field]


@dataclass(frozen=True)
class Problem:
    """One problem with a request."""

    message: str
    field: str = ""
    """The body's key or the query's parameter; empty for the whole request."""
    code: str = ""
    """incident.io's code; empty for the one that goes with the status."""


def find_problems(body: object, shape: Shape, at: str = "") -> Iterator[Problem]:
    """Return every problem of `body`, outermost first.

    Unknown keys are problems at any depth. The vendor is believed to ignore them; the sandbox reports them, so that a
    misspelt key does not pass unnoticed.
    """
    if not isinstance(body, dict):
        yield Problem("must be an object", at, "invalid_type")
        return
    values = cast("dict[str, Any]", body)
    for key, expected in shape.items():
        if key in values:
            yield from _value_problems(values[key], expected, at + key)
        elif expected.required:
            yield Problem(f"{at}{key} is required", at + key, "is_required")
    for key in values:
        if key not in shape:
            yield Problem(f"{at}{key} is not a field of this request", at + key, "unknown_field")


_IS_OF: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "instant": lambda value: isinstance(value, str) and bool(read_instant(value)),
    "object": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "strings": lambda value: (
        isinstance(value, list) and all(isinstance(item, str) for item in cast("list[object]", value))
    ),
}
"""Whether a value is of a kind."""


_KINDS = {"instant": "RFC 3339 instant", "strings": "list of strings"}


def _value_problems(value: Any, expected: Field, at: str) -> Iterator[Problem]:  # noqa: ANN401  # JSON
    if not _IS_OF[expected.kind](value):
        kind = _KINDS.get(expected.kind, expected.kind)
        yield Problem(f"{at} must be of type {kind}", at, "invalid_type")
    elif expected.kind == "string":
        yield from _string_problems(value, expected, at)
    elif expected.kind == "object":
        yield from find_problems(value, expected.shape, f"{at}.")
    elif expected.kind == "list":
        for number, item in enumerate(value):
            yield from find_problems(item, expected.shape, f"{at}.{number}.")


def _string_problems(value: str, expected: Field, at: str) -> Iterator[Problem]:
    if expected.choices and value not in expected.choices:
        yield Problem(f"{at} must be one of {', '.join(expected.choices)}, not {value!r}", at, "invalid_value")
    if expected.not_empty and not value:
        yield Problem(f"{at} must not be empty", at, "is_required")
