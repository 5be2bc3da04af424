"""Whether two incident names are about the same outage.

`same` stops the declaration of a second incident, so it needs every sign; in doubt two names are `similar` at most.

1. A name is read in its first 300 characters: NFKC, without priority tags in front (`[P1]`, `SEV-2:`, `P1 -`), split
   into words of letters and digits, in lower case, without stop words and plain English endings (`_stem`). The ways to
   say one symptom are one word (`_SYMPTOMS`): down and outage, failing and errors, slow and delayed.
2. *Qualifiers* are the words that set outages apart: any with a digit, single letters (a leading or lower-case `a` is
   an article), words of up to three letters that are not `_COMMON` (eu, db, dns), and environments, regions, platforms,
   directions, negations and the like (`_QUALIFIERS`).
3. `same`: the qualifiers are equal as multisets, those with digits also in order; and the other words are equal as
   sets, or the smaller set is part of the larger one and at least 0.6 of it, has two words that are neither symptoms
   nor general (`_GENERIC`), and the larger one adds no proper name. So `Database down` and `Billing database down` are
   two outages. Besides:
   - The parts of an identifier such as `checkout-api` stand together in the other name, too.
   - Where order has a meaning (`from`, `to`, `and`, a comma, two symptoms), the words have the same order.
   - A name of over 300 characters is the same as itself only.
4. `similar`: of all words, qualifiers included, at least half are in both names (Jaccard).
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Likeness = Literal["same", "similar", "different"]

_LONGEST = 300
_SHORT = 3
"""Letters of the longest word that is a qualifier unless it is common."""
_SMALLEST_PART = 0.6
_LEAST_NAMED = 2
"""Words that say what is broken, before one more word is only a detail of it."""
_SIMILAR = 0.5

_TAGS = re.compile(
    r"(?:\s*(?:"
    r"[\[(]\s*(?:p|prio|priority|sev|severity)[\s-]?[0-5]\s*[\])]"
    r"|(?:p|prio|priority)[\s-]?[0-5]\s*(?:[:|]|-(?=\s))"
    # Nothing but a severity is called SEV-2; a database may be called P1.
    r"|(?:sev|severity)[\s-]?[0-5](?![0-9A-Za-z])"
    r")[\s:|-]*)+",
    re.IGNORECASE,
)
_APOSTROPHES = re.compile(r"['\u2019](?:s(?![^\W_]))?", re.IGNORECASE)
_JOINTS = frozenset("-_./:\u2010\u2011\u2012\u2013\u2014\u2015\u2212")
"""What joins the parts of an identifier, between letters or digits."""
_LISTS = frozenset(",;&+>\u2192\u3001")
"""Signs that make the order of words count."""
_RUN = re.compile(r",|[^\s,-]+(?:-[^\s,-]+)*")
_FLAGS = range(0x1F1E6, 0x1F200)
"""The letters that are shown as flags."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP_WORDS = _words(
    "a an the is are be been being has have of in on at for with by as it its our we this that there"
    " currently now still some many several"
)
_ORDER_WORDS = _words("from to into between and or while but via")
"""Words that make the order of words count, and are left out."""
_COMMON = _words("add all any bad big bug buy can due get hit job lag log low pay run set use")
"""Short words that are words like any other."""
_GENERIC = _words(
    "servic system server site websit platform page user customer client issue problem incident alert request"
)
"""Stems of words that name no part of a product."""
_ENVIRONMENTS = _words(
    "prod production preprod staging stage test tests testing dev development sandbox demo canary preview beta alpha"
    " local legacy"
)
_REGIONS = _words(
    "emea apac latam north south east west northern southern eastern western northeast northwest southeast southwest"
    " central europe america asia africa australia canada brazil india japan singapore germany france spain italy"
    " ireland britain london frankfurt dublin paris tokyo sydney mumbai virginia ohio oregon california global domestic"
)
_PLATFORMS = _words(
    "android iphone ipad web mobile desktop windows linux macos browser chrome safari firefox edge http https azure"
    " internal external public private enterprise partner free trial"
)
_DIRECTIONS = _words(
    "primary secondary tertiary replica leader follower standby active passive master read write reads writes reader"
    " writer inbound outbound incoming outgoing ingress egress upstream downstream upload uploads download downloads"
    " source target left right upper lower"
)
_ORDINALS = _words(
    "one two three four five six seven eight nine ten first second third last next previous other another new old again"
    " blue green red black white hourly daily nightly weekly monthly yearly monday tuesday wednesday thursday friday"
    " saturday sunday today yesterday tomorrow gamma delta omega"
)
"""Which one, and when."""
_NEGATIONS = _words(
    "not never without except excluding only longer recovered resolved fixed restored false drill exercise simulation"
    " gameday rehearsal planned scheduled maintenance"
)
"""What says that there is no such outage, or that it is over."""
_QUALIFIERS = _ENVIRONMENTS | _REGIONS | _PLATFORMS | _DIRECTIONS | _ORDINALS | _NEGATIONS
_SYMPTOMS = {
    "down": "down outage outages unavailable offline unreachable inaccessible",
    "fail": "fail fails failed failing failure failures error errors erroring broken breaks cannot cant unable",
    "slow": "slow slowness slowly latency latencies delay delays delayed lag lags lagging sluggish",
}
"""The ways to say one symptom."""
_SYMPTOM = {way: symptom for symptom, ways in _SYMPTOMS.items() for way in ways.split()}
_VERBS = frozenset({"log", "sign", "opt", "check", "roll", "scale"})
"""Verbs that are one word with their particle: to log in is not to log out."""
_PARTICLES = frozenset({"in", "on", "out", "up", "off", "back"})


