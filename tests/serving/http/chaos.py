"""Clients that call at random, lose answers, and keep a ledger of what they asked for and what they were answered."""

import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT, CallToolResult

from tests.conftest import PREVIEWED, text_of
from tests.serving.http.people import Person

ATTEMPTS = 120
"""Identical calls until an outage counts as endless."""
IMPATIENT = 0.05
"""How many calls lose their answer because the client gives up."""
CODE_TROUBLE = ("confirm: the code", "The code is used up", "call again without confirm")
OUTCOMES = re.compile(
    r"Outcome: (not sent|refused|sent, outcome unknown|still unknown)|(Not sent)\.|(will not be sent)"
)
NO_ANSWER = (CONNECTION_CLOSED, INTERNAL_ERROR, REQUEST_TIMEOUT)


class LostAnswer(Exception):  # nothing failed: there is no answer
    """The connection broke, a proxy answered in place of the server, or the client gave up."""


@dataclass
class Intent:
    """Something that a person wants done once."""

    kind: str
    text: str
    incident: str | int | None = None
    done: bool = False
    abandoned: bool = False
    attempts: int = 0


@dataclass
class Ledger:
    """What all clients wanted, did and were answered."""

    intents: list[Intent] = field(default_factory=list[Intent])
    wrong: list[str] = field(default_factory=list[str])
    counts: Counter[str] = field(default_factory=Counter[str])
    codes: Counter[str] = field(default_factory=Counter[str])
    """How often a code led to an answer that says that this call did something."""

    def expect(self, condition: object, complaint: str) -> None:
        """Note a wrong answer."""
        if not condition:
            self.wrong.append(complaint)


