"""The exceptions that this project raises on purpose. Each text says who failed, why and what to do next.

An exception is complete when it is raised: nothing adds to its text on the way up.

IncidentMcpError              the only kind whose text reaches the model
├── SettingError              a setting is missing or cannot be used
├── InputError                the arguments cannot be used; nothing was sent
│   ├── WriteLimitError       too many writes in a short time; nothing was sent
│   ├── NotConfirmedError     a write needed confirmation and did not get it; nothing was sent
│   └── StaleError            somebody else changed the record since the caller saw it; nothing was sent
├── ServiceError              one request to a service failed
│   ├── NotSentError          it never reached the service, or was throttled
│   ├── RefusedError          the service rejected it (4xx)
│   └── NoAnswerError         it may have taken effect: lost response, timeout, 5xx, unreadable response
│       └── TooLargeError     the response was not read: it is larger than the limit
└── WriteError                a write failed, with its outcome as a value (`writing/outcome.py`)

ResourceUnreadableError       the only kind whose text reaches the client that reads a resource
└── IncidentNotFoundError     the incident does not exist
"""

from collections.abc import Sequence
from copy import copy
from typing import Self


class IncidentMcpError(Exception):
    """Base of all that is raised on purpose; its text is written for the model and the user."""


class SettingError(IncidentMcpError):
    """A setting is missing or cannot be used."""


class InputError(IncidentMcpError):
    """The arguments cannot be used; nothing was sent."""


class WriteLimitError(InputError):
    """Too many writes in a short time; nothing was sent."""


class NotConfirmedError(InputError):
    """A write needed confirmation and did not get it; nothing was sent."""


class StaleError(InputError):
    """Somebody else changed the record since the caller saw it; nothing was sent."""


class ResourceUnreadableError(Exception):
    """A resource could not be read."""


class IncidentNotFoundError(ResourceUnreadableError):
    """The incident does not exist."""


class ServiceError(IncidentMcpError):
    """One request to a service failed.

    Attributes:
        text: Who failed, and why.
        step: What to do next, by the status alone or as the request advises.
        status: HTTP status, None without a response.
        retry_after: Seconds that the service asks to wait, None if unknown.
        request_id: The service's ID of the request, for its support.
        problems: The service's list of what is wrong, as (field, message).
        transient: Another attempt may succeed: there was no response, or it indicates a transient fault.
        late: The service may still be processing it.
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

    def with_advice(self, advice: str) -> Self:
        """Return a new error with a longer text; this one stays unchanged."""
        error = copy(self)
        error.text = join_sentences(self.text, advice)
        return error

    def __str__(self) -> str:
        """Join the text, the next step and the request id."""
        return join_sentences(self.text, self.step, self.request_id and f"Request id {self.request_id}.")


class NotSentError(ServiceError):
    """The request never reached the service, or was throttled."""


class RefusedError(ServiceError):
    """The service rejected the request."""


class NoAnswerError(ServiceError):
    """The request was sent, and it may have taken effect."""


class TooLargeError(NoAnswerError):
    """The response is larger than what is read of one; a list can be read in smaller pages."""


def join_sentences(*sentences: str | None) -> str:
    """Join sentences, without those that are missing or empty."""
    return " ".join(filter(None, sentences))
