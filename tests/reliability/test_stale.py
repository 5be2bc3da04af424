"""Random interleavings of reads, own writes and others' writes, with lost replies: no change is overwritten blindly.

A few in CI; a thousand with `pytest --hypothesis-profile long tests/reliability/test_stale.py`.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from mcp_types import CallToolResult

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import FIELD, INCIDENT, ROLE, SEVERITY, STATUS, USER
from tests.conftest import NOW, Caller, text_of
from tests.reliability.conftest import BRIEF, serving

REFERENCE = "INC-114"
NUMBER = INCIDENT[REFERENCE]
LISTED = ("name", "severity", "status")
FULL = (*LISTED, "summary", "call_url", "roles", "custom_fields")
STATUSES = ("Investigating", "Fixing", "Monitoring")
PEOPLE = ("Ines Moreau", "Yuki Tanaka", "Priya Raman")
COMMS = "Communications Lead"
IMPACT = "Customer impact"

Values = dict[str, Any]

texts = st.integers(0, 3).map(lambda number: f"Text {number}")
values: st.SearchStrategy[tuple[str, str]] = st.one_of(
    st.tuples(st.sampled_from(["name", "summary"]), texts),
    st.tuples(st.just("call_url"), st.integers(0, 3).map(lambda number: f"https://meet.example.com/{number}")),
    st.tuples(st.just("severity"), st.sampled_from(sorted(SEVERITY))),
    st.tuples(st.just("status"), st.sampled_from(STATUSES)),
    st.tuples(st.just("roles"), st.sampled_from(PEOPLE)),
    st.tuples(st.just("custom_fields"), texts),
)
moves = st.one_of(
    st.tuples(st.just("severity"), st.sampled_from(sorted(SEVERITY))),
    st.tuples(st.just("status"), st.sampled_from(STATUSES)),
)
faults = st.sampled_from(["", "", "", "cut_before", "cut_after", "every_cut_before", "every_cut_after"])
steps = st.one_of(
    st.tuples(st.sampled_from(["get", "list", "situation", "timeline"])),
    st.tuples(st.just("other"), values),
    st.tuples(st.just("edit"), values, faults),
    st.tuples(st.just("edit"), values, faults),
    st.tuples(st.just("update"), moves, faults),
    st.tuples(st.just("message"), texts),
    st.tuples(st.just("both"), values, moves),
    st.tuples(st.just("again")),
    st.tuples(st.just("regardless")),
)


def _fault(kind: str) -> Fault:
    """Lose one reply of a write, or every reply from then on, lookups included."""
    if kind.startswith("every_"):
        cut: Literal["cut_before", "cut_after"] = "cut_after" if kind.endswith("after") else "cut_before"
        return Fault(cut, method="POST", times=None)
    return Fault("cut_after" if kind == "cut_after" else "cut_before", method="POST", times=1)


@dataclass
class Run:
    """A caller, what others do meanwhile, and what the caller may know."""

    box: Sandbox
    call: Caller
    known: Values = field(default_factory=dict[str, Any])
    """Each field as the caller was shown or set it last."""
    moved: bool = False
    """Whether somebody else changed the incident since the caller was shown it last in any way."""
    made: list[tuple[str, Values]] = field(default_factory=list[tuple[str, Values]])
    """Own writes: an identical one reads what the first one did."""
    last: Callable[..., Any] | None = None
    """The last own write, to be called again."""
    refused: tuple[str, Values] | None = None
    """The last refused write: its tool and arguments, with `seen`."""

    @property
    def row(self) -> Values:
        return next(row for row in self.box.incidentio.incidents if row["id"] == NUMBER)

    def truth(self) -> Values:
        row = self.row
        people = {
            entry["role"]["name"]: entry.get("assignee", {}).get("name") for entry in row["incident_role_assignments"]
        }
        return {
            "name": row["name"],
            "summary": row.get("summary"),
            "call_url": row.get("call_url"),
            "severity": row["severity"]["name"],
            "status": row["incident_status"]["name"],
            "roles": people[COMMS],
            "custom_fields": json.dumps([entry["values"] for entry in row["custom_field_entries"]], sort_keys=True),
        }

    @property
    def overwritten(self) -> set[str]:
        """The fields that somebody else changed since the caller was shown them."""
        truth = self.truth()
        return {name for name, value in self.known.items() if truth[name] != value}

    @property
    def stale(self) -> bool:
        """Whether a write must be refused."""
        full = self.known.keys() == set(FULL)
        return bool(self.overwritten) or (bool(self.known) and self.moved and not full)

    def show(self, fields: tuple[str, ...]) -> None:
        truth = self.truth()
        self.known |= {name: truth[name] for name in fields}
        self.moved = False

    async def get(self) -> None:
        await self.call.ok("incidentio_get_incident", incident=REFERENCE)
        self.show(FULL)

    async def list(self) -> None:
        await self.call.ok("incidentio_list_incidents", limit=50)
        self.show(LISTED)

    async def situation(self) -> None:
        await self.call.ok("situation")
        self.show(LISTED)

    async def timeline(self) -> None:
        await self.call.ok("incident_timeline", incident=REFERENCE)
        self.show(LISTED)

    async def other(self, change: tuple[str, str]) -> None:
        """Somebody else edits the incident, with another program."""
        name, value = change
        assignment = {"incident_role_id": ROLE[COMMS], "assignee": {"id": USER.get(value)}}
        body: dict[str, Any] = {
            "severity": {"severity_id": SEVERITY.get(value)},
            "status": {"incident_status_id": STATUS.get(value)},
            "roles": {"incident_role_assignments": [assignment]},
            "custom_fields": {
                "custom_field_entries": [{"custom_field_id": FIELD[IMPACT], "values": [{"value_text": value}]}]
            },
        }
        fields = body.get(name, {name: value})
        self.box.advance(10)
        headers = {"Authorization": f"Bearer {self.box.key('incidentio')}"}
        async with httpx2.AsyncClient(transport=self.box.transport("incidentio"), headers=headers) as client:
            response = await client.post(
                f"https://api.incident.io/v2/incidents/{NUMBER}/actions/edit",
                json={"incident": fields, "notify_incident_channel": False},
            )
        assert response.status_code == 200, response.text
        self.box.advance(10)
        self.moved = True

    async def edit(self, change: tuple[str, str], fault: str = "") -> None:
        name, value = change
        argument: Any = {"roles": {COMMS: value}, "custom_fields": {IMPACT: [value]}}.get(name, value)
        await self._write("incidentio_edit_incident", {name: argument}, fault, FULL, {name})

    async def update(self, change: tuple[str, str], fault: str = "") -> None:
        name, value = change
        await self._write("incidentio_post_update", {name: value}, fault, (), {name})

    async def message(self, text: str) -> None:
        await self.call.ok("incidentio_post_update", incident=REFERENCE, message=text)

    async def both(self, change: tuple[str, str], move: tuple[str, str]) -> None:
        """Two own writes at once: neither counts as somebody else's to the other, or to a later one."""
        if self.stale or change[0] == move[0]:
            return
        name, value = change
        argument: Any = {"roles": {COMMS: value}, "custom_fields": {IMPACT: [value]}}.get(name, value)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ok, "incidentio_edit_incident", {name: argument})
            tasks.start_soon(self._ok, "incidentio_post_update", {move[0]: move[1]})
        self.last = None
        truth = self.truth()
        self.known |= truth
        self.moved = False

    async def _ok(self, tool: str, arguments: Values) -> None:
        await self.call.ok(tool, incident=REFERENCE, **arguments)

    async def again(self) -> None:
        if self.last is not None:
            await self.last()

    async def regardless(self) -> None:
        """Send a refused write although it is stale: refused again if somebody else changed something since."""
        if self.refused is None:
            return
        tool, arguments = self.refused
        current, stale = arguments["seen"] == self.row["updated_at"], self.stale
        result = await self.call.result(tool, incident=REFERENCE, **arguments)
        if current:
            assert not result.is_error, text_of(result)
            event("sent regardless")
            self.show(FULL)
        elif not result.is_error:
            # What was changed in between was read in the meantime, or changed back.
            assert not stale or "repeated" in (result.structured_content or {})
            self.show(FULL)
        self.refused = None

    async def _write(self, tool: str, arguments: Values, fault: str, shows: tuple[str, ...], sets: set[str]) -> None:
        stale, known, overwritten = self.stale, bool(self.known), self.overwritten
        if fault:
            self.box.fail(_fault(fault))
        before = len(self.box.requests)
        result = await self.call.result(tool, incident=REFERENCE, **arguments)
        self.box.heal()
        sent = self.box.requests[before:]
        posts = [each for each in sent if each.method == "POST"]
        reads = [each for each in sent if each.method == "GET" and each.path.startswith("/v2/incidents/")]
        refused = result.is_error and "Somebody else changed" in text_of(result)
        if refused:
            assert stale, text_of(result)
            assert not posts
            assert all(f"{name}" in text_of(result) for name in overwritten)
            self._keep_refused(tool, arguments, result)
        elif posts:
            assert not stale, (overwritten, self.moved)
        if not fault and not result.is_error and posts and (tool, arguments) not in self.made:
            # Resolving the reference of an update is a read of its own, cached for a minute.
            assert len(reads) - _resolved(sent, tool) == int(known)
        self.made.append((tool, arguments))
        if not refused:
            self._learn(result, shows, sets)
            self.last = lambda: self._again(tool, arguments, shows, sets)
        event("refused" if refused else "unknown" if result.is_error else "done")

    def _learn(self, result: CallToolResult, shows: tuple[str, ...], sets: set[str]) -> None:
        """Note what an own write showed and what it set, whether its outcome is known or not."""
        if not result.is_error and shows:
            self.show(shows)
        elif self.known:
            truth = self.truth()
            self.known |= {name: truth[name] for name in sets & self.known.keys()}

    async def _again(self, tool: str, arguments: Values, shows: tuple[str, ...], sets: set[str]) -> None:
        """Make an identical call: what it set is still in effect, so that it is a repeat, however stale."""
        before = {name: value for name, value in self.truth().items() if name in sets}
        stale = self.stale
        posts = len(self.box.writes())
        result = await self.call.result(tool, incident=REFERENCE, **arguments)
        if len(self.box.writes()) > posts:
            assert not stale
        elif result.is_error:
            assert stale, text_of(result)
            assert "Somebody else changed" in text_of(result)
            return
        assert result.is_error or {name: self.truth()[name] for name in sets} == before or not stale
        self._learn(result, shows, sets)

    def _keep_refused(self, tool: str, arguments: Values, result: CallToolResult) -> None:
        found = re.search(r"pass seen=(\S+)\.$", text_of(result))
        assert found is not None
        assert found[1] == self.row["updated_at"]
        self.refused = (tool, {**arguments, "seen": found[1]})


