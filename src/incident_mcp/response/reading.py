"""Reading parts of both services in one call: a part that cannot be read is a problem beside the rest."""

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
from incident_mcp.transport.api import MOST_REQUESTS, Api

AT_ONCE = 16
"""Parts that are read at once, of both services; each service is asked for no more at once anyway."""


def _instant(value: object) -> datetime:
    instant = parse_instant(value)
    if instant is None:
        raise ValueError("is no instant")
    return instant


When = Annotated[datetime, BeforeValidator(_instant)]
"""An instant of a service's answer, in UTC and to the microsecond."""


@dataclass
class _Alike:
    """Parts that could not be read for the same reason."""

    text: str
    names: list[str] = field(default_factory=list[str])


class Problems:
    """What could not be read, one line for each reason."""

    MOST_NAMED = 5
    LONGEST = 300

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._failed: dict[tuple[str, object], _Alike] = {}

    def add(self, problem: str) -> None:
        """Add a problem."""
        self._lines.append(problem)

    def add_unreadable(self, rows: int | None, what: str, of: str = "") -> None:
        """Add that rows of a list could not be read.

        Args:
            rows: How many; none add nothing.
            what: One of them, like "update".
            of: The rest of the phrase, like " of INC-114".
        """
        if rows:
            self.add(f"{rows} {what}{'' if rows == 1 else 's'}{of} could not be read.")

    def fail(self, what: str, which: str, reason: object, text: str) -> None:
        """Add a part that failed; parts that fail for the same reason share a line.

        Args:
            what: The kind of part, like "updates of".
            which: Its name, if there are several of the kind.
            reason: Equal for failures that are alike.
            text: What happened.
        """
        self._failed.setdefault((what, reason), _Alike(text)).names.append(which)

    async def attempt(self, what: str, which: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Read a part, and return whether it succeeded.

        Args:
            what: The kind of part, like "updates of".
            which: Its name, if there are several of the kind.
            work: Reads it.
        """
        try:
            await work()
        except IncidentMcpError as failure:
            status = failure.status if isinstance(failure, ServiceError) else None
            self.fail(what, which, (type(failure), status), str(failure))
            return False
        return True

    def lines(self) -> list[str]:
        """Return the problems, each on a line."""
        lines = list(self._lines)
        for (what, _), alike in self._failed.items():
            names = [name for name in alike.names if name]
            more = f" and {len(names) - self.MOST_NAMED} more" if len(names) > self.MOST_NAMED else ""
            lines.append(f"{what} {', '.join(names[: self.MOST_NAMED])}{more}".strip() + f": {alike.text}")
        return [shorten(line, self.LONGEST) for line in lines]


@dataclass(frozen=True)
class Part:
    """A part of an answer, read on its own."""

    what: str
    """Its kind, like "updates of"."""
    which: str
    """Its name, empty if it is the only one of its kind."""
    api: Api
    read: Callable[[], Awaitable[None]]
    requests: int = 1
    """How many it may take."""


class Reading:
    """Reads parts of both services, which together take no more requests than one call may make.

    Args:
        services: Both services.
        rows: How many rows the caller asks for; more than 60 allow as many requests.
        advice: What the caller can do when that is not enough.
    """

    def __init__(self, services: Services, rows: int, advice: str) -> None:
        self.problems = Problems()
        self._apis = [api for api in (services.incidentio, services.ionhour) if api is not None]
        self._most = max(MOST_REQUESTS, rows)
        self._advice = advice
        for api in self._apis:
            _allow(api, self._most // len(self._apis))

    async def together(self, parts: Sequence[Part]) -> None:
        """Read parts, 16 at once, the first of them first where the requests do not suffice for all."""
        self._share(parts)
        turns = anyio.Semaphore(AT_ONCE)

        async def read(part: Part) -> None:
            async with turns:
                if part.api.may_read:
                    await self.problems.attempt(part.what, part.which, part.read)
                else:
                    text = f"not read, since a call may make {self._most} requests. {self._advice}"
                    self.problems.fail(part.what, part.which, "limit", text)

        async with anyio.create_task_group() as tasks:
            for part in parts:
                tasks.start_soon(read, part)

    def _share(self, parts: Sequence[Part]) -> None:
        """Divide the requests that are left: each service gets what its parts may take, the rest in equal shares."""
        left = max(0, self._most - sum(api.requests for api in self._apis))
        needs = [sum(part.requests for part in parts if part.api is api) for api in self._apis]
        needy = sum(map(bool, needs)) or 1
        spare = left - sum(needs)
        for api, need in zip(self._apis, needs, strict=True):
            if spare >= 0:
                share = need + spare // needy if need else 0
            else:
                share = min(need, max(left // needy, left - (sum(needs) - need)))
            _allow(api, share)


def _allow(api: Api, more: int) -> None:
    """Let a service be read `more` times from now on, and no more."""
    api.most_requests = 0
    api.allow(api.requests + more)
