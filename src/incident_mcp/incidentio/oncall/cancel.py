"""Cancelling a page, which stops it from ringing."""

from functools import partial

from incident_mcp.errors import InputError
from incident_mcp.incidentio.oncall.answer import (
    Answered,
    PageState,
    find_in_status,
    state_of,
    targets_of,
    with_state,
)
from incident_mcp.incidentio.oncall.escalations import EscalationRef, EscalationRow, escalation_id, read_escalation
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.records.record import quoted
from incident_mcp.tooling.dependencies import IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import WriteResult

CANCEL = Operation("POST", "/v2/escalations/{escalation}/actions/cancel", scope="escalations.cancel")
CANCELLED = ("cancelled",)


async def preview_running(api: Api, escalation: str) -> EscalationRow:
    """Return a page that still runs.

    Raises:
        InputError: It is over.
    """
    found = await read_escalation(api, escalation)
    if found.status in ("resolved", "expired"):
        raise InputError(f"This page is already {found.status}: there is nothing left to stop. Not sent.")
    return EscalationRow.of(found)


async def incidentio_cancel_page(
    api: IncidentioApi, writer: WriterDep, escalation: EscalationRef, confirm: ConfirmCode = None
) -> WriteResult[PageState]:
    """Cancel a page (escalation), which stops the paging. Two calls: the first shows it and returns a code."""
    number = escalation_id(escalation)
    plan = WritePlan(
        tool="incidentio_cancel_page",
        request=CANCEL.request(at={"escalation": number}),
        response_type=Answered,
        record_type=PageState,
        to_record=lambda answered: state_of(number, answered.escalation),
        repeat=Repeat.CHECKED,
        destructive=True,
        find_effect=partial(find_in_status, api, number, CANCELLED),
        targets=targets_of(api, number),
    )
    result = await writer.perform_previewed(
        api,
        plan,
        confirm=confirm,
        preview=partial(preview_running, api, number),
        question=lambda row: f"Cancel the page {quoted(row.title or number)} ({row.status}).",
    )
    return await with_state(api, result, CANCELLED)


TOOLS = [
    write_tool(
        incidentio_cancel_page,
        "Cancel a page",
        destructive=True,
        idempotent=True,
        toolset=ONCALL,
        preview=EscalationRow,
        keywords="false alarm stop ringing call off abort nobody",
    )
]
