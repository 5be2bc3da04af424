"""How a write is carried out: at most once, and its outcome reported truthfully.

In order: `dry_run` shows the request and ends; a person confirms if the settings want it; the journal says whether an
identical call was made before; the limits count; the intent goes to disk; the request leaves; the outcome goes to disk
and into the audit log.

An idempotency key is derived from the intent, so that a lost journal leads to the same key and the service's own
protection holds. A record that comes back older than the time for which a repeat is recognised belongs to an earlier
intent: then the next key is used, so that a write that is meant is never swallowed.
"""

import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from incident_mcp.writing.audit import AuditLog

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError, NotSentError, ServiceError, join_sentences
from incident_mcp.records.record import A, R, shorten
from incident_mcp.transport.api import Api
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.intents import MOST_KEYS, Intent, account_of, intent_of
from incident_mcp.writing.journal.journal import AHEAD_SECONDS, SAME_KEY_SECONDS, Begun, Entry, Journal, fingerprint
from incident_mcp.writing.limits import WriteLimit
from incident_mcp.writing.outcome import Done, Failed, NotSent, Unknown, WriteError
from incident_mcp.writing.plan import Baseline, Existing, WritePlan
from incident_mcp.writing.result import Planned, WriteResult
from incident_mcp.writing.sending import OutcomeLog, send_plan
from incident_mcp.writing.state import (
    State,
    is_before_call,
    is_older,
    is_undone,
    look_for,
    made_at,
    record_of,
    settle,
    with_key,
)


@dataclass
class Safety:
    """What guards the writes of one process."""

    journal: Journal
    declares: WriteLimit
    writes: WriteLimit
    audit: "AuditLog | None" = None


