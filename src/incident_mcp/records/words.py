"""Text search: the terms of a query, how many of them a text contains, and the rows that contain them.

Query and text are normalized in the same way: width, case, accents and punctuation do not matter, so that `cafe` finds
`Café` and `checkout-api` finds `Checkout API`. A term may be part of a word: `deliver` finds `deliveries`. A term of
one or two Latin letters must begin a word: `eu` finds `eu-west-1`, but `is` does not find `list`.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

import anyio.lowlevel

from incident_mcp.errors import InputError

MAX_QUERY = 500
"""Characters of a query that are read."""
MAX_TERMS = 12
MAX_TEXT = 20_000
"""Characters of a text that are searched."""
_SHORT = 2
_SHORTEST_WITH_ENDING = 5
_SHORTEST_STEM = 4
_ENDINGS = (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""))
_QUOTES = frozenset("`\u00b4<>|")
"""Quotes and separators that Unicode counts among the symbols. Other symbols are content: `c++`, emoji."""


def parse(query: str) -> list[str]:
    """Return the distinct terms of a query, normalized for `matched`; punctuation is not a term.

    A word with inner punctuation is one term of several parts: `checkout-api` becomes `checkout api`, which must occur
    in this order.
    """
    terms = (normalize(word) for word in query[:MAX_QUERY].split())
    return list(dict.fromkeys(term for term in terms if term))[:MAX_TERMS]


def matched(terms: Iterable[str], *texts: str | None) -> int:
    """Return how many of the terms occur, at least as part of a word, in any of the texts.

    A term of five or more letters also matches without a plain English ending, if four letters remain: `delays` finds
    `delayed`, `deliveries` finds `delivery`. A term with a digit, such as `db-1`, must occur with all its characters.

    Args:
        terms: Terms from `parse`.
        texts: The texts; only their first 20,000 characters are searched, and None is skipped.
    """
    searched = [f" {normalize(text[:MAX_TEXT])}" for text in texts if text]
    return sum(any(form in text for form in _forms(term) for text in searched) for term in terms)


Row = TypeVar("Row")


class _Letters(dict[int, str]):
    """The replacement of each letter, computed on first use: `str.translate` is fast with a dict."""

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


def normalize(text: str) -> str:
    """Return the text in lower case without accents, runs of punctuation as one space."""
    if text.isascii():
        folded = text.lower()
    else:
        # Marks are also removed before: NFKD takes quadratic time to sort a long run of them.
        decomposed = unicodedata.normalize("NFKD", text.translate(_BARE)).casefold()
        folded = unicodedata.normalize("NFKD", decomposed).translate(_BARE)
    return " ".join(folded.translate(_CONTENT).split())


def _forms(term: str) -> list[str]:
    if len(term) <= _SHORT and term.isascii() and term.isalpha():
        return [f" {term}"]
    if len(term) < _SHORTEST_WITH_ENDING or any(map(str.isdigit, term)):
        return [term]
    stem = next((term.removesuffix(ending) + instead for ending, instead in _ENDINGS if term.endswith(ending)), term)
    return [term, stem] if len(stem) >= _SHORTEST_STEM else [term]


class Search(Generic[Row]):
    """Collects the rows of a list that contain the search terms.

    Args:
        query: The argument `name_contains`; without one every row matches.
        texts: Returns the texts of a row to search; None skips the row.
        kind: What a row is.

    Raises:
        InputError: The query has no terms.
    """

    def __init__(
        self, query: str | None, texts: Callable[[Row], Iterable[str | None] | None], kind: str = "incident"
    ) -> None:
        self.terms = [] if query is None else parse(query)
        if query is not None and not self.terms:
            raise InputError("name_contains has no search terms. Pass some, or omit it.")
        self.matches: list[Row] = []
        """Rows that contain all terms."""
        self.searched = 0
        self.unreadable: int | None = None
        self._partial: list[tuple[int, Row]] = []
        self._texts = texts
        self._kind = kind

    async def add(self, rows: Collection[Row], unreadable: int | None) -> None:
        """Search the rows of a page, and count them and the unreadable ones."""
        self.searched += len(rows)
        self.unreadable = (self.unreadable or 0) + (unreadable or 0) or None
        for row in rows:
            # Let other tasks run: the texts may be long.
            await anyio.lowlevel.checkpoint()
            if (texts := self._texts(row)) is None:
                continue
            hits = matched(self.terms, *texts)
            if hits == len(self.terms):
                self.matches.append(row)
            elif hits:
                self._partial.append((hits, row))

    @property
    def results(self) -> list[Row]:
        """The rows that contain all terms; if there are none, those that contain some, best matches first."""
        return self.matches or [row for _, row in sorted(self._partial, key=lambda match: -match[0])]

    def note(self, rest: str | None, hidden: str = "") -> str | None:
        """Explain a result without full matches: an empty one does not prove that nothing matches.

        Args:
            rest: How to search the rows that were not searched; None if all were.
            hidden: A sentence about rows that are never searched.
        """
        more = f"Not all {self._kind}s were searched: {rest}." if rest else ""
        if not self.terms:
            return more or None
        if self.matches:
            return None
        if self._partial:
            found = f"No {self._kind} that was searched contains all terms. These contain some, best matches first."
        else:
            found = f"No {self._kind} that was searched contains any of the terms, even in part."
            more = more or hidden
        return f"{found} {more}".rstrip()
