"""What is known of a write before it is sent, and what an answer says about it."""

import time
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from pydantic import ValidationError

from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import A, R
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.journal.journal import Entry
from incident_mcp.writing.plan import Baseline, WritePlan

_SLACK_SECONDS = 2.0
"""How exactly a service's clock is known from its `Date`; without one its clock may differ by a minute."""
_NO_DATE_SLACK_SECONDS = 60.0


@dataclass
class State:
    """What is known of a write before it is sent."""

    entry: Entry | None
    open: bool
    """An earlier attempt's outcome is not known."""
    recent: bool
    """An earlier attempt was done a moment ago, and nothing else was written to the same thing since."""
    ended: bool = False
    """Another write to the same thing was made since."""
    undone: bool = False
    """What an identical, earlier write changed is no longer so: this one is meant."""
    earlier_made: float | None = None
    """When that one's record was made."""
    before: tuple[str, ...] | None = None
    started: float = field(default_factory=time.monotonic)


def record_of(plan: WritePlan[Any, R], entry: Entry) -> R | None:
    """Return the record that a row keeps, None when it cannot be read."""
    if entry.answer is None:
        return None
    try:
        return plan.record_type.from_dump(entry.answer)
    except ValidationError:
        return None


def made_at(plan: WritePlan[A, Any], answer: A) -> float | None:
    """Return the Unix time at which an answer's record was made, None when it does not say."""
    made = parse_instant(plan.created_at(answer)) if plan.created_at else None
    return None if made is None else made.timestamp()


def is_older(api: Api, made: float, window: float) -> bool:
    """Return whether a record is older than a window: only if the service's clock and this machine's agree on that."""
    return api.service.ahead is not None and min(api.now(), time.time()) - made > window


def is_before_call(api: Api, made: float, state: State) -> bool:
    """Return whether a record was made before this call began to write."""
    slack = _NO_DATE_SLACK_SECONDS if api.service.ahead is None else _SLACK_SECONDS
    return made < api.now() - (time.monotonic() - state.started) - slack


async def is_undone(plan: WritePlan[Any, Any]) -> bool:
    """Return whether what an identical, earlier write changed is no longer so."""
    return plan.still_in_effect is not None and not await plan.still_in_effect()


async def look_for(plan: WritePlan[A, Any], baseline: Baseline) -> A | None:
    """Look for what an earlier attempt did, where that can be looked for."""
    return await plan.find_effect(baseline) if plan.find_effect else None


async def settle(plan: WritePlan[A, Any], entry: Entry, baseline: Baseline) -> A | None:
    """Look for what an earlier attempt did, until it can no longer be carried out.

    Raises:
        ServiceError: It could not be looked up, so nothing may be sent.
    """
    if plan.find_effect is None:
        return None
    if plan.repeat is Repeat.KEYED:
        # How long a service knows a key is not documented. What lands later carries the same key.
        return await plan.find_effect(baseline)
    ends = anyio.current_time() + entry.may_land
    while True:
        left = ends - anyio.current_time()
        found = await plan.find_effect(baseline)
        if found is not None or left <= 0:
            return found
        await anyio.sleep(min(left, 2.0))


def with_key(plan: WritePlan[Any, Any], key: str) -> Request:
    """Return a write's request with an idempotency key, where the service takes one."""
    if plan.repeat is not Repeat.KEYED:
        return plan.request
    return replace(plan.request, body={"idempotency_key": key, **(plan.request.body or {})})