@dataclass
class Writer:
    """Carries out the writes of one tool call."""

    safety: Safety
    caller: str | None
    """The client's name and version."""
    confirm_policy: str
    """Which writes need confirmation: never, destructive, writes."""
    ask: Callable[[str, str], Awaitable[None]]
    """Asks for confirmation of a question about a request's hash; raises unless the answer is yes."""
    confirmed: bool = False
    """Whether this call's writes were confirmed already."""

    async def perform(self, api: Api, plan: WritePlan[A, R], *, dry_run: bool) -> WriteResult[R]:
        """Carry a write out, or show it.

        Raises:
            WriteError: It failed; the text ends with the outcome.
            ServiceError: Something could not be read before the write; it was not sent.
        """
        intent = _intent_of(api, plan)
        if dry_run:
            request = with_key(plan, await self._planned_key(api, plan, intent))
            return WriteResult(would_send=Planned(api.service.name, request.method, request.path, request.body))
        request = fingerprint(intent.hash, plan.request.body)
        if await self.confirm(plan.question, request, destructive=plan.destructive):
            # A person may think about it for longer than a call may take.
            api.renew()
        if not plan.remember_seconds:
            return await self._plainly(api, plan, intent)
        asked = time.time()
        async with self.safety.journal.alone(intent.hash, api.deadline) as alone:
            if not alone:
                raise _not_sent("An identical call is still under way. Call again with the same arguments.")
            return await self._once(api, plan, intent, asked)

    def needs_confirmation(self, *, destructive: bool = False) -> bool:
        """Return whether a write of this kind needs confirmation."""
        return self.confirm_policy == "writes" or (self.confirm_policy == "destructive" and destructive)

    async def confirm(self, question: str, request: str, *, destructive: bool = False) -> bool:
        """Ask for confirmation if the settings require it, once per call; return whether it was asked now.

        Raises:
            NotConfirmedError: The answer is no, or nobody can be asked.
        """
        if self.confirmed or not self.needs_confirmation(destructive=destructive):
            return False
        await self.ask(question, request)
        self.confirmed = True
        return True

    @asynccontextmanager
    async def declaration_lock(self, api: Api) -> AsyncGenerator[None]:
        """Let one declaration at a time check for the same outage and be sent, over all processes with one journal.

        Raises:
            WriteError: Another one is under way for too long; nothing was sent.
        """
        async with self.safety.journal.alone(f"declare-{account_of(api)}", api.deadline) as alone:
            if not alone:
                raise _not_sent("Another declaration is under way. Call again.")
            yield

    async def is_repeat(self, api: Api, plan: WritePlan[A, R]) -> bool:
        """Return whether the journal knows an identical call that this one repeats."""
        state = await self._state(plan, _intent_of(api, plan))
        return state.open or state.recent

    async def _planned_key(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> str:
        fixed = plan.caller_key or plan.fixed_key
        if fixed or plan.repeat is not Repeat.KEYED:
            return fixed or ""
        entry = (await self.safety.journal.look(intent.hash)).entry
        done = entry is not None and entry.state == "done" and entry.age > plan.remember_seconds
        return intent.key(api.now(), entry.key if done and entry else None)

    async def _plainly(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> WriteResult[R]:
        """Carry out a write that does the same when done twice: no row is kept of it, only what it wrote to."""
        row = Entry(intent.hash, plan.tool, intent.account, "", "pending", None, 0, 0, things=plan.targets)
        started = time.monotonic()
        begun = await self.safety.journal.begin(row, limit=self._limit(plan), remembered=False)
        look = partial(look_for, plan, Baseline(0)) if plan.find_effect else None
        try:
            outcome = await send_plan(api, plan, plan.request, look, self._log(api))
        except IncidentMcpError:
            await self.safety.journal.undo(begun)
            raise
        if isinstance(outcome, Done):
            state = State(None, open=False, recent=False, started=started)
            return self._with_notes(self._result(api, plan, outcome.value, state))
        if not isinstance(outcome, Unknown):
            await self.safety.journal.undo(begun)
        raise WriteError(outcome)

    async def _once(self, api: Api, plan: WritePlan[A, R], intent: Intent, asked: float) -> WriteResult[R]:
        """Carry a journalled write out, unless an identical call did it before."""
        journal = self.safety.journal
        await self._check_key(plan, intent)
        state = await self._state(plan, intent, asked)
        if journal.unreadable and plan.repeat is Repeat.NEVER:
            raise _not_sent(
                f"{journal.unreadable}, so a note that an earlier call left could not be told from a new one. Free it,"
                " or move the file away; then call again."
            )
        if state.open and state.ended and await is_undone(plan):
            # Whatever the lost attempt did, this caller did something else since.
            state.open, state.undone = False, True
        if repeated := await self._repeated(api, plan, state):
            await self._log(api).record(plan.tool, plan.request, "repeated")
            return repeated
        entry = state.entry
        key = plan.caller_key or plan.fixed_key
        if key is None:
            # Of a row that lies ahead nobody knows how old it is: the service's record of its key says that.
            kept = entry is not None and (state.open or entry.age < -AHEAD_SECONDS)
            key = entry.key if entry and kept else intent.key(api.now(), entry.key if entry else None)
        may_land = api.service.limits.attempt
        now = time.time()
        state.started = time.monotonic()
        began = entry.began if entry and state.open else api.now()
        before = entry.before if entry and state.open else state.before
        row = Entry(
            intent.hash, plan.tool, intent.account, key, "pending", None, now, now + may_land, began=began,
            before=before, things=plan.targets,
        )  # fmt: skip
        begun = await journal.begin(row, limit=None if state.open else self._limit(plan))
        async with self._journalled(begun, may_land=may_land):
            outcome = await self._carry_out(api, plan, intent, begun, state)
            if not isinstance(outcome, Done):
                outcome = await self._journal_failure(begun, outcome, state, may_land=may_land)
            else:
                result, answer = outcome.value
                things = plan.targets_of(answer) if plan.targets_of else ()
                await journal.done(begun, result.record.dump() if result.record else {}, things)
                return self._with_notes(result)
        raise WriteError(outcome)

    async def _check_key(self, plan: WritePlan[A, R], intent: Intent) -> None:
        """Refuse a caller's idempotency key that belongs to another request.

        Raises:
            InputError: It does.
        """
        if plan.caller_key is None:
            return
        for row in await self.safety.journal.with_key(intent.account, plan.caller_key):
            if row.intent != intent.hash:
                raise InputError(
                    f"idempotency_key {shorten(plan.caller_key, 60)!r} belongs to another request, made by {row.tool}"
                    f" {max(row.age, 0):.0f} s ago: the service would answer that one's record. Pass a new key for this"
                    " request, or leave it out. Not sent."
                )

    async def _state(self, plan: WritePlan[A, R], intent: Intent, asked: float = math.inf) -> State:
        known = await self.safety.journal.look(intent.hash, asked)
        entry = known.entry
        state = State(entry, open=False, recent=False, ended=known.ended)
        if entry is not None and entry.state == "done":
            # A row that lies ahead was written before the clock was set back: how old it is, nobody knows.
            state.recent = -AHEAD_SECONDS <= entry.age <= plan.remember_seconds and not known.ended
            # One whose record cannot be read is settled like one whose outcome is open.
            state.open = state.recent and record_of(plan, entry) is None
        elif entry is not None:
            state.open = entry.age <= SAME_KEY_SECONDS
        return state

    async def _repeated(self, api: Api, plan: WritePlan[A, R], state: State) -> WriteResult[R] | None:
        """Return the outcome of an identical call that was done a moment ago; None when there is none."""
        earlier = None
        if plan.read_existing is not None:
            earlier = await plan.read_existing(plan.remember_seconds)
            state.before = earlier.ids
        if state.open or plan.caller_key:
            return None
        entry = state.entry
        if entry is not None and state.recent and not plan.accept_any_effect:
            state.undone = await is_undone(plan)
            return None if state.undone else await self._still(plan, entry, earlier)
        identical: A | None = None
        unsure = entry.age < -AHEAD_SECONDS if entry else self.safety.journal.lost
        if earlier is not None and (entry is None or unsure):
            # An empty journal may stand in the place of one that knew of it.
            identical = earlier.identical
        elif plan.accept_any_effect or (unsure and not plan.declares):
            identical = await look_for(
                plan, Baseline(0 if plan.accept_any_effect else api.now() - plan.remember_seconds)
            )
        if identical is None:
            return None
        if await is_undone(plan):
            state.undone, state.earlier_made = True, made_at(plan, identical)
            return None
        if plan.repeat is Repeat.CHECKED:
            note = "It is as this edit wants it already: nothing was sent now, and nobody was notified."
            return WriteResult(plan.to_record(identical), note=note)
        note = "An identical call was made before: nothing was sent now."
        return WriteResult(plan.to_record(identical), repeated=True, note=note)

    async def _still(self, plan: WritePlan[A, R], entry: Entry, earlier: Existing[A] | None) -> WriteResult[R] | None:
        """Return the record of an identical call, if what it did still stands."""
        record = record_of(plan, entry)
        number = (entry.answer or {}).get("id")
        if earlier is not None and number is not None and str(number) not in earlier.ids:
            return None
        if plan.repeat is Repeat.CHECKED and plan.find_effect is not None:
            found = await plan.find_effect(Baseline(entry.began))
            if found is None:
                return None
            record = plan.to_record(found)
        again = "pass an idempotency_key" if plan.repeat is Repeat.KEYED else "use other words"
        if plan.declares:
            again = "name this incident in despite"
        note = f"An identical call did this {max(entry.age, 0):.0f} s ago; nothing was sent now."
        note += "" if plan.repeat is Repeat.CHECKED else f" To do it again on purpose, {again}."
        return WriteResult(record, repeated=True, note=note)

    @asynccontextmanager
    async def _journalled(self, begun: Begun, *, may_land: float) -> AsyncGenerator[None]:
        """Keep the journal true if an exception ends the write: it is taken back, or its outcome is unknown.

        Args:
            begun: The row.
            may_land: Seconds for which a request without an answer may still be carried out.
        """
        try:
            yield
        except IncidentMcpError:
            await self.safety.journal.undo(begun)
            raise
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.safety.journal.unknown(begun, may_land=may_land)
            raise

    async def _journal_failure(self, begun: Begun, outcome: Failed, state: State, *, may_land: float) -> Failed:
        """Put a failed write's outcome into the journal, and return it with what else is known."""
        if isinstance(outcome.failure, NoAnswerError):
            entry = state.entry
            left = entry.may_land if entry and state.open else 0
            await self.safety.journal.unknown(begun, may_land=may_land if outcome.failure.late else left)
            outcome = replace(outcome, journal_trouble=self._trouble())
        else:
            # That this attempt was not carried out does not change what is known of an earlier one.
            await self.safety.journal.undo(begun)
        return outcome if isinstance(outcome, Unknown) else replace(outcome, earlier_open=state.open)

    async def _carry_out(
        self, api: Api, plan: WritePlan[A, R], intent: Intent, begun: Begun, state: State
    ) -> Done[tuple[WriteResult[R], A]] | Failed:
        """Settle an earlier attempt, or send the write; an earlier intent's record leads to the next key."""
        row = begun.row or Entry(intent.hash, plan.tool, intent.account, "", "pending", None, 0, 0)
        baseline = Baseline(row.began, row.before)
        if state.open and state.entry is not None:
            try:
                found = await settle(plan, state.entry, baseline)
            except ServiceError as failure:
                return NotSent(failure=failure)
            if found is not None:
                await self._log(api).record(plan.tool, plan.request, "done before")
                note = "An earlier, identical call had done this; nothing was sent now."
                return Done((WriteResult(plan.to_record(found), repeated=True, note=note), found))
        looks = plan.find_effect is not None and plan.repeat is not Repeat.KEYED
        look = partial(look_for, plan, baseline) if looks else None
        key, derived = row.key, not (plan.caller_key or plan.fixed_key)
        passed, last = 0, None
        while True:
            request = plan.repeat_request if state.open and plan.repeat_request else with_key(plan, key)
            outcome = await send_plan(api, plan, request, look, self._log(api))
            if not isinstance(outcome, Done):
                return outcome
            made = made_at(plan, outcome.value)
            if not (derived and self._is_spent(api, plan, made, last, state)) or passed == MOST_KEYS:
                return Done((self._result(api, plan, outcome.value, state), outcome.value))
            passed, last = passed + 1, made
            key = (
                intent.key(api.now(), key) if passed < MOST_KEYS else intent.late_key(api.now(), plan.remember_seconds)
            )
            await self.safety.journal.use_key(begun, key)

    def _is_spent(
        self, api: Api, plan: WritePlan[Any, Any], made: float | None, last: float | None, state: State
    ) -> bool:
        """Return whether a record that a derived key led to is that of an earlier intent.

        Args:
            api: The service.
            plan: The write.
            made: When the record was made.
            last: When the record before it was made, of the key before.
            state: What is known of the write.
        """
        if made is None or plan.repeat is not Repeat.KEYED:
            return False
        if state.undone and (made == state.earlier_made or is_before_call(api, made, state)):
            return True
        window = SAME_KEY_SECONDS if state.open else plan.remember_seconds
        # Existing intents lie a window apart: records that do not were made just now, and the clocks are wrong.
        return is_older(api, made, window) and (last is None or made - last >= window)

    def _result(self, api: Api, plan: WritePlan[A, R], answer: A, state: State) -> WriteResult[R]:
        """Return the record that the service answered, with whether it is new."""
        record = plan.to_record(answer)
        made = made_at(plan, answer)
        older = made is not None and is_before_call(api, made, state)
        done_before = state.entry is not None and state.entry.state == "done" and bool(plan.caller_key)
        if plan.matches_request is not None and not plan.matches_request(answer):
            if older:
                note = (
                    "The service answered the record of an earlier request, made with the same idempotency key and"
                    " another content: this request was not carried out. For a new one pass a new idempotency_key."
                )
                return WriteResult(record, repeated=True, note=note)
            if plan.caller_key:
                note = (
                    "This record differs from what was sent: the service changed it, or it belongs to another request"
                    " that was just made with the same idempotency key. Compare before you report it as done."
                )
                return WriteResult(record, note=note)
        if older or done_before:
            note = "It was done before, by an earlier call; nothing new was made now."
            return WriteResult(record, repeated=True, note=note)
        quiet = (
            plan.repeat_request is not None and plan.repeat_request != plan.request and (state.open or api.sent_again)
        )
        note = "An earlier attempt was lost, so this one was sent without notifying the channel a second time."
        return WriteResult(record, note=note if quiet else None)

    def _limit(self, plan: WritePlan[A, R]) -> WriteLimit:
        return self.safety.declares if plan.declares else self.safety.writes

    def _log(self, api: Api) -> OutcomeLog:
        return OutcomeLog(self.safety.audit, self.caller, api.service.name)

    def _with_notes(self, result: WriteResult[R]) -> WriteResult[R]:
        """Add what is wrong with the journal or the audit log."""
        audit_trouble = self.safety.audit.trouble if self.safety.audit else None
        return replace(result, note=join_sentences(result.note, audit_trouble, self._trouble()) or None)

    def _trouble(self) -> str | None:
        trouble = self.safety.journal.trouble
        return trouble and f"{trouble}; a repeat of this call is recognised only until the server ends."


def _not_sent(why: str) -> WriteError:
    return WriteError(NotSent(failure=NotSentError(why)))


def _intent_of(api: Api, plan: WritePlan[Any, Any]) -> Intent:
    # A caller's key says by itself what is another intent.
    return intent_of(api, plan.tool, plan.request, plan.caller_key, None if plan.caller_key else plan.distinguished_by)
