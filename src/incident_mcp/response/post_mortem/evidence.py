"""What a draft rests on: the records of an incident, each with an id to cite."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from incident_mcp.records.instants import to_second
from incident_mcp.records.record import shorten
from incident_mcp.records.text import one_line

KINDS = {
    "I": "incident.io incident",
    "U": "incident.io update",
    "T": "incident.io timeline item",
    "L": "incident.io activity log",
    "A": "incident.io alert",
    "P": "incident.io page",
    "C": "incident.io call",
    "F": "incident.io follow-up",
    "K": "incident.io action",
    "E": "Ionhour event",
    "N": "Ionhour note",
}
"""The source of a record, by the letter of its id."""
_MARKDOWN = re.compile(r"[\\`\[\]<>]")
_QUOTES = str.maketrans({"\u201c": '"', "\u201d": '"'})


@dataclass(frozen=True)
class Fact:
    """One record of a service."""

    kind: str
    """A key of `KINDS`."""
    key: str
    """Sorts it among those of its kind."""
    at: datetime | None = None
    who: str | None = None
    text: str | None = None
    """What people wrote or said."""
    event: str | None = None
    """What happened, as the service calls it: `opened`, `role_update`."""
    status: str | None = None
    """A status that it changed to; of an alert, a page or a task its own."""
    severity: str | None = None
    """A severity that it changed to."""
    of: str | None = None
    """What it belongs to: the number of an alert."""


@dataclass
class Evidence:
    """The facts with their ids, and which of them are cited."""

    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])
    _cited: set[str] = field(default_factory=set[str])

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> "Evidence":
        """Number the facts of each kind in the order of time: the ids do not depend on the order of reading."""
        numbered: dict[str, Fact] = {}
        for kind in KINDS:
            own = sorted((fact for fact in facts if fact.kind == kind), key=_order)
            numbered |= {f"{kind}{number}": fact for number, fact in enumerate(own, 1)}
        return cls(numbered)

    def each(self, *kinds: str) -> Iterator[tuple[str, Fact]]:
        """Yield the facts of some kinds with their ids, in the order of time."""
        found = [(number, fact) for number, fact in self.facts.items() if fact.kind in kinds]
        yield from sorted(found, key=lambda item: _order(item[1])) if len(kinds) > 1 else found

    def cite(self, *numbers: str) -> str:
        """Return the citation of some facts: `[U3] [N1]`.

        Raises:
            KeyError: There is no such fact.
        """
        for number in numbers:
            self.facts[number]
            self._cited.add(number)
        return " ".join(f"[{number}]" for number in numbers)

    def cited(self) -> Iterator[tuple[str, Fact]]:
        """Yield the facts that are cited, with their ids."""
        return ((number, fact) for number, fact in self.facts.items() if number in self._cited)


def _order(fact: Fact) -> tuple[str, str]:
    return fact.at.isoformat() if fact.at else "~", fact.key


def plain(text: str, length: int = 60) -> str:
    """Return a text from elsewhere on one line, with no active Markdown or HTML and nothing like a citation."""
    return _MARKDOWN.sub(r"\\\g<0>", shorten(one_line(text), length).translate(_QUOTES))


def quote(text: str, length: int) -> str:
    """Return a text from elsewhere as a quotation that none of its characters can close."""
    return f"\u201c{plain(text, length)}\u201d"


def when(time: datetime | None) -> str:
    """Return a time to the second; a record without one has an unknown time."""
    return to_second(time) if time else "an unknown time"