def likeness(a: str, b: str) -> Likeness:
    """Return whether two incident names are about the same outage, are similar, or are different."""
    if a.strip() == b.strip():
        return "same"
    one, other = _read(a), _read(b)
    if not one.words or not other.words:
        return "different"
    if max(len(a), len(b)) <= _LONGEST and _is_same(one, other):
        return "same"
    words, others = set(one.words), set(other.words)
    return "similar" if len(words & others) >= _SIMILAR * len(words | others) else "different"


@dataclass
class _Name:
    """A name as its words."""

    words: list[str] = field(default_factory=list[str])
    """All, in order."""
    qualifiers: Counter[str] = field(default_factory=Counter[str])
    content: set[str] = field(default_factory=set[str])
    """The words that are no qualifiers."""
    identifiers: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    """The words of each run of letters, digits and joints; an identifier has several."""
    capitalized: set[str] = field(default_factory=set[str])
    """Content with a capital, behind the first word."""
    has_lower: bool = False
    """Whether there is content without one: in `Checkout Is Down` a capital is no sign of a proper name."""
    ordered: bool = False
    """Whether the order of the words counts."""

    @property
    def numbers(self) -> list[str]:
        return [word for word in self.words if _has_digit(word)]

    @property
    def proper(self) -> set[str]:
        return self.capitalized if self.has_lower else set()

    def contains(self, identifiers: dict[int, list[str]]) -> bool:
        """Return whether the parts of each identifier stand together."""
        text = f" {' '.join(self.words)} "
        return all(f" {' '.join(parts)} " in text for parts in identifiers.values() if len(parts) > 1)


def _is_same(one: _Name, other: _Name) -> bool:
    if one.qualifiers != other.qualifiers or one.numbers != other.numbers:
        return False
    if not one.contains(other.identifiers) or not other.contains(one.identifiers):
        return False
    small, large = sorted((one, other), key=lambda name: (len(name.content), len(name.words)))
    if (one.ordered or other.ordered) and not _is_in_order(small.words, large.words):
        return False
    return small.content == large.content or _is_detailed(small, large)


def _is_detailed(small: _Name, large: _Name) -> bool:
    """Return whether one name is the other with a detail added."""
    return (
        len(small.content - _GENERIC - _SYMPTOMS.keys()) >= _LEAST_NAMED
        and small.content < large.content
        and len(small.content) >= _SMALLEST_PART * len(large.content)
        and not (large.content - small.content) & large.proper
    )


