"""Cut results to their token budget; what is cut ends in a mark, and the result explains how to read the rest.

A list has a budget per row. No result costs more than `MAX_TOKENS`, because hosts cut larger ones without a mark.
"""

import json
import re
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, takewhile
from math import inf
from typing import Any, cast

from incident_mcp.records.text import make_visible
from incident_mcp.records.tokens import tokens

Json = dict[str, Any]
MAX_TOKENS = 19_000
"""Token budget of any result, as `tokens` estimates it."""
FEW = 5
"""Up to this many rows, a list shows its texts in full."""

_UNCUT = re.compile(r"(.*_)?(id|at|ago|age|reference|permalink|url)|incident|since_success")
"""Fields that hold IDs, references, timestamps or durations, which are useless when cut."""
_KINDS = frozenset({"category", "kind", "mode", "source", "state", "status_category", "type", "visibility"})
_IDENTITY = frozenset({"id", "reference", "incident_id", "note_id"})
_ROW_LENGTHS = [1, 3, 6, 9, 12, 16, 20, 25, 32, 40, 50, 60, 80, 120, 200, 400]
"""Lengths to which the texts of a list's rows are cut."""
_MIN_PROBLEM = 100
"""Minimum length of a text in `problems`."""
_MIN_TEXT, _MAX_KEY = 200, 120
"""Minimum length of a text of a single record, and maximum length of a key in it."""
_PARTS = [round(500 * 1.1**step) for step in range(80)]
_TEXT_LENGTHS = [_MIN_TEXT, 300, 400, *_PARTS]
"""Lengths to which the texts of a single record are cut."""
_ITEM_COUNTS = [0, 1, 2, 5, *(round(10 * 1.2**step) for step in range(60))]
_MAX_COST, _MAX_COST_ASCII = 4.2, 1.6
"""Maximum tokens per character of JSON, as `tokens` estimates it."""


def shorten(text: str, length: int, mark: str = "…") -> str:
    """Cut a text to `length` characters, the mark of a cut included."""
    return text if len(text) <= length else text[: length - len(mark)].rstrip(_DANGLING) + mark


_DANGLING = " \t\r\n\u200c\u200d"
"""White space, and joiners with nothing left to join."""


def _largest(sizes: Sequence[int], most: float, cost: Callable[[int], float]) -> int:
    """Return the largest of the sorted sizes that costs at most `most`; the smallest if none does."""
    return sizes[max(0, bisect(sizes, most, key=cost) - 1)]


def fit(answer: Json, most: float, mark: str, longest: float | None = None) -> Json:
    """Shorten the texts in a list's rows until the result costs at most about `most` tokens, and add the mark.

    Args:
        answer: The result.
        most: Its token budget.
        mark: Explains how to read what was cut.
        longest: Maximum length of a text, whatever the budget. Infinite: as long as the budget allows.
    """
    lists: Json = {name: value for name, value in answer.items() if isinstance(value, list)}
    texts = list(_texts(lists))
    lengths = _row_lengths(texts, longest)
    if lengths[-1] != longest and tokens(answer) <= most:
        return answer
    fixed = tokens({**answer, "cut": mark}) - sum(tokens(text) for text, _ in texts)
    length = _largest(
        lengths,
        most,
        lambda length: fixed + sum(tokens(shorten(text, max(length, least))) for text, least in texts),
    )
    # A cut inside an emoji leaves hidden characters.
    return {**answer, **make_visible(_cut(lists, length)), "cut": mark}


def _row_lengths(texts: Sequence[tuple[str, int]], longest: float | None) -> list[int]:
    """Return the lengths to which texts may be cut; the last one is `longest` if a text is longer."""
    if longest is None:
        return _ROW_LENGTHS
    lengths = [length for length in _ROW_LENGTHS if length < longest]
    if longest == inf:
        return lengths + _PARTS
    return [*lengths, int(longest)] if any(len(text) > longest for text, _ in texts) else lengths


def _texts(value: object, name: str = "") -> Iterator[tuple[str, int]]:
    """Yield the texts that may be cut, each with its minimum length."""
    if isinstance(value, str):
        if not _stays(value, name):
            yield value, _min_length(name)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _texts(item, name)
    elif isinstance(value, dict):
        for key, item in cast("Json", value).items():
            yield from _texts(item, key)


def _cut(value: Any, length: int, name: str = "") -> Any:  # noqa: ANN401  # any JSON
    """Return a value with the texts that `_texts` yields cut to a length."""
    if isinstance(value, str):
        return value if _stays(value, name) else shorten(value, max(length, _min_length(name)))
    if isinstance(value, list):
        return [_cut(item, length, name) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: _cut(item, length, key) for key, item in cast("Json", value).items()}
    return value


def _min_length(name: str) -> int:
    return _MIN_PROBLEM if name == "problems" else 0


