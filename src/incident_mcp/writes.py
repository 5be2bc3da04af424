"""How a write is carried out: at most once, and its outcome told as what it is.

In order: `dry_run` shows the request and ends; a person is asked if the settings want it; the journal is asked whether
an equal call was made before; the guard rails count; the intent goes to disk; the request leaves; what came of it goes
to disk and into the audit log.
"""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic

import anyio
from pydantic import ValidationError

if TYPE_CHECKING:
    from incident_mcp.audit import AuditLog

from incident_mcp.errors import IncidentMcpError, NoAnswer, NotSent, Refused, ServiceError
from incident_mcp.guard import Rail
from incident_mcp.http import A, Api, Repeat, Request
from incident_mcp.journal import SAME_KEY_SECONDS, Entry, Journal, fingerprint
from incident_mcp.models import Json, Outcome, Planned, R

DECLARE_SECONDS = 600
UPDATE_SECONDS = 120
"""For how long an equal call is answered with the earlier record: a declaration, an update or a note."""


@dataclass(frozen=True, kw_only=True)
class Write(Generic[A, R]):
    """One logical write.

    Attributes:
        tool: The tool that asks for it.
        request: The request; of a keyed write without its key.
        answer: What the service answers.
        record: What is told of it.
        tell: Makes the record of the answer.
        repeat: Whether the request may be sent again when its outcome is open.
        question: What happens, in one sentence, for a person to accept or decline.
        destructive: Something is lost or people are woken.
        remembered: Seconds for which an equal call is answered with this one's record; 0 keeps it out of the journal.
        verify: Looks whether it was done, and gives the answer if so: for writes without a key.
        look_first: Use `verify` before the first sending, too.
        key: The caller's idempotency key, sent as given; a keyed write without one gets a new one.
        declares: It declares an incident.
        advice: What a refusal with this status means for this write.
        explain: Says more on a refusal, like the names that would be valid.
    """

    tool: str
    request: Request
    answer: type[A]
    record: type[R]
    tell: Callable[[A], R]
    repeat: Repeat
    question: str = ""
    destructive: bool = False
    remembered: float = 0
    verify: Callable[[], Awaitable[A | None]] | None = None
    look_first: bool = False
    key: str | None = None
    declares: bool = False
    advice: Mapping[int, str] = field(default_factory=dict[int, str])
    explain: Callable[[Refused], Awaitable[str]] | None = None


@dataclass
class Safety:
    """What guards the writes of one process."""

    journal: Journal
    declares: Rail
    writes: Rail
    audit: "AuditLog | None" = None


