"""Faults: failures of the network or of a service, on demand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast, get_args

Kind = Literal[
    "status",
    "delay",
    "cut_before",
    "cut_after",
    "hang_before",
    "hang_after",
    "refuse",
    "garbage",
    "truncated",
    "html",
    "replace",
]


@dataclass(frozen=True)
class Fault:
    """One failure, and the requests that it applies to.

    `cut_before` and `hang_before` fail before the request takes effect, `cut_after` and `hang_after` after it.
    `garbage`, `truncated`, `delay` and `replace` carry the request out; `status`, `html` and `refuse` do not. When
    several faults match, the one that was installed first applies.

    `replace` simulates a gateway that answers after the service has acted: it sends `status`, `headers` and `body`, as
    the kind `status` does, instead of the service's reply.
    """

    kind: Kind
    service: str | None = None
    """`incidentio` or `ionhour`; None matches both."""
    method: str | None = None
    path: str | None = None
    """A regular expression, searched in the raw path."""
    times: int | None = None
    """How many requests it fails; None is all."""
    after: int = 0
    """How many matching requests pass first."""
    status: int = 500
    headers: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Sent with the reply, if the kind has one; names in any case. A None removes a default header, such as Date."""
    body: Any = None
    """Replaces the vendor's own error body: JSON, text or bytes. An empty text is sent as an empty body."""
    seconds: float = 0.0
    """How long `delay` waits."""

    def matches(self, service: str, method: str, path: str) -> bool:
        """Return whether the fault is meant for this request."""
        return (
            self.service in {None, service}
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
        )

    @staticmethod
    def from_json(record: object) -> "Fault":
        """Read a fault that was sent to the control paths.

        Raises:
            ValueError: The record is not a fault; the text says why.
        """
        if not isinstance(record, dict):
            raise ValueError("a fault is a JSON object")  # noqa: TRY004  # bad input, not a bad call
        values = cast("dict[str, Any]", record)
        unknown = sorted(set(values) - {entry.name for entry in fields(Fault)})
        if unknown:
            raise ValueError(f"unknown keys {unknown}")
        if values.get("kind") not in get_args(Kind):
            raise ValueError(f"kind must be one of {list(get_args(Kind))}")
        try:
            re.compile(values.get("path") or "")
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error
        return Fault(**values)


@dataclass
class _Installed:
    fault: Fault
    matched: int = 0
    applied: int = 0


class FaultBook:
    """The installed faults, with a count of the requests that each has failed."""

    def __init__(self) -> None:
        self._installed: list[_Installed] = []

    def add(self, fault: Fault) -> None:
        """Install a fault."""
        self._installed.append(_Installed(fault))

    def clear(self) -> None:
        """Remove all faults."""
        self._installed.clear()

    def take(self, service: str, method: str, path: str) -> Fault | None:
        """Return the fault that applies to this request, and count it as applied."""
        for entry in self._installed:
            fault = entry.fault
            if not fault.matches(service, method, path) or entry.applied == fault.times:
                continue
            entry.matched += 1
            if entry.matched > fault.after:
                entry.applied += 1
                return fault
        return None
