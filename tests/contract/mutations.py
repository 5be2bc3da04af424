"""Malformed answers: an example with one part changed, and which fields of the tool's answer may change with it."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from operator import eq
from typing import Any, NamedTuple, Self

import httpx2

from tests.account import Scripted
from tests.conftest import Caller, text_of

Path = tuple[str | int, ...]
Key = tuple[str, str]
"""Method and path; a path may end in `?` and the name of a query parameter that the request must have."""
FREE = ("unreadable", "note", "has_more", "cut")
"""Top-level fields that may always differ."""
MAX_REQUESTS = 1000
"""Requests to one server: beyond the vendor's 1200 it would wait."""
MOST_LISTED = 20
DROPPED = object()
_ANY_TYPE: dict[str, Any] = {
    "dropped": DROPPED,
    "null": None,
    "{}": {},
    "[]": [],
    '""': "",
    "10**30": 10**30,
    "lone surrogate": "odd \ud800",
    "NaN": float("nan"),
}
_OTHER_TYPE: dict[type, dict[str, Any]] = {
    str: {"12345": 12345, "1.5": 1.5, "true": True},
    bool: {'"perhaps"': "perhaps"},
    int: {'"abc"': "abc"},
    float: {'"abc"': "abc"},
    list: {'"x"': "x"},
    dict: {'"x"': "x"},
    type(None): {"12345": 12345, "1.5": 1.5, "true": True},
}
_FOR_UNUSED_KEYS = ("dropped", "null", "{}", "NaN", '"perhaps"', '"abc"', "a fraction", '"x"')
_FOR_UNUSED_KEYS_IF_COSTLY = ("dropped", "{}", "a fraction")
_PYTHON = re.compile(r"\b(None|True|False|nan|NaN|Infinity)\b|^-?inf$|^(\{\}|\[\])$|[{\[]'|<\S+ object at ")
_TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
_ELEMENT_NAMES = {
    "incident_role_assignments": ("role", "name"),
    "custom_field_entries": ("custom_field", "name"),
    "incident_timestamp_values": ("incident_timestamp", "name"),
    "duration_metrics": ("duration_metric", "name"),
}


