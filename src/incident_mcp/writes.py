"""How a write is carried out: at most once, and its outcome told as what it is.

In order: `dry_run` shows the request and ends; the journal is asked whether an equal call was made before; a person is
asked if the settings want it; the guard rails count; the intent goes to disk; the request leaves; what came of it goes
to disk and into the audit log.
"""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic

import anyio

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
        remembered: Seconds for which an equal call is answered with this one's record; 0 keeps it out of the journal.
        verify: Looks whether it was done, and gives the answer if so: for writes without a key.
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
    remembered: float = 0
    verify: Callable[[], Awaitable[A | None]] | None = None
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
    caller: str | None = None
    """The client's name and version."""

    async def perform(self, api: Api, write: Write[A, R], *, dry_run: bool) -> Outcome[R]:
        """Carry a write out, or show it.

        Raises:
            ServiceError: It failed; the text ends with what that means for the write.
        """
        if dry_run:
            request = _with_key(write, write.key or str(uuid.uuid4()))
            return Outcome(would_send=Planned(api.service.name, request.method, request.path, request.body))
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

    async def _once(self, api: Api, write: Write[A, R], account: str, intent: str) -> Outcome[R]:
        """Carry a journalled write out, unless an equal call did it before."""
        journal = self.safety.journal
        known = None if write.key else await journal.look(intent)
        if known and known.state == "done" and known.answer is not None and known.age <= write.remembered:
            await self._audit(api, write, write.request, "repeated")
            return self._repeated(write, known)
        if known and (known.state == "done" or known.age > SAME_KEY_SECONDS):
            known = None
        key = write.key or (known.key if known else str(uuid.uuid4()))
        async with self._journalled(intent, write, account, key, known=known):
            outcome = await self._send(api, write, key, known=known)
            if outcome.record is not None:
                await journal.done(intent, outcome.record.dump())
        return replace(outcome, note=outcome.note or self._trouble())

    @asynccontextmanager
    async def _journalled(
        self, intent: str, write: Write[Any, Any], account: str, key: str, *, known: Entry | None
    ) -> AsyncGenerator[None]:
        """Keep the journal true, whatever ends the write: `pending` before, `unknown` or no row after a failure."""
        journal = self.safety.journal
        await journal.begin(intent, tool=write.tool, account=account, key=key)
        try:
            yield
        except IncidentMcpError as failure:
            # That this attempt was refused says nothing of an earlier one whose outcome is open: its key must stay.
            open_still = known is not None or isinstance(failure, NoAnswer)
            await (journal.unknown(intent) if open_still else journal.forget(intent))
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await journal.unknown(intent)
            raise

    async def _send(self, api: Api, write: Write[A, R], key: str, *, known: Entry | None) -> Outcome[R]:
        """Send a write and tell its outcome; `known` is the journal's entry of an equal call whose outcome is open."""
        if known is not None and write.verify is not None and (earlier := await write.verify()) is not None:
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
        """Send; after a lost reply look whether it was done, and only then send once more."""
        lost: NoAnswer | None = None
        while True:
            try:
                return await api.send(request, write.answer, repeat=write.repeat)
            except NoAnswer as failure:
                done = await _look(write)
                if done is not None:
                    return done
                # What is still under way may land after the look, so only harmless writes follow it.
                if lost or write.verify is None or (failure.late and write.repeat is Repeat.NEVER):
                    failure.conclude(_UNKNOWN)
                    raise
                lost = failure
            except ServiceError as failure:
                if lost and lost.late:
                    lost.conclude(_UNKNOWN)
                    raise lost from None
                await _word(write, failure)
                raise

    def _repeated(self, write: Write[A, R], known: Entry) -> Outcome[R]:
        again = "pass an idempotency_key" if write.repeat is Repeat.KEYED else "use other words"
        ago = f"{known.age:.0f} s ago"
        return Outcome(
            write.record.model_validate(known.answer),
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
_UNKNOWN = "sent, outcome unknown: call again with the same arguments, it will not be done twice."


async def _look(write: Write[A, Any]) -> A | None:
    """Look whether a write was done; a look that fails says nothing."""
    if write.verify is None:
        return None
    try:
        return await write.verify()
    except ServiceError:
        return None


async def _word(write: Write[Any, Any], failure: ServiceError) -> None:
    """Say of a write that was not done what to do next."""
    failure.advise(write.advice.get(failure.status or 0, ""))
    if isinstance(failure, Refused) and write.explain is not None:
        failure.advise(await write.explain(failure))
    failure.conclude(_REFUSED if isinstance(failure, Refused) else _NOT_SENT)


def _with_key(write: Write[Any, Any], key: str) -> Request:
    if write.repeat is not Repeat.KEYED:
        return write.request
    return replace(write.request, body={"idempotency_key": key, **(write.request.body or {})})
