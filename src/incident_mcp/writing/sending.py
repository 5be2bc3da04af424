"""Sending a write, saying of a failure what it means, and recording the outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from incident_mcp.writing.audit import AuditLog

from incident_mcp.errors import NoAnswer, NotSent, Refused, ServiceError
from incident_mcp.records.record import A, Json
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Request
from incident_mcp.writing.plan import WritePlan

NOT_SENT = "not sent."
UNKNOWN = "sent, outcome unknown: call again with the same arguments, it will not be done twice."
_REFUSED = "refused, nothing was changed."
_OUTCOMES: dict[type[ServiceError], str] = {NotSent: "not sent", Refused: "refused"}


@dataclass(frozen=True)
class OutcomeLog:
    """Records the outcomes of one tool call's writes to a service in the audit log, if there is one."""

    audit: "AuditLog | None"
    caller: str | None
    service: str

    async def record(self, tool: str, request: Request, outcome: str, request_id: str | None = None) -> None:
        """Append a line."""
        if self.audit is None:
            return
        entry: Json = {
            "tool": tool,
            "caller": self.caller,
            "service": self.service,
            "request": {"method": request.method, "path": request.path, "body": request.body},
            "outcome": outcome,
            "request_id": request_id,
        }
        await self.audit.append({name: value for name, value in entry.items() if value is not None})


async def send_plan(
    api: Api,
    write: WritePlan[A, Any],
    request: Request,
    look: Callable[[], Awaitable[A | None]] | None,
    log: OutcomeLog,
) -> A:
    """Send a write.

    Args:
        api: The service.
        write: The write.
        request: Its request, with the idempotency key.
        look: Finds what a lost attempt did.
        log: Where the outcome is recorded.

    Raises:
        ServiceError: It failed; the text ends with what that means for the write.
    """
    outcome, request_id = "unknown", None
    try:
        answer = await api.send(request, write.answer, repeat=write.repeat, look=look, again=write.again)
        outcome = "done"
    except ServiceError as failure:
        outcome, request_id = _OUTCOMES.get(type(failure), "unknown"), failure.request_id
        await _explain(write, failure)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await log.record(write.tool, request, outcome, request_id)
    return answer


async def _explain(write: WritePlan[Any, Any], failure: ServiceError) -> None:
    """Say what a failure means for the write, and what to do next."""
    if isinstance(failure, NoAnswer):
        failure.conclude(UNKNOWN)
        return
    if isinstance(failure, Refused) and write.explain is not None:
        failure.advise(await write.explain(failure))
    failure.conclude(_REFUSED if isinstance(failure, Refused) else NOT_SENT)
