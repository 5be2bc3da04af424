"""A write that the journal remembers: it takes effect once, regardless of how often it is called.

In order: the journal reports whether an identical call was made before; the limits count; the intent is recorded on
disk; the request is sent; the outcome is recorded on disk and in the audit log.

An idempotency key is derived from the intent, so a lost journal leads to the same key and the service's own protection
holds. If the service returns a record that is older than the time in which a repeat is recognised, the record belongs
to an earlier intent. The next key is used then, so that a deliberate write is never swallowed.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, TypeAlias

import anyio

from incident_mcp.errors import IncidentMcpError, InputError, NoAnswerError, ServiceError, join_sentences
from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import A, R, shorten
from incident_mcp.transport.api import Api
from incident_mcp.transport.retry import Repeat
from incident_mcp.transport.seen import remember_own_write
from incident_mcp.writing.history import (
    History,
    created_at,
    find_effect,
    is_before_call,
    is_older,
    is_undone,
    read_history,
    record_of,
    resolve,
    to_result,
)
from incident_mcp.writing.intents import MAX_KEYS, Intent
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, SAME_KEY_SECONDS, Entry, targets_for
from incident_mcp.writing.journal.protocol import PendingWrite
from incident_mcp.writing.outcome import Done, Failed, NotSent, Unknown, WriteError
from incident_mcp.writing.plan import Baseline, Existing, WritePlan
from incident_mcp.writing.result import WriteResult
from incident_mcp.writing.safety import WriteSafety
from incident_mcp.writing.sending import OutcomeLog, send_plan

LOOK_SECONDS = 10.0
"""For how long an earlier call is looked for that the journal does not know of."""
_Outcome: TypeAlias = Done[tuple[WriteResult[R], A]] | Failed
"""What the tool returns and what the service returned, or why the write failed."""


@dataclass
class JournaledWrite(Generic[A, R]):
    """One write of one call, while it holds the lock of its intent."""

    api: Api
    plan: WritePlan[A, R]
    intent: Intent
    safety: WriteSafety
    log: OutcomeLog
    asked_at: float
    """Unix seconds at which the call was made."""
    history: History = field(init=False)
    started: float = field(init=False)
    """`time.monotonic()` at which the write began."""
    _remark: str | None = field(default=None, init=False)
    """What the guard says about the result."""
    _sent: bool = field(default=False, init=False)
    """Whether this call may have sent something."""

    async def perform(self) -> WriteResult[R]:
        """Perform the write, unless an identical call did.

        Raises:
            WriteError: It failed.
        """
        journal, plan = self.safety.journal, self.plan
        await self.check_caller_key()
        if repeated := await self.find_earlier():
            await self.log.record(plan.tool, plan.request, "repeated")
            return repeated
        if not self.history.unresolved:
            await self._check_guard()
        self.started = time.monotonic()
        limit = None if self.history.unresolved else self.safety.limit_for(plan)
        entry = self._new_entry()
        write = await journal.begin(entry, limit=limit)
        async with self._journal_interruption(write):
            outcome = await self._journal_outcome(write, await self._resolve_or_send(write, entry))
        if not isinstance(outcome, Done):
            raise WriteError(outcome)
        result, _ = outcome.value
        return replace(result, note=join_sentences(result.note, self._remark, self.safety.trouble) or None)

    async def _check_guard(self) -> None:
        """Check that nobody else changed what the write overwrites.

        Raises:
            StaleError: Somebody did.
        """
        if self.plan.guard is not None:
            self._remark = await self.plan.guard.check()

    async def find_earlier(self) -> WriteResult[R] | None:
        """Return the result of an identical call that was done a moment ago, None if there was none.

        Raises:
            WriteError: The journal cannot tell.
        """
        journal, plan = self.safety.journal, self.plan
        self.history = history = await read_history(journal, plan, self.intent, self.asked_at)
        if journal.unreadable and plan.repeat is Repeat.NEVER:
            raise WriteError.not_sent(
                f"{journal.unreadable}, so a note of an earlier call could not be distinguished from a new one."
                " Repair it, or move the file away, then call again."
            )
        if history.unresolved and history.superseded and await is_undone(plan):
            # Regardless of the lost attempt, another write changed the target since.
            history.unresolved, history.undone = False, True
        return await self._find_repeat()

    async def check_caller_key(self) -> None:
        """Check that the caller's idempotency key belongs to this request.

        Raises:
            InputError: It belongs to another one.
        """
        key = self.plan.caller_key
        if key is None:
            return
        for entry in await self.safety.journal.find_by_key(self.intent.account, key):
            if entry.intent != self.intent.hash:
                raise InputError(
                    f"idempotency_key {shorten(key, 60)!r} belongs to another request, made by {entry.tool}"
                    f"{entry.made}: the service would return that request's record. Pass a new key"
                    " for this request, or omit it. Not sent."
                )

    async def _find_repeat(self) -> WriteResult[R] | None:
        plan, history, entry = self.plan, self.history, self.history.entry
        existing = None
        if plan.read_existing is not None:
            existing = await plan.read_existing(plan.remember_seconds)
            history.existing_ids = existing.ids
        if history.unresolved or plan.caller_key:
            return None
        if entry is not None and history.recent and not plan.accept_any_effect:
            history.undone = await is_undone(plan)
            return None if history.undone else await self._earlier_result(entry, existing)
        identical = await self._find_identical(existing)
        if identical is None:
            return None
        if await is_undone(plan):
            history.undone, history.undone_created_at = True, created_at(plan, identical)
            return None
        if plan.repeat is Repeat.CHECKED:
            note = "The incident already matches this edit: nothing was sent, and no one was notified."
            return WriteResult(plan.to_record(identical), note=note)
        before = "This was done before" if plan.accept_any_effect else "An identical call was made before"
        note = plan.already or f"{before}: nothing was sent. {plan.how_again}"
        return WriteResult(plan.to_record(identical), repeated=True, note=note)

    async def _find_identical(self, existing: Existing[A] | None) -> A | None:
        """Find the effect of an identical call that the journal may not know of."""
        plan, entry = self.plan, self.history.entry
        unsure = self._is_unsure(entry)
        if existing is not None and (entry is None or unsure):
            return existing.identical
        if plan.accept_any_effect:
            return await find_effect(plan, Baseline(0))
        return None if plan.declares or not unsure else await self._find_recent()

    def _is_unsure(self, entry: Entry | None) -> bool:
        """Return whether the journal may not know of an identical call, or not when it was made."""
        if self.plan.find_by_key is not None and (entry is None or self.api.service.ahead is not None):
            # Another machine may have made it, or this one's clock was set forward since: the service's clock tells.
            return True
        if entry is not None and entry.age < -AHEAD_SECONDS:
            return True
        # An empty or older journal may have replaced one that knew of it.
        return self.safety.journal.lost and not self.history.superseded

    async def _find_recent(self) -> A | None:
        """Find the effect of a recent call: by the keys that it may have derived, or by its content."""
        api, plan = self.api, self.plan
        window = plan.remember_seconds
        if plan.find_by_key is None:
            return await find_effect(plan, Baseline(api.now() - window))
        certain = not self.safety.journal.lost
        with anyio.move_on_after(LOOK_SECONDS if certain else None):
            try:
                return await self._find_by_key(window)
            except ServiceError:
                if not certain:
                    raise
        # The journal is there and knows of no such call: this must not keep anyone from being paged.
        return None

    async def _find_by_key(self, window: float) -> A | None:
        api, plan = self.api, self.plan
        for key in dict.fromkeys((self.intent.key(api.now()), self.intent.key(api.now() - window))):
            found = await plan.find_by_key(key) if plan.find_by_key else None
            if found is not None and plan.matches_request and not plan.matches_request(found):
                # The service did not filter by the key.
                continue
            created = None if found is None else created_at(plan, found)
            if created is not None and not is_older(api, created, window):
                return found
        return None

    async def _earlier_result(self, entry: Entry, existing: Existing[A] | None) -> WriteResult[R] | None:
        """Return the result of an identical call, None if what it did is gone."""
        plan = self.plan
        record = record_of(plan, entry)
        number = (entry.record or {}).get("id")
        if existing is not None and number is not None and str(number) not in existing.ids:
            return None
        if plan.repeat is Repeat.CHECKED and plan.find_effect is not None:
            found = await plan.find_effect(Baseline(entry.started_at))
            if found is None:
                return None
            record = plan.to_record(found)
        note = f"An identical call did this{entry.made}; nothing was sent."
        note += "" if plan.repeat is Repeat.CHECKED else f" {plan.how_again}"
        return WriteResult(record, repeated=True, note=note)

    def _new_entry(self) -> Entry:
        """Return the entry to begin with; it continues that of an earlier call with an unknown outcome."""
        unresolved, now = self.history.unresolved_entry, unix_now()
        return Entry(
            self.intent.hash,
            self.plan.tool,
            self.intent.account,
            self._key(),
            "pending",
            None,
            changed_at=now,
            # Until something is sent, the lost attempt alone may still take effect.
            settles_at=now + (unresolved.unsettled_seconds if unresolved else self.api.service.limits.attempt),
            started_at=unresolved.started_at if unresolved else self.api.now(),
            existing_ids=unresolved.existing_ids if unresolved else self.history.existing_ids,
            targets=targets_for(self.log.person, self.plan.targets),
            person=self.log.person_shown,
        )

    def _key(self) -> str:
        """Return the idempotency key to send."""
        key = self.plan.caller_key or self.plan.fixed_key
        if key is not None:
            return key
        entry = self.history.entry
        if entry is None:
            return self.intent.key(self.api.now())
        # The age of an entry dated in the future is unknown: the service's record of its key settles it.
        if self.history.unresolved or entry.age < -AHEAD_SECONDS:
            return entry.key
        return self.intent.key(self.api.now(), entry.key)

    @asynccontextmanager
    async def _journal_interruption(self, write: PendingWrite) -> AsyncGenerator[None]:
        """Keep the journal correct if an exception ends the write."""
        try:
            yield
        except IncidentMcpError:
            await self._undo(write)
            raise
        except BaseException:
            unresolved = None if self._sent else self.history.unresolved_entry
            seconds = unresolved.unsettled_seconds if unresolved else self.api.service.limits.attempt
            with anyio.CancelScope(shield=True):
                await self.safety.journal.mark_unknown(write, unsettled_seconds=seconds)
            raise

    async def _journal_outcome(self, write: PendingWrite, outcome: _Outcome[R, A]) -> _Outcome[R, A]:
        """Record an outcome in the journal, and return it with what else is known of it."""
        journal = self.safety.journal
        if isinstance(outcome, Done):
            result, response = outcome.value
            targets = self.plan.targets_of(response) if self.plan.targets_of else ()
            record = result.record.dump() if result.record else {}
            await journal.mark_done(write, record, targets_for(self.log.person, targets))
            await self._remember_effect(targets)
            if self.plan.guard is not None:
                await self.plan.guard.done(response)
            return outcome
        if isinstance(outcome.failure, NoAnswerError):
            unresolved = self.history.unresolved_entry
            left = unresolved.unsettled_seconds if unresolved else 0
            seconds = self.api.service.limits.attempt if outcome.failure.late else left
            await journal.mark_unknown(write, unsettled_seconds=seconds)
            await self._remember_effect()
            outcome = replace(outcome, journal_trouble=self.safety.journal_trouble)
        else:
            # That this attempt did not take effect does not change what is known of an earlier one.
            await self._undo(write)
        return outcome if isinstance(outcome, Unknown) else replace(outcome, earlier_unknown=self.history.unresolved)

    async def _undo(self, write: PendingWrite) -> None:
        """Forget an attempt that did not take effect; an earlier one may have."""
        await self.safety.journal.undo(write)
        if self.plan.guard is not None and not self.history.unresolved:
            await self.plan.guard.undo()

    async def _remember_effect(self, targets: tuple[str, ...] = ()) -> None:
        """Remember that this write may have changed its targets, so that it does not count as somebody else's."""
        api = self.api
        began = api.began + (api.service.ahead or 0.0)
        await remember_own_write(api.seen, {*self.plan.targets, *targets}, began, api.now())

    async def _resolve_or_send(self, write: PendingWrite, entry: Entry) -> _Outcome[R, A]:
        """Find the effect of an earlier attempt, or send the write."""
        plan, baseline = self.plan, Baseline(entry.started_at, entry.existing_ids)
        if unresolved := self.history.unresolved_entry:
            try:
                found = await resolve(plan, unresolved, baseline)
            except ServiceError as failure:
                return NotSent(failure=failure)
            if found is not None:
                await self.log.record(plan.tool, plan.request, "done before")
                note = "An earlier, identical call already did this; nothing was sent."
                return Done((WriteResult(plan.to_record(found), repeated=True, note=note), found))
            await self._check_guard()
            # From here on, another attempt may take effect. Reading it back makes sure that this is recorded.
            await self.safety.journal.mark_unknown(write, unsettled_seconds=self.api.service.limits.attempt)
            await self.safety.journal.find(self.intent.hash)
        return await self._send(write, entry.key, baseline)

    async def _send(self, write: PendingWrite, key: str, baseline: Baseline) -> _Outcome[R, A]:
        """Send the write, with the next key if a derived one leads to the record of an earlier intent."""
        api, plan, intent = self.api, self.plan, self.intent
        self._sent = True
        if plan.guard is not None:
            await plan.guard.begin()
        # Without a lookup by key, an attempt with the same key is the lookup.
        finds = plan.find_by_key is not None or plan.repeat is not Repeat.KEYED
        derived = not (plan.caller_key or plan.fixed_key)
        keys_used, previous = 0, None
        while True:
            request = plan.request_with_key(key)
            if self.history.unresolved and plan.repeat_request:
                request = plan.repeat_request
            find = plan.finder(baseline, key) if finds else None
            outcome = await send_plan(api, plan, request, find, self.log)
            if not isinstance(outcome, Done):
                return outcome
            created = created_at(plan, outcome.value)
            if keys_used == MAX_KEYS or not (derived and self._is_of_earlier_intent(created, previous)):
                return Done((to_result(api, plan, outcome.value, self.history, self.started), outcome.value))
            keys_used, previous = keys_used + 1, created
            key = (
                intent.key(api.now(), key)
                if keys_used < MAX_KEYS
                else intent.late_key(api.now(), plan.remember_seconds)
            )
            await self.safety.journal.change_key(write, key)

    def _is_of_earlier_intent(self, created: float | None, previous: float | None) -> bool:
        """Return whether a record that a derived key led to belongs to an earlier intent.

        Args:
            created: When the record was created.
            previous: When the record of the key before was created.
        """
        api, plan, history = self.api, self.plan, self.history
        if created is None or plan.repeat is not Repeat.KEYED:
            return False
        if history.undone and (created == history.undone_created_at or is_before_call(api, created, self.started)):
            return True
        window = SAME_KEY_SECONDS if history.unresolved else plan.remember_seconds
        # Earlier intents are a window apart: records that are not were created just now, and the clocks are wrong.
        return is_older(api, created, window) and (previous is None or created - previous >= window)
