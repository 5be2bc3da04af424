"""What every answer is made of: tolerant in, lean out."""

import json
import math
import re
from bisect import bisect
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from incident_mcp import instants
from incident_mcp.cost import tokens
from incident_mcp.html import start_to_text
from incident_mcp.visible import make_visible

Json = dict[str, Any]
"""A JSON object as it travels: the one place for Any."""


def part(value: Json, key: str) -> Json:
    """Return an object inside a JSON object, empty when it is not there."""
    inner = value.get(key)
    return cast("Json", inner) if isinstance(inner, dict) else {}


def parts(value: Json, key: str) -> list[Json]:
    """Return the objects of a list inside a JSON object, none when it is not there."""
    inner = value.get(key)
    return (
        [cast("Json", row) for row in cast("list[object]", inner) if isinstance(row, dict)]
        if isinstance(inner, list)
        else []
    )


class Record(BaseModel):
    """One thing as an API describes it: unknown keys are ignored, absent ones are left out of the answer.

    Fields are read from the API's JSON by their validation aliases and written under their own names. Only identity
    is required: an optional field that cannot be read is left out.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True, defer_build=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_out_unreadable(cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            if is_foreign(info) and isinstance(value, float) and not math.isfinite(value):
                # Text fields take numbers; this one is none.
                raise ValueError("is no number")  # noqa: TRY301  # the handler below decides
            return read(value)
        except ValueError:
            field = cls.model_fields[info.field_name or ""]
            if not is_foreign(info) or field.is_required():
                raise
            return field.get_default(call_default_factory=True)

    def dump(self) -> Json:
        """Return the answer's JSON: no nulls."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_dump(cls, dump: Json) -> Self:
        """Read what `dump` wrote: by field name, and strictly.

        Raises:
            ValidationError: It is not a dump of this record.
        """
        return cls.model_validate(dump, by_alias=False, by_name=True)


_FOREIGN = {"foreign": True}


def is_foreign(info: ValidationInfo) -> bool:
    """Return whether a service's answer is being read, rather than a record of ours."""
    return info.context is _FOREIGN


A = TypeVar("A", bound=BaseModel)


def read_answer(content: bytes, answer: type[A]) -> A:
    """Read a service's answer; rows without a readable identity are counted in `unreadable` and left out.

    The whole JSON is parsed in Rust, and only what the record keeps becomes Python objects: every row of a list of
    incidents repeats all options of all custom fields.

    Raises:
        ValidationError: It is not JSON, or lacks the answer's identity.
    """
    try:
        return answer.model_validate_json(
            content if content.strip() not in _EMPTY else b"{}", context=_FOREIGN, by_alias=True, by_name=False
        )
    except ValidationError:
        return read_body(read_json(content), answer)


_EMPTY = (b"", b"null")


def read_body(body: object, answer: type[A]) -> A:
    """Read parsed JSON of a service as `read_answer` does.

    Raises:
        ValidationError: It lacks the answer's identity.
    """
    try:
        return answer.model_validate(body, context=_FOREIGN, by_alias=True, by_name=False)
    except ValidationError as error:
        rows = _without_odd_rows(body, error)
        if rows is None:
            raise
    read = answer.model_validate(rows[0], context=_FOREIGN, by_alias=True, by_name=False)
    return read.model_copy(update={"unreadable": rows[1] or None})


def _without_odd_rows(body: object, error: ValidationError) -> tuple[object, int] | None:
    """Return the answer with null lists emptied and odd rows removed, and their number; None if more is wrong."""
    places = {tuple(problem["loc"][:2]) for problem in error.errors(include_url=False, include_input=False)}
    if isinstance(body, list):
        # A bare list is read as an envelope of `items`.
        body = {"items": cast("list[object]", body)}
    if not isinstance(body, dict):
        return None
    answer = dict(cast("Json", body))
    odd: dict[str, set[int]] = {}
    for place in places:
        name = str(place[0]) if place else ""
        if len(place) == 2 and isinstance(place[1], int) and isinstance(answer.get(name), list):  # noqa: PLR2004
            odd.setdefault(name, set()).add(place[1])
        elif len(place) == 1 and name in answer and answer[name] is None:
            answer[name] = []
        else:
            return None
    for name, numbers in odd.items():
        answer[name] = [row for number, row in enumerate(answer[name]) if number not in numbers]
    return answer, sum(map(len, odd.values()))


