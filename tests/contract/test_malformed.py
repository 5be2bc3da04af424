"""Every tool on malformed answers: nothing fails on an error of its own, and an odd part leaves the rest readable.

The answers are those of the sandbox to each tool's first example. `test_mutations.py` goes deeper, by cases that say
which fields of an answer follow from which of the service's.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.tools import ToolSpec
from incident_mcp.transport.service import Limits
from tests.conftest import NOW, text_of
from tests.contract.mutations import flaws_of, items
from tests.examples import examples
from tests.hostile import At, Playing, Recording

pytestmark = pytest.mark.anyio

Answers = dict[At, tuple[int, bytes]]
IDENTITY = ("id", "_id", "Id", "reference", "name")
"""Ends of keys that say which record it is."""
LEAVES: dict[str, Any] = {
    "null": None,
    "{}": {},
    "[]": [],
    "7": 7,
    "NaN": float("nan"),
    "a text": "odd \ud800",
    "true": True,
}
ROWS: list[Any] = [None, "x", 7, []]
WHOLE: list[Any] = [None, [], {}, "x", 7]


def with_leaves(value: Any, leaf: Any, key: str = "") -> Any:
    """Return JSON with another value in place of each text, number and null, identities aside."""
    if isinstance(value, dict):
        return {name: with_leaves(item, leaf, name) for name, item in value.items()}
    if isinstance(value, list):
        return [with_leaves(item, leaf, key) for item in value]
    return value if key.endswith(IDENTITY) else leaf


def with_odd_rows(value: Any) -> Any:
    """Return JSON whose lists of objects, at the top, have four rows more that are none."""
    if isinstance(value, list):
        return [*value[:1], *ROWS, *value[1:]] if value and isinstance(value[0], dict) else value
    return {name: with_odd_rows(item) if isinstance(item, list) else item for name, item in value.items()}


def without(value: Any, key: str) -> Any:
    """Return JSON without a key, at any depth."""
    if isinstance(value, dict):
        return {name: without(item, key) for name, item in value.items() if name != key}
    return [without(item, key) for item in value] if isinstance(value, list) else value


def containers(value: Any) -> Iterator[str]:
    """Yield the keys of objects and lists in JSON, at any depth."""
    for key, item in items(value):
        if isinstance(item, dict | list):
            yield from [key] if isinstance(key, str) else []
            yield from containers(item)


def changed(answers: Answers, change: Callable[[Any], Any]) -> Answers:
    """Return answers with their bodies changed."""
    return {
        at: (status, json.dumps(change(json.loads(content))).encode() if content else content)
        for at, (status, content) in answers.items()
    }


class Bench:
    """Calls a tool's first example on answers, each time with a server of its own: nothing is remembered."""

    def __init__(self, spec: ToolSpec, folder: Path) -> None:
        self.spec, self.arguments, self.folder, self.number = spec, examples(spec)[0], folder, 0

    async def call(self, network: Any) -> tuple[str, dict[str, Any] | None]:
        """Return the text and the answer, None for an error; neither has a flaw."""
        self.number += 1
        settings = Settings(sandbox=True, toolsets=("all",), state_dir=self.folder / str(self.number))
        async with Client(build_server(settings, network=network, limits=Limits(backoff=0.001))) as client:
            result = await client.call_tool(self.spec.name, self.arguments)
        text, answer = text_of(result), result.structured_content
        assert "failed on an error of its own" not in text
        if result.is_error or answer is None:
            return text, None
        assert flaws_of(text, answer, self.spec.definition.output_schema) == []
        return text, answer

    async def record(self) -> tuple[Answers, dict[str, Any]]:
        """Return what the sandbox answers, and what the tool answers then."""
        network = Recording(Sandbox(now=NOW))
        text, answer = await self.call(network)
        assert answer is not None, text
        return network.answers, answer


@pytest.fixture(params=TOOLS, ids=lambda spec: spec.name)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param, tmp_path)


async def test_whatever_stands_in_all_fields_but_identities_a_read_succeeds(bench):
    answers, _ = await bench.record()
    for kind, leaf in LEAVES.items():
        text, answer = await bench.call(Playing(changed(answers, lambda body, leaf=leaf: with_leaves(body, leaf))))
        assert bench.spec.writes or answer is not None, f"{kind}: {text}"


async def test_an_answer_that_lacks_a_key_or_is_something_else_is_no_error_of_the_tools_own(bench):
    answers, _ = await bench.record()
    for key in {key for _, content in answers.values() for key in containers(json.loads(content or b"{}"))}:
        await bench.call(Playing(changed(answers, lambda body, key=key: without(body, key))))
    for whole in WHOLE:
        await bench.call(Playing(changed(answers, lambda _, whole=whole: whole)))


async def test_rows_that_are_no_objects_are_counted_and_the_others_returned(bench):
    answers, expected = await bench.record()
    text, answer = await bench.call(Playing(changed(answers, with_odd_rows)))
    if bench.spec.writes:
        return
    assert answer is not None, text
    rows = {name: len(value) for name, value in expected.items() if isinstance(value, list) and name != "problems"}
    assert {name: len(answer[name]) for name in rows} == rows
    assert len(answer.get("problems", ())) >= len(expected.get("problems", ()))
    if "_list_" in bench.spec.name:
        assert answer["unreadable"] == len(ROWS)
