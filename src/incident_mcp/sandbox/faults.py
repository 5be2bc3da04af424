"""Faults: what a network or a service does wrong on demand."""

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
    """One thing that goes wrong with the requests it fits.

    `before` and `after` say whether a write took effect. `garbage`, `truncated`, `delay` and `replace` carry the
    request out; `status`, `html` and `refuse` do not. When several faults fit, the one installed first strikes.

    `replace` plays a gateway that answers after the service has acted: it sends `status`, `headers` and `body`, as the
    kind `status` does, in place of the service's reply.
    """

    kind: Kind
    service: str | None = None
    """`incidentio` or `ionhour`; None fits both."""
    method: str | None = None
    path: str | None = None
    """A regular expression, searched in the raw path."""
    times: int | None = None
    """How often it strikes before it is used up; None is always."""
    after: int = 0
    """How many fitting requests pass first."""
    status: int = 500
    headers: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """Sent with the reply, if the kind has one; names in any case. A None removes a default header, such as Date."""
    body: Any = None
    """In place of the vendor's own error body: JSON, or text, or bytes. An empty text is sent as an empty body."""
    seconds: float = 0.0
    """How long `delay` waits."""

    def fits(self, service: str, method: str, path: str) -> bool:
        """Whether this request is one it is meant for."""
        return (
            self.service in {None, service}
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
        )

    @staticmethod
    def from_json(record: object) -> "Fault":
        """Read a fault sent to the control paths.

        Raises:
            ValueError: The record is no fault; the text says why.
        """
        if not isinstance(record, dict):
            raise ValueError("a fault is a JSON object")  # noqa: TRY004  bad input, not a bad call
        given = cast("dict[str, Any]", record)
        unknown = sorted(set(given) - {entry.name for entry in fields(Fault)})
        if unknown:
            raise ValueError(f"unknown keys {unknown}")
        if given.get("kind") not in get_args(Kind):
            raise ValueError(f"kind must be one of {list(get_args(Kind))}")
        try:
            re.compile(given.get("path") or "")
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error
        return Fault(**given)


@dataclass
class _Installed:
    fault: Fault
    seen: int = 0
    struck: int = 0


class FaultBook:
    """The faults that are installed, and how often each has struck."""

    def __init__(self) -> None:
        self._installed: list[_Installed] = []

    def add(self, fault: Fault) -> None:
        """Install one more."""
        self._installed.append(_Installed(fault))

    def clear(self) -> None:
        """Remove all."""
        self._installed.clear()

    def strike(self, service: str, method: str, path: str) -> Fault | None:
        """The fault that hits this request, counted as having done so."""
        for entry in self._installed:
            fault = entry.fault
            if not fault.fits(service, method, path) or entry.struck == fault.times:
                continue
            entry.seen += 1
            if entry.seen > fault.after:
                entry.struck += 1
                return fault
        return None