def _is_in_order(few: list[str], many: list[str]) -> bool:
    rest = iter(many)
    return all(word in rest for word in few)


def _read(text: str) -> _Name:
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    tags = _TAGS.match(plain)
    parts, ordered = _split(_APOSTROPHES.sub("", plain[tags.end() if tags else 0 :]))
    name = _Name(ordered=ordered)
    for place, (part, run) in enumerate(_join_particles(parts)):
        _add(name, part, run, first=place == 0)
    name.ordered |= len(name.content & _SYMPTOMS.keys()) > 1
    return name


def _split(text: str) -> tuple[list[tuple[str, int]], bool]:
    """Return the parts of all runs, each with its run's number, and whether a sign makes their order count."""
    neighbours = zip(text, " " + text, text[1:] + " ", strict=False)
    runs = _RUN.findall("".join(_sign(*letters) for letters in neighbours))
    parts = [(part, number) for number, run in enumerate(runs) if run != "," for part in run.split("-")]
    return parts, "," in runs


def _sign(letter: str, before: str, behind: str) -> str:
    """Return a letter itself, "-" for what joins parts, "," for what makes order count, or a space."""
    # Other scripts write vowels as marks. C++ and C# are names.
    is_part = unicodedata.category(letter)[0] in "LNM" or ord(letter) in _FLAGS
    if is_part or (letter in "+#" and (before.isalpha() or before in "+#") and not behind.isalnum()):
        return letter
    return "-" if letter in _JOINTS else "," if letter in _LISTS else " "


def _join_particles(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    joined: list[tuple[str, int]] = []
    for part, run in parts:
        verb, at = joined[-1] if joined else ("", 0)
        if part.casefold() in _PARTICLES and (stem := _stem(verb.casefold())) in _VERBS:
            joined[-1] = (verb[:1] + stem[1:] + part.casefold(), at)
        else:
            joined.append((part, run))
    return joined


def _add(name: _Name, part: str, run: int, *, first: bool) -> None:
    folded = part.casefold()
    if folded in _ORDER_WORDS:
        name.ordered = True
        return
    if folded in _STOP_WORDS and (first or part != "A"):
        return
    symptom = _SYMPTOM.get(folded)
    qualifier = None if symptom else _qualifier(folded)
    if qualifier:
        name.qualifiers[qualifier] += 1
    word = symptom or qualifier or _stem(folded)
    if not qualifier:
        name.content.add(word)
        name.has_lower |= part[0].islower() and not first
        name.capitalized |= {word} if part[0].isupper() and not first else set()
    name.words.append(word)
    name.identifiers.setdefault(run, []).append(word)


def _qualifier(folded: str) -> str | None:
    """Return the word if it is a qualifier: a short one in the singular, any other unchanged."""
    if folded in _QUALIFIERS or _has_digit(folded):
        return folded
    is_plural = len(folded) == _SHORT + 1 and folded.endswith("s") and not folded.endswith("ss")
    singular = folded[:-1] if is_plural else folded
    return singular if len(singular) <= _SHORT and singular not in _COMMON else None


def _has_digit(word: str) -> bool:
    return any(map(str.isnumeric, word))


def _stem(word: str) -> str:
    """Return an English word without a plain ending, and without the spelling that the ending changed."""
    if len(word) <= _SHORT or not (word.isascii() and word.isalpha()):
        return word
    word = _singular(word)
    for ending, shortest in (("ing", 3), ("ed", 3), ("ion", 5)):
        stem = word.removesuffix(ending)
        if len(word) > len(stem) >= shortest and re.search("[aeiouy]", stem) and not word.endswith("eed"):
            word = stem
            break
    if len(word) > _SHORT and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    # Shorter ones keep it: a plane is no plan.
    if len(word) > 5 and word.endswith("e"):  # noqa: PLR2004
        return word[:-1]
    return word[:-1] + "i" if word.endswith("y") else word


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")) and not word.endswith("aches"):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word.removesuffix("s")
