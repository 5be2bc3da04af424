"""The result of a tool that writes: the record, or the request that `dry_run` or a preview held back."""

from dataclasses import dataclass
from typing import Generic

from pydantic import Field

from incident_mcp.records.fitting import MAX_TOKENS, bound
from incident_mcp.records.record import Json, R, Record
from incident_mcp.records.text import visible_answer


@dataclass(frozen=True)
class Planned:
    """The request that a write would send, returned by `dry_run`."""

    service: str
    method: str
    path: str
    body: Json | None

    def dump(self) -> Json:
        """Return the request as JSON."""
        answer: Json = {"service": self.service, "method": self.method, "path": self.path}
        return answer if self.body is None else {**answer, "body": self.body}


class Preview(Record):
    """What a write that takes two calls would do."""

    shown: str | None = Field(default=None, exclude=True)
    """What its code is bound to besides the request; None if not all of it could be read."""


@dataclass(frozen=True)
class WriteResult(Generic[R]):
    """The outcome of a write: the record, or the request that `dry_run` or a preview held back."""

    record: R | None = None
    would_send: Planned | None = None
    preview: Record | None = None
    """What the request would do, of a write that takes two calls."""
    confirm: str | None = None
    """The code with which an identical call sends the request."""
    repeated: bool = False
    """True if an earlier, identical call created the record and this one created nothing new."""
    note: str | None = None
    """Remarks about the result."""
    similar_open: tuple[str, ...] = ()
    """Open or recent incidents that may be the same outage."""

    def answer(self) -> Json:
        """Return the tool's JSON; a request of `dry_run` stays complete."""
        rest = " here, not in what is sent" if self.would_send else self.record.REST if self.record else ""
        return bound(visible_answer(self.dump()), MAX_TOKENS, rest)

    def dump(self) -> Json:
        """Return the result as JSON: the record's fields, with what else is known of this call."""
        answer: Json = {} if self.record is None else self.record.dump()
        if self.would_send is not None:
            answer |= {} if self.confirm else {"dry_run": True}
            answer["would_send"] = self.would_send.dump()
        if self.preview is not None:
            answer["preview"] = self.preview.dump()
        if self.confirm is not None:
            answer["confirm"] = self.confirm
        if self.repeated:
            answer["repeated"] = True
        if self.similar_open:
            answer["similar_open"] = list(self.similar_open)
        if self.note:
            answer["note"] = self.note
        return answer
