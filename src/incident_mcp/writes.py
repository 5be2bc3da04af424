"""How a write is carried out: shown instead of sent for `dry_run`, sent once, and its outcome told as what it is."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from incident_mcp.errors import NoAnswer, NotSent, Refused, ServiceError
from incident_mcp.http import A, Api, Repeat, Request
from incident_mcp.models import Outcome, Planned, R


@dataclass(frozen=True, kw_only=True)
class Write(Generic[A, R]):
    """One logical write.

    Attributes:
        tool: The tool that asks for it.
        request: The request; of a keyed write without its key.
        answer: What the service answers.
        tell: Makes the record to tell of that answer.
        repeat: Whether the request may be sent again when its outcome is open.
        key: The caller's idempotency key, sent as given; a keyed write without one gets a new one.
        advice: What a refusal with this status means for this write.
    """

    tool: str
    request: Request
    answer: type[A]
    tell: Callable[[A], R]
    repeat: Repeat
    key: str | None = None
    advice: Mapping[int, str] = field(default_factory=dict[int, str])


class Writer:
    """Carries writes out."""

    async def perform(self, api: Api, write: Write[A, R], *, dry_run: bool) -> Outcome[R]:
        """Carry a write out, or show it.

        Raises:
            ServiceError: It failed; the text ends with what that means for the write.
        """
        request = _with_key(write)
        if dry_run:
            return Outcome(would_send=Planned(api.service.name, request.method, request.path, request.body))
        try:
            return Outcome(write.tell(await api.send(request, write.answer, repeat=write.repeat)))
        except ServiceError as failure:
            if failure.status in write.advice:
                failure.advise(write.advice[failure.status])
            failure.advise(_OUTCOMES[type(failure)])
            raise


_OUTCOMES: dict[type[ServiceError], str] = {
    NotSent: "Outcome: not sent.",
    Refused: "Outcome: refused, nothing was changed.",
    NoAnswer: "Outcome: sent, outcome unknown.",
}


def _with_key(write: Write[Any, Any]) -> Request:
    if write.repeat is not Repeat.KEYED:
        return write.request
    return replace(write.request, body={"idempotency_key": write.key or str(uuid.uuid4()), **(write.request.body or {})})