class Mutation(NamedTuple):
    path: Path
    how: str
    answer: Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """A tool call, the answers that it reads, and the one of them to mutate."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    """`{n}` in a string, here or in an answer, is the number of the call."""
    answers: dict[Key, Any]
    target: Key
    record: Path = ()
    """Path of the record to mutate inside that answer: the object itself, or one row of its list."""
    identity: frozenset[str] = frozenset()
    """Keys of the record that are not mutated."""
    place: str = ""
    """Where the tool's answer has that record: "", "incident." or "incidents[INC-2]."."""
    derived: Mapping[str, str] = field(default_factory=dict)
    """Dotted key of the record to the fields derived from it; `/` marks a field outside the record's place."""
    envelope: Mapping[str, str] = field(default_factory=dict)
    """The same for keys outside the record, like `pagination_meta`."""
    free: tuple[str, ...] = FREE
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Calls to make first, like one that refreshes a cached list."""
    costly: bool = False
    """Makes several requests, or repeats what another case covers: unused keys get fewer mutations."""

    def own(self, path: Path) -> Path | None:
        """Return a path relative to the record, None for one outside it."""
        return path[len(self.record) :] if path[: len(self.record)] == self.record else None

    def sources(self, path: Path) -> list[str]:
        """Return the fields that are derived from the value at a path; of a whole row, all of its fields."""
        own = self.own(path)
        if own == ():
            fields = self._placed(" ".join(self.derived.values()), self.place)
            # With a row less, the tool may read a further page.
            return [self.place.removesuffix("."), *fields, "looked_at", *" ".join(self.envelope.values()).split()]
        table, keys, place = (self.envelope, path, "") if own is None else (self.derived, own, self.place)
        return self._placed(table.get(".".join(key for key in keys if isinstance(key, str)), ""), place)

    def _placed(self, fields: str, place: str) -> list[str]:
        return [each[1:] if each.startswith("/") else place + each for each in fields.split()]


def mutations(case: Case) -> Iterator[Mutation]:
    """Mutate every key and list item except identities and the path to the record.

    Keys from which nothing is derived get a few mutations only.
    """
    whole = case.answers[case.target]
    for path, value in _places(whole, case, ()):
        values = _ANY_TYPE | _OTHER_TYPE[type(value)]
        if type(value) in (int, float):
            values["a fraction"] = value + 0.25
        if not case.sources(path):
            few = _FOR_UNUSED_KEYS_IF_COSTLY if case.costly else _FOR_UNUSED_KEYS
            values = {how: other for how, other in values.items() if how in few}
        for how, other in values.items():
            if type(other) is not type(value) or other != value:
                yield Mutation(path, how, replaced(whole, path, other))


def _places(value: Any, case: Case, path: Path) -> Iterator[tuple[Path, Any]]:
    for key, item in items(value):
        here = (*path, key)
        if here == case.record[: len(here)]:
            yield from _places(item, case, here)
        elif path == case.record and key in case.identity:
            continue
        elif isinstance(key, str) or path != case.record[: len(path)]:
            yield here, item
            yield from _places(item, case, here)


def items(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: Path, other: Any) -> Any:
    """Copy a value with another value at a path, or without that key."""
    if not path:
        return other
    copy = value.copy()
    if len(path) == 1 and other is DROPPED:
        del copy[path[0]]
    else:
        copy[path[0]] = replaced(copy[path[0]], path[1:], other)
    return copy


@dataclass
class Network(Scripted):
    """Answers as scripted, NaN included; later pages are empty, and a malformed date filter is a 422."""

    asked: set[Key] = field(default_factory=set[Key])
    number: int = 0
    """Number of the call."""

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        query = dict(request.url.params)
        if not re.match(r"\d{4}-\d\d-\d\d", query.get("created_at[gte]", "2026-11-21")):
            return httpx2.Response(422, json={"type": "validation_error", "errors": [{"message": "no date"}]})
        path = request.url.path
        keys = [(request.method, f"{path}?{name}") for name in query] + [(request.method, path)]
        key = next((key for key in keys if key in self.answers), None)
        if key is None:
            return httpx2.Response(404, json={"message": f"nothing is scripted for {path}"})
        self.asked.add(key)
        answer = self.answers[key]
        if "after" in query or query.get("page", "1") != "1":
            answer = _later_page(answer)
        elif "incident_id" in query:
            answer = _of_incident(answer, query["incident_id"])
        return httpx2.Response(200, content=json.dumps(answer).replace("{n}", f"{self.number:04}").encode())


def _later_page(answer: Any) -> Any:
    return {key: [] for key, rows in items(answer) if isinstance(rows, list)} if isinstance(answer, dict) else []


def _of_incident(answer: Any, incident: str) -> Any:
    """Keep the rows of one incident, and those without an incident_id."""

    def fits(row: Any) -> bool:
        return not isinstance(row, dict) or row.get("incident_id", incident) == incident

    return {key: [row for row in rows if fits(row)] if isinstance(rows, list) else rows for key, rows in items(answer)}


@dataclass
class Outcome:
    """Result of a call: an answer or a failure."""

    answer: dict[str, Any] | None
    failure: str = ""
    read: bool = False
    """Whether the call requested the target."""
    flaws: list[str] = field(default_factory=list)
    """What no answer may contain: values off the schema, NaN, Python reprs."""


class Bench:
    """Calls tools, with a new server every MAX_REQUESTS requests: `async with Bench(connect) as bench:`."""

    def __init__(self, connect: Callable[..., AbstractAsyncContextManager[Caller]]) -> None:
        self._connect = connect
        self._stack = AsyncExitStack()
        self._network = Network({})
        self._schemas: dict[str, Any] = {}
        self._number = 0

    async def __aenter__(self) -> Self:
        await self._renew()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _renew(self) -> None:
        await self._stack.aclose()
        self._network = Network({})
        connecting = self._connect(sandbox=self._network, max_declares=0, max_writes=0)
        self._caller = await self._stack.enter_async_context(connecting)
        self._schemas = {tool.name: tool.output_schema for tool in (await self._caller.client.list_tools()).tools}

    async def call(self, case: Case, answer: Any = DROPPED) -> Outcome:
        """Make the call, with `answer` in place of the target's."""
        if len(self._network.requests) > MAX_REQUESTS:
            await self._renew()
        self._number += 1
        self._network.answers = case.answers if answer is DROPPED else {**case.answers, case.target: answer}
        self._network.number = self._number
        self._network.asked.clear()
        for tool, arguments in case.before:
            await self._caller.result(tool, **arguments)
        arguments = {
            name: value.replace("{n}", str(self._number)) if isinstance(value, str) else value
            for name, value in case.arguments.items()
        }
        try:
            result = await self._caller.result(case.tool, **arguments)
        except RuntimeError as error:
            # The SDK's client validates answers against the tool's schema, too.
            return Outcome(None, str(error).splitlines()[0])
        text, answered = text_of(result), result.structured_content
        if result.is_error or answered is None:
            return Outcome(None, text, read=case.target in self._network.asked)
        flaws = flaws_of(text, answered, self._schemas[case.tool])
        return Outcome(answered, read=case.target in self._network.asked, flaws=flaws)


