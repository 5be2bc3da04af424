"""The base classes of all records: read leniently, written without nulls."""

import json
import math
from typing import Annotated, Any, ClassVar, Self, TypeVar, cast

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

from incident_mcp.records import instants
from incident_mcp.records.fitting import MAX_TOKENS, bound, fit, is_larger, rows_within, shorten
from incident_mcp.records.html import start_to_text
from incident_mcp.records.text import visible_answer

Json = dict[str, Any]
"""A JSON object: the only use of Any."""


def part(value: Json, key: str) -> Json:
    """Return an object inside a JSON object, or an empty one."""
    inner = value.get(key)
    return cast("Json", inner) if isinstance(inner, dict) else {}


def parts(value: Json, key: str) -> list[Json]:
    """Return the objects of a list inside a JSON object, or an empty list."""
    inner = value.get(key)
    return (
        [cast("Json", row) for row in cast("list[object]", inner) if isinstance(row, dict)]
        if isinstance(inner, list)
        else []
    )


def without_none(**fields: Any) -> Json:  # noqa: ANN401  # the JSON edge
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


class Record(BaseModel):
    """A resource of an API. Unknown keys are ignored, and missing ones are omitted from the result.

    Fields are read from the API's JSON by their validation aliases and serialized by name. Only the identity is
    required: optional fields that cannot be read are omitted.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True, defer_build=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _leave_out_unreadable(cls, value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            if isinstance(value, float) and not math.isfinite(value) and is_foreign(info):
                # Text fields accept numbers, but not NaN and infinity.
                raise ValueError("is not a number")  # noqa: TRY301  # the handler below decides
            return read(value)
        except ValueError:
            field = cls.model_fields[info.field_name or ""]
            if not is_foreign(info) or field.is_required():
                raise
            return field.get_default(call_default_factory=True)

    REST: ClassVar = ""
    """How to read the rest of its texts that were cut; `{offset}` is the number of characters shown."""

    def dump(self) -> Json:
        """Return the record as JSON, without nulls."""
        return self.model_dump(mode="json", exclude_none=True)

    def answer(self, most: float = MAX_TOKENS) -> Json:
        """Return the result of a tool: no hidden characters, and at most `most` tokens."""
        return bound(visible_answer(self.dump()), most, self.REST)

    @classmethod
    def from_dump(cls, dump: Json) -> Self:
        """Read the JSON of `dump`, strictly and by field name.

        Raises:
            ValidationError: It is not a dump of this record.
        """
        return cls.model_validate(dump, by_alias=False, by_name=True)


class Long(Record):
    """A record with long texts that can be read in parts."""

    offset: int = Field(default=0, validation_alias="characters that were read before", exclude=True)

    def answer(self, most: float = MAX_TOKENS) -> Json:
        """Return the result of a tool, without the first `offset` characters of long texts."""
        return bound(visible_answer(self.dump()), most, self.REST, self.offset)


_FOREIGN = {"foreign": True}


def is_foreign(info: ValidationInfo) -> bool:
    """Return whether a service's response is being read, rather than the JSON of `dump`."""
    return info.context is _FOREIGN


A = TypeVar("A", bound=BaseModel)


def read_answer(content: bytes, model: type[A]) -> A:
    """Read a service's response. Rows without a readable identity are skipped and counted in `unreadable`.

    All JSON is parsed in Rust, and only the fields of the record become Python objects: every row of a list of
    incidents repeats all options of all custom fields.

    Raises:
        ValidationError: It is not JSON, or has no readable identity.
    """
    try:
        return model.model_validate_json(
            content if content.strip() not in _EMPTY else b"{}", context=_FOREIGN, by_alias=True, by_name=False
        )
    except ValidationError:
        return read_body(read_json(content), model)


_EMPTY = (b"", b"null")


def read_body(body: object, model: type[A]) -> A:
    """Read a service's parsed JSON as `read_answer` does.

    Raises:
        ValidationError: It has no readable identity.
    """
    try:
        return model.model_validate(body, context=_FOREIGN, by_alias=True, by_name=False)
    except ValidationError as error:
        rows = _without_unreadable(body, error)
        if rows is None:
            raise
    read = model.model_validate(rows[0], context=_FOREIGN, by_alias=True, by_name=False)
    return read.model_copy(update={"unreadable": rows[1] or None})


def _without_unreadable(body: object, error: ValidationError) -> tuple[object, int] | None:
    """Return the response without its unreadable rows, and their number; None if anything else is wrong."""
    # A bare list is read as an envelope of `items`.
    envelope = {"items": cast("list[object]", body)} if isinstance(body, list) else body
    if not isinstance(envelope, dict):
        return None
    response = dict(cast("Json", envelope))
    unreadable = _find_unreadable(response, error)
    if unreadable is None:
        return None
    for name, numbers in unreadable.items():
        response[name] = [row for number, row in enumerate(response[name] or ()) if number not in numbers]
    return response, sum(map(len, unreadable.values()))


