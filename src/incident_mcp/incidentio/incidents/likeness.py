"""Whether two incident names are about the same outage.

`same` stops the declaration of a second incident, so it needs every sign; in doubt two names are `similar` at most.

1. A name is read in NFKC and lower case, as words of letters and digits. A number keeps its inner signs (`10.0.0.1`).
   A symbol is a word of its own: currency, math and other Unicode symbols, `#%@*`, a minus, dot or `!` in front.
2. Left out: stop words (`_STOP_WORDS`), unless in capitals as a code (`AT`), and tags (`_TAG`: `[P1]`, `SEV-1:`,
   `URGENT -`) at the start or the end. Left out if the other name has none or the same ones: people (`for all users`,
   `Customers cannot`), a tag without a sign (`P1 checkout down`, `Checkout down P1`).
3. Words are equal if they are identical, or one is the plural of the other and both have five letters or more. `db` is
   `database`, `500s` is `500`, and the ways to say one symptom are one word (`_SYMPTOMS`). The parts of an identifier
   such as `checkout-api` are words as well, but no symptoms and no stop words, and stand together in the other name.
4. `same`: the names have the same words, apart from repeated symptoms, and something besides a symptom.
   - *Short words* are those of up to three letters that are not `_COMMON`, those with a digit, symbols, and `_CODES`
     such as `staging`. Their order is the same. *Long words* are the others that are no symptoms.
   - With three long words or more, the order of all words but the symptom is the same. With at most two, the front
     part may stand at the end: `EU: checkout API down` and `Checkout API down in EU`.
   - With a symptom between two long words, it has its place in this order, too. With two symptoms, all words have the
     same order, and the symptoms are the same as they are written.
   - A name of over 300 characters is the same as itself only.
5. `similar`: of all words but symbols, cut to four letters, at least half are in both names (Jaccard).
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

Likeness = Literal["same", "similar", "different"]

_LONGEST = 300
_SHORT = 3
_FREE = 2
"""Maximum number of long words whose order may differ."""
_PLURAL = 5
_PREFIX = 4
_SIMILAR = 0.5


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP_WORDS = _words(
    "an the is are has have been of in on at for with by this that there currently now still again"
    " all some many several multiple completely fully totally please"
)
_COMMON = _words("add api app bug buy job log pay run")
"""Words of three letters that are no codes."""
_CODES = _words(
    "prod production preprod staging sandbox north south east west central europe asia america africa"
    " primary secondary replica source target upstream downstream inbound outbound"
)
"""Environments, places and directions: short words, whatever their length."""
_SINGULAR = _words("https windows customs goods")
_SYMPTOMS = {
    "DOWN": "down outage outages unavailable offline unreachable",
    "FAIL": "fail fails failed failing failure failures error errors erroring errored broken",
    "SLOW": "slow slowness slowly latency latencies delay delays delayed lag lags lagging late",
    "TIMEOUT": "timeout timeouts",
    "EXHAUSTED": "exhaust exhausts exhausted exhausting exhaustion",
    "CANNOT": "cannot cant unable",
}
"""The words for a symptom; `_PHRASES` adds those of several words."""
_SYMPTOM = {way: symptom for symptom, ways in _SYMPTOMS.items() for way in ways.split()}
_ALIASES = {"db": "database", "dbs": "database"}

_PRIORITY = r"(?:p|prio|priority|sev|severity)[\s-]?[0-5]"
_TAG = (
    rf"(?:{_PRIORITY}|urgent|critical|major|alert|investigating|(?:(?:major|critical)\s+)?(?:incident|issue|problem))"
)
_FIRST_TAGS = re.compile(
    rf"\A(?:(?:[\[(]\s*{_TAG}\s*[\])]|{_TAG}\s*(?:[:|]|[-\u2013\u2014](?=\s)))(?:[\s:|]|[-\u2013\u2014](?=\s))*)+",
    re.IGNORECASE,
)
_LAST_TAGS = re.compile(
    rf"(?:\s*(?:[\[(]\s*{_TAG}\s*[\])]|(?:\||(?<=\s)[-\u2013\u2014])\s*{_TAG}))+[\s.!]*$", re.IGNORECASE
)
_PEOPLE = r"(?:(?:all|some|many|several|multiple|of|the)\s+)*(users|customers|people|everyone|everybody)"
_EXTRAS = (
    re.compile(rf"^({_PRIORITY})(?=\s)", re.IGNORECASE),
    re.compile(rf"\b(?:{'|'.join(_SYMPTOM)})\s+({_TAG})[\s.!]*$", re.IGNORECASE),
    re.compile(rf"^{_PEOPLE}\s+(?:are\s+)?(?=(?:cannot|cant)\b)", re.IGNORECASE),
    re.compile(rf"\bfor\s+{_PEOPLE}(?=[\s.!?)]*$|\s+(?:in|on)\s)", re.IGNORECASE),
)
_PHRASES = (
    (re.compile(r"['\u2019](?:s(?![^\W_]))?", re.IGNORECASE), ""),
    (re.compile(r"^a(?=\s+[^\W\d_])", re.IGNORECASE), ""),
    (re.compile(r"\b(?:not|isnt|arent)\s+(?:working|available)\b", re.IGNORECASE), "down"),
    (re.compile(r"\btim(?:ed|ing)[\s-]+out\b", re.IGNORECASE), "timeout"),
    (re.compile(r"\b(?:can\s+not|unable\s+to)\b", re.IGNORECASE), "cannot"),
    # To log in is not to log out.
    (re.compile(r"\b(check|log|opt|roll|sign)[\s-]+(back|in|on|out|up|off)\b", re.IGNORECASE), r"\1\2"),
)
_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
_JOINTS = _DASHES | frozenset("_./:")
"""What joins the parts of an identifier, between letters or digits."""
_INNER_SIGNS = _JOINTS | {","}
_JOINT = "\0"
_SIGNS = frozenset("#%@*")
_STATUSES = re.compile("[45][0-9][0-9]s")


def common_word(word: str) -> str:
    """Return the one word for all ways to say a symptom and for an abbreviation; any other word unchanged."""
    return _SYMPTOM.get(word, _ALIASES.get(word, word)).lower()


def likeness(a: str, b: str) -> Likeness:
    """Return whether two incident names are about the same outage, are similar, or are different."""
    a, b = a.strip(), b.strip()
    if a == b:
        return "same"
    # One character more than is read shows that a name is longer.
    one, other = _read(a[: _LONGEST + 1]), _read(b[: _LONGEST + 1])
    if not one.words or not other.words:
        return "different"
    if one.is_complete and other.is_complete and _is_same(one, other):
        return "same"
    starts, others = one.starts, other.starts
    return "similar" if len(starts & others) >= _SIMILAR * len(starts | others) else "different"


@dataclass
class _Name:
    """A name as its words, in order."""

    is_complete: bool
    extras: set[str] = field(default_factory=set[str])
    words: list[str] = field(default_factory=list[str])
    literal: list[str] = field(default_factory=list[str])
    """The words with their symptoms as written."""
    identifiers: list[list[str]] = field(default_factory=list[list[str]])

    @property
    def symptoms(self) -> set[str]:
        return {word for word in self.words if word in _SYMPTOMS}

    @property
    def plain(self) -> list[str]:
        return [word for word in self.words if word not in _SYMPTOMS]

    @property
    def short(self) -> list[str]:
        return [word for word in self.plain if not _is_long(word)]

    @property
    def starts(self) -> set[str]:
        return {word[:_PREFIX] for word in [*self.words, *self.extras] if _is_part(word[0])}

    @property
    def has_symptom_between(self) -> bool:
        """True if a symptom is between two long words."""
        places = [place for place, word in enumerate(self.words) if _is_long(word)]
        return bool(places) and any(word in _SYMPTOMS for word in self.words[places[0] : places[-1]])

    def contains(self, identifiers: list[list[str]]) -> bool:
        text = f" {' '.join(self.words)} "
        return all(f" {' '.join(parts)} " in text for parts in identifiers)


def _is_same(one: _Name, other: _Name) -> bool:
    return (
        bool(one.plain)
        and one.symptoms == other.symptoms
        and one.short == other.short
        and (one.extras <= other.extras or other.extras <= one.extras)
        and one.contains(other.identifiers)
        and other.contains(one.identifiers)
        and _is_in_order(one, other)
    )


def _is_in_order(one: _Name, other: _Name) -> bool:
    if len(one.symptoms) > 1:
        return one.literal == other.literal
    if one.has_symptom_between or other.has_symptom_between:
        return one.words == other.words
    words, others = one.plain, other.plain
    if len(words) - len(one.short) > _FREE:
        return words == others
    return any(words[place:] + words[:place] == others for place in range(len(words)))


# The name of a declaration is compared with hundreds of others.
@lru_cache(maxsize=512)
def _read(text: str) -> _Name:
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    name = _Name(is_complete=len(text) <= _LONGEST and len(plain) <= _LONGEST)
    plain = _LAST_TAGS.sub("", _FIRST_TAGS.sub("", plain[:_LONGEST].strip()))
    for phrase, replacement in _PHRASES:
        plain = phrase.sub(replacement, plain)
    for extra in _EXTRAS:
        if match := extra.search(plain):
            name.extras.add(re.sub(r"[\s-]", "", match[1].casefold()))
            plain = plain[: match.start(1)] + plain[match.end(1) :]
    neighbours = zip(plain, " " + plain, plain[1:] + " ", strict=False)
    for run in "".join(_sign(*letters) for letters in neighbours).split():
        _add(name, run.split(_JOINT), is_shouted=plain.isupper())
    return name


def _sign(letter: str, before: str, after: str) -> str:
    """Return a letter, digit or sign in a number unchanged, a symbol as a word, a joint, or white space."""
    if _is_part(letter):
        return letter
    if _is_part(before) and _is_part(after) and letter in _INNER_SIGNS:
        return _inner_sign(letter, before + after)
    if letter == "&":
        return " and "
    return f" {letter} " if _is_symbol(letter) or _is_prefix(letter, before, after) else " "


def _inner_sign(letter: str, neighbours: str) -> str:
    if neighbours.isdigit():
        return letter
    return _JOINT if letter in _JOINTS else " "


def _is_symbol(letter: str) -> bool:
    return letter != "|" and (letter in _SIGNS or unicodedata.category(letter) in {"Sc", "Sm", "So"})


def _is_prefix(letter: str, before: str, after: str) -> bool:
    """Return whether a sign belongs to what follows it: `-1`, `.env`, `!=`."""
    if _is_part(before):
        return False
    if letter in _DASHES:
        return after.isdigit()
    return letter in ".!" and (_is_part(after) or after == "=")


def _is_part(letter: str) -> bool:
    # Other scripts write vowels as marks.
    return unicodedata.category(letter)[0] in "LNM"


def _add(name: _Name, parts: list[str], *, is_shouted: bool) -> None:
    words = [_word(part.casefold()) for part in parts]
    if len(parts) > 1:
        name.identifiers.append(words)
    elif words[0] in _STOP_WORDS and (is_shouted or not parts[0].isupper()):
        # In capitals it is a code: IT, AT, IN.
        return
    name.literal += words
    name.words += words if len(parts) > 1 else [_SYMPTOM.get(parts[0].casefold(), words[0])]


def _word(folded: str) -> str:
    """Return a word without its alias or its plural ending."""
    if _STATUSES.fullmatch(folded):
        return folded[:-1]
    word = _ALIASES.get(folded, folded)
    return _singular(word) if _may_be_plural(word) else word


def _may_be_plural(word: str) -> bool:
    is_english = word.isascii() and word.isalpha()
    return len(word) >= _PLURAL and is_english and word not in _SINGULAR and not word.endswith(("ss", "us", "is"))


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")) and not word.endswith("aches"):
        return word[:-2]
    return word.removesuffix("s")


def _is_long(word: str) -> bool:
    is_short = word in _CODES or (len(word) <= _SHORT and word not in _COMMON)
    return word not in _SYMPTOMS and not is_short and not any(map(str.isnumeric, word))