def flaws_of(text: str, answer: Any, schema: Any) -> list[str]:
    """List what no answer may contain: values off its schema, NaN, Python reprs; or a text that is another answer."""
    return [*_written(text, answer), *misfits(answer, schema), *python_words(answer)]


def _written(text: str, answer: Any) -> Iterator[str]:
    try:
        if json.loads(text, parse_constant=_no_json) != answer:
            yield "the text is not the structured content"
    except ValueError as error:
        yield f"the text is no JSON: {error}"


def _no_json(word: str) -> None:
    raise ValueError(word)


def misfits(value: Any, schema: Any, where: str = "") -> Iterator[str]:
    """List values that are not of the type in the schema, or not in the schema at all."""
    wanted = schema.get("type", "object")
    if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        yield f"{where} is {value!r:.60}, no {wanted}"
    elif wanted == "array":
        for item in value:
            yield from misfits(item, schema["items"], f"{where}[]")
    elif wanted == "object":
        known, further = schema.get("properties", {}), schema.get("additionalProperties", "properties" not in schema)
        yield from (f"{where} has no {name}" for name in schema.get("required", ()) if name not in value)
        for name, item in value.items():
            if name in known or isinstance(further, dict):
                yield from misfits(item, known.get(name, further), f"{where}.{name}".strip("."))
            elif not further and (where or name not in FREE):
                yield f"{where}.{name} is in no schema".strip(".")


def python_words(value: Any) -> Iterator[str]:
    """List strings that are a Python repr: None, nan, {'a': 1}."""
    if isinstance(value, str) and _PYTHON.search(value):
        yield f"{value!r:.60} is returned"
    for key, item in items(value):
        yield from python_words(key)
        yield from python_words(item)


def leaves(value: Any, whole: Any = None, where: str = "") -> dict[str, Any]:
    """Flatten an answer to dotted names; a row is named by its identity, or by the row of `whole` that it matches."""
    if isinstance(value, dict):
        known = whole if isinstance(whole, dict) else {}
        parts = [leaves(item, known.get(key), f"{where}.{key}".strip(".")) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(row, dict) for row in value):
        rows = keyed(value, whole if isinstance(whole, list) else None)
        known = keyed(whole) if isinstance(whole, list) else {}
        parts = [leaves(row, known.get(key), f"{where}[{key}]") for key, row in rows.items()]
        parts.append({f"{where}[]": tuple(rows)})
    elif isinstance(value, list):
        parts = [{f"{where}[{item}]": count for item, count in Counter(map(str, value)).items()}]
    else:
        return {where: (type(value), value)}
    return {key: leaf for part in parts for key, leaf in part.items()}


def keyed(rows: Sequence[Any], whole: Sequence[Any] | None = None) -> dict[str, Any]:
    """Name rows by reference, id or index; with `whole`, by the name of the row there that they match best."""
    key = next((key for key in _NAMES if _tells_apart(key, rows if whole is None else whole)), "")
    if whole is None:
        return {_name(row, key) or str(number): row for number, row in enumerate(rows)}
    left, found = keyed(whole), dict[int, str]()

    def same_name(one: Any, other: Any) -> bool:
        return _name(one, key) == _name(other, key) is not None

    for alike in (eq, same_name, _alike):
        for number, row in enumerate(rows):
            place = next((each for each, known in left.items() if number not in found and alike(row, known)), None)
            if place is not None:
                found[number] = place
                del left[place]
    return {found.get(number, f"new {number}"): row for number, row in enumerate(rows)}


_NAMES = ("incident ionhour_incident", "reference", "id", "step")