def _find_unreadable(response: Json, error: ValidationError) -> dict[str, set[int]] | None:
    """Return the numbers of the unreadable rows of each list; a null list has none. None if anything else is wrong."""
    unreadable: dict[str, set[int]] = {}
    for place in {tuple(problem["loc"][:2]) for problem in error.errors(include_url=False, include_input=False)}:
        match place:
            case (str(name), int(number)) if isinstance(response.get(name), list):
                unreadable.setdefault(name, set()).add(number)
            case (str(name),) if response.get(name, ()) is None:
                unreadable[name] = set()
            case _:
                return None
    return unreadable


def read_json(content: bytes) -> object:
    """Parse JSON as leniently as Python: with unpaired surrogates, NaN and invalid UTF-8. None if it is not JSON."""
    if content.strip() in _EMPTY:
        return {}
    try:
        return json.loads(content.decode("utf-8-sig", errors="replace"), parse_int=_number)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= 100 else None  # noqa: PLR2004  # no id or count is that long


R = TypeVar("R", bound=Record)


def _to_second(value: object) -> str:
    instant = instants.parse_instant(value)
    if instant is None:
        raise ValueError("is not a timestamp")
    return instants.to_second(instant)


Instant = Annotated[str, BeforeValidator(_to_second)]
"""An RFC 3339 timestamp in UTC, to the second."""


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) and math.isfinite(value) else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer; a fraction from a service is rounded."""


def _only_texts(value: object) -> object:
    if not isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]  # any JSON
    return [row for row in cast("list[object]", value) if isinstance(row, str)]


Texts = Annotated[list[str], BeforeValidator(_only_texts)]
"""The texts of a list: what else is in it is omitted."""


HtmlText = Annotated[str, BeforeValidator(lambda value: start_to_text(value) if isinstance(value, str) else value)]
"""The plain text of a field that may contain HTML."""


def quoted(value: str | list[str], length: int = 200) -> str:
    """Return texts on one line, in quotes that none of their characters can close."""
    text = " ".join((value if isinstance(value, str) else ", ".join(value)).split())
    return json.dumps(shorten(text, length), ensure_ascii=False)


def cut_at(length: int, mark: str) -> AfterValidator:
    """Return a validator that cuts a text field of a list row."""
    return AfterValidator(lambda text: shorten(text, length, mark) if isinstance(text, str) else text)


class Listed(Record):
    """A list, cut to fit: 25 rows cost at most about 1,900 tokens, and more rows in proportion."""

    MARK: ClassVar = "Texts that end in … were cut to fit."
    """How to read the texts that were cut."""
    LONGEST: ClassVar[int | None] = None
    """Maximum number of characters of a text in a row."""
    has_more: bool = False
    unreadable: int | None = Field(default=None, validation_alias="unreadable rows")
    """Number of rows skipped because they have no readable identity."""
    whole: bool = Field(default=False, validation_alias="texts are shown whole", exclude=True)
    """True if so few rows are requested that their texts are shown in full."""

    def answer(self, most: float = MAX_TOKENS) -> Json:
        """Return the result of a tool: texts are cut to its token budget, then the last rows are omitted."""
        dump = visible_answer(self.dump())
        name = max(dump, key=lambda name: len(parts(dump, name)))
        rows = len(parts(dump, name))
        budget = MAX_TOKENS if self.whole else self.most_tokens(rows)
        # If there can be a next page, rows are omitted before texts are cut to nothing.
        result = self._fitted(dump, budget if self.first(1) else min(most, budget))
        if not rows or ("cut" not in result and budget <= most) or not is_larger(result, most):
            return result
        kept = rows_within(result, name, most)
        page = self.first(kept)
        if page is not None:
            return page.answer(most)
        return {**result, name: result[name][:kept], "cut": f"{rows - kept} rows are omitted. {self.MARK}"}

    def _fitted(self, dump: Json, most: float) -> Json:
        return fit(dump, most, self.MARK, math.inf if self.whole else self.LONGEST)

    def first(self, rows: int) -> Self | None:
        """Return the list with only its first rows and the cursor that follows them. None if it has no cursor."""
        del rows
        return None

    def most_tokens(self, rows: int) -> float:
        """Return the token budget for this number of rows."""
        return 76 * max(rows, 25)


Offset = Annotated[int | None, Field(ge=1, description="Skip this many characters of long texts.")]

Name = Annotated[str, cut_at(120, "… [cut]")]
"""A name or title in a list row."""
