"""Everything this project raises on purpose; each text says who, why and what to do next.

IncidentMcpError      the one kind whose text reaches the model
├── SettingError      a setting is missing or cannot be used
├── InputError        the arguments cannot be carried out; nothing was sent
│   ├── GuardError    too many writes in a short time; nothing was sent
│   └── NotConfirmed  a person was to be asked and did not say yes; nothing was sent
└── ServiceError      a service and one request to it
    ├── NotSent       the request never reached the service
    ├── Refused       the service answered that it did not do it (4xx)
    └── NoAnswer      it may have been done: lost reply, timeout, 5xx, unreadable answer
        └── TooLarge  the answer was not read, it is larger than anything that fits into memory

PageError             a resource could not be read; the one kind whose text reaches its reader
└── NoPage            the incident does not exist
"""

from collections.abc import Sequence


class IncidentMcpError(Exception):
    """Base of all that is raised on purpose; its text is written for the model and the person."""


class SettingError(IncidentMcpError):
    """A setting is missing or cannot be used."""


class InputError(IncidentMcpError):
    """The arguments cannot be carried out; nothing was sent."""


class GuardError(InputError):
    """Too many writes in a short time; nothing was sent."""


class NotConfirmed(InputError):
    """A person was to be asked and did not say yes; nothing was sent."""


class PageError(Exception):
    """A resource could not be read."""


class NoPage(PageError):
    """The incident does not exist."""


class ServiceError(IncidentMcpError):
    """A request that failed.

    Attributes:
        step: What to do next, by the status alone; who knows the call better puts its own in the place.
        status: HTTP status, None without an answer.
        retry_after: Seconds that the service asks to wait, None if it does not say.
        request_id: The service's own, for its support.
        problems: The service's own list of what is wrong, as (field, message).
        transient: Another attempt may succeed: no answer came, or one that tells of a passing fault.
        late: The service may still be working on it.
        outcome: What the failure means for a write; None until that is known.
    """

    def __init__(  # noqa: PLR0913  # all but the text by name
        self,
        text: str,
        *,
        step: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        problems: Sequence[tuple[str, str]] = (),
        transient: bool = False,
        late: bool = False,
        outcome: str | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.step = step
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.problems = tuple(problems)
        self.transient = transient
        self.late = late
        self.outcome = outcome

    def advise(self, advice: str) -> None:
        """Add to the text what the call knows."""
        self.text = f"{self.text} {advice}".rstrip()

    def conclude(self, outcome: str) -> None:
        """Say what the failure means for the write."""
        self.outcome = outcome

    def __str__(self) -> str:
        """Join the text, the next step, the outcome and the request id."""
        step = f" {self.step}" if self.step else ""
        outcome = f" Outcome: {self.outcome}" if self.outcome else ""
        request_id = f" Request id {self.request_id}." if self.request_id else ""
        return f"{self.text}{step}{outcome}{request_id}"


class NotSent(ServiceError):
    """The request never reached the service."""


class Refused(ServiceError):
    """The service answered that it did not carry the request out."""


class NoAnswer(ServiceError):
    """The request left, and whether it was carried out is not known."""

    def followed_by(self, later: ServiceError) -> "NoAnswer":
        """Add what came of a later request, which leaves this one as open as it was."""
        if later is not self:
            self.advise(f"After that: {later.text} {later.step}")
        return self


class TooLarge(NoAnswer):
    """The answer is larger than what is read of one; a list can be read in smaller pages."""
