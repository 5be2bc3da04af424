"""What no record answers: the questions that a draft leaves to people."""

from collections.abc import Collection, Iterator, Sequence

from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.response.post_mortem.evidence import Evidence

_SOURCES = {"A": "attached alerts", "F": "follow-ups"}
_PUBLISHED = ("status_page_incident_linked", "status_page_incident_updated", "atlassian_statuspage_update")
"""Types of the activity log that show that something was published."""


def questions(incident: Incident, evidence: Evidence, causes: Sequence[str], read: Collection[str]) -> Iterator[str]:
    """Yield the questions.

    Args:
        incident: The incident.
        evidence: All facts.
        causes: What people say about the cause.
        read: The kinds of facts that were read in full.
    """
    if causes:
        yield "Is the cause that people name confirmed, and what else contributed?"
    else:
        yield "What caused it? No sentence that was read names a cause."
    yield from (question for names, words, question in _asked(incident) if not _mentions(names, words))
    if not any(evidence.each("A", "E")):
        absent = "No alert is attached in incident.io, and none of Ionhour was read."
        yield f"How was it detected? {_missing('A', read, absent)}"
    if not any(fact.event in _PUBLISHED for _, fact in evidence.each("L")):
        yield "Were customers informed, when, and by whom? Status pages were not read."
    if not any(evidence.each("F")):
        yield f"What keeps it from happening again? {_missing('F', read, 'There is no follow-up.')}"


def _asked(incident: Incident) -> Sequence[tuple[Collection[str], Collection[str], str]]:
    """Return names, the words that answer a question if a name contains one, and the question."""
    timestamps, fields, roles = incident.timestamps or (), incident.custom_fields or (), incident.roles or ()
    return [
        (timestamps, ("impact", "start"), "When did the impact start? No timestamp that was read says so."),
        (timestamps, ("fix", "resolve", "end"), "When did the impact end? No timestamp that was read says so."),
        (fields, ("impact", "customer"), "Who was affected, and how badly? No custom field that was read says so."),
        (roles, ("lead",), "Who led the response? No lead was read."),
    ]


def _mentions(names: Collection[str], words: Collection[str]) -> bool:
    return any(word in name.lower() for name in names for word in words)


def _missing(kind: str, read: Collection[str], absent: str) -> str:
    """Return that there is none, or that it is unknown."""
    return absent if kind in read else f"The {_SOURCES[kind]} were not all read."
