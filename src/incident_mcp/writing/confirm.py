"""Confirmation by a human before a write, in both protocol versions.

Up to 2025-11-25 the server asks during the call and waits. From 2026-07-28 the call returns "input required". The
client asks and repeats the call with the answer, so the tool runs again from the start, up to the same question.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult, InputResponses
from mcp_types.version import is_version_at_least
from pydantic import ValidationError

from incident_mcp.errors import NotConfirmedError
from incident_mcp.records.record import Json, shorten
from incident_mcp.records.text import one_line

_ASKS_BY_RESULT = "2026-07-28"
LONGEST_QUESTION = 1_500
_CUT = "… [cut: this change is larger than a question can show]"
KEPT_SECONDS = 900
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
"""Accepting an empty form does not confirm: hosts in automatic mode do that without asking anyone."""


class Questions(Protocol):
    """One caller's questions without an answer yet. Each is about one exact request and can be answered once.

    Asynchronous, since replicas may share them: the answer may arrive at another one.
    """

    async def ask(self, request: str) -> str:
        """Open a question and return its nonce.

        Raises:
            NotConfirmedError: It cannot be kept.
        """
        ...

    async def close(self, nonce: str, request: str) -> bool:
        """Close a question, and return whether it was open and is about this request.

        Raises:
            NotConfirmedError: That cannot be read.
        """
        ...


@dataclass
class MemoryQuestions:
    """Implements `Questions` in memory."""

    _open: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    """Nonce to the request that the question is about, and the time when it was asked."""

    async def ask(self, request: str) -> str:
        """Open a question and return its nonce."""
        now = time.monotonic()
        self._open = {nonce: each for nonce, each in self._open.items() if each[1] > now - KEPT_SECONDS}
        while len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        nonce = secrets.token_urlsafe(16)
        self._open[nonce] = (request, now)
        return nonce

    async def close(self, nonce: str, request: str) -> bool:
        """Close a question, and return whether it was open and is about this request."""
        question = self._open.pop(nonce, None)
        return question is not None and question[0] == request and question[1] > time.monotonic() - KEPT_SECONDS


class InputRequired(Exception):
    """Ends a call that cannot continue before its question is answered.

    The question is known only deep inside the call, when the exact request is. The SDK reads it from the call's result,
    so it unwinds the stack to where the result is made (`ToolSpec.call`).
    """

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("A question was not passed on.")
        self.result = result


@dataclass(frozen=True)
class Confirmation:
    """Asks for the confirmation of one call's writes.

    Args:
        host: The request of the host that made the call.
        answers: The host's answers to the questions of an earlier round.
        questions: The caller's open questions.
    """

    host: ServerRequestContext[Any, Any]
    answers: InputResponses | None
    questions: Questions

    async def ask(self, question: str, request: str) -> None:
        """Ask for confirmation, and return if the answer is yes.

        Args:
            question: What will happen, with its values.
            request: A hash of the exact request: an answer counts only for this request.

        Raises:
            NotConfirmedError: The answer is no, there is none, or the host cannot ask.
            InputRequired: The question must be sent as the call's result.
        """
        # It quotes names, which may contain anything: one line, hidden characters shown, limited length.
        question = shorten(one_line(question), LONGEST_QUESTION, _CUT)
        capabilities = self.host.session.client_capabilities
        elicitation = capabilities.elicitation if capabilities else None
        if elicitation is None or (elicitation.form is None and elicitation.url is not None):
            raise NotConfirmedError(
                "This write needs confirmation by a human (INCIDENT_MCP_CONFIRM), and this host cannot ask for it (no"
                " elicitation). Stop, and ask a human to make this change. Not sent."
            )
        if is_version_at_least(self.host.protocol_version, _ASKS_BY_RESULT):
            answer = await self._answered(question, request)
        else:
            answer = await self._elicited(question)
        _check(answer, question)

    async def _elicited(self, question: str) -> ElicitResult:
        """Ask the host while the call waits."""
        session, request_id = self.host.session, self.host.request_id
        try:
            return await session.elicit_form(question, FORM, related_request_id=request_id)
        except (MCPError, ValidationError) as error:
            why = (
                shorten(one_line(str(error)), 200)
                if isinstance(error, MCPError)
                else "its answer does not match the form"
            )
            raise NotConfirmedError(f"The host could not ask for confirmation ({why}): {question} Not sent.") from None

    async def _answered(self, question: str, request: str) -> ElicitResult:
        """Return the answer that came with the call; without one, end the call with the question."""
        for key, answer in (self.answers or {}).items():
            nonce = key.removeprefix(_PREFIX)
            if nonce != key and isinstance(answer, ElicitResult) and await self.questions.close(nonce, request):
                return answer
        form = ElicitRequestFormParams(message=question, requested_schema=FORM)
        key = _PREFIX + await self.questions.ask(request)
        raise InputRequired(InputRequiredResult(input_requests={key: ElicitRequest(params=form)}))


_PREFIX = "confirm-"


def _check(answer: ElicitResult, question: str) -> None:
    """Raise unless the answer is an explicit yes.

    Raises:
        NotConfirmedError: The answer is anything else.
    """
    content = answer.content or {}
    if answer.action == "accept" and content.get("confirm") is True:
        return
    if answer.action == "accept" and content.get("confirm") is False:
        why = "The form came back with confirm=false"
    elif answer.action == "accept":
        why = "The host accepted the form without an answer, so it is not known that anyone agreed"
    else:
        why = (
            f"The host {'declined' if answer.action == 'decline' else 'cancelled'}; it is not known whether a human did"
        )
    raise NotConfirmedError(f"{why}: {question} Not sent.")
