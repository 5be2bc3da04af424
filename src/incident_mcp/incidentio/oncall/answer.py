"""Answering a page: acknowledge or snooze it."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from incident_mcp.errors import IncidentMcpError, InputError
from incident_mcp.incidentio.oncall.escalations import SHOW, Escalation, EscalationRef, escalation_id, read_escalation
from incident_mcp.incidentio.oncall.reachability import why_unread
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.records.instants import instant_with_zone, to_second
from incident_mcp.records.record import Json, Record, quoted, without_none
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

RESPOND = Operation("POST", "/v2/escalations/{escalation}/actions/respond", scope="escalations.respond")
SEEN = {"ack": ("acked",), "snooze": ("snoozed",)}
"""The status after a response."""


class Answered(BaseModel):
    """The response to an action on a page, which has no body: the page is read to find what it did."""

    escalation: Escalation | None = None


class PageState(Record):
    """A page after an action."""

    id: str
    outcome: str | None = None
    """What was read back: `acked at ...`, or `not seen yet`."""
    title: str | None = None
    status: str | None = None


def state_of(escalation_id: str, escalation: Escalation | None) -> PageState:
    """Return the state of a page, as far as it was read."""
    found = escalation or Escalation(id=escalation_id)
    return PageState(id=escalation_id, title=found.title, status=found.status)


async def find_in_status(api: Api, escalation: str, expected: tuple[str, ...], _: Baseline) -> Answered | None:
    """Return the page if it has a status that an action leads to."""
    found = await read_escalation(api, escalation)
    return Answered(escalation=found) if found.status in expected else None


async def with_state(api: Api, result: WriteResult[PageState], expected: tuple[str, ...]) -> WriteResult[PageState]:
    """Return the result of an action with the page's state as it was read back."""
    if result.record is None:
        return result
    try:
        found = await read_escalation(api, result.record.id)
    except IncidentMcpError as failure:
        outcome = f"not seen yet ({why_unread(failure, SHOW.scope)})"
        return replace(result, record=result.record.model_copy(update={"outcome": outcome}))
    state = state_of(found.id, found)
    return replace(result, record=state.model_copy(update={"outcome": _outcome(found, expected)}))


def _outcome(found: Escalation, expected: tuple[str, ...]) -> str:
    if found.status not in expected:
        return f"not seen yet: the status is {found.status or 'unknown'}; read it again in a moment"
    event = found.last(found.status or "")
    by = f" by {', '.join(event.users)}" if event and event.users else ""
    return f"{found.status} at {(event and event.at) or found.updated_at}{by}"


def targets_of(api: Api, escalation: str) -> tuple[str, ...]:
    """Return a page's key in the journal."""
    return (f"{account_of(api)} escalation {escalation}",)


async def incidentio_answer_page(
    api: IncidentioApi,
    writer: WriterDep,
    escalation: EscalationRef,
    response: Annotated[Literal["ack", "snooze"], Field(description="ack stops the paging.")],
    snooze_until: Annotated[str | None, Field(description="For snooze: RFC 3339, pages again then.")] = None,
    reason: Annotated[str | None, Field(description="For snooze.")] = None,
    dry_run: DryRun = False,
) -> WriteResult[PageState]:
    """Acknowledge or snooze a page (escalation) as the API key, and read its state back."""
    number = escalation_id(escalation)
    body: Json = {"response": response} | _snooze_details(api, response, snooze_until, reason)
    acks = response == "ack"
    verb = "Acknowledge" if acks else f"Snooze until {snooze_until}"
    plan = WritePlan(
        tool="incidentio_answer_page",
        request=RESPOND.request(at={"escalation": number}, body=body),
        response_type=Answered,
        record_type=PageState,
        to_record=lambda answered: state_of(number, answered.escalation),
        # A page that was snoozed before looks the same as one that this call snoozed.
        repeat=Repeat.CHECKED if acks else Repeat.HARMLESS,
        question=f"{verb} the page {await _describe(api, writer, number)}.",
        find_effect=partial(find_in_status, api, number, SEEN["ack"]) if acks else None,
        targets=targets_of(api, number),
    )
    result = await writer.perform(api, plan, dry_run=dry_run)
    return await with_state(api, result, SEEN[response])


async def _describe(api: Api, writer: WriterDep, escalation: str) -> str:
    """Return a page's title if a write to it needs confirmation, otherwise its id."""
    if not writer.needs_confirmation():
        return escalation
    found = await read_escalation(api, escalation)
    return f"{quoted(found.title or escalation)} ({found.status})"


def _snooze_details(api: Api, response: str, until: str | None, reason: str | None) -> Json:
    if response == "ack":
        if until or reason:
            raise InputError("snooze_until and reason belong to response=snooze. Not sent.")
        return {}
    ends = instant_with_zone(until) if until else None
    if ends is None:
        raise InputError("snooze needs snooze_until, a timestamp with a time zone like 2026-11-21T03:12:00Z. Not sent.")
    if ends <= datetime.fromtimestamp(api.now(), UTC):
        raise InputError(f"snooze_until {to_second(ends)} is in the past. Not sent.")
    return {"snooze_details": without_none(snooze_until=to_second(ends), reason=reason)}


TOOLS = [
    write_tool(
        incidentio_answer_page,
        "Answer a page",
        idempotent=True,
        toolset=ONCALL,
        keywords="phone stop mute quiet got it looking on it mine taking acknowledge ack later",
    )
]
