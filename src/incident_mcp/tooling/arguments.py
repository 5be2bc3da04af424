"""Read a tool's arguments in the forms in which hosts and models send them, before they are validated.

A blank is not a value: hosts and strict function calling fill every optional argument (`""`, `0`, `[]`, "null"), and a
blank that counts as a value clears a summary or declares an incident without a name. So blanks are dropped, here and
nowhere else. A value in another form is accepted if its meaning is unambiguous; everything else is rejected by name.
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge
from pydantic.fields import FieldInfo

from incident_mcp.records.record import Json, shorten
from incident_mcp.records.text import one_line

MAX_INTEGER = 2**53
"""The largest integer that every JSON parser keeps exactly."""
_NULL_WORDS = frozenset({"null", "none", "undefined", "nil", "(null)", "[]", "{}", '""', "''", '"null"'})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc")
"""Characters that Unicode counts as visible and that display nothing."""
_INVISIBLE = ("Cf", "Cc", "Zs", "Zl", "Zp", "Mn", "Cs")
"""Unicode categories of characters that display nothing."""
_WHOLE = re.compile(r"([+-]?[0-9]{1,16})(\.0*)?", re.ASCII)
_LONGEST_BLANK = 2_000

# Names that the two services' APIs, hosts and models use, with the arguments that replace them: the first one that the
# tool has counts.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "severity_id": ("severity",),
    "to_severity_id": ("severity",),
    "new_severity": ("severity",),
    "incident_status_id": ("status",),
    "to_incident_status_id": ("status",),
    "new_incident_status": ("status",),
    "incident_status": ("status",),
    "status_id": ("status",),
    "incident_type_id": ("incident_type",),
    "type": ("incident_type",),
    "custom_field_entries": ("custom_fields",),
    "custom_field": ("custom_fields",),
    "custom_field_not_in": ("custom_fields_not_in",),
    "incident_role_assignments": ("roles",),
    "role": ("roles", "incident_role"),
    "incident_timestamp_values": ("timestamps",),
    "slack_channel_name_override": ("slack_channel_name",),
    "page_size": ("limit",),
    "per_page": ("limit",),
    "max_results": ("limit",),
    "cursor": ("after", "page"),
    "id": ("incident", "incident_id", "ionhour_incident_id"),
    "incident_id": ("incident", "ionhour_incident_id"),
    "incident": ("incident_id", "ionhour_incident_id"),
    "reference": ("incident",),
    "title": ("name",),
    "description": ("summary",),
    "query": ("name_contains",),
    "search": ("name_contains",),
    "note": ("body",),
    "content": ("body", "message", "summary"),
    "text": ("body", "message", "summary"),
    "body": ("message",),
    "message": ("body",),
    "state": ("status_category",),
    "status": ("state", "status_category"),
    "category": ("status_category",),
    "project": ("project_id",),
    "check": ("check_id",),
    "workspace": ("workspace_id",),
    "notify": ("notify_incident_channel",),
}
_CHOICES = {"active": "live", "post_incident": "learning"}
"""Values of incident.io's dashboard to those of its API."""


def read_arguments(fields: Mapping[str, FieldInfo], sent: Json, ignored: Collection[str]) -> tuple[Json, list[str]]:
    """Read the arguments of a call.

    Args:
        fields: The tool's arguments.
        sent: What the host sent.
        ignored: Arguments that hosts add to every call.

    Returns:
        The arguments that are not blank, and a complaint about each one that cannot be read.
    """
    values: Json = {}
    wrong: list[str] = []
    for name in [name for name in sent if name in fields or name not in ignored]:
        try:
            values[name] = _read_argument(name, sent[name], fields)
        except ValueError as error:
            wrong.append(str(error))
    wrong += _missing(fields, sent, values)
    return {name: value for name, value in values.items() if value is not None}, wrong


def _missing(fields: Mapping[str, FieldInfo], sent: Json, values: Json) -> list[str]:
    """Return a complaint about each required argument that is missing or blank."""
    required = [name for name, field in fields.items() if field.is_required()]
    missing = [f"{name} is required" for name in required if name not in sent]
    return missing + [f"{name} is blank, and it is required" for name in required if values.get(name, "") is None]


def _read_argument(name: str, value: Any, fields: Mapping[str, FieldInfo]) -> Any:  # noqa: ANN401  # any JSON
    """Return the value of an argument, None for a blank.

    Raises:
        ValueError: The argument is unknown, or its value has another type; the message says what to pass.
    """
    if name not in fields:
        raise ValueError(_unknown(name, fields))
    field = fields[name]
    try:
        read = _read(value, field.annotation)
    except ValueError as error:
        # A blank of another type, like {} for a number, is still a blank.
        if _is_blank(value, field):
            return None
        raise ValueError(f"{name} {error}") from None
    return None if _is_blank(read, field) else read


