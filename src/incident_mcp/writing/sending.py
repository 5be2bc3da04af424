"""Sending a write, and recording its outcome in the audit log."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from incident_mcp.writing.audit import AuditLog

from incident_mcp.errors import ServiceError
from incident_mcp.records.record import A, Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request
from incident_mcp.writing.outcome import Done, Failed, Refused, outcome_of
from incident_mcp.writing.plan import WritePlan


@dataclass(frozen=True)
class OutcomeLog:
    """Records the outcomes of one call's writes to a service in the audit log, if there is one."""

    audit: "AuditLog | None"
    caller: str | None
    service: str
    person: str = ""
    """Who makes the call, where several people share a server."""
    person_shown: str = ""
    """The same with the present name."""

    async def record(self, tool: str, request: Request, outcome: str, request_id: str | None = None) -> None:
        """Append a line."""
        if self.audit is None:
            return
        entry: Json = {
            "tool": tool,
            "caller": self.caller,
            "person": self.person_shown or None,
            "service": self.service,
            "request": {"method": request.method, "path": request.path, "body": request.body},
            "outcome": outcome,
            "request_id": request_id,
        }
        await self.audit.append({name: value for name, value in entry.items() if value is not None})


async def send_plan(
    api: Api,
    plan: WritePlan[A, Any],
    request: Request,
    find_effect: Callable[[], Awaitable[A | None]] | None,
    log: OutcomeLog,
) -> Done[A] | Failed:
    """Send a write and return its outcome.

    Args:
        api: The service.
        plan: The write.
        request: Its request, with the idempotency key.
        find_effect: Finds the effect of a lost attempt.
        log: Where the outcome is recorded.
    """
    recorded: Done[A] | Failed | None = None
    try:
        response = await api.send(
            request,
            plan.response_type,
            repeat=plan.repeat,
            find_effect=find_effect,
            repeat_request=plan.repeat_request,
        )
        outcome = recorded = Done(response)
    except ServiceError as failure:
        outcome = recorded = outcome_of(failure)
        if isinstance(outcome, Refused) and plan.explain_refusal is not None:
            outcome = replace(outcome, advice=await plan.explain_refusal(outcome.failure))
    finally:
        request_id = None if recorded is None or isinstance(recorded, Done) else recorded.failure.request_id
        with anyio.CancelScope(shield=True):
            await log.record(plan.tool, request, recorded.name if recorded else "unknown", request_id)
    return outcome
