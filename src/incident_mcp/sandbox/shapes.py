"""The shapes of request bodies, and what is wrong with a body that does not have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from .clock import read_instant


@dataclass(frozen=True)
class Part:
    """One key of a JSON object."""

    kind: Literal["string", "boolean", "integer", "instant", "object", "list"]
    required: bool = False
    choices: tuple[str, ...] = ()
    not_empty: bool = False
    shape: "Mapping[str, Part]" = field(default_factory=dict[str, "Part"])
    """The keys of an object, or of every object in a list."""


Shape = Mapping[str, Part]


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with a body."""

    code: str
    message: str
    field: str


def flaws(body: object, shape: Shape, at: str = "") -> Iterator[Flaw]:
    """Everything wrong with `body`, outermost first.

    Unknown keys are flaws at any depth. The vendor ignores them, as far as is known; the sandbox does not, so that a
    misspelt key shows instead of doing nothing.
    """
    if not isinstance(body, dict):
        yield Flaw("invalid_type", "must be an object", at)
        return
    given = cast("dict[str, Any]", body)
    for key, part in shape.items():
        if key in given:
            yield from _part_flaws(given[key], part, at + key)
        elif part.required:
            yield Flaw("is_required", f"{at}{key} is required", at + key)
    for key in given:
        if key not in shape:
            yield Flaw("unknown_field", f"{at}{key} is not a field of this request", at + key)


def _part_flaws(value: Any, part: Part, at: str) -> Iterator[Flaw]:  # noqa: ANN401  JSON
    match part.kind, value:
        case "object", dict():
            yield from flaws(cast("object", value), part.shape, f"{at}.")
        case "list", list():
            for number, item in enumerate(cast("list[object]", value)):
                yield from flaws(item, part.shape, f"{at}.{number}.")
        case "string", str():
            yield from _string_flaws(value, part, at)
        case "instant", str() if read_instant(value):
            pass
        case ("boolean", bool()):
            pass
        case "integer", int() if not isinstance(value, bool):
            pass
        case _:
            kind = "RFC 3339 instant" if part.kind == "instant" else part.kind
            yield Flaw("invalid_type", f"{at} must be of type {kind}", at)


def _string_flaws(value: str, part: Part, at: str) -> Iterator[Flaw]:
    if part.choices and value not in part.choices:
        yield Flaw("invalid_value", f"{at} must be one of {', '.join(part.choices)}, not {value!r}", at)
    if part.not_empty and not value:
        yield Flaw("is_required", f"{at} must not be empty", at)
