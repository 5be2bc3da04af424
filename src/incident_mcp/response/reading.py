"""Reading parts of both services in one call: a part that cannot be read becomes a problem next to the others."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import anyio
from pydantic import BeforeValidator

from incident_mcp.errors import IncidentMcpError, ServiceError
from incident_mcp.records.instants import parse_instant
from incident_mcp.records.record import shorten
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import MAX_REQUESTS, Api

MAX_PARALLEL = 16
"""Parts of both services that are read in parallel; it is also the request limit of each service."""


def _timestamp(value: object) -> datetime:
    timestamp = parse_instant(value)
    if timestamp is None:
        raise ValueError("is not a timestamp")
    return timestamp


Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
"""A timestamp of a service, in UTC with microseconds."""


@dataclass
class _Failure:
    """Parts that could not be read for the same reason."""

    text: str
    names: list[str] = field(default_factory=list[str])


class Problems:
    """What could not be read, one line per reason."""

    MAX_NAMES = 5
    MAX_LENGTH = 300

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._failed: dict[tuple[str, object], _Failure] = {}

    def add(self, problem: str) -> None:
        """Add a problem."""
        self._lines.append(problem)

    def add_unreadable(self, count: int | None, row: str, of: str = "") -> None:
        """Add a problem for unreadable rows of a list.

        Args:
            count: Number of rows; nothing is added for 0 or None.
            row: The name of one row, like "update".
            of: The rest of the phrase, like " of INC-114".
        """
        if count:
            self.add(f"{count} {row}{'' if count == 1 else 's'}{of} could not be read.")

    def fail(self, kind: str, name: str, reason: object, text: str) -> None:
        """Add a part that failed; parts that fail for the same reason share a line.

        Args:
            kind: The kind of part, like "updates of".
            name: The part's name, empty if it is the only one of its kind.
            reason: A key for the reason.
            text: The message.
        """
        self._failed.setdefault((kind, reason), _Failure(text)).names.append(name)

    async def attempt(self, kind: str, name: str, read: Callable[[], Awaitable[None]]) -> bool:
        """Read a part, add a problem if that fails, and return whether it succeeded."""
        try:
            await read()
        except IncidentMcpError as failure:
            status = failure.status if isinstance(failure, ServiceError) else None
            self.fail(kind, name, (type(failure), status), str(failure))
            return False
        return True

    def lines(self) -> list[str]:
        """Return one line per problem."""
        lines = list(self._lines)
        for (kind, _), failure in self._failed.items():
            names = [name for name in failure.names if name]
            more = f" and {len(names) - self.MAX_NAMES} more" if len(names) > self.MAX_NAMES else ""
            lines.append(f"{kind} {', '.join(names[: self.MAX_NAMES])}{more}".strip() + f": {failure.text}")
        return [shorten(line, self.MAX_LENGTH) for line in lines]


@dataclass(frozen=True)
class Part:
    """A part of a result that is read independently of the others."""

    kind: str
    """The kind of part, like "updates of"."""
    name: str
    """The part's name, empty if it is the only one of its kind."""
    api: Api
    read: Callable[[], Awaitable[None]]
    requests: int = 1
    """The number of requests that it may need."""


class Reading:
    """Reads parts of both services within the request limit of one call.

    Args:
        services: Both services.
        rows: The caller's row limit; above 60 it is also the request limit.
        advice: What the caller can do if the request limit is too small.
        beside: Requests that the call makes besides.
    """

    def __init__(self, services: Services, rows: int, advice: str, beside: int = 0) -> None:
        self.problems = Problems()
        self._apis = [api for api in (services.incidentio, services.ionhour) if api is not None]
        self._max_requests = max(MAX_REQUESTS, rows)
        self._advice = advice
        self._beside = beside
        for api in self._apis:
            _allow(api, (self._max_requests - beside) // len(self._apis))

    async def read(self, parts: Sequence[Part]) -> None:
        """Read up to 16 parts in parallel, in their order: if the request limit is too small, the last ones fail."""
        self._share(parts)
        parallel = anyio.Semaphore(MAX_PARALLEL)

        async def read_part(part: Part) -> None:
            async with parallel:
                if part.api.may_read:
                    await self.problems.attempt(part.kind, part.name, part.read)
                else:
                    text = f"not read: a call is limited to {self._max_requests} requests. {self._advice}"
                    self.problems.fail(part.kind, part.name, "limit", text)

        async with anyio.create_task_group() as tasks:
            for part in parts:
                tasks.start_soon(read_part, part)

    def _share(self, parts: Sequence[Part]) -> None:
        """Divide the remaining requests: each service gets what its parts may need, and an equal share of the rest."""
        remaining = max(0, self._max_requests - self._beside - sum(api.requests for api in self._apis))
        needs = [sum(part.requests for part in parts if part.api is api) for api in self._apis]
        needy = sum(map(bool, needs)) or 1
        spare = remaining - sum(needs)
        for api, need in zip(self._apis, needs, strict=True):
            if spare >= 0:
                share = need + spare // needy if need else 0
            else:
                share = min(need, max(remaining // needy, remaining - (sum(needs) - need)))
            _allow(api, share)


def _allow(api: Api, more: int) -> None:
    """Allow `more` further requests to a service."""
    api.most_requests = 0
    api.allow(api.requests + more)