@dataclass
class Writer:
    """Carries out the writes of one tool call."""

    safety: Safety
    caller: str | None
    """The client's name and version."""
    confirm: str
    """Which writes a person is asked about: never, destructive, writes."""
    ask: Callable[[str], Awaitable[None]]
    """Asks a person; raises unless the answer is yes."""
    asked: bool = False

    async def perform(self, api: Api, write: Write[A, R], *, dry_run: bool) -> Outcome[R]:
        """Carry a write out, or show it.

        Raises:
            ServiceError: It failed; the text ends with what that means for the write.
        """
        if dry_run:
            request = _with_key(write, write.key or str(uuid.uuid4()))
            return Outcome(would_send=Planned(api.service.name, request.method, request.path, request.body))
        if await self.confirmed(write.question, destructive=write.destructive):
            # A person may think about it for longer than a call may take.
            api.renew()
        if not write.remembered:
            return await self._send(api, write, write.key or str(uuid.uuid4()), known=None)
        account = fingerprint(api.service.name, api.service.base_url, api.service.key.get_secret_value())[:16]
        asked = write.request
        intent = fingerprint(account, write.tool, asked.method, asked.path, asked.body, write.key)
        async with self.safety.journal.alone(intent, api.deadline) as alone:
            if not alone:
                raise NotSent(
                    "An equal call is still under way. Call again with the same arguments.", outcome=_NOT_SENT
                )
            return await self._once(api, write, account, intent)

    def asks(self, *, destructive: bool = False) -> bool:
        """Say whether a person is to be asked about a write of this kind."""
        return self.confirm == "writes" or (self.confirm == "destructive" and destructive)

    async def confirmed(self, question: str, *, destructive: bool = False) -> bool:
        """Ask a person, if the settings want it, and only once a call; say whether it was asked now.

        Raises:
            NotConfirmed: The answer is no, or nobody can be asked.
        """
        if self.asked or not self.asks(destructive=destructive):
            return False
        await self.ask(question)
        self.asked = True
        return True

    async def _once(self, api: Api, write: Write[A, R], account: str, intent: str) -> Outcome[R]:
        """Carry a journalled write out, unless an equal call did it before."""
        journal = self.safety.journal
        known = await journal.look(intent)
        if known and known.age > (write.remembered if known.state == "done" else SAME_KEY_SECONDS):
            known = None
        # What is looked for first is told as it is found, not as it was left: a note may have been deleted since.
        if known and not write.key and not write.look_first and (earlier := self._repeated(write, known)):
            await self._audit(api, write, write.request, "repeated")
            return earlier
        key = write.key or (known.key if known else str(uuid.uuid4()))
        may_land = api.service.limits.attempt
        await journal.begin(intent, tool=write.tool, account=account, key=key, may_land=may_land)
        async with self._journalled(intent, known=known, may_land=may_land):
            outcome = await self._send(api, write, key, known=known)
            if outcome.record is not None:
                await journal.done(intent, outcome.record.dump())
        return replace(outcome, note=" ".join(filter(None, (outcome.note, self._trouble()))) or None)

    @asynccontextmanager
    async def _journalled(self, intent: str, *, known: Entry | None, may_land: float) -> AsyncGenerator[None]:
        """Keep the journal true, whatever ends the write: `unknown` or no row after a failure.

        Args:
            intent: The row.
            known: What the journal knows of an equal call.
            may_land: Seconds for which a request without an answer may still be carried out.
        """
        journal = self.safety.journal
        try:
            yield
        except IncidentMcpError as failure:
            # That this attempt was refused says nothing of an earlier one whose outcome is open: its key must stay.
            if known and known.state != "done" and isinstance(failure, ServiceError) and failure.outcome != _UNKNOWN:
                failure.conclude(_STILL_OPEN)
            late = isinstance(failure, NoAnswer) and failure.late
            if isinstance(failure, NoAnswer) and (trouble := self._trouble()):
                failure.advise(trouble)
            if known is None and not isinstance(failure, NoAnswer):
                await journal.forget(intent)
            else:
                await journal.unknown(intent, may_land=may_land if late else known.may_land if known else 0)
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await journal.unknown(intent, may_land=may_land)
            raise

    async def _send(self, api: Api, write: Write[A, R], key: str, *, known: Entry | None) -> Outcome[R]:
        """Send a write and tell its outcome; `known` is the journal's entry of an equal call whose outcome is open."""
        earlier = None
        if known is not None:
            earlier = await _settled(write, known)
        elif write.look_first and write.verify is not None:
            earlier = await write.verify()
        if earlier is not None:
            await self._audit(api, write, write.request, "done before")
            return Outcome(write.tell(earlier), note="An earlier, equal call had done this; nothing was sent now.")
        request = _with_key(write, key)
        rail = self.safety.declares if write.declares else self.safety.writes
        mark = None if known else rail.take()
        outcome, request_id = "unknown", None
        try:
            answer = await self._attempts(api, write, request)
            outcome = "done"
        except ServiceError as failure:
            outcome = _WORDS[type(failure)]
            request_id = failure.request_id
            if mark is not None and not isinstance(failure, NoAnswer):
                rail.give_back(mark)
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await self._audit(api, write, request, outcome, request_id)
        return Outcome(write.tell(answer), note=self.safety.audit.trouble if self.safety.audit else None)

    async def _attempts(self, api: Api, write: Write[A, R], request: Request) -> A:
        """Send, and say of a failure what it means for the write."""
        try:
            return await api.send(request, write.answer, repeat=write.repeat, look=write.verify)
        except NoAnswer as failure:
            failure.conclude(_UNKNOWN)
            raise
        except ServiceError as failure:
            await _word(write, failure)
            raise

    def _repeated(self, write: Write[A, R], known: Entry) -> Outcome[R] | None:
        """Tell the record of an equal call that was done; None when there is none that can be read."""
        if known.state != "done" or known.answer is None:
            return None
        try:
            record = write.record.model_validate(known.answer)
        except ValidationError:
            return None
        again = "pass an idempotency_key" if write.repeat is Repeat.KEYED else "use other words"
        ago = f"{known.age:.0f} s ago"
        return Outcome(
            record,
            repeated=True,
            note=f"An equal call did this {ago}; nothing was sent now. To do it again on purpose, {again}.",
        )

    def _trouble(self) -> str | None:
        trouble = self.safety.journal.trouble
        return trouble and f"{trouble}; a repeat of this call is recognised only until the server ends."

    async def _audit(
        self, api: Api, write: Write[Any, Any], request: Request, outcome: str, request_id: str | None = None
    ) -> None:
        if self.safety.audit is None:
            return
        entry: Json = {
            "tool": write.tool,
            "caller": self.caller,
            "service": api.service.name,
            "request": {"method": request.method, "path": request.path, "body": request.body},
            "outcome": outcome,
            "request_id": request_id,
        }
        await self.safety.audit.append({name: value for name, value in entry.items() if value is not None})


_WORDS: dict[type[ServiceError], str] = {NoAnswer: "unknown", NotSent: "not sent", Refused: "refused"}
_NOT_SENT = "not sent."
_REFUSED = "refused, nothing was changed."
_STILL_OPEN = (
    "still unknown: this call did nothing, and whether an earlier, equal one did is open. Call again with the same"
    " arguments, it will not be done twice."
)
_UNKNOWN = "sent, outcome unknown: call again with the same arguments, it will not be done twice."


async def _settled(write: Write[A, Any], known: Entry) -> A | None:
    """Look for what an earlier call did, until it can no longer land.

    Raises:
        ServiceError: It could not be looked up, so nothing may be sent.
    """
    landed = anyio.current_time() + known.may_land
    while write.verify is not None:
        left = landed - anyio.current_time()
        found = await write.verify()
        if found is not None or left <= 0:
            return found
        await anyio.sleep(min(left, 2.0))
    return None


async def _word(write: Write[Any, Any], failure: ServiceError) -> None:
    """Say of a write that was not done what to do next."""
    failure.step = write.advice.get(failure.status or 0, failure.step)
    if isinstance(failure, Refused) and write.explain is not None:
        failure.advise(await write.explain(failure))
    failure.conclude(_REFUSED if isinstance(failure, Refused) else _NOT_SENT)


def _with_key(write: Write[Any, Any], key: str) -> Request:
    if write.repeat is not Repeat.KEYED:
        return write.request
    return replace(write.request, body={"idempotency_key": key, **(write.request.body or {})})