def _tells_apart(key: str, rows: Sequence[Any]) -> bool:
    names = {_name(row, key) for row in rows}
    return None not in names and len(names) == len(rows)


def _name(row: Any, key: str) -> str | None:
    parts = [row.get(each) for each in key.split()] if isinstance(row, dict) else []
    return ":".join(map(str, parts)) if parts and None not in parts else None


def _alike(one: Any, other: Any) -> bool:
    common = [key for key in one if one[key] == other.get(key)] if isinstance(one, dict) else []
    return len(common) >= max(1, len(other) // 2)


def changes(case: Case, path: Path, whole: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """List the fields that changed without being derived from the value at the path."""
    before, after = leaves(whole), leaves(answer, whole)
    lost, new = _allowed(case, path, whole)
    changed: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        if key.endswith("[]") and one and other:
            one, other = [row for row in one if row in other], [row for row in other if row in one]
        free = re.split(r"[.\[]", key)[0] in case.free
        if one != other and not free and not _inside(key, lost if key in before else new):
            changed.append(key)
    return changed


def _inside(key: str, fields: Iterable[str]) -> bool:
    return any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in fields)


def _allowed(case: Case, path: Path, whole: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return which fields may change and where new ones may appear; of a list, other items may not change."""
    own, where = case.own(path) or (), case.sources(path)
    if len(own) < 2 or isinstance(own[1], str):
        return where, where
    return [f"{each}{_item(case, own, each, whole)}" for each in where], where


def _item(case: Case, own: Path, name: str, whole: dict[str, Any]) -> str:
    """Name the item of a field that one item of the API's list becomes."""
    name = name.removeprefix(case.place)
    item = at(case.answers[case.target], (*case.record, *own[:2]))
    if not isinstance(item, dict):
        return f"[{item}]"
    if name not in whole or name not in ("roles", "custom_fields", "timestamps", "duration_seconds"):
        return ""
    within = at(item, _ELEMENT_NAMES[str(own[0])])
    if len(own) > 3 and own[2] == "values":
        return f".{within}[{whole[name][within][own[3]]}]"
    return f".{within}"


@dataclass
class Tally:
    """Counts by tool."""

    ran: Counter[str] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    flawed: Counter[str] = field(default_factory=Counter)

    def line(self, tool: str | None = None) -> str:
        ran, examples, failed, changed, flawed = (
            counter[tool] if tool else counter.total()
            for counter in (self.ran, self.examples, self.failed, self.changed, self.flawed)
        )
        return (
            f"{ran} mutations over {examples} examples: {failed} calls failed, {changed} other fields changed,"
            f" {flawed} answers with a foreign type or repr"
        )


async def run_mutations(bench: Bench, case: Case, tally: Tally, every: int) -> list[str]:
    """Run every n-th mutation of a case and return the failures, one line per place and kind.

    Every third is still each place, and each kind at a third of the places.
    """
    result = await bench.call(case)
    if result.answer is None or result.flaws or not result.read:
        return [
            f"{case.tool} {case.target}, the unmutated answer: {result.failure or result.flaws or 'it is not read'}"
        ]
    whole, wrong = result.answer, defaultdict[tuple[str, str], list[str]](list)
    tally.examples[case.tool] += 1
    for mutation in islice(mutations(case), None, None, every):
        tally.ran[case.tool] += 1
        result = await bench.call(case, mutation.answer)
        where = ".".join(map(str, mutation.path))
        if result.answer is None:
            tally.failed[case.tool] += 1
            wrong[where, f"failed: {result.failure[:160]}"].append(mutation.how)
            continue
        if changed := changes(case, mutation.path, whole, result.answer):
            tally.changed[case.tool] += len(changed)
            wrong[where, f"changed {', '.join(changed[:4])}"].append(mutation.how)
        if result.flaws:
            tally.flawed[case.tool] += 1
            wrong[where, result.flaws[0]].append(mutation.how)
    method, path = case.target
    return [f"{method} {path} {where} = {' | '.join(hows)}: {what}" for (where, what), hows in wrong.items()]


def listed(wrong: Sequence[str]) -> str:
    """Format the first failures for an assertion message."""
    more = [f"... and {len(wrong) - MOST_LISTED} more"] if len(wrong) > MOST_LISTED else []
    return "\n".join(["", *wrong[:MOST_LISTED], *more])
