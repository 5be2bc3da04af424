"""What every answer is made of: tolerant in, lean out."""

import re
import unicodedata
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from incident_mcp.cost import tokens

Json = dict[str, Any]
"""A JSON object as it travels: the one place for Any."""


def part(value: Json, key: str) -> Json:
    """Give an object inside a JSON object, empty when it is not there."""
    inner = value.get(key)
    return cast("Json", inner) if isinstance(inner, dict) else {}


def parts(value: Json, key: str) -> list[Json]:
    """Give the objects of a list inside a JSON object, none when it is not there."""
    inner = value.get(key)
    return (
        [cast("Json", row) for row in cast("list[object]", inner) if isinstance(row, dict)]
        if isinstance(inner, list)
        else []
    )


class Record(BaseModel):
    """One thing as an API tells it: unknown keys are ignored, absent ones stay away from the answer.

    Fields are read from the API's JSON by validation aliases and told under their own names.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True, defer_build=True
    )

    def dump(self) -> Json:
        """Give the JSON to tell: no nulls."""
        return self.model_dump(mode="json", exclude_none=True)


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Planned:
    """A write as it would be sent, answered by `dry_run`."""

    service: str
    method: str
    path: str
    body: Json | None

    def dump(self) -> Json:
        """Give the request as JSON."""
        told: Json = {"service": self.service, "method": self.method, "path": self.path}
        return told if self.body is None else {**told, "body": self.body}


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of a write: the record, or the request that `dry_run` held back."""

    record: R | None = None
    would_send: Planned | None = None
    repeated: bool = False
    """The record is of an earlier, equal call; nothing was sent now."""
    note: str | None = None
    """What the caller should know beside the record."""

    def dump(self) -> Json:
        """Give the JSON to tell: the record's own fields, with what else is true of this call."""
        told: Json = {} if self.record is None else self.record.dump()
        if self.would_send is not None:
            told |= {"dry_run": True, "would_send": self.would_send.dump()}
        if self.repeated:
            told["repeated"] = True
        if self.note:
            told["note"] = self.note
        return told


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
    "repeated": {"type": "boolean", "description": "True: an earlier, equal call did this; nothing was sent now."},
    "note": {"type": "string", "description": "What to know beside the record."},
}


def to_second(value: object) -> object:
    """Tell an ISO 8601 instant in UTC to the second; what cannot be read stays as it is."""
    if not isinstance(value, str):
        return value
    try:
        instant = datetime.fromisoformat(value)
        instant = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return value
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


Instant = Annotated[str, BeforeValidator(to_second)]
"""RFC 3339 in UTC, to the second."""


class _Text(HTMLParser):
    """Collects what a person would read of an HTML fragment."""

    BREAKS = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"})
    SILENT = frozenset({"script", "style"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        del attrs
        self.silent += tag in self.SILENT
        if tag in self.BREAKS:
            self.parts.append("\n- " if tag == "li" else "\n")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in self.SILENT and self.silent > 0
        if tag in self.BREAKS - {"li", "br"}:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def html_to_text(value: object) -> object:
    """Make readable text of an HTML fragment; text without a tag stays as it is."""
    if not isinstance(value, str) or not re.search(r"<[a-zA-Z/!]", value):
        return value
    parser = _Text()
    parser.feed(value)
    parser.close()
    return re.sub(r"\s*\n\s*", "\n", "".join(parser.parts)).strip()


HtmlText = Annotated[str, BeforeValidator(html_to_text)]
"""A field that the API fills with HTML, told as text."""


def contains(text: str, words: str) -> bool:
    """Say whether words are part of a text, in any case, width and way to write an accent."""
    return _plain(words) in _plain(text)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def some_words(value: str | None) -> str | None:
    """Refuse a text of nothing but blanks, which would be part of every name."""
    if value is not None and not value.strip():
        raise ValueError("has no words to look for")
    return value


def shorten(text: str, length: int, mark: str = "…") -> str:
    """Cut a text to `length` characters and end it with the mark that says so."""
    return text if len(text) <= length else text[: length - len(mark)].rstrip() + mark


def cut_at(length: int, mark: str) -> AfterValidator:
    """Cut a text field of a list row."""
    return AfterValidator(lambda text: shorten(text, length, mark) if isinstance(text, str) else text)


_WHOLE = re.compile(r"(.*_)?(id|at|ago|age|reference|permalink|url)|incident|since_success")
"""Fields that are ids, references, instants or spans: half of one is worth nothing."""
_KINDS = frozenset({"category", "kind", "mode", "source", "state", "status_category", "type", "visibility"})
_MARK = "Texts that end in … were cut to fit: get the one thing, or pass a smaller limit."


def fit(told: Json, most: int) -> Json:
    """Shorten the texts in the rows of a list until it costs at most about `most` tokens, and say so."""
    if tokens(told) <= most:
        return told
    room = bisect(_LENGTHS, most, key=lambda length: tokens(_cut(told, length)))
    return _cut(told, _LENGTHS[max(0, room - 1)])


_LENGTHS = (1, 3, 6, 9, 12, 16, 20, 25, 32, 40, 50, 60, 80, 120, 200, 400)


def _cut(told: Json, length: int) -> Json:
    rows = {name: _cut_rows(value, length, name) for name, value in told.items() if isinstance(value, list)}
    return {**told, **rows, "cut": _MARK}


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

    def dump(self) -> Json:
        """Give the JSON to tell, its texts made visible and then cut."""
        told: Json = make_visible(super().dump())
        rows = max((len(parts(told, name)) for name in told), default=0)
        return fit(told, self.most_tokens(rows))

    def most_tokens(self, rows: int) -> int:
        """Say what the answer may cost."""
        return 76 * max(rows, 25)


Name = Annotated[str, cut_at(120, "… [cut]")]
"""A name or title in a list row."""


_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # text direction
    "\ufeff\ud800-\udfff\U000e0000-\U000e007f]"  # byte order mark, lone surrogates, tags
)


def make_visible(value: Any) -> Any:  # noqa: ANN401  # the JSON edge
    """Write control, text-direction and tag characters as <U+202E>: nothing in a text from elsewhere stays hidden."""
    if isinstance(value, str):
        return _INVISIBLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", value.replace("\r\n", "\n"))
    if isinstance(value, dict):
        return {make_visible(key): make_visible(item) for key, item in cast("Json", value).items()}
    if isinstance(value, list):
        return [make_visible(item) for item in cast("list[object]", value)]
    return value
