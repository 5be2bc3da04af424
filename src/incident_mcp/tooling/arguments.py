"""Reading a tool's arguments as hosts and models really send them, before they are checked.

Blank is not a value: hosts and strict function calling fill every optional argument (`""`, `0`, `[]`, "null"), and a
blank that is read as a value wipes a summary or declares a nameless incident. So a blank is left out, here and
nowhere else. A value in another form is read where its meaning is plain; everything else is refused by name.
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

LARGEST = 2**53
"""The largest whole number that every JSON reader keeps exactly."""
_BLANK_WORDS = frozenset({"null", "none", "undefined", "nil", "(null)", "[]", "{}", '""', "''", '"null"'})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc")
"""Characters that count as visible and show nothing."""
_WHOLE = re.compile(r"([+-]?[0-9]{1,16})(\.0*)?", re.ASCII)
_LONGEST_BLANK = 2_000

# The two services' own words, and what hosts and models say, by the argument that takes their place: the first that
# the tool has.
_WORDS: dict[str, tuple[str, ...]] = {
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
"""What incident.io's dashboard says, by what its API says."""


def read_arguments(fields: Mapping[str, FieldInfo], sent: Json, ignored: Collection[str]) -> tuple[Json, list[str]]:
    """Read arguments in the forms in which they come.

    Args:
        fields: The tool's arguments.
        sent: What the host sent.
        ignored: Arguments that hosts add to every call.

    Returns:
        The arguments, without those that are blank, and what is wrong with the others.
    """
    taken: Json = {}
    wrong: list[str] = []
    blank: set[str] = set()
    for name, value in sent.items():
        if name not in fields:
            wrong += [] if name in ignored else [_unknown(name, fields)]
            continue
        field = fields[name]
        try:
            read = _read(value, field.annotation)
        except ValueError as error:
            # A blank in another shape than the argument's, like {} for a number, is a blank all the same.
            if not _is_blank(value, field):
                wrong.append(f"{name} {error}")
                continue
            read = None
        if _is_blank(read, field):
            blank.add(name)
        else:
            taken[name] = read
    missing = [name for name, field in fields.items() if field.is_required() and name not in sent]
    wrong += [f"{name} is required" for name in missing]
    wrong += [f"{name} is blank, and it is required" for name in fields if name in blank and fields[name].is_required()]
    return taken, wrong


def _is_blank(value: object, field: FieldInfo) -> bool:
    """Return whether a value stands for an argument that was left out."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        if value == 0 and _shape(field.annotation)[0] is str:
            return True
        lowest = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
        return value == 0 and lowest == 1
    if isinstance(value, list):
        return all(_is_blank(item, field) for item in cast("list[object]", value))
    return value in (None, {}) or (isinstance(value, str) and _says_nothing(value, words=True))


def _says_nothing(text: str, *, words: bool) -> bool:
    """Return whether a text holds nothing that can be seen, or a programming language's word for nothing.

    Args:
        text: The text.
        words: Whether such a word counts: inside a map `None` may be an option's name.
    """
    text = text.strip()
    if len(text) > _LONGEST_BLANK:
        return False
    seen = "".join(letter for letter in text if letter not in _FILLERS and unicodedata.category(letter) not in _UNSEEN)
    return not seen or (words and unicodedata.normalize("NFKC", seen).casefold() in _BLANK_WORDS)


_UNSEEN = ("Cf", "Cc", "Zs", "Zl", "Zp", "Mn", "Cs")


def _read(value: Any, annotation: Any, *, words: bool = True) -> Any:  # noqa: ANN401, PLR0911  # any JSON, any annotation; a table
    """Read a value in the shape that an annotation asks for.

    Raises:
        ValueError: It is a value of another kind; the text says what the argument takes.
    """
    shape, inner = _shape(annotation)
    if shape is list:
        return _read_list(value, inner[0], words=words)
    if shape is dict:
        return _read_map(value, inner[1])
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) > 1:
            raise ValueError("takes one value, not a list")
        return _read(items[0], annotation, words=words) if items else None
    if shape is Literal:
        return _read_choice(value, inner)
    if shape is int:
        return _read_whole(value)
    if isinstance(value, str):
        return value.strip() if shape is bool else _trim(value)
    return value


def _shape(annotation: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: ANN401  # any annotation
    """Return the type that an annotation asks for, through `Annotated` and `X | None`, and what it holds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(inner[0])
    if origin in (Union, UnionType):
        return _shape(next(arm for arm in inner if arm is not type(None)))
    return origin or annotation, inner


