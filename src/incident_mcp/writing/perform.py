"""How a write is performed: at most once, with its outcome reported truthfully.

`dry_run` returns the request and ends; so does a preview, with a code that the next call needs. Otherwise a human
confirms if the settings require it, then the request is sent: by `JournaledWrite` if the journal remembers it, here if
it does the same when done twice.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import anyio

from incident_mcp.errors import IncidentMcpError, InputError, ServiceError, StaleError, join_sentences
from incident_mcp.records.clock import unix_now
from incident_mcp.records.record import A, R, Record
from incident_mcp.transport.api import Api
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import age_of, is_still_shown, rejection
from incident_mcp.writing.history import NO_HISTORY, History, find_effect, read_history, record_of, to_result
from incident_mcp.writing.intents import Intent, account_of, intent_of
from incident_mcp.writing.journal.entry import Entry, fingerprint, targets_for
from incident_mcp.writing.journal.protocol import JournalError
from incident_mcp.writing.journaled import JournaledWrite
from incident_mcp.writing.outcome import USED_UP, Done, NotSent, Unknown, WriteError
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import Planned, Preview, WriteResult
from incident_mcp.writing.safety import WriteSafety
from incident_mcp.writing.sending import OutcomeLog, send_plan

T = TypeVar("T")
P = TypeVar("P", bound=Record)

_NOT_SHOWN = "Whether this is still what the preview showed could not be read."
AGAIN_SECONDS = 10.0
"""For how long a call with a code may read again what its preview showed."""


@dataclass
class Writer:
    """Performs the writes of one tool call."""

    safety: WriteSafety
    caller: str | None
    """The client's name and version."""
    confirm_policy: str
    """Which writes need confirmation: never, destructive, writes."""
    ask: Callable[[str, str], Awaitable[None]]
    """Asks for confirmation of a question about a request's hash; raises unless the answer is yes."""
    person: str = ""
    """Who makes the call, where several people share a server: no other person, and not changed by a new name."""
    person_shown: str = ""
    """The same with the present name, for the audit log."""
    confirmed: bool = False
    """Whether the writes of this call are already confirmed."""

    async def perform(self, api: Api, plan: WritePlan[A, R], *, dry_run: bool) -> WriteResult[R]:
        """Perform a write, or return the request that it would send.

        Raises:
            WriteError: It failed; the text ends with the outcome.
            ServiceError: Something could not be read before the write; it was not sent.
        """
        intent = _intent_of(api, plan)
        if dry_run:
            note = await self._check_guard(api, plan)
            return WriteResult(would_send=await self._planned(api, plan, intent), note=note)
        if await self._confirm(api, plan, _hash_of(plan, intent)) and plan.check_again is not None:
            await plan.check_again()
        return await self._perform(api, plan, intent)

    async def _check_guard(self, api: Api, plan: WritePlan[A, R]) -> str | None:
        """Return what a call without dry_run would be rejected for, None if for nothing."""
        if plan.guard is None or await self.is_repeat(api, plan):
            return None
        try:
            return await plan.guard.check()
        except StaleError as error:
            return f"A call without dry_run would be rejected: {error}"

    async def perform_previewed(
        self,
        api: Api,
        plan: WritePlan[A, R],
        *,
        confirm: str | None,
        preview: Callable[[], Awaitable[P]],
        question: Callable[[P], str],
    ) -> WriteResult[R]:
        """Return a preview of a write with a code, or with the code of that preview perform it.

        Args:
            api: The service.
            plan: The write.
            confirm: The code; None for the preview.
            preview: Reads what the write would do.
            question: Returns what will happen, in one sentence, for a person to confirm.

        Raises:
            InputError: The code is not of a preview of this request, has expired, or was used, or what the preview
                showed has changed; nothing was sent.
            WriteError: The write failed, or no code can be kept.
            ServiceError: Something could not be read before the write; it was not sent.
        """
        intent = _intent_of(api, plan)
        request = _hash_of(plan, intent)
        if confirm is None:
            return await self._preview(api, plan, intent, preview)
        code = await self.safety.codes.check(confirm, request)
        if plan.remember_seconds:
            # What the preview showed as an earlier call's doing must not be done again because the answer took a while.
            plan = replace(plan, remember_seconds=plan.remember_seconds + age_of(code))
        now = await self._preview_again(preview, needed=self.needs_confirmation(destructive=plan.destructive))
        changed = await self._is_changed(api, plan, code, now)
        if now is not None and not changed and await self._confirm(api, replace(plan, question=question(now)), request):
            # The person may have taken minutes to answer.
            changed = await self._is_changed(api, plan, code, await self._preview_again(preview, needed=False))
        if not await self._keep_codes(partial(self.safety.journal.use_code, code)):
            raise await self._used_twice(plan, intent)
        if changed:
            raise rejection("is no longer valid: what its preview showed has changed")
        result = await self._perform_with_code(api, plan, intent)
        return result if now else replace(result, note=join_sentences(result.note, _NOT_SHOWN))

    async def _is_changed(self, api: Api, plan: WritePlan[A, R], code: str, now: Record | None) -> bool:
        """Return whether a preview certainly shows something else now, other than what an identical call did."""
        return is_still_shown(code, _shown_by(now)) is False and not await self.is_repeat(api, plan)

    async def _perform_with_code(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> WriteResult[R]:
        try:
            return await self._perform(api, plan, intent)
        except WriteError as error:
            raise WriteError(replace(error.outcome, used_code=True)) from None
        except ServiceError as failure:
            raise WriteError(NotSent(failure=failure, used_code=True)) from None
        except InputError as error:
            raise type(error)(join_sentences(str(error), USED_UP)) from None

    async def _preview_again(self, preview: Callable[[], Awaitable[P]], *, needed: bool) -> P | None:
        """Return what the write would do now; None if that cannot be read soon, which must not stop a page."""
        try:
            with anyio.fail_after(None if needed else AGAIN_SECONDS):
                return await preview()
        except (ServiceError, TimeoutError):
            if needed:
                raise
            return None

    async def _preview(
        self, api: Api, plan: WritePlan[A, R], intent: Intent, preview: Callable[[], Awaitable[Record]]
    ) -> WriteResult[R]:
        await self._keep_codes(self.safety.journal.prepare_codes)
        earlier = await self._describe_earlier(api, plan, intent)
        try:
            shown = await preview()
        except InputError as error:
            raise type(error)(join_sentences(str(error), earlier)) from None
        code = await self.safety.codes.issue(_hash_of(plan, intent), _shown_by(shown))
        note = join_sentences(
            "Nothing was sent. If this is intended, call again with the same arguments and this code in confirm.",
            earlier,
        )
        planned = await self._planned(api, plan, intent)
        return WriteResult(would_send=planned, preview=shown, confirm=code, note=note)

    async def _describe_earlier(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> str:
        """Describe an earlier, identical call that this one would repeat; empty without one."""
        if not plan.remember_seconds:
            return ""
        write = JournaledWrite(api, plan, intent, self.safety, self._log(api), unix_now())
        await write.check_caller_key()
        try:
            repeated = await write.find_earlier()
        except ServiceError:
            return "Whether an earlier call already did this could not be read: the call with the code looks again."
        if write.history.unresolved:
            return f"{_describe_unknown(write.history)}: the call with the code looks it up and does not do it twice."
        if repeated is None:
            return ""
        done = _describe_done(write.history, repeated.record)
        return f"{done}: the call with the code would only return that. {plan.how_again}"

    async def _used_twice(self, plan: WritePlan[A, R], intent: Intent) -> InputError:
        """Return the error of a code that was used before: with what became of the call that used it."""
        history = await read_history(self.safety.journal, plan, intent)
        if history.unresolved:
            return InputError(
                f"confirm: the code was already used. {_describe_unknown(history)}. Nothing was sent now. Call without"
                " confirm for a new preview and code."
            )
        if history.recent and history.entry:
            done = _describe_done(history, record_of(plan, history.entry))
            return InputError(f"confirm: the code was already used. {done}. Nothing was sent now.")
        return rejection("was already used")

    async def _keep_codes(self, keep: Callable[[], Awaitable[T]]) -> T:
        """Save or check used codes.

        Raises:
            WriteError: They cannot be saved, so a code could be used twice.
        """
        try:
            return await keep()
        except JournalError as error:
            raise WriteError.not_sent(
                f"{error}, and this write needs it, so that its confirmation code is used only once. If its file is"
                " damaged, move it away; else set INCIDENT_MCP_STATE_DIR to a folder that can be written."
            ) from None

    async def _confirm(self, api: Api, plan: WritePlan[A, R], request: str) -> bool:
        """Ask for confirmation if the settings require it; return whether it was asked for just now."""
        asked = await self.confirm(plan.question, request, destructive=plan.destructive)
        if asked:
            # The user may take longer to answer than a call may take.
            api.renew()
        return asked

    async def _perform(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> WriteResult[R]:
        api.may_write = self.safety.journal.holds_locks
        if not plan.remember_seconds:
            return await self._perform_unjournaled(api, plan, intent)
        asked_at = unix_now()
        async with self.safety.journal.lock(intent.hash, api.deadline) as acquired:
            if not acquired:
                raise WriteError.not_sent("An identical call is still in progress. Call again with the same arguments.")
            return await JournaledWrite(api, plan, intent, self.safety, self._log(api), asked_at).perform()

    def needs_confirmation(self, *, destructive: bool = False) -> bool:
        """Return whether a write of this kind needs confirmation."""
        return self.confirm_policy == "writes" or (self.confirm_policy == "destructive" and destructive)

    async def confirm(self, question: str, request: str, *, destructive: bool = False) -> bool:
        """Ask for confirmation if the settings require it, once per call; return whether it was asked for just now.

        Raises:
            NotConfirmedError: The answer is no, or no one can be asked.
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
            WriteError: Another one takes too long; nothing was sent.
        """
        async with self.safety.journal.lock(f"declare-{account_of(api)}", api.deadline) as acquired:
            if not acquired:
                raise WriteError.not_sent("Another declaration is in progress. Call again.")
            yield

    @asynccontextmanager
    async def update_lock(self, api: Api, target: str) -> AsyncGenerator[None]:
        """Let one update at a time read a record and replace it, over all processes with one journal.

        Raises:
            WriteError: Another one takes too long; nothing was sent.
        """
        async with self.safety.journal.lock(fingerprint("update", target), api.deadline) as acquired:
            if not acquired:
                raise WriteError.not_sent("Another update of the same record is in progress. Call again.")
            yield

    async def is_repeat(self, api: Api, plan: WritePlan[A, R]) -> bool:
        """Return whether the journal knows an identical call that this one repeats."""
        history = await read_history(self.safety.journal, plan, _intent_of(api, plan))
        return history.unresolved or history.recent

    async def _planned(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> Planned:
        request = plan.request_with_key(await self._planned_key(api, plan, intent))
        return Planned(api.service.name, request.method, request.path, request.body)

    async def _planned_key(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> str:
        fixed = plan.caller_key or plan.fixed_key
        if fixed or plan.repeat is not Repeat.KEYED:
            return fixed or ""
        entry = (await self.safety.journal.find(intent.hash)).entry
        done = entry is not None and entry.state == "done" and entry.age > plan.remember_seconds
        return intent.key(api.now(), entry.key if done and entry else None)

    async def _perform_unjournaled(self, api: Api, plan: WritePlan[A, R], intent: Intent) -> WriteResult[R]:
        """Perform a write that does the same when done twice: the journal only keeps which targets it wrote to."""
        journal = self.safety.journal
        targets = targets_for(self.person, plan.targets)
        entry = Entry(intent.hash, plan.tool, intent.account, "", "pending", None, 0, 0, targets=targets)
        started = time.monotonic()
        write = await journal.begin(entry, limit=self.safety.limit_for(plan), remember=False)
        find = partial(find_effect, plan, Baseline(0)) if plan.find_effect else None
        try:
            outcome = await send_plan(api, plan, plan.request, find, self._log(api))
        except IncidentMcpError:
            await journal.undo(write)
            raise
        if isinstance(outcome, Done):
            result = to_result(api, plan, outcome.value, NO_HISTORY, started)
            return replace(result, note=join_sentences(result.note, self.safety.trouble) or None)
        if not isinstance(outcome, Unknown):
            await journal.undo(write)
        raise WriteError(outcome)

    def _log(self, api: Api) -> OutcomeLog:
        return OutcomeLog(self.safety.audit, self.caller, api.service.name, self.person, self.person_shown)


def _shown_by(preview: Record | None) -> str | None:
    return preview.shown if isinstance(preview, Preview) else None


def _describe_unknown(history: History) -> str:
    by = history.entry.made if history.entry else ""
    return f"An identical call was sent{by}, and its outcome is unknown"


def _describe_done(history: History, record: Record | None) -> str:
    by = history.entry.made if history.entry else ""
    number = getattr(record, "id", None)
    return f"An identical call did this{by}" + (f" (ID {number})" if number else "")


def _hash_of(plan: WritePlan[Any, Any], intent: Intent) -> str:
    """Return a hash of the account, the tool and the exact request, for which a confirmation counts."""
    return fingerprint(intent.hash, plan.request.body, plan.confirmed_with)


def _intent_of(api: Api, plan: WritePlan[Any, Any]) -> Intent:
    # A caller's key alone distinguishes intents.
    return intent_of(api, plan.tool, plan.request, plan.caller_key, None if plan.caller_key else plan.distinguished_by)
