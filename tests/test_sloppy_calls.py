"""Every tool with every argument as models and hosts get it wrong: read as meant, or refused by name and not sent.

The cells are made of the published schemas, so a new tool is held to the same rules; a new argument needs a valid value
in the tool's EXAMPLES. Each cell is one call. `pytest tests/test_sloppy_calls.py -s` prints the counts.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Fault, Sandbox
from tests.account import FIELD
from tests.conftest import Caller, text_of
from tests.sloppy import ACCEPTED, HERE, INERT, SERVICE, Cell, Json, Kind, SloppyTool, published

pytestmark = pytest.mark.anyio

ARGUMENTS = {spec.name: spec.definition.input_schema["properties"] for spec in TOOLS}
WRITES = {spec.name: spec.writes for spec in TOOLS}
UNSETTING = [name for name, writes in WRITES.items() if writes and "custom_fields" in ARGUMENTS[name]]
PASSED = (*ACCEPTED, *SERVICE)
MOST_SHOWN = 60
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOVING = {"age", "ago", "as_of", "confirm", "duration_since_success_ms", "since_success"}
"""What depends on when a call is made."""


@dataclass(frozen=True)
class Seen:
    """What a call did."""

    kind: Kind
    requests: list[Any]
    answer: Any
    text: str

    def same_as(self, other: "Seen") -> bool:
        return (self.kind, self.requests, self.answer) == (other.kind, other.requests, other.answer)


@dataclass
class Matrix:
    """Makes the calls of one tool, and keeps what the plain ones did."""

    call: Caller
    box: Sandbox
    tool: SloppyTool
    plain: dict[str, Seen]

    async def make(self, arguments: Json) -> Seen:
        before = len(self.box.requests)
        result = await self.call.result(self.tool.name, **arguments)
        made = self.box.requests[before:]
        requests = [[r.service, r.method, r.path, sorted(r.query), steady(r.body)] for r in made]
        answer = steady(result.structured_content)
        text = text_of(result)
        refused = any((request.status or 0) >= 400 for request in made)
        kind: Kind = "accepted"
        if result.is_error:
            kind = "refused by the service" if refused else "refused here"
        if "failed with an internal error" in text:
            kind = "failed with an internal error"
        return Seen(kind, sorted(requests, key=repr), answer, text)

    async def make_plain(self, arguments: Json) -> Seen:
        key = json.dumps(arguments, sort_keys=True)
        if key not in self.plain:
            # The first call may read lists of names, which are then kept for a minute.
            await self.make(arguments)
            self.plain[key] = await self.make(arguments)
        return self.plain[key]

    async def inert(self) -> list[str]:
        """The arguments whose valid value changes nothing, so that their cells would prove nothing."""
        plan = self.tool.plan
        found: list[str] = []
        for argument in self.tool.properties:
            if argument in (*self.tool.required, "dry_run", "confirm", "seen") or (self.tool.name, argument) in INERT:
                continue
            given = await self.make_plain(plan | self.tool.with_(argument, self.tool.valid(argument)))
            if given.same_as(await self.make_plain(plan | self.tool.without(argument))):
                found.append(argument)
        return found

    async def judge(self, cell: Cell) -> tuple[Seen, str]:
        """Make a cell's call and say what is wrong with what it did; nothing if nothing is."""
        plain = await self.make_plain(cell.like) if cell.like is not None else None
        seen = await self.make(cell.call)
        if seen.kind not in cell.expected:
            return seen, f"{seen.kind}, not {' or '.join(cell.expected)}: {seen.text[:200]}"
        if seen.kind == "refused here":
            return seen, self._refusal(cell, seen)
        if plain is not None and not seen.same_as(plain):
            return seen, f"does not do what {cell.like} does: {differing(seen, plain)}"
        if cell.holds and cell.holds not in {leaf.split("\n")[0] for leaf in leaves([seen.answer, seen.requests])}:
            return seen, f"does not pass {cell.holds!r} on: {seen.answer}"
        return seen, ""

    def _refusal(self, cell: Cell, seen: Seen) -> str:
        if seen.requests:
            return f"refused after requests: {seen.requests}"
        head = seen.text.rpartition("Arguments (")[0] or seen.text
        if missing := [words for words in cell.says if not any(names(head, word) for word in words.split("|"))]:
            return f"refused without naming {missing}: {seen.text[:300]}"
        return "" if not cell.lists_known or self.tool.known in seen.text else f"does not list the known: {seen.text}"


def names(text: str, word: str) -> bool:
    """Whether a text holds this word, and not only a longer one that contains it."""
    return re.search(rf"(?<!\w){re.escape(word)}(?![\w\[])", text) is not None


def steady(value: Any) -> Any:
    """Leave out what differs from call to call: made keys, and what depends on the time."""
    if isinstance(value, str):
        return _UUID.sub("(key)", value)
    if isinstance(value, dict):
        return {key: steady(item) for key, item in cast("Json", value).items() if key not in _MOVING}
    return [steady(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)


def differing(seen: Seen, plain: Seen) -> str:
    for mine, other in ((seen.kind, plain.kind), (seen.requests, plain.requests), (seen.answer, plain.answer)):
        if mine != other:
            return f"{str(mine)[:300]} against {str(other)[:300]}"
    return ""


@pytest.fixture(scope="module")
def counts() -> Iterator[Counter[str]]:
    """The cells of all tools by what their calls did."""
    counted: Counter[str] = Counter()
    yield counted
    kinds = ("accepted", "refused here", "refused by the service", "wrongly accepted", "otherwise wrong")
    print(f"\n{counted['cells']} sloppy calls:", ", ".join(f"{counted[kind]} {kind}" for kind in kinds))


@pytest.mark.parametrize("name", WRITES)
async def test_a_sloppy_call_is_read_as_meant_or_refused_by_name_with_nothing_sent(name, connect, box, counts):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        # What should have been held back shows in the sandbox's record, and changes nothing for the next cell.
        box.fail(Fault("status", method=method, status=422))
    wrong: list[str] = []
    async with connect(toolsets=("all",)) as call:
        matrix = Matrix(call, box, await published(call, name, writes=WRITES[name]), {})
        wrong += [f"{argument}: its valid value makes no difference" for argument in await matrix.inert()]
        for cell in matrix.tool.cells():
            seen, complaint = await matrix.judge(cell)
            let_through = cell.expected == HERE and (seen.kind in PASSED or bool(seen.requests))
            counts["cells"] += 1
            if complaint:
                wrong.append(f"{cell}: {complaint}")
                counts["wrongly accepted" if let_through else "otherwise wrong"] += 1
            else:
                counts[seen.kind] += 1
    more = f"\n... and {len(wrong) - MOST_SHOWN} more" if len(wrong) > MOST_SHOWN else ""
    assert not wrong, f"{name}: {len(wrong)} wrong\n" + "\n".join(wrong[:MOST_SHOWN]) + more


@pytest.mark.parametrize("name", UNSETTING)
async def test_an_empty_list_in_custom_fields_still_unsets_the_field(name, connect):
    async with connect(toolsets=("all",)) as call:
        tool = await published(call, name, writes=WRITES[name])
        for empty in ({"Affected team": []}, '{"Affected team": []}', {"Affected team": [], "Runbook": ""}):
            plan = await call.ok(name, **tool.without(), custom_fields=empty, dry_run=True)
            body = plan["would_send"]["body"]
            entries = body.get("incident", body)["custom_field_entries"]
            assert entries == [{"custom_field_id": FIELD["Affected team"], "values": []}], empty
