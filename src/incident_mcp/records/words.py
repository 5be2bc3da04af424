"""Finding by words: which words a query asks for, and how many of them occur in a text.

Both sides are normalized alike: width, case, accents and punctuation make no difference, so that `cafe` finds `Café`
and `checkout-api` finds `Checkout API`. A word may occur in part: `deliver` finds `deliveries`. A word of one or two
Latin letters must begin a word: `eu` finds `eu-west-1`, and `is` does not find `list`.
"""

import unicodedata
from collections.abc import Callable, Iterable

MOST_QUERY = 500
"""Characters of a query that are read."""
MOST_WORDS = 12
MOST_TEXT = 20_000
"""Characters of a text that are searched."""
_SHORT = 2
_SHORTEST_WITH_ENDING = 5
_SHORTEST_STEM = 4
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))
_QUOTES = frozenset("`\u00b4<>|")
"""Quotes and separators that Unicode counts among the symbols. Other symbols are content: `c++`, emoji."""


def parse(query: str) -> list[str]:
    """Return the words of a query, normalized for `matched`, each once; none for a query of mere punctuation.

    A word with inner punctuation is one word of several parts: `checkout-api` becomes `checkout api`, which must occur
    in this order.
    """
    words = (_normalize(word) for word in query[:MOST_QUERY].split())
    return list(dict.fromkeys(word for word in words if word))[:MOST_WORDS]


def matched(words: Iterable[str], *texts: str | None) -> int:
    """Return how many of the words occur, at least in part, in any of the texts.

    A word of five or more letters also matches without a plain English ending, if four letters are left: `delays`
    finds `delayed`, `deliveries` finds `delivery`. A word with a digit, such as `db-1`, must occur with all of its
    characters.

    Args:
        words: Words from `parse`.
        texts: The texts to search, each in its first 20,000 characters; None is skipped.
    """
    searched = [f" {_normalize(text[:MOST_TEXT])}" for text in texts if text]
    return sum(any(form in text for form in _forms(word) for text in searched) for word in words)


class _Letters(dict[int, str]):
    """What stands for each letter, worked out when it first occurs: `str.translate` is fast with a dict."""

    def __init__(self, convert: Callable[[str], str]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, code: int) -> str:
        self[code] = converted = self._convert(chr(code))
        return converted


def _without_mark(letter: str) -> str:
    return "" if unicodedata.combining(letter) else letter


def _letter_or_space(letter: str) -> str:
    if letter.isalnum():
        return letter
    category = unicodedata.category(letter)
    if category == "Cf":
        # Soft hyphens and zero-width characters.
        return ""
    return " " if category[0] in "PZC" or letter in _QUOTES else letter


_BARE = _Letters(_without_mark)
_CONTENT = _Letters(_letter_or_space)


def _normalize(text: str) -> str:
    """Return the text in lower case without accents, runs of punctuation as one space."""
    if text.isascii():
        folded = text.lower()
    else:
        # Marks are removed first, too: sorting a long run of them takes quadratic time.
        decomposed = unicodedata.normalize("NFKD", text.translate(_BARE)).casefold()
        folded = unicodedata.normalize("NFKD", decomposed).translate(_BARE)
    return " ".join(folded.translate(_CONTENT).split())


def _forms(word: str) -> list[str]:
    if len(word) <= _SHORT and word.isascii() and word.isalpha():
        return [f" {word}"]
    if len(word) < _SHORTEST_WITH_ENDING or any(map(str.isdigit, word)):
        return [word]
    stem = next((word.removesuffix(ending) + instead for ending, instead in _ENDINGS if word.endswith(ending)), word)
    return [word, stem] if len(stem) >= _SHORTEST_STEM else [word]


def describe_result(found: bool, partly: bool, rest: str | None, hidden: str = "") -> str | None:  # noqa: FBT001  # two facts of one search
    """Say what a search means that found nothing with all words: an empty answer must not read as "there is none".

    Args:
        found: Whether something has all the words.
        partly: Whether something has some of them.
        rest: What to do about those that were not looked at; None if all were.
        hidden: What is not looked at in any case.
    """
    if found:
        return None
    more = f" Not all was looked at: {rest}." if rest else ""
    if partly:
        return f"Nothing that was looked at has all of the words; these have some, those with the most first.{more}"
    return f"Nothing that was looked at has any of the words, tried singly and in part.{more or hidden}"