class Caller:
    """A client of one person, that calls until all calls are made."""

    def __init__(self, person: Person, mode: str, url: str, ledger: Ledger, chance: random.Random) -> None:
        self.person, self.mode, self.url = person, mode, url
        self.ledger, self._chance = ledger, chance
        self._client: Client | None = None
        self._own: list[str] = []
        """References of the incidents that it created."""
        self._names: dict[str, str] = {}
        self._messages: dict[str, set[str]] = {}
        """Updates that it posted, by incident."""
        self._number = 0

    async def run(self, left: Callable[[], bool]) -> None:
        """Connect, and call until nothing is left; connect again when the connection cannot be used any more."""
        while left():
            try:
                async with self.person.connect(self.url, self.mode, seconds=50) as client:
                    self._client = client
                    while left():
                        await self._step()
            except* (MCPError, httpx2.HTTPError, LostAnswer, OSError):
                self.ledger.counts["connections lost"] += 1
                await anyio.sleep(0.2)

    async def _step(self) -> None:
        may_write = self.person.role != "reader"
        steps: list[tuple[int, Callable[[], Any]]] = [(30, self._read_known), (10, self._read_list)]
        steps += [(15, self._read_own), (5, self._write_forbidden)] if self._own or not may_write else []
        if may_write:
            steps += [(12, self._create), (12, self._note)]
            steps += [(22, self._update)] if self._own else []
        if self.person.role == "pager":
            steps += [(8, self._page)]
        weights, chosen = zip(*steps, strict=True)
        await self._chance.choices(chosen, weights)[0]()

    async def _call(self, tool: str, arguments: dict[str, Any], patience: float | None = None) -> CallToolResult:
        """Call a tool once.

        Raises:
            LostAnswer: There is no answer.
        """
        assert self._client
        self.ledger.counts["calls"] += 1
        try:
            with anyio.move_on_after(patience if patience is not None else 55):
                return await self._client.call_tool(tool, arguments)
        except MCPError as error:
            if error.error.code not in NO_ANSWER:
                raise AssertionError(f"{tool}: {error.error}") from error
        except (httpx2.HTTPError, anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        self.ledger.counts["answers lost"] += 1
        raise LostAnswer(tool)

    async def _answered(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """Call until there is an answer."""
        for _ in range(ATTEMPTS):
            try:
                return await self._call(tool, arguments, self._patience())
            except LostAnswer:
                await anyio.sleep(self._chance.uniform(0.05, 0.4))
        raise AssertionError(f"{tool}: no answer after {ATTEMPTS} calls")

    def _patience(self) -> float | None:
        return self._chance.uniform(0.01, 0.3) if self._chance.random() < IMPATIENT else None

    # Reads. They must succeed, also while Redis is away.

    async def _read(self, tool: str, **arguments: Any) -> dict[str, Any] | None:
        result = await self._answered(tool, arguments)
        self.ledger.counts["reads"] += 1
        if result.is_error:
            self.ledger.wrong.append(f"{tool} failed: {text_of(result)}")
            return None
        return result.structured_content

    async def _read_known(self) -> None:
        found = await self._read("incidentio_get_incident", incident="INC-114")
        self.ledger.expect(not found or found["reference"] == "INC-114", f"INC-114 is answered as {found}")

    async def _read_list(self) -> None:
        found = await self._read("ionhour_get_incident", incident_id=4514)
        self.ledger.expect(not found or found["id"] == 4514, f"4514 is answered as {found}")

    async def _read_own(self) -> None:
        if not self._own:
            await self._read_known()
            return
        reference = self._chance.choice(self._own)
        if self._messages.get(reference) and self._chance.random() < 0.6:
            found = await self._read("incidentio_list_updates", incident=reference, limit=100)
            shown = {row.get("message") for row in (found or {}).get("incident_updates", [])}
            missing = self._messages[reference] - shown
            self.ledger.expect(not found or not missing, f"{reference} lacks the updates {missing}: {found}")
        else:
            found = await self._read("incidentio_get_incident", incident=reference)
            self.ledger.expect(not found or found["name"] == self._names[reference], f"{reference}: {found}")

    async def _write_forbidden(self) -> None:
        """Try what the role does not allow: it must not take effect, whatever happens meanwhile."""
        if self.person.role == "pager":
            return
        tool = "incidentio_page_people" if self.person.role == "responder" else "incidentio_create_incident"
        arguments = {"title": "Forbidden", "escalation_path": "Database"}
        if self.person.role == "reader":
            arguments = {"name": "Forbidden", "severity": "Minor"}
        try:
            result = await self._answered(tool, arguments)
        except AssertionError as error:
            # An unknown tool, by protocol.
            self.ledger.expect("nknown tool" in str(error), f"{tool} as {self.person.role}: {error}")
            return
        self.ledger.expect(result.is_error, f"{tool} as {self.person.role}: {result.structured_content}")
        self.ledger.counts["forbidden calls rejected"] += bool(result.is_error)

    # Writes.

    async def _create(self) -> None:
        intent = self._intent("incident")
        done = await self._write(intent, "incidentio_create_incident", name=intent.text, severity="Minor")
        if done:
            self.ledger.expect(done["name"] == intent.text, f"{intent.text} is answered with {done}")
            self._own.append(done["reference"])
            self._names[done["reference"]] = intent.text

    async def _update(self) -> None:
        reference = self._chance.choice(self._own)
        intent = self._intent("update", reference)
        done = await self._write(intent, "incidentio_post_update", incident=reference, message=intent.text)
        if done:
            self._messages.setdefault(reference, set()).add(intent.text)

    async def _note(self) -> None:
        intent = self._intent("note", 4514)
        await self._write(intent, "ionhour_create_note", incident_id=4514, body=intent.text)

    async def _page(self) -> None:
        intent = self._intent("page")
        await self._write(intent, "incidentio_page_people", title=intent.text, escalation_path="Database")

    def _intent(self, kind: str, incident: str | int | None = None) -> Intent:
        self._number += 1
        intent = Intent(kind, f"{kind} {self._number} of {self.person.name}", incident)
        self.ledger.intents.append(intent)
        return intent

    async def _write(self, intent: Intent, tool: str, **arguments: Any) -> dict[str, Any] | None:
        """Repeat the identical call until it is done; or leave it, if nothing of it can have been sent."""
        lost = False
        code: str | None = None
        for _ in range(ATTEMPTS):
            if tool in PREVIEWED and code is None:
                code = await self._preview(tool, arguments)
                if code is None:
                    await anyio.sleep(self._chance.uniform(0.1, 0.5))
                    continue
            sent = arguments if code is None else {**arguments, "confirm": code}
            intent.attempts += 1
            try:
                result = await self._call(tool, sent, self._patience())
            except LostAnswer:
                lost = True
                await anyio.sleep(self._chance.uniform(0.05, 0.4))
                continue
            if not result.is_error:
                return await self._done(intent, tool, sent, result, code)
            text = text_of(result)
            known = self._count_outcome(text, tool)
            lost = lost or "nknown" in known
            if not lost and "ot sent" in known and self._chance.random() < 0.3:
                intent.abandoned = True
                self.ledger.counts["left after not sent"] += 1
                return None
            if any(mark in text for mark in CODE_TROUBLE):
                code = None
            await anyio.sleep(self._chance.uniform(0.1, 0.5))
        self.ledger.wrong.append(f"{intent.text} is not done after {ATTEMPTS} calls")
        return None

    async def _preview(self, tool: str, arguments: dict[str, Any]) -> str | None:
        result = await self._answered(tool, arguments)
        if result.is_error:
            self._count_outcome(text_of(result), tool)
            return None
        return (result.structured_content or {})["confirm"]

    async def _done(
        self, intent: Intent, tool: str, sent: dict[str, Any], result: CallToolResult, code: str | None
    ) -> dict[str, Any]:
        """Note the answer; now and then repeat the call, as a client does whose user sends it again."""
        intent.done = True
        answer = result.structured_content or {}
        self.ledger.counts[f"done {intent.kind}"] += 1
        repeated = bool(answer.get("repeated"))
        self.ledger.counts["answers of an earlier call"] += repeated
        if code is not None:
            self.ledger.codes[code] += not repeated
        if code is None and self._chance.random() < 0.1:
            again = await self._answered(tool, sent)
            if not again.is_error:
                record = again.structured_content or {}
                self.ledger.expect(record.get("repeated"), f"a repeat of {intent.text} is a new record: {record}")
                self.ledger.expect(record.get("id") == answer.get("id"), f"{intent.text} is two records")
        return answer

    def _count_outcome(self, text: str, tool: str) -> str:
        """Return the outcome that a failed write reports."""
        if text.startswith("confirm: the code"):
            self.ledger.counts["codes rejected"] += 1
            return "unknown"
        found = OUTCOMES.search(text)
        known = next((each for each in found.groups() if each), "") if found else ""
        self.ledger.expect(found and known != "refused", f"{tool}: {text}")
        self.ledger.counts[f"outcome {known}"] += 1
        return known
