"""Answers that fit: texts are cut, and what was cut says how to read the rest.

A list costs at most so much a row. No answer costs more than `MOST_TOKENS`, beyond which hosts cut by themselves,
without a mark.
"""

import json
import re
from bisect import bisect
from functools import lru_cache
from itertools import accumulate, takewhile
from math import inf
from typing import Any, cast

from incident_mcp.records.text import make_visible
from incident_mcp.records.tokens import tokens

Json = dict[str, Any]
MOST_TOKENS = 19_000
"""Of any answer, as `cost.tokens` estimates it."""
FEW = 5
"""Rows up to which a list shows its texts whole."""

_WHOLE = re.compile(r"(.*_)?(id|at|ago|age|reference|permalink|url)|incident|since_success")
"""Fields that are ids, references, instants or spans: half of one is worth nothing."""
_KINDS = frozenset({"category", "kind", "mode", "source", "state", "status_category", "type", "visibility"})
_IDENTITY = frozenset({"id", "reference", "incident_id", "note_id"})
_LENGTHS = (1, 3, 6, 9, 12, 16, 20, 25, 32, 40, 50, 60, 80, 120, 200, 400)
_PROBLEM = 100
"""Characters that are left at least of a text in `problems`."""
_LEAST, _LONGEST_KEY = 200, 120
"""Characters that are left at least of a text of a single record, and at most of a name in it."""
_PARTS = [round(500 * 1.1**step) for step in range(80)]
"""Characters that may be left of a text of a single record."""
_ITEMS = [0, 1, 2, 5, *(round(10 * 1.2**step) for step in range(60))]
_DEAREST, _DEAREST_ASCII = 4.2, 1.6
"""Tokens that a character of JSON costs at most, as `tokens` estimates it."""


def shorten(text: str, length: int, mark: str = "…") -> str:
    """Cut a text to `length` characters and end it with the mark of a cut."""
    return text if len(text) <= length else text[: length - len(mark)].rstrip(_DANGLING) + mark


_DANGLING = " \t\r\n\u200c\u200d"
"""White space, and joiners with nothing left to join."""


class _Measured:
    """A list answer, measured once: what its texts cost is counted again for each length, the rest is not."""

    def __init__(self, answer: Json, mark: str) -> None:
        self.answer, self.mark = answer, mark
        self.texts: list[tuple[str, int]] = []
        """Texts that may be cut, each with the characters that are left of it at least."""
        self.fixed = 1 + sum(
            1.1 + tokens(key) + (self._of(cast("object", value), "") if isinstance(value, list) else tokens(value))
            for key, value in answer.items()
        )

    def _of(self, value: object, name: str) -> float:
        if isinstance(value, str):
            if _stays(value, name):
                return tokens(value)
            self.texts.append((value, _PROBLEM if name == "problems" else 0))
            return 0
        if isinstance(value, list):
            return 1 + sum(0.5 + self._of(item, name) for item in cast("list[object]", value))
        if isinstance(value, dict):
            items = cast("Json", value).items()
            return 1 + sum(1.1 + tokens(key) + self._of(item, key) for key, item in items)
        return tokens(value)

    def whole(self) -> float:
        """Return what the answer costs uncut."""
        return self.fixed + sum(tokens(text) for text, _ in self.texts)

    def at(self, length: int) -> float:
        """Return what it costs with its texts cut."""
        cut = sum(tokens(shorten(text, max(length, least))) for text, least in self.texts)
        return self.fixed + 1.1 + tokens("cut") + tokens(self.mark) + cut

    def cut(self, length: int) -> Json:
        """Return it with its texts cut."""
        rows = {name: _cut(value, length, name) for name, value in self.answer.items() if isinstance(value, list)}
        # A cut inside of an emoji leaves what was hidden in it.
        return {**self.answer, **make_visible(rows), "cut": self.mark}


def fit(answer: Json, most: float, mark: str, longest: float | None = None) -> Json:
    """Shorten the texts in the rows of a list until it costs at most about `most` tokens, and add the mark.

    Args:
        answer: The list's answer.
        most: What it may cost.
        mark: Says how to read what was cut.
        longest: Most characters of a text in any case; infinite: as many as fit.
    """
    measured = _Measured(answer, mark)
    lengths = [*(length for length in _LENGTHS if longest is None or length < longest)]
    if longest == inf:
        lengths += _PARTS
    elif longest is not None and any(len(text) > longest for text, _ in measured.texts):
        lengths.append(int(longest))
    if lengths[-1] != longest and measured.whole() <= most:
        return answer
    room = bisect(lengths, most, key=measured.at)
    return measured.cut(lengths[max(0, room - 1)])


def _cut(value: Any, length: int, name: str = "") -> Any:  # noqa: ANN401  # the JSON edge
    if isinstance(value, str):
        return value if _stays(value, name) else shorten(value, max(length, _PROBLEM) if name == "problems" else length)
    if isinstance(value, list):
        return [_cut(item, length, name) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _cut(item, length, key) for key, item in cast("Json", value).items()}
    return value


