"""Finding by words: which words a query asks for, and how many of them occur in a text.

Both sides are normalized alike: width, case, accents and punctuation make no difference, so that `cafe` finds `Café`
and `checkout-api` finds `Checkout API`. A word may occur in part: `deliver` finds `deliveries`.
"""

import unicodedata
from collections.abc import Iterable

MOST_QUERY = 500
"""Characters of a query that are read."""
MOST_WORDS = 12
MOST_TEXT = 2_000
"""Characters of a text that are searched."""
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
        texts: The texts to search, each in its first 2,000 characters; None is skipped.
    """
    searched = [_normalize(text[:MOST_TEXT]) for text in texts if text]
    return sum(any(form in text for form in _forms(word) for text in searched) for word in words)


def _normalize(text: str) -> str:
    """Return the text in lower case without accents, runs of punctuation as one space."""
    # Marks are removed first, too: sorting a long run of them takes quadratic time.
    bare = _without_marks(text)
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", bare).casefold())
    return " ".join("".join(map(_letter_or_space, _without_marks(folded))).split())


def _without_marks(text: str) -> str:
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def _letter_or_space(letter: str) -> str:
    if letter.isalnum():
        return letter
    category = unicodedata.category(letter)
    if category == "Cf":
        # Soft hyphens and zero-width characters.
        return ""
    return " " if category[0] in "PZC" or letter in _QUOTES else letter


def _forms(word: str) -> list[str]:
    if len(word) < _SHORTEST_WITH_ENDING or any(map(str.isdigit, word)):
        return [word]
    stem = next((word.removesuffix(ending) + instead for ending, instead in _ENDINGS if word.endswith(ending)), word)
    return [word, stem] if len(stem) >= _SHORTEST_STEM else [word]


def describe_result(found: bool, partly: bool, *, complete: bool) -> str | None:  # noqa: FBT001  # two facts of one search
    """Say what a search that found nothing means: an empty answer must not read as "there is none".

    Args:
        found: Whether something has all the words.
        partly: Whether something has some of them.
        complete: Whether all was looked at.
    """
    if found:
        return None
    rest = "" if complete else " Not all was looked at: go on with the filters narrowed, or from `after`."
    if partly:
        return f"Nothing has all the words; these have some of them, the most first.{rest}"
    if complete:
        return "Nothing has any of these words, tried singly and in part. Test incidents are hidden unless asked for."
    return f"Nothing that was looked at has any of these words.{rest}"
