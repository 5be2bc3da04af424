"""An operation that a service documents, and a request for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from incident_mcp.errors import InputError
from incident_mcp.records.record import Json

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Operation:
    """An operation as its document has it."""

    method: str
    path: str
    """A template: `/v2/incidents/{incident}`."""
    scope: str = ""
    """What the key needs, where the document says it."""
    page_size: int = 250
    """Maximum number of rows in a page of a list. For incidents, incident.io's schema allows 500 and its text 250."""

    retries_conflict: bool = False
    """Whether a 409 means that the record is locked for a moment, so that the request can be sent again."""
    rows: str = ""
    """The key of the rows in the answer of a list, if that is not the last word of the path."""

    @property
    def rows_key(self) -> str:
        """The key of the rows in the answer of a list."""
        return self.rows or self.path.rpartition("/")[2].replace("-", "_")

    def request(
        self,
        query: Query = (),
        *,
        at: Mapping[str, str | int] | None = None,
        body: Json | None = None,
        scope: str | None = None,
        advice: Mapping[int, str] | None = None,
    ) -> "Request":
        """Return a request for this operation.

        Args:
            query: Query parameters.
            at: What the path's placeholders stand for; each value is quoted as one segment.
            body: JSON body.
            scope: What this request needs where that depends on its body.
            advice: What a refusal with a status means for this request.

        Raises:
            InputError: A path value is empty, `.` or `..`, or holds a character that would change the path.
        """
        path = self.path.format(**{name: _segment(name, str(value)) for name, value in (at or {}).items()})
        return Request(self, path, query, body, self.scope if scope is None else scope, advice)


@dataclass(frozen=True)
class Request:
    """A request to a service, its path filled."""

    operation: Operation
    path: str
    query: Query = ()
    body: Json | None = None
    scope: str = ""
    """What the key needs, where the vendor documents it."""
    advice: Mapping[int, str] | None = None
    """What a refusal with a status means for this request."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.operation.method

    @property
    def label(self) -> str:
        """Method and path, for errors."""
        return f"{self.method} {self.path}"


def _segment(name: str, value: str) -> str:
    if not value or value in {".", ".."} or re.search(r"[/\\?#\s\x00-\x1f\x7f-\x9f\ud800-\udfff]", value):
        raise InputError(f"{name} {value[:60]!r} cannot be an id: it is empty or holds a character that no id has.")
    return quote(value, safe="")
