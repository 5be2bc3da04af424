"""Everything this project raises on purpose; each text says who, why and what to do next.

    ToolError                 mcp's: the one kind whose text reaches the model
    └── IncidentMcpError
        ├── SettingError      a setting is missing or cannot be used
        ├── InputError        the arguments cannot be carried out; nothing was sent
        └── ServiceError      a service and one request to it
            ├── NotSent       the request never reached the service
            ├── Refused       the service answered that it did not do it (3xx, 4xx)
            └── NoAnswer      it may have been done: lost reply, timeout, 5xx, unreadable answer
"""

from collections.abc import Sequence

from mcp.server.mcpserver.exceptions import ToolError


class IncidentMcpError(ToolError):
    """Base of all that is raised on purpose; its text is written for the model and the person."""


class SettingError(IncidentMcpError):
    """A setting is missing or cannot be used."""


class InputError(IncidentMcpError):
    """The arguments cannot be carried out; nothing was sent."""


class ServiceError(IncidentMcpError):
    """A request that failed.

    Attributes:
        status: HTTP status, None without an answer.
        retry_after: Seconds that the service asks to wait, None if it does not say.
        problems: The service's own list of what is wrong, as (field, message).
        transient: Another attempt may succeed: no answer came, or one that tells of a passing fault.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        problems: Sequence[tuple[str, str]] = (),
        transient: bool = False,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.problems = tuple(problems)
        self.transient = transient

    def advise(self, advice: str) -> None:
        """Add the next step to the text."""
        self.text = f"{self.text} {advice}"
        self.args = (self.text,)

    def __str__(self) -> str:
        return f"{self.text} Request id {self.request_id}." if self.request_id else self.text


class NotSent(ServiceError):
    """The request never reached the service."""


class Refused(ServiceError):
    """The service answered that it did not carry the request out."""


class NoAnswer(ServiceError):
    """The request left, and whether it was carried out is not known."""
