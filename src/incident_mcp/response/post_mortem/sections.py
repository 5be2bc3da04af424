"""The sections of a draft. Every sentence ends with the evidence that it rests on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.records.instants import format_duration, parse_instant
from incident_mcp.response.post_mortem.evidence import KINDS, Evidence, Fact, plain, quote, when

MAX_QUOTES = 4
"""Sentences of people that a section quotes."""
MAX_VALUES = 6
"""Custom fields, timestamps or tasks that a section names."""
_CAUSE = re.compile(
    r"\bcause(?:d by| found| (?:is|was)|s?:)|\b(?:root|same|actual) cause|\bculprit\b|\bwas at fault\b|\bturned out\b",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|due to|reason|caused)\b", re.IGNORECASE)
_FIX = re.compile(
    r"\b(?:roll(?:ed|ing)? (?:it |that |the \w+ )?back|revert\w*|restart\w*|fix(?:ed|es|ing)?|mitigat\w*|disabl\w*"
    r"|restor\w*|scal(?:ed|ing)|pinned|suspend\w*|switched|failed over|work(?:ed)? around|workaround)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s+|\n+")
_MAX_SEARCHED = 4_000
"""Characters of a text that are searched for sentences."""


V = TypeVar("V")


@dataclass(frozen=True)
class Size:
    """How much of a long incident is shown."""

    entries: int
    """Lines of the timeline."""
    text: int
    """Characters of a quotation."""


class Sections:
    """Writes the sections.

    Args:
        incident: The incident.
        evidence: What may be cited.
        size: How much is shown.
    """

    def __init__(self, incident: Incident, evidence: Evidence, size: Size) -> None:
        self._incident = incident
        self._evidence = evidence
        self._size = size
        [self._itself] = [number for number, _ in evidence.each("I")]

    def _cite(self, sentence: str, *numbers: str) -> str:
        return f"- {sentence} {self._evidence.cite(*numbers)}"

    def _quote(self, text: str) -> str:
        return quote(text, self._size.text)

    def summary(self) -> Iterator[str]:
        """Yield what happened, in a few sentences."""
        yield from (self._cite(sentence, self._itself) for sentence in self._declared())
        moves = [item for item in self._evidence.each("U") if item[1].status]
        for number, fact in moves[-1:]:
            yield self._cite(f"The status {plain(fact.status or '')} was set at {when(fact.at)}.", number)
        for number, fact in self._messages()[-1:]:
            yield self._cite(f"The last update, of {when(fact.at)}, says: {self._quote(fact.text or '')}", number)

    def _messages(self) -> Sequence[tuple[str, Fact]]:
        """Return the updates with a message."""
        return [item for item in self._evidence.each("U") if item[1].text]

    def _declared(self) -> Iterator[str]:
        """Yield what the incident itself says."""
        incident = self._incident
        by = f" by {plain(incident.creator)}" if incident.creator else ""
        yield f"{_reference(incident)} was declared at {incident.created_at or 'an unknown time'}{by}."
        if incident.severity:
            yield f"Its severity is {plain(incident.severity)}."
        if incident.status:
            yield f"Its status is {plain(incident.status)}."
        if incident.summary:
            yield f"Its summary says: {quote(incident.summary, 3 * self._size.text)}"

    def impact(self) -> Iterator[str]:
        """Yield what is recorded of the impact: times, fields, severities, alerts."""
        yield from (self._cite(sentence, self._itself) for sentence in self._values())
        for number, fact in self._evidence.each("U"):
            if fact.severity:
                yield self._cite(f"Severity {plain(fact.severity)} was set at {when(fact.at)}.", number)
        for number, fact in [*self._evidence.each("A")][:MAX_VALUES]:
            state = f" and is {plain(fact.status)}" if fact.status else ""
            yield self._cite(f"The alert {self._quote(fact.text or '')} began at {when(fact.at)}{state}.", number)

    def _values(self) -> Iterator[str]:
        """Yield what the incident's own timestamps, metrics and fields say."""
        incident = self._incident
        for name, time in _some(incident.timestamps):
            yield f"{quote(name, 60)} is set to {time}."
        for name, seconds in _some(incident.duration_seconds):
            yield f"The metric {quote(name, 60)} is {format_duration(seconds)}."
        for name, values in _some(incident.custom_fields):
            yield f"The field {quote(name, 60)} says {self._quote(', '.join(values))}."

    def timeline(self) -> Iterator[str]:
        """Yield what happened in the order of time; of many entries, those that changed something go first."""
        entries = [*self._evidence.each("U", "T", "E", "N", "L", "C")]
        chosen = sorted(entries, key=lambda item: _weight(item[1]))[: self._size.entries]
        shown = {number for number, _ in chosen}
        for number, fact in entries:
            if number in shown:
                yield self._cite(f"{_minute(fact.at)}: {self._entry(fact)}", number)
        if left_out := len(entries) - len(shown):
            tools = "incident_timeline, incidentio_list_activity and incidentio_read_call"
            yield f"({left_out} further entries are not listed: {tools} have them.)"

    def _entry(self, fact: Fact) -> str:
        parts = [plain(fact.who)] if fact.who else []
        parts += [plain(fact.event.replace("_", " "), 60)] if fact.event else []
        parts += [f"status {plain(fact.status)}"] if fact.status and fact.kind == "U" else []
        parts += [f"severity {plain(fact.severity)}"] if fact.severity else []
        described = ", ".join(parts) or KINDS[fact.kind].partition(" ")[2]
        return f"{described}: {self._quote(fact.text)}" if fact.text else f"{described}."

    def response(self) -> Iterator[str]:
        """Yield who responded, how soon, and what they say that they did."""
        for role, person in _some(self._incident.roles):
            yield self._cite(f"{plain(role, 60)}: {plain(person)}.", self._itself)
        for number, fact in [*self._evidence.each("P")][:MAX_VALUES]:
            people = f" to {plain(fact.who)}" if fact.who else ""
            answer = f"; {plain(fact.event)}" if fact.event else ""
            state = f", status {plain(fact.status)}" if fact.status else ""
            yield self._cite(
                f"A page {self._quote(fact.text or '')} went out at {when(fact.at)}{people}{state}{answer}.", number
            )
        yield from self._first_update()
        yield from self._said(_FIX)

    def _first_update(self) -> Iterator[str]:
        start = parse_instant(self._incident.created_at)
        first = next(iter(self._messages()), None)
        if start and first and first[1].at and first[1].at >= start:
            after = format_duration((first[1].at - start).total_seconds())
            yield self._cite(
                f"The first update with a message came {after} after the declaration.", first[0], self._itself
            )

    def causes(self) -> Iterator[str]:
        """Yield what people say about the cause."""
        yield from self._said(_CAUSE, _REASON)

    def _said(self, *words: re.Pattern[str]) -> Iterator[str]:
        """Yield the first sentences with some words, each once: those with the first words go first."""
        facts = [*self._evidence.each("I"), *self._evidence.each("U", "T", "N", "C")]
        sentences = {sentence: item for item in reversed(facts) for sentence in _sentences(item[1].text)}
        found = [sentence for pattern in words for sentence in reversed(sentences) if pattern.search(sentence)]
        for sentence in [*dict.fromkeys(found)][:MAX_QUOTES]:
            number, fact = sentences[sentence]
            by = plain(fact.who) if fact.who and fact.kind != "I" else KINDS[fact.kind]
            yield self._cite(f"{by}: {self._quote(sentence)}", number)

    def open(self) -> Iterator[str]:
        """Yield what is still to be done."""
        if self._incident.status_category not in ("closed", None):
            yield self._cite(
                f"The incident is not closed: its status is {plain(self._incident.status or '')}.", self._itself
            )
        tasks = [item for item in self._evidence.each("F", "K") if item[1].status == "outstanding"]
        for number, fact in tasks[:MAX_VALUES]:
            who = plain(fact.who) if fact.who else "nobody"
            yield self._cite(f"{self._quote(fact.text or '')} is outstanding, assigned to {who}.", number)

    def listed(self) -> Iterator[str]:
        """Yield the evidence that is cited: its id, time and source."""
        for number, fact in self._evidence.cited():
            who = f", {plain(fact.who)}" if fact.who else ""
            yield f"- [{number}] {when(fact.at)}, {KINDS[fact.kind]}{who}"


def _some(values: Mapping[str, V] | None) -> Sequence[tuple[str, V]]:
    return [*(values or {}).items()][:MAX_VALUES]


def _minute(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else when(time)


def _reference(incident: Incident) -> str:
    name = f" {quote(incident.name, 120)}" if incident.name else ""
    return f"{plain(incident.reference or incident.id)}{name}"


def _weight(fact: Fact) -> tuple[int, str]:
    """Return a sort key: what changed something, then what people recorded, then the rest; earlier first."""
    weights = {"U": 0 if fact.status or fact.severity else 2, "T": 0, "E": 1, "N": 2, "L": 3, "C": 4}
    return weights[fact.kind], fact.at.isoformat() if fact.at else "~"


def _sentences(text: str | None) -> Sequence[str]:
    return [sentence.strip() for sentence in _SENTENCE.split((text or "")[:_MAX_SEARCHED]) if sentence.strip()]