def _read_list(value: Any, inner: Any, *, words: bool) -> Any:  # noqa: ANN401  # any JSON, any annotation
    """Read a list out of JSON or of a lone value; blank items are left out."""
    value = _parsed(value)
    if isinstance(value, str) and _shape(inner)[0] is Literal:
        value = value.split(",")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        return value
    items = [_read(item, inner, words=words) for item in cast("list[object]", value)]
    return [
        item for item in items if item is not None and not (isinstance(item, str) and _says_nothing(item, words=words))
    ]


def _read_map(value: Any, inner: Any) -> Any:  # noqa: ANN401  # any JSON, any annotation
    """Read a map out of JSON; a key with a blank value is left out, one with an empty list is kept: that unsets it."""
    value = _parsed(value)
    if not isinstance(value, dict):
        return value
    taken: Json = {}
    for name, item in cast("Json", value).items():
        if name.strip() in taken:
            raise ValueError(f"names {_shown(name.strip())} twice")
        if item == []:
            taken[name.strip()] = item
            continue
        read = _read(item, inner, words=False)
        if _shape(inner)[0] is str and isinstance(read, int | float) and read == 0:
            continue
        if not (read in (None, [], {}) or (isinstance(read, str) and _says_nothing(read, words=False))):
            taken[name.strip()] = read
    return taken


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
    if isinstance(value, str):
        if _says_nothing(value, words=True):
            return None
        found = _WHOLE.fullmatch(value.strip().removeprefix("#"))
        number = int(found[1]) if found else None
    elif isinstance(value, float):
        number = int(value) if value.is_integer() and abs(value) <= LARGEST else None
    elif isinstance(value, bool):
        number = None
    else:
        number = value
    if number is None and value is not None:
        raise ValueError(f"takes a whole number, not {_shown(value)}")
    if isinstance(number, int) and abs(number) > LARGEST:
        raise ValueError("takes a smaller number")
    return number


def _trim(text: str) -> str:
    """Remove white space around a text; the indentation of the first of several lines is Markdown's."""
    if "\n" not in text.strip():
        return text.strip()
    return re.sub(r"\A(?:[ \t\r]*\n)+", "", text.rstrip())


def _unknown(name: str, fields: Collection[str]) -> str:
    """Say of an unknown argument which one takes its place, as far as that is known."""
    place = next((word for word in _places(name) if word in fields), None) or nearest(name, fields)
    return f"there is no argument {_shown_name(name)}" + (f": pass {place}" if place else "")


def _places(name: str) -> list[str]:
    """Return what an argument may be called here: camelCase and brackets read as words, then by meaning."""
    plain = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name[:80])
    plain = re.sub(r"[\[\].\s-]+", "_", plain).strip("_").lower().removesuffix("_one_of")
    plain = re.sub(r"^custom_field_.+?(_not_in)?$", r"custom_field\1", plain)
    plural = plain.removesuffix("s")
    return [plain, *_WORDS.get(plain, ()), plural, *_WORDS.get(plural, ()), f"{plain}s"]


def _shown_name(name: str) -> str:
    return shorten(one_line(name), 60)


def _shown(value: object) -> str:
    return shorten(json.dumps(value, default=str), 40)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one is closest to."""
    return next(iter(difflib.get_close_matches(name[:80], list(known), n=1)), None)