def _stays(value: str, name: str) -> bool:
    if _is_uncut(name):
        # Longer than any ID: it is something else.
        return len(value) <= 80  # noqa: PLR2004
    return name in _KINDS and re.fullmatch(r"[A-Za-z_.]{1,20}", value) is not None


@lru_cache(maxsize=256)
def _is_uncut(name: str) -> bool:
    return _UNCUT.fullmatch(name) is not None


def rows_within(answer: Json, name: str, most: float) -> int:
    """Return how many rows of a list fit into a budget."""
    rows = cast("list[object]", answer[name])
    room = most - tokens({**answer, name: []})
    costs = accumulate(0.5 + tokens(row) for row in rows)
    return sum(1 for _ in takewhile(lambda cost: cost <= room, costs))


def bound(answer: Json, most: float, advice: str, offset: int = 0, *, lists: bool = True) -> Json:
    """Cut the texts of a record, then its lists, so that it costs at most about `most` tokens.

    Args:
        answer: The result.
        most: Its token budget.
        advice: How to read the rest of its texts; `{offset}` is replaced by the number of characters that were shown.
        offset: Number of characters of each long text to skip, because they were read before.
        lists: True if lists may be cut, too.
    """
    shown = _rest(answer, offset) if offset else answer
    if not is_larger(shown, most):
        return shown
    clipped = _Clipped(_largest(_TEXT_LENGTHS, most, lambda length: tokens(_Clipped(length).of(shown))))
    result = clipped.of(shown)
    if lists and tokens(result) > most:
        items = _largest(_ITEM_COUNTS, most, lambda items: tokens(_Clipped(_MIN_TEXT, items).of(shown)))
        clipped = _Clipped(_MIN_TEXT, items)
        result = clipped.of(shown)
    marks = [f"Texts that end in … were cut{advice.format(offset=offset + clipped.length)}."] if clipped.cuts else []
    marks += [f"{number} of {name} are not shown." for name, number in clipped.left_out.items()]
    return {**make_visible(result), "cut": " ".join(marks)}


def is_larger(answer: Json, most: float) -> bool:
    """Return whether a result costs more than `most`; one that is certainly small is not estimated."""
    text = json.dumps(answer, ensure_ascii=False)
    cost = _MAX_COST_ASCII if text.isascii() else _MAX_COST
    return len(text) * cost > most and tokens(answer) > most


class _Clipped:
    """Cuts a record, and records what it cut."""

    MAX_NAMED = 10

    def __init__(self, length: int, items: int | None = None) -> None:
        self.length, self.items = length, items
        self.cuts = False
        """True if a text was cut."""
        self.left_out: dict[str, int] = {}
        """Number of items that are left out, by the name of the list or object."""

    def of(self, value: Any, name: str = "") -> Any:  # noqa: ANN401  # any JSON
        """Return a value with its texts, lists and objects cut."""
        if isinstance(value, str):
            if len(value) <= self.length:
                return value
            self.cuts = True
            return value[: self.length] + "…"
        if isinstance(value, list):
            rows = cast("list[object]", value)
            return [self.of(row, name) for row in rows[: self._count(len(rows), name)]]
        return self._of_object(cast("Json", value), name) if isinstance(value, dict) else value

    def _of_object(self, value: Json, name: str) -> Json:
        most = self._count(len(value), name) if name else None
        clipped: Json = {}
        for key, item in list(value.items())[:most]:
            short = shorten(key, _MAX_KEY)
            # Two long keys may start alike.
            short = f"{short} {len(clipped)}" if short in clipped else short
            clipped[short] = self.of(item, f"{name}.{short}" if name else short)
        return clipped

    def _count(self, number: int, name: str) -> int | None:
        """Return the number of items to show; None for all."""
        if self.items is None or number <= self.items:
            return None
        if name in self.left_out or len(self.left_out) < self.MAX_NAMED:
            self.left_out[name] = self.left_out.get(name, 0) + number - self.items
        return self.items


def _rest(answer: Json, offset: int) -> Json:
    """Return a record's identity, and the rest of its texts that are longer than `offset` characters."""
    return _rest_of_object(answer, offset) or {
        **_identity(answer),
        "cut": f"No text is longer than {offset} characters.",
    }


def _rest_of_object(record: Json, offset: int) -> Json | None:
    rests = {key: _rest_of(item, offset) for key, item in record.items()}
    found = {key: rest for key, rest in rests.items() if rest is not None}
    return {**_identity(record), **found} if found else None


def _rest_of(value: Any, offset: int) -> Any:  # noqa: ANN401  # any JSON
    """Return the part of a value that follows the first `offset` characters of its texts; None if nothing does."""
    if isinstance(value, str):
        return value[offset:] or None
    if isinstance(value, list):
        rests = [_rest_of(item, offset) for item in cast("list[object]", value)]
        return [rest for rest in rests if rest is not None] or None
    return _rest_of_object(cast("Json", value), offset) if isinstance(value, dict) else None


def _identity(record: Json) -> Json:
    return {key: value for key, value in record.items() if key in _IDENTITY}
