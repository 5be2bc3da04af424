"""Confirmation by a human before a write, in both protocol versions.

Until 2025-11-25 the server asks in the middle of a call and waits. From 2026-07-28 on it returns "input required". The
client asks and calls again with the answer, so the tool runs again from its start, up to the same question.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from incident_mcp.errors import InputRequired, NotConfirmedError
from incident_mcp.records.record import Json, shorten
from incident_mcp.records.text import one_line

_ASKS_BY_RESULT_SINCE = "2026-07-28"
LONGEST_QUESTION = 1_500
_CUT = "… [cut: this change is larger than a question can show]"
KEPT_SECONDS = 900
"""For how long a question stays open."""
MAX_OPEN = 1_000
FORM: Json = {
    "type": "object",
    "properties": {
        "confirm": {
            "type": "boolean",
            "title": "Confirm this change",
            "description": "True sends it now. Anything else sends nothing.",
        }
    },
    "required": ["confirm"],
}
"""An empty accept is not consent: hosts in automatic mode send one without asking anyone."""


@dataclass
class Questions:
    """Open questions, each about one exact request and answered once."""

    _open: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """By nonce: the request that the question is about, and when it was asked."""

    def ask(self, request: str) -> str:
        """Open a question and return its nonce."""
        now = time.monotonic()
        self._open = {nonce: each for nonce, each in self._open.items() if each[1] > now - KEPT_SECONDS}
        while len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        nonce = secrets.token_urlsafe(16)
        self._open[nonce] = (request, now)
        return nonce

    def close(self, nonce: str, request: str) -> bool:
        """Close a question, and return whether it was open and is about this request."""
        asked = self._open.pop(nonce, None)
        return asked is not None and asked[0] == request and asked[1] > time.monotonic() - KEPT_SECONDS


async def ask(ctx: Context[Any], questions: Questions, question: str, request: str) -> None:
    """Ask for confirmation, and return if the answer is yes.

    Args:
        ctx: The context of the call.
        questions: The open questions of this process.
        question: What will happen, with all values.
        request: A hash of the exact request: an answer counts only for this one.

    Raises:
        NotConfirmedError: The answer is not yes, or the host cannot ask.
        InputRequired: The client must ask the question; it is the result of the call.
    """
    # Names may contain anything: show one line, nothing hidden, of limited length.
    question = shorten(one_line(question), LONGEST_QUESTION, _CUT)
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        raise NotConfirmedError(
            "This write needs confirmation by a human (INCIDENT_MCP_CONFIRM), and this host cannot ask for it (no"
            " elicitation). Stop, and ask the user to make this change. Not sent."
        )
    version = ctx.protocol_version
    if version is not None and is_version_at_least(version, _ASKS_BY_RESULT_SINCE):
        answer = _returned_answer(ctx, questions, question, request)
    else:
        answer = await _elicit(ctx, question)
    _check(answer, question)


async def _elicit(ctx: Context[Any], question: str) -> ElicitResult:
    session = ctx.request_context.session
    try:
        return await session.elicit_form(question, FORM, related_request_id=ctx.request_id)
    except (MCPError, ValidationError) as error:
        why = shorten(one_line(str(error)), 200) if isinstance(error, MCPError) else "its answer is not as documented"
        raise NotConfirmedError(f"The host could not ask for confirmation ({why}): {question} Not sent.") from None


def _returned_answer(ctx: Context[Any], questions: Questions, question: str, request: str) -> ElicitResult:
    for key, answer in (ctx.input_responses or {}).items():
        nonce = key.removeprefix(_PREFIX)
        if nonce != key and isinstance(answer, ElicitResult) and questions.close(nonce, request):
            return answer
    form = ElicitRequestFormParams(message=question, requested_schema=FORM)
    key = _PREFIX + questions.ask(request)
    raise InputRequired(InputRequiredResult(input_requests={key: ElicitRequest(params=form)}))


_PREFIX = "confirm-"


def _check(answer: ElicitResult, question: str) -> None:
    """Raise unless the answer is an explicit yes.

    Raises:
        NotConfirmedError: It is not.
    """
    content = answer.content or {}
    if answer.action == "accept" and content.get("confirm") is True:
        return
    if answer.action == "accept" and content.get("confirm") is False:
        why = "The form came back with confirm=false"
    elif answer.action == "accept":
        why = "The host accepted without an answer in the form, so no one is known to have agreed"
    else:
        did = "declined" if answer.action == "decline" else "cancelled"
        why = f"The host {did}; it is unknown whether the user did"
    raise NotConfirmedError(f"{why}: {question} Not sent.")
