"""Asking a person before a write, in both protocol eras.

Until 2025-11-25 the server asks in the middle of a call and waits. From 2026-07-28 on it answers "input required"; the
client asks and calls again with the answer, so the tool runs once more from its start, up to the same question.
"""

from typing import Any

from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel

from incident_mcp.errors import InputRequired, NotConfirmed
from incident_mcp.journal import fingerprint
from incident_mcp.models import make_visible, shorten

_ASKED_BY_RESULT = "2026-07-28"
LONGEST_QUESTION = 800


class _Nothing(BaseModel):
    """The person only accepts or declines."""


async def ask(ctx: Context[Any], question: str) -> None:
    """Ask a person, and return if the answer is yes.

    Raises:
        NotConfirmed: The person said no, or the host cannot ask.
        InputRequired: The question has to travel as the call's result.
    """
    # A name in it may hold anything: one line, nothing hidden, and not endless.
    question = shorten(" ".join(str(make_visible(question)).split()), LONGEST_QUESTION)
    capabilities = ctx.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        raise NotConfirmed(
            "INCIDENT_MCP_CONFIRM asks a person before this write, and this host cannot ask one (no elicitation)."
            " A person can make the change, or start the server with INCIDENT_MCP_CONFIRM=never. Not sent."
        )
    version = ctx.protocol_version
    if version is not None and is_version_at_least(version, _ASKED_BY_RESULT):
        answer = _answered(ctx, question)
    else:
        answer = (await ctx.elicit(question, _Nothing)).action
    if answer != "accept":
        raise NotConfirmed(f"The person {'declined' if answer == 'decline' else 'cancelled'}: {question} Not sent.")


def _answered(ctx: Context[Any], question: str) -> str:
    # The key is the question itself: an answer to other words is no answer to these.
    key = f"confirm-{fingerprint(question)[:16]}"
    answer = (ctx.input_responses or {}).get(key)
    if isinstance(answer, ElicitResult):
        return answer.action
    form = ElicitRequestFormParams(message=question, requested_schema={"type": "object", "properties": {}})
    raise InputRequired(InputRequiredResult(input_requests={key: ElicitRequest(params=form)}))