def read_json(content: bytes) -> object:
    """Read JSON as forgivingly as Python does: lone surrogates, NaN and wrong UTF-8 pass; None for what is no JSON."""
    if content.strip() in _EMPTY:
        return {}
    try:
        return json.loads(content.decode("utf-8-sig", errors="replace"), parse_int=_number)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 100 else None  # noqa: PLR2004  # no id or count is that long


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Planned:
    """A write as it would be sent, answered by `dry_run`."""

    service: str
    method: str
    path: str
    body: Json | None

    def dump(self) -> Json:
        """Return the request as JSON."""
        answer: Json = {"service": self.service, "method": self.method, "path": self.path}
        return answer if self.body is None else {**answer, "body": self.body}


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """The outcome of a write: the record, or the request that `dry_run` held back."""

    record: R | None = None
    would_send: Planned | None = None
    repeated: bool = False
    """The record was made by an earlier, identical call; nothing new was made now."""
    note: str | None = None
    """What the caller should know beside the record."""
    similar_open: tuple[str, ...] = ()
    """Open or recent incidents that may be the same outage."""

    def dump(self) -> Json:
        """Return the answer's JSON: the record's own fields, with what else is true of this call."""
        answer: Json = {} if self.record is None else self.record.dump()
        if self.would_send is not None:
            answer |= {"dry_run": True, "would_send": self.would_send.dump()}
        if self.repeated:
            answer["repeated"] = True
        if self.similar_open:
            answer["similar_open"] = list(self.similar_open)
        if self.note:
            answer["note"] = self.note
        return answer


OUTCOME_PROPERTIES: Json = {
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
        "description": "True: an earlier, identical call did this; nothing new was made now.",
    },
    "similar_open": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Of a declaration: incidents that may be the same outage.",
    },
    "note": {"type": "string", "description": "What to know beside the record."},
}


def _to_second(value: object) -> str:
    instant = instants.parse_instant(value)
    if instant is None:
        raise ValueError("is no instant")
    return instants.to_second(instant)


Instant = Annotated[str, BeforeValidator(_to_second)]
"""RFC 3339 in UTC, to the second."""


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) and math.isfinite(value) else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number; a service's fraction is rounded."""


HtmlText = Annotated[str, BeforeValidator(lambda value: start_to_text(value) if isinstance(value, str) else value)]
"""A field that the API may fill with HTML, as text."""


def shorten(text: str, length: int, mark: str = "…") -> str:
    """Cut a text to `length` characters and end it with the mark of a cut."""
    return text if len(text) <= length else text[: length - len(mark)].rstrip(_DANGLING) + mark


_DANGLING = " \t\r\n\u200c\u200d"
"""White space, and joiners with nothing left to join."""


def quoted(value: str | list[str], length: int = 200) -> str:
    """Return a text, or several, on one line and in quotes that nothing in it can end."""
    text = " ".join((value if isinstance(value, str) else ", ".join(value)).split())
    return json.dumps(shorten(text, length), ensure_ascii=False)


def cut_at(length: int, mark: str) -> AfterValidator:
    """Cut a text field of a list row."""
    return AfterValidator(lambda text: shorten(text, length, mark) if isinstance(text, str) else text)


_WHOLE = re.compile(r"(.*_)?(id|at|ago|age|reference|permalink|url)|incident|since_success")
"""Fields that are ids, references, instants or spans: half of one is worth nothing."""
_KINDS = frozenset({"category", "kind", "mode", "source", "state", "status_category", "type", "visibility"})
_MARK = "Texts that end in … were cut to fit: get the one thing, or pass a smaller limit."


def fit(answer: Json, most: int) -> Json:
    """Shorten the texts in the rows of a list until it costs at most about `most` tokens, and add a note on it."""
    if tokens(answer) <= most:
        return answer
    room = bisect(_LENGTHS, most, key=lambda length: tokens(_cut(answer, length)))
    return _cut(answer, _LENGTHS[max(0, room - 1)])


_LENGTHS = (1, 3, 6, 9, 12, 16, 20, 25, 32, 40, 50, 60, 80, 120, 200, 400)


def _cut(answer: Json, length: int) -> Json:
    rows = {name: _cut_rows(value, length, name) for name, value in answer.items() if isinstance(value, list)}
    return {**answer, **rows, "cut": _MARK}


def _cut_rows(value: Any, length: int, name: str = "") -> Any:  # noqa: ANN401  # the JSON edge
    if isinstance(value, str):
        return value if _stays(value, name) else shorten(value, max(length, 100) if name == "problems" else length)
    if isinstance(value, list):
        return [_cut_rows(item, length, name) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _cut_rows(item, length, key) for key, item in cast("Json", value).items()}
    return value


def _stays(value: str, name: str) -> bool:
    if _WHOLE.fullmatch(name):
        # Longer than any id: something else was put there.
        return len(value) <= 80  # noqa: PLR2004
    return name in _KINDS and re.fullmatch(r"[A-Za-z_.]{1,20}", value) is not None


class Listed(Record):
    """An answer of rows, cut to fit: 25 rows cost at most about 1,900 tokens, more in proportion."""

    has_more: bool = False
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Rows that are left out since the service's answer has no readable identity for them."""

    def dump(self) -> Json:
        """Return the answer's JSON, its texts made visible and then cut."""
        answer: Json = make_visible(super().dump())
        rows = max((len(parts(answer, name)) for name in answer), default=0)
        return fit(answer, self.most_tokens(rows))

    def most_tokens(self, rows: int) -> int:
        """Return what the answer may cost."""
        return 76 * max(rows, 25)


Name = Annotated[str, cut_at(120, "… [cut]")]
"""A name or title in a list row."""
