"""Finding tools that are not listed: `find_tools`."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from incident_mcp.records.fitting import shorten
from incident_mcp.records.record import Record
from incident_mcp.tooling.dependencies import CurrentCaller
from incident_mcp.tooling.tools import ToolSpec, read_tool

MOST_DESCRIBED = 8
_LONGEST = 400
"""Characters of a question that count."""
_SATURATION, _LENGTH = 1.2, 0.4
"""BM25: how soon repeats of a word stop counting, and how much long descriptions are held against a tool."""
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be been can could did do does for from have having he her him how i if im in is it its"
        " just last me my need not of on or our please s she should show so tell than that the their them then there"
        " they this to us want was we were what whats when where which who whos will with would you your",
    )
)
_SAME = (
    "person people someone somebody anyone anybody engineer folks dba specialist",
    "alert alarm monitor",
    "team squad group",
    "schedule rota roster rotation",
    "mute silence quiet snooze",
    "tonight now today tomorrow weekend afternoon evening morning",
    "page ring wake notify pager paged phone",
    "urgent urgently immediately asap",
    "permission scope allowed",
    "catalog catalogue",
)
"""Words that mean the same here."""
_SHORTEST_STEM = 3
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ers", "er", "ed", "es", "s", "e", "y")


class FoundTool(Record):
    """A tool that fits."""

    name: str
    description: str
    call_with: str
    """The tool that calls it; `itself` if it is listed."""
    input_schema: dict[str, Any] | None = None


class FoundTools(Record):
    """Tools that fit, the best first."""

    tools: list[FoundTool]
    others: list[str] | None = None
    """The other tools that are not listed, one line each."""


async def find_tools(
    caller: CurrentCaller, words: Annotated[str, Field(min_length=1, description="What you want to do.")]
) -> FoundTools:
    """Find tools that are not listed, with their arguments. use_read_tool and use_write_tool call them."""
    scores = score(words, list(caller.reachable.values()))
    ranked = _by_score(scores)
    best = [spec for spec in ranked if scores[spec] > 0][:MOST_DESCRIBED]
    unlisted = [spec for spec in ranked if spec not in best and spec.name not in caller.tools]
    lines = [f"{spec.name}: {spec.summary}" for spec in unlisted]
    return FoundTools(tools=[_describe(spec, listed=spec.name in caller.tools) for spec in best], others=lines or None)


def _describe(spec: ToolSpec, *, listed: bool) -> FoundTool:
    if listed:
        return FoundTool(name=spec.name, description=spec.summary, call_with="itself")
    definition = spec.definition
    return FoundTool(
        name=spec.name,
        description=definition.description or "",
        call_with="use_write_tool" if spec.writes else "use_read_tool",
        input_schema=definition.input_schema,
    )


def rank(words: str, tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """Return tools by how well they fit some words, the best first; without a match in their order."""
    return _by_score(score(words, tools))


def _by_score(scores: Mapping[ToolSpec, float]) -> list[ToolSpec]:
    return sorted(scores, key=lambda spec: -scores[spec])


def score(words: str, tools: Sequence[ToolSpec]) -> dict[ToolSpec, float]:
    """Return how well tools fit some words (BM25); 0 without a match."""
    asked = dict.fromkeys(_stems(shorten(words, _LONGEST)))
    documents = {spec: _document(spec) for spec in tools}
    average = sum(document.total() for document in documents.values()) / max(1, len(documents))
    frequency = Counter(stem for document in documents.values() for stem in document)

    def score_of(document: "Counter[str]") -> float:
        norm = _SATURATION * (1 - _LENGTH + _LENGTH * document.total() / average)
        return sum(
            math.log(1 + (len(documents) - frequency[stem] + 0.5) / (frequency[stem] + 0.5))
            * document[stem]
            * (_SATURATION + 1)
            / (document[stem] + norm)
            for stem in asked
            if document[stem]
        )

    return {spec: score_of(document) for spec, document in documents.items()}


@cache
def _document(spec: ToolSpec) -> "Counter[str]":
    """Return the stems that describe a tool, those of its name and its keywords counted more."""
    arguments = " ".join(name.replace("_", " ") for name in spec.definition.input_schema.get("properties", {}))
    weighted = ((spec.name.replace("_", " "), 2), (spec.keywords, 3), (spec.title, 1), (spec.description, 1))
    return Counter(stem for text, weight in (*weighted, (arguments, 1)) for stem in _stems(text) * weight)


def _stems(text: str) -> list[str]:
    """Return the words of a text without their endings, and without words that say nothing."""
    words = re.findall(r"[a-z0-9]+", text.casefold().replace("'", ""))
    stems = (_stem(word) for word in words if word not in _STOP)
    return [_same().get(stem, stem) for stem in stems]


@cache
def _same() -> dict[str, str]:
    """Return the first stem of each group of words, by stem."""
    groups = ([_stem(word) for word in group.split()] for group in _SAME)
    return {stem: first for first, *others in groups for stem in others}


def _stem(word: str) -> str:
    ending = next((each for each in _ENDINGS if word.endswith(each) and len(word) - len(each) >= _SHORTEST_STEM), "")
    stem = word.removesuffix(ending)
    # paging, pages, page: stopping, stopped, stop.
    return stem[:-1] if len(stem) > _SHORTEST_STEM and stem[-1] == stem[-2] else stem


DISCOVERY = [read_tool(find_tools, "Find tools")]
