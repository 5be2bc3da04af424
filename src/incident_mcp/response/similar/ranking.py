"""Ranking incidents by the words that they share with a text: BM25, by SQLite's full-text search in memory.

A word is compared without case, accents, English endings (Porter), and in one spelling where people use several: `down`
is `outage`, `db` is `database`. Text in scripts that write no spaces is compared by pairs of letters.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from incident_mcp.errors import InputError
from incident_mcp.incidentio.incidents.likeness import common_word
from incident_mcp.records.words import normalize
from incident_mcp.response.similar.records import ClosedIncident

MAX_TERMS = 64
"""Distinct words of a text that are searched."""
MAX_TEXT = 4_000
"""Characters of a text that are searched."""
MAX_SHARED = 8
_LEAST = 0.1
"""Of the best score."""
_WEIGHTS = "3.0, 1.0, 1.0"
"""Of a word in the name, the summary and the last message."""
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff]+)"
)
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese; and Korean, whose words carry their particles."""
_APOSTROPHES = dict.fromkeys(map(ord, "'\u2019"), "")
_TWO_WORDS = re.compile(r"\b(check|log|sign|roll|fail|time)(?:g?ed|g?ing)? (back|in|on|out|over)\b")
_SPELLINGS = {
    "auth": "authentication",
    "cert": "certificate",
    "certs": "certificate",
    "k8s": "kubernetes",
    "logon": "login",
    "oom": "memory",
    "signin": "login",
    "signout": "logout",
    "site": "website",
}
_STOP_WORDS = """
a about after all also an and any are as at be been before but by can could did do does for from get gets got had has
have he her his how i if in into is it its just let me my no not now of off on one or our out over she so some than that
the their them then there they this to too up us very was we were what when where which while who why will with would
you your
"""
_STOPPED = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True)
class Match:
    """An incident that shares words with a text."""

    index: int
    """Of the incident in the ranked list."""
    score: float
    shared: list[str]
    """Words of the text, the rarest first."""


def rank(incidents: Sequence[ClosedIncident], text: str, limit: int) -> list[Match]:
    """Return the incidents that share words with a text, best first; equal ones in their order.

    Those that share only words which most incidents have are left out, if any other shares more.

    Raises:
        InputError: SQLite has no full-text search.
    """
    terms = _terms(text)
    with closing(sqlite3.connect(":memory:")) as db:
        _index(db, incidents)
        if not terms:
            return []
        query = (
            f"SELECT rowid, -bm25(incidents, {_WEIGHTS}) AS score FROM incidents WHERE incidents MATCH ?"  # noqa: S608  # our own words
            " ORDER BY score DESC, rowid LIMIT ?"
        )
        found = db.execute(query, (" OR ".join(map(_quoted, terms)), limit)).fetchall()
        containing = {word: _containing(db, term) for term, word in terms.items()}
    rarest_first = sorted(containing, key=lambda word: len(containing[word]))
    return [
        Match(row, score, [word for word in rarest_first if row in containing[word]][:MAX_SHARED])
        for row, score in found
        if score >= found[0][1] * _LEAST
    ]


def _index(db: sqlite3.Connection, incidents: Sequence[ClosedIncident]) -> None:
    try:
        db.execute(
            "CREATE VIRTUAL TABLE incidents USING"
            " fts5(name, summary, last_message, content='', tokenize='porter unicode61 remove_diacritics 2')"
        )
    except sqlite3.OperationalError as error:
        raise InputError(
            f"similar_incidents needs SQLite with full-text search (FTS5), which this Python lacks ({error})."
            " incidentio_list_incidents with name_contains searches without it."
        ) from None
    rows = ((index, *map(_searchable, _texts(incident))) for index, incident in enumerate(incidents))
    db.executemany("INSERT INTO incidents (rowid, name, summary, last_message) VALUES (?, ?, ?, ?)", rows)


def _texts(incident: ClosedIncident) -> tuple[str | None, ...]:
    return incident.name, incident.summary, incident.last_message and incident.last_message.text


def _searchable(text: str | None) -> str:
    return " ".join(term for term, _ in _words(text or ""))


def _terms(text: str) -> dict[str, str]:
    """Return the distinct words to search by their common spelling, each as it is written."""
    terms: dict[str, str] = {}
    for term, word in _words(text):
        if word not in _STOPPED and len(terms) < MAX_TERMS:
            terms.setdefault(term, word)
    return terms


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Yield each word of a text, in its common spelling and as it is written."""
    plain = unicodedata.normalize("NFC", normalize(text[:MAX_TEXT].translate(_APOSTROPHES)))
    for word in _TWO_WORDS.sub(r"\1\2", plain).split():
        for number, piece in enumerate(_UNSPACED.split(word)):
            if number % 2:
                pairs = [piece[at : at + 2] for at in range(len(piece) - 1)] or [piece]
                yield from zip(pairs, pairs, strict=True)
            elif piece:
                yield _SPELLINGS.get(piece, common_word(piece)), piece


def _quoted(term: str) -> str:
    """Return a term as a string of FTS5's query language, in which no character of it has a meaning."""
    return '"' + term.replace('"', '""') + '"'


def _containing(db: sqlite3.Connection, term: str) -> set[int]:
    """Return the rows that contain a term."""
    return {row for (row,) in db.execute("SELECT rowid FROM incidents WHERE incidents MATCH ?", (_quoted(term),))}
