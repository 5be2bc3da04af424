"""What is known of earlier, identical calls before a write is sent, and what a response says about them."""

import math
import time
from dataclasses import dataclass
from typing import Any

import anyio
from pydantic import ValidationError

from incident_mcp.records.clock import unix_now
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import A, R
from incident_mcp.transport.api import Api
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.intents import Intent
from incident_mcp.writing.journal.entry import AHEAD_SECONDS, SAME_KEY_SECONDS, Entry
from incident_mcp.writing.journal.protocol import Journal
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

_SLACK_SECONDS = 2.0
"""The precision of a service's clock, known from its `Date`; without one the clock may be off by a minute."""
_NO_DATE_SLACK_SECONDS = 60.0


@dataclass
class History:
    """What is known of earlier, identical calls before a write is sent."""

    entry: Entry | None
    unresolved: bool
    """Whether an earlier call's outcome is unknown."""
    recent: bool
    """Whether an earlier call was done a moment ago, and no other write to its targets was made since."""
    superseded: bool = False
    """Whether another write to its targets was made since."""
    undone: bool = False
    """Whether what an earlier call changed was changed again since: then this call is deliberate."""
    undone_created_at: float | None = None
    """When that earlier call's record was created."""
    existing_ids: tuple[str, ...] | None = None
    """IDs of what exists before the write is sent; None if that was not read."""

    @property
    def unresolved_entry(self) -> Entry | None:
        """The entry of the earlier call whose outcome is unknown."""
        return self.entry if self.unresolved else None


NO_HISTORY = History(None, unresolved=False, recent=False)


async def read_history(
    journal: Journal, plan: WritePlan[Any, Any], intent: Intent, asked_at: float = math.inf
) -> History:
    """Return what the journal knows of earlier, identical calls.

    Args:
        journal: The journal.
        plan: The write.
        intent: Its intent.
        asked_at: Unix seconds at which the call was made: later writes do not supersede an earlier call.
    """
    found = await journal.find(intent.hash, asked_at)
    entry = found.entry
    history = History(entry, unresolved=False, recent=False, superseded=found.superseded)
    if entry is not None and entry.state == "done":
        # An entry dated in the future was written before the clock was set back: its age is unknown.
        history.recent = -AHEAD_SECONDS <= entry.age <= plan.remember_seconds and not found.superseded
        # One with an unreadable record is resolved like one with an unknown outcome.
        history.unresolved = history.recent and record_of(plan, entry) is None
    elif entry is not None:
        history.unresolved = entry.age <= SAME_KEY_SECONDS
    return history


def record_of(plan: WritePlan[Any, R], entry: Entry) -> R | None:
    """Return the record of an entry, None if it cannot be read."""
    if entry.record is None:
        return None
    try:
        return plan.record_type.from_dump(entry.record)
    except ValidationError:
        return None


def created_at(plan: WritePlan[A, Any], response: A) -> float | None:
    """Return the Unix time at which a response's record was created, None if unknown."""
    created = parse_instant(plan.created_at(response)) if plan.created_at else None
    return None if created is None else created.timestamp()


def is_older(api: Api, created: float, window: float) -> bool:
    """Return whether a record is older than a window: only if the service's clock and this machine's agree on that."""
    return api.service.ahead is not None and min(api.now(), unix_now()) - created > window


def is_before_call(api: Api, created: float, started: float) -> bool:
    """Return whether a record was created before `time.monotonic()` was `started`."""
    slack = _NO_DATE_SLACK_SECONDS if api.service.ahead is None else _SLACK_SECONDS
    return created < api.now() - (time.monotonic() - started) - slack


async def is_undone(plan: WritePlan[Any, Any]) -> bool:
    """Return whether what an earlier, identical write changed was changed again since."""
    return plan.still_in_effect is not None and not await plan.still_in_effect()


async def find_effect(plan: WritePlan[A, Any], baseline: Baseline) -> A | None:
    """Find what an earlier attempt did, if that can be looked up."""
    return await plan.find_effect(baseline) if plan.find_effect else None


async def resolve(plan: WritePlan[A, Any], entry: Entry, baseline: Baseline) -> A | None:
    """Find what an earlier attempt did; if nothing, try again until it can no longer take effect.

    Raises:
        ServiceError: It could not be looked up, so nothing may be sent.
    """
    find = plan.finder(baseline, entry.key)
    if find is None:
        return None
    if plan.repeat is Repeat.KEYED:
        # How long a service knows a key is not documented. What takes effect later carries the same key.
        return await find()
    ends = anyio.current_time() + entry.unsettled_seconds
    while True:
        left = ends - anyio.current_time()
        found = await find()
        if found is not None or left <= 0:
            return found
        await anyio.sleep(min(left, 2.0))


def to_result(api: Api, plan: WritePlan[A, R], response: A, history: History, started: float) -> WriteResult[R]:
    """Return the record of a response, with whether it is new.

    Args:
        api: The service.
        plan: The write.
        response: The response.
        history: What was known before.
        started: `time.monotonic()` at which the write began.
    """
    record = plan.to_record(response)
    created = created_at(plan, response)
    older = created is not None and is_before_call(api, created, started)
    if plan.matches_request is not None and not plan.matches_request(response) and (older or plan.caller_key):
        return _of_another_request(record, older=older)
    done_before = history.entry is not None and history.entry.state == "done" and bool(plan.caller_key)
    if older or done_before:
        note = "An earlier call already did this; nothing new was created."
        return WriteResult(record, repeated=True, note=note)
    quiet = plan.repeat_request not in (None, plan.request) and (history.unresolved or api.sent_again)
    note = "An earlier attempt was lost, so this one was sent without notifying the channel again."
    return WriteResult(record, note=note if quiet else None)


def _of_another_request(record: R, *, older: bool) -> WriteResult[R]:
    if older:
        note = (
            "The service returned the record of another, earlier request with the same idempotency key: this request"
            " did not take effect. To send it, pass a new idempotency_key."
        )
        return WriteResult(record, repeated=True, note=note)
    note = (
        "This record differs from the request: the service changed it, or it belongs to another request that was just"
        " sent with the same idempotency key. Compare them before you report it as done."
    )
    return WriteResult(record, note=note)