def _resolved(sent: list[Any], tool: str) -> int:
    """Return how many reads resolved a reference: an update's incident by its number."""
    return sum(tool.endswith("post_update") and each.path == "/v2/incidents/114" for each in sent)


async def _play(script: list[tuple[Any, ...]], state: Path) -> None:
    box = Sandbox(now=NOW)
    async with serving(box, state, BRIEF) as call:
        run = Run(box, call)
        for name, *arguments in script:
            await getattr(run, name)(*arguments)


async def _make_journal(state: Path) -> None:
    async with serving(Sandbox(now=NOW), state) as call:
        await call.ok("incidentio_edit_incident", incident="INC-112", name="Before")


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a journal: without one, a first write reads what an earlier one may have done."""
    state = tmp_path_factory.mktemp("stale") / "state"
    anyio.run(_make_journal, state)
    return state


@given(script=st.lists(steps, min_size=2, max_size=12))
@example(script=[("get",), ("other", ("summary", "Text 1")), ("edit", ("severity", "Minor"), "")])
@example(script=[("get",), ("edit", ("name", "Text 1"), "every_cut_after"), ("edit", ("summary", "Text 1"), "")])
@example(script=[("list",), ("other", ("custom_fields", "Text 1")), ("update", ("status", "Monitoring"), "")])
def test_no_change_of_somebody_else_is_overwritten_blindly(journal: Path, script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_play, script, Path(shutil.copytree(journal, Path(folder) / "state")))
