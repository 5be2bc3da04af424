"""What a tool that writes answers: the record, or the request that `dry_run` held back."""

from dataclasses import dataclass
from typing import Generic

from incident_mcp.records.fitting import MOST_TOKENS, bound
from incident_mcp.records.record import Json, R
from incident_mcp.records.text import visible_answer


@dataclass(frozen=True)
class Planned:
    """A write as it would be sent, answered by `dry_run`."""

    service: str
    method: str
    path: str
    body: Json | None

    def dump(self) -> Json:
        """Return the request as JSON."""
        answer: Json = {"service": self.service, "method": self.method, "path": self.path}
        return answer if self.body is None else {**answer, "body": self.body}


@dataclass(frozen=True)
class WriteResult(Generic[R]):
    """The outcome of a write: the record, or the request that `dry_run` held back."""

    record: R | None = None
    would_send: Planned | None = None
    repeated: bool = False
    """The record was made by an earlier, identical call; nothing new was made now."""
    note: str | None = None
    """What the caller should know beside the record."""
    similar_open: tuple[str, ...] = ()
    """Open or recent incidents that may be the same outage."""

    def answer(self) -> Json:
        """Return what a tool answers; a request that is shown is sent whole."""
        rest = " here, not in what is sent" if self.would_send else self.record.REST if self.record else ""
        return bound(visible_answer(self.dump()), MOST_TOKENS, rest)

    def dump(self) -> Json:
        """Return the answer's JSON: the record's own fields, with what else is true of this call."""
        answer: Json = {} if self.record is None else self.record.dump()
        if self.would_send is not None:
            answer |= {"dry_run": True, "would_send": self.would_send.dump()}
        if self.repeated:
            answer["repeated"] = True
        if self.similar_open:
            answer["similar_open"] = list(self.similar_open)
        if self.note:
            answer["note"] = self.note
        return answer
