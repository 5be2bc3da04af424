"""What observes the requests to a service: spans and metrics are made of it (`serving/telemetry`).

An observer sees paths as templates only, and no body, query or key.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from incident_mcp.transport.operation import Operation


class Target(Protocol):
    """The service that a request goes to."""

    name: str

    @property
    def host(self) -> str:
        """The host name."""
        ...


class Attempt(Protocol):
    """One attempt of a request, while it runs."""

    def answered(self, status: int, request_id: str | None) -> None:
        """Note the status of the response, and the service's id of the request."""
        ...


class Observer(Protocol):
    """Observes the requests to a service. It is called in the task that sends the request, and must not wait."""

    def attempt(self, service: Target, operation: Operation, number: int) -> AbstractContextManager[Attempt]:
        """Return what surrounds one attempt on the network; an exception that passes through it is the failure.

        Args:
            service: The service.
            operation: The operation, whose path is a template.
            number: The attempt's number, from 1 on.
        """
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the headers that link the request to the current span."""
        ...

    def waits_to_repeat(self, service: Target, operation: Operation, seconds: float) -> None:
        """Note that a request is repeated after so many seconds."""
        ...

    def waits_for_rate_limit(self, service: Target, seconds: float) -> None:
        """Note that a request waits so many seconds for the service's rate limit."""
        ...

    def remaining(self, service: Target, requests: int) -> None:
        """Note how many requests the service reports as remaining in its rate limit."""
        ...
