"""Drafting a post-mortem from what is recorded, with no sentence of our own invention."""

from collections.abc import Collection, Sequence

from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.incidents.records import Incident
from incident_mcp.records.record import Record
from incident_mcp.records.text import one_line
from incident_mcp.records.tokens import tokens
from incident_mcp.response.insight import INSIGHT
from incident_mcp.response.post_mortem.evidence import Evidence, Fact, plain
from incident_mcp.response.post_mortem.questions import questions
from incident_mcp.response.post_mortem.reader import DraftReader
from incident_mcp.response.post_mortem.sections import Sections, Size
from incident_mcp.tooling.dependencies import BothServices, IncidentioApi
from incident_mcp.tooling.tools import read_tool

MOST_TOKENS = 2_300
"""Of the content, as `tokens` estimates it."""
_SIZES = (Size(40, 240), Size(30, 160), Size(24, 120), Size(18, 100), Size(12, 80), Size(8, 60))
_PREFACE = "Draft from records. [U1] names the evidence of a sentence, listed at the end; quotations are unverified."


class PostMortemDraft(Record):
    """A draft."""

    incident: str
    title: str
    content: str
    """Markdown, for incidentio_put_post_mortem."""
    existing_post_mortem: str | None = None
    problems: list[str] | None = None
    """What could not be read, and is therefore not in it."""


async def draft_post_mortem(api: IncidentioApi, services: BothServices, incident: IncidentRef) -> PostMortemDraft:
    """Draft a post-mortem from what is recorded: each sentence cites its evidence, gaps become questions.

    incidentio_put_post_mortem stores it.
    """
    reader = DraftReader(api, services.ionhour)
    found = await reader.read(incident)
    problems = reader.problems.lines()
    return PostMortemDraft(
        incident=found.reference or found.id,
        title=_title(found),
        content=write(found, reader.facts, reader.read_sources, problems),
        existing_post_mortem=found.postmortem_document_url,
        problems=problems or None,
    )


def write(incident: Incident, facts: Sequence[Fact], read: Collection[str], problems: Sequence[str]) -> str:
    """Write a draft that keeps to its budget.

    Args:
        incident: The incident.
        facts: What is recorded of it.
        read: The kinds of facts that were read in full.
        problems: What could not be read.
    """
    contents = (_content(incident, facts, read, problems, size) for size in _SIZES)
    fitting = (content for content in contents if sum(map(tokens, content.splitlines())) <= MOST_TOKENS)
    return next(fitting, None) or _content(incident, facts, read, problems, _SIZES[-1])


def _title(incident: Incident) -> str:
    return one_line(f"{incident.reference or incident.id}: {incident.name or 'post-mortem'}")[:200]


def _content(
    incident: Incident, facts: Sequence[Fact], read: Collection[str], problems: Sequence[str], size: Size
) -> str:
    evidence = Evidence.of(facts)
    sections = Sections(incident, evidence, size)
    causes = [*sections.causes()]
    written: dict[str, Sequence[str]] = {
        "Summary": [*sections.summary()],
        "Impact": [*sections.impact()],
        "Timeline (UTC)": [*sections.timeline()],
        "Response": [*sections.response()],
        "Sentences that may name the cause": causes,
        "Still open": [*sections.open()],
        "Questions that the records do not answer": [
            f"- {question}" for question in questions(incident, evidence, causes, read)
        ],
        "Not read": [f"- {plain(problem, 200)}" for problem in problems],
        "Evidence": [*sections.listed()],
    }
    texts = [f"## {name}\n\n" + "\n".join(lines) for name, lines in written.items() if lines]
    return "\n\n".join([f"# {plain(_title(incident), 200)}", _PREFACE, *texts]) + "\n"


TOOLS = [
    read_tool(
        draft_post_mortem,
        "Draft a post-mortem",
        toolset=INSIGHT,
        keywords="postmortem retrospective review report lessons learned what happened",
    )
]