def _is_blank(value: object, field: FieldInfo) -> bool:
    """Return whether a value means that the argument is omitted."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        return value == 0 and (_shape(field.annotation)[0] is str or _starts_at_one(field))
    if isinstance(value, list):
        return all(_is_blank(item, field) for item in cast("list[object]", value))
    return value in (None, {}) or (isinstance(value, str) and _is_blank_text(value, null_words=True))


def _starts_at_one(field: FieldInfo) -> bool:
    return any(isinstance(bound, Ge) and bound.ge == 1 for bound in field.metadata)


def _is_blank_text(text: str, *, null_words: bool) -> bool:
    """Return whether a text has no visible characters, or is a programming language's word for nothing.

    Args:
        text: The text.
        null_words: True if such a word counts. Inside a map, `None` may be the name of an option.
    """
    text = text.strip()
    if len(text) > _LONGEST_BLANK:
        return False
    visible = "".join(
        letter for letter in text if letter not in _FILLERS and unicodedata.category(letter) not in _INVISIBLE
    )
    return not visible or (null_words and unicodedata.normalize("NFKC", visible).casefold() in _NULL_WORDS)


def _read(value: Any, annotation: Any, *, null_words: bool = True) -> Any:  # noqa: ANN401, PLR0911  # any JSON, any annotation; a table
    """Read a value as the type of an annotation.

    Raises:
        ValueError: The value has another type; the message says what the argument accepts.
    """
    shape, inner = _shape(annotation)
    if shape is list:
        return _read_list(value, inner[0], null_words=null_words)
    if shape is dict:
        return _read_map(value, inner[1])
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) > 1:
            raise ValueError("takes one value, not a list")
        return _read(items[0], annotation, null_words=null_words) if items else None
    if shape is Literal:
        return _read_choice(value, inner)
    if shape is int:
        return _read_whole(value)
    if isinstance(value, str):
        return value.strip() if shape is bool else _trim(value)
    return value


def _shape(annotation: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  # any annotation
    """Return the type in an annotation, unwrapped from `Annotated` and `X | None`, and its type arguments."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(inner[0])
    if origin in (Union, UnionType):
        return _shape(next(arm for arm in inner if arm is not type(None)))
    return origin or annotation, inner


def _read_list(value: Any, inner: Any, *, null_words: bool) -> Any:  # noqa: ANN401  # any JSON, any annotation
    """Read a list from JSON or from a single value, without blank items."""
    value = _parsed(value)
    if isinstance(value, str) and _shape(inner)[0] is Literal:
        value = value.split(",")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        return value
    items = [_read(item, inner, null_words=null_words) for item in cast("list[object]", value)]
    return [item for item in items if item is not None and not _is_blank_item(item, null_words=null_words)]


def _is_blank_item(item: object, *, null_words: bool) -> bool:
    return isinstance(item, str) and _is_blank_text(item, null_words=null_words)


def _read_map(value: Any, inner: Any) -> Any:  # noqa: ANN401  # any JSON, any annotation
    """Read a map from JSON, without keys that have a blank value. An empty list stays: it clears a field."""
    value = _parsed(value)
    if not isinstance(value, dict):
        return value
    if inner is Any:
        # The arguments of another tool, which reads them itself.
        return cast("Json", value)
    values: Json = {}
    for name, item in cast("Json", value).items():
        if name.strip() in values:
            raise ValueError(f"names {_quote(name.strip())} twice")
        read = _read(item, inner, null_words=False)
        if item == [] or not _is_blank_entry(read, inner):
            values[name.strip()] = [] if item == [] else read
    return values


def _is_blank_entry(value: object, inner: Any) -> bool:  # noqa: ANN401  # any annotation
    """Return whether a value in a map is blank."""
    if _shape(inner)[0] is str and isinstance(value, int | float) and value == 0:
        return True
    return value in (None, [], {}) or _is_blank_item(value, null_words=False)


def _parsed(value: Any) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            pass
    return value


def _read_choice(value: Any, choices: Iterable[str]) -> Any:  # noqa: ANN401  # any JSON
    if not isinstance(value, str):
        return value
    wanted = re.sub(r"[\s-]+", "_", value.strip()).casefold()
    known = {choice.casefold(): choice for choice in choices}
    if wanted in known:
        return known[wanted]
    if _CHOICES.get(wanted) in known.values():
        raise ValueError(f"has no value {wanted.replace('_', '-')}: pass {_CHOICES[wanted]}")
    return value.strip()


def _read_whole(value: Any) -> Any:  # noqa: ANN401  # any JSON
    if value is None or _is_blank_item(value, null_words=True):
        return None
    number = _whole(value)
    if number is None:
        raise ValueError(f"takes a whole number, not {_quote(value)}")
    if isinstance(number, int) and abs(number) > MAX_INTEGER:
        raise ValueError("takes a smaller number")
    return number


def _whole(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Return a text or number as a whole number, None if it is not one; other types unchanged."""
    match value:
        case str():
            found = _WHOLE.fullmatch(value.strip().removeprefix("#"))
            return int(found[1]) if found else None
        case float():
            return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else None
        case bool():
            return None
        case _:
            return value


def _trim(text: str) -> str:
    """Strip a text, but keep the indentation of its first line if it has several: in Markdown it means something."""
    if "\n" not in text.strip():
        return text.strip()
    return re.sub(r"\A(?:[ \t\r]*\n)+", "", text.rstrip())


def _unknown(name: str, fields: Collection[str]) -> str:
    """Return a complaint about an unknown argument, with the argument to pass instead if that is known."""
    if name == "dry_run" and "confirm" in fields:
        return "unknown argument dry_run: a call without confirm is a preview and sends nothing"
    place = next((alias for alias in _aliases(name) if alias in fields), None) or nearest(name, fields)
    return f"unknown argument {_quote_name(name)}" + (f": pass {place}" if place else "")


def _aliases(name: str) -> list[str]:
    """Return names that an argument may have here: its words in snake case, then its synonyms."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name[:80])
    snake = re.sub(r"[\[\].\s-]+", "_", snake).strip("_").lower().removesuffix("_one_of")
    snake = re.sub(r"^custom_field_.+?(_not_in)?$", r"custom_field\1", snake)
    singular = snake.removesuffix("s")
    return [snake, *_SYNONYMS.get(snake, ()), singular, *_SYNONYMS.get(singular, ()), f"{snake}s"]


def _quote_name(name: str) -> str:
    return shorten(one_line(name), 60)


def _quote(value: object) -> str:
    return shorten(json.dumps(value, default=str), 40)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelled one is closest to."""
    return next(iter(difflib.get_close_matches(name[:80], list(known), n=1)), None)