def _stays(value: str, name: str) -> bool:
    if _is_whole(name):
        # Longer than any id: something else was put there.
        return len(value) <= 80  # noqa: PLR2004
    return name in _KINDS and re.fullmatch(r"[A-Za-z_.]{1,20}", value) is not None


@lru_cache(maxsize=256)
def _is_whole(name: str) -> bool:
    return _WHOLE.fullmatch(name) is not None


def rows_within(answer: Json, name: str, most: float) -> int:
    """Return how many rows of a list fit into an answer."""
    rows = cast("list[object]", answer[name])
    room = most - tokens({**answer, name: []})
    costs = accumulate(0.5 + tokens(row) for row in rows)
    return sum(1 for _ in takewhile(lambda cost: cost <= room, costs))


def bound(answer: Json, most: float, advice: str, offset: int = 0, *, lists: bool = True) -> Json:
    """Cut the texts of a record, then its lists, so that it costs at most about `most` tokens.

    Args:
        answer: The record's answer.
        most: What it may cost.
        advice: How to read the rest of its texts; `{offset}` is how many characters of them were shown.
        offset: Characters of its long texts that are left out since they were read before; else all of it is shown.
        lists: Whether lists may be cut too.
    """
    shown = _rest(answer, offset) if offset else answer
    if not is_larger(shown, most):
        return shown
    lengths = [_LEAST, 300, 400, *_PARTS]
    room = bisect(lengths, most, key=lambda length: tokens(_Clipped(length).of(shown)))
    clipped = _Clipped(lengths[max(0, room - 1)])
    result = clipped.of(shown)
    if not room and lists:
        room = bisect(_ITEMS, most, key=lambda items: tokens(_Clipped(_LEAST, items).of(shown)))
        clipped = _Clipped(_LEAST, _ITEMS[max(0, room - 1)])
        result = clipped.of(shown)
    marks = [f"Texts that end in … were cut{advice.format(offset=offset + clipped.length)}."] if clipped.cuts else []
    marks += [f"{number} of {name} are not shown." for name, number in clipped.left_out.items()]
    return {**make_visible(result), "cut": " ".join(marks)}


def is_larger(answer: Json, most: float) -> bool:
    """Return whether an answer costs more, without estimating what is surely small."""
    text = json.dumps(answer, ensure_ascii=False)
    dearest = _DEAREST_ASCII if text.isascii() else _DEAREST
    return len(text) * dearest > most and tokens(answer) > most


class _Clipped:
    """Cuts a record, and keeps what it cut."""

    MOST_NAMED = 10

    def __init__(self, length: int, items: int | None = None) -> None:
        self.length, self.items = length, items
        self.cuts = False
        self.left_out: dict[str, int] = {}

    def of(self, value: Any, name: str = "") -> Any:  # noqa: ANN401  # the JSON edge
        """Return a value with its texts, lists and objects cut."""
        if isinstance(value, str):
            if len(value) <= self.length:
                return value
            self.cuts = True
            return value[: self.length] + "…"
        if isinstance(value, list):
            rows = cast("list[object]", value)
            return [self.of(row, name) for row in rows[: self._count(len(rows), name)]]
        if isinstance(value, dict):
            fields = list(cast("Json", value).items())
            most = self._count(len(fields), name) if name else None
            clipped: Json = {}
            for key, item in fields[:most]:
                short = shorten(key, _LONGEST_KEY)
                # Two long names may begin alike.
                short = f"{short} {len(clipped)}" if short in clipped else short
                clipped[short] = self.of(item, f"{name}.{short}" if name else short)
            return clipped
        return value

    def _count(self, number: int, name: str) -> int | None:
        if self.items is None or number <= self.items:
            return None
        if name in self.left_out or len(self.left_out) < self.MOST_NAMED:
            self.left_out[name] = self.left_out.get(name, 0) + number - self.items
        return self.items


def _rest(answer: Json, offset: int) -> Json:
    """Return what names a record, and the rest of its texts that are longer than `offset` characters."""
    left = cast("Json", _left(answer, offset) or {})
    identity = {key: value for key, value in answer.items() if key in _IDENTITY}
    if not left:
        return {**identity, "cut": f"No text is longer than {offset} characters."}
    return {**identity, **left}


def _left(value: Any, offset: int) -> Any:  # noqa: ANN401  # the JSON edge
    if isinstance(value, str):
        return value[offset:] or None
    if isinstance(value, list):
        return [left for item in cast("list[object]", value) if (left := _left(item, offset)) is not None] or None
    if isinstance(value, dict):
        record = cast("Json", value)
        left = {key: rest for key, item in record.items() if (rest := _left(item, offset)) is not None}
        return {**{key: record[key] for key in record if key in _IDENTITY}, **left} if left else None
    return None
