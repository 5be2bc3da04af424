"""Who calls, and one call: all that a request carries, so that one process can serve several callers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mcp.server import ServerRequestContext
from mcp_types import InputResponses

from incident_mcp.records.record import Json
from incident_mcp.settings import Settings
from incident_mcp.tooling.feed import Feed
from incident_mcp.tooling.tools import ToolResult, ToolSpec
from incident_mcp.transport.seen import MemorySeen, SeenRecords
from incident_mcp.transport.service import Service
from incident_mcp.writing.confirm import Confirmation, MemoryQuestions, Questions
from incident_mcp.writing.safety import WriteSafety

Perform = Callable[[str, Json], Awaitable[ToolResult]]
"""Calls a tool by its name, with these arguments."""


class Around(Protocol):
    """Stands between a host and its calls: a recorder, or a replay."""

    async def __call__(self, name: str, arguments: Json, perform: Perform) -> ToolResult:
        """Return the result of a call of a tool."""
        ...


@dataclass
class Caller:
    """A person or program that calls tools: no two callers share any of this, unless they are given the same object."""

    settings: Settings
    """The keys, who the caller is (`me`), and what it may do (read-only, toolsets, confirmation)."""
    tools: Mapping[str, ToolSpec]
    """The tools that the caller is offered, by name, in their list order."""
    reachable: Mapping[str, ToolSpec]
    """The tools that it may call, listed or not, except those that call others."""
    safety: WriteSafety
    """The journal, write limits and audit log."""
    incidentio: Service | None = None
    """The account at incident.io, with everything cached of it; None without a key."""
    ionhour: Service | None = None
    questions: Questions = field(default_factory=MemoryQuestions)
    """Confirmations that were requested and not answered yet."""
    around: Around | None = None
    """Records or replays its calls."""
    seen: SeenRecords = field(default_factory=MemorySeen)
    """What the caller has been shown of records that others change, too."""

    state_folder: Callable[[], Path] | None = None
    """Finds the state folder, where what was read may be kept; None where nothing is."""

    feed: Feed | None = None
    """What webhooks report and no list shows; None where none are received."""

    def caller_of(self, request: "Request") -> "Caller":  # noqa: ARG002  # as `Callers` has it
        """Return itself: it implements `Callers` where it is the only one."""
        return self

    async def close(self) -> None:
        """Write the journal and close the connections."""
        self.safety.journal.close()
        for service in (self.incidentio, self.ionhour):
            if service is not None:
                await service.close()


class Callers(Protocol):
    """All who call one server: what its lifespan yields."""

    def caller_of(self, request: "Request") -> Caller:
        """Return who makes a request."""
        ...


Request = ServerRequestContext[Callers]


def caller_of(request: Request) -> Caller:
    """Return who makes a request."""
    return request.lifespan_context.caller_of(request)


@dataclass(frozen=True)
class Call:
    """One request of a caller: what resolvers, prompts and resources work with."""

    request: Request
    answers: InputResponses | None = None
    """The host's answers to the questions of an earlier round."""

    @cached_property
    def caller(self) -> Caller:
        """Who makes the request: the same throughout, whatever keys are replaced meanwhile."""
        return caller_of(self.request)

    @property
    def client(self) -> str | None:
        """The client's name and version; None if unknown."""
        client = self.request.session.client_params
        return f"{client.client_info.name} {client.client_info.version}" if client else None

    @property
    def confirmation(self) -> Confirmation:
        """The way to request confirmation in this call."""
        return Confirmation(self.request, self.answers, self.caller.questions)
