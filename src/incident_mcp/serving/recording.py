"""Recording a caller's calls: what a replay needs to answer them again."""

import time
from pathlib import Path

from mcp_types import CallToolResult, TextContent

from incident_mcp.records.clock import other_clock
from incident_mcp.records.record import Json
from incident_mcp.tooling.caller import Caller, Perform
from incident_mcp.tooling.tools import ToolResult
from incident_mcp.transport.recording.recorder import Recorder
from incident_mcp.transport.service import Service

SETTINGS = (
    *("incidentio_url", "ionhour_url", "ionhour_workspace_id", "read_only", "toolsets", "discovery"),
    *("max_declares", "max_writes", "stale_minutes", "me", "ignore_arguments", "sandbox"),
)
"""Those that change answers. Confirmation by a person is left out: nobody answers its questions in a replay."""


STANDS_SECONDS = 0.25


class CoarseClock:
    """Stands still for a moment, so that an instant that a tool reads just after an event is that of the event.

    A replay knows the events only: the start of the call, and each response.
    """

    def __init__(self) -> None:
        self._at = 0.0

    def now(self) -> float:
        """Return the Unix time, at most a quarter of a second late."""
        real = time.time()  # noqa: TID251  # the clock that is made coarse
        if not 0 <= real - self._at < STANDS_SECONDS:
            self._at = real
        return self._at


class Recording:
    """Records the calls of a caller.

    Args:
        caller: The caller, whose requests and calls are recorded from now on.
        path: The file.
    """

    def __init__(self, caller: Caller, path: Path) -> None:
        self._services: list[Service] = [each for each in (caller.incidentio, caller.ionhour) if each is not None]
        settings = caller.settings
        secrets = [settings.incidentio_key, settings.ionhour_key, settings.signing_key]
        keys = [*(each for each in secrets if each is not None), *(service.key for service in self._services)]
        self._recorder = Recorder(path, keys)
        self._recorder.start(
            {
                "settings": {name: getattr(settings, name) for name in SETTINGS},
                "accounts": {service.name: service.account for service in self._services},
            }
        )
        for service in self._services:
            service.tape = self._recorder
        caller.around = self
        # What an earlier process kept there is in no recording.
        caller.state_folder = None

    async def __call__(self, name: str, arguments: Json, perform: Perform) -> ToolResult:
        """Call a tool, and record the call with its result."""
        ahead = {service.name: service.ahead for service in self._services}
        with other_clock(CoarseClock().now):
            number = await self._recorder.begin_call(name, arguments, ahead)
            result = await perform(name, arguments)
            await self._recorder.end_call(number, **fields_of(result))
        return result

    def close(self) -> None:
        """Close the file."""
        self._recorder.close()


def fields_of(result: ToolResult) -> Json:
    """Return what is recorded of a result."""
    if not isinstance(result, CallToolResult):
        return {"asked": True}
    if result.is_error:
        return {"error": text_of(result)}
    return {"answer": result.structured_content or {}}


def text_of(result: CallToolResult) -> str:
    """Return the text of a result."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))
