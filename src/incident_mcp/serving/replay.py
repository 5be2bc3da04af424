"""A server that answers from a recording: no keys, no network, and the clock of the recording."""

import json
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
from mcp.server import Server
from mcp_types import CallToolResult, TextContent
from pydantic import SecretStr

from incident_mcp.catalogue import select
from incident_mcp.errors import SettingError
from incident_mcp.records.clock import other_clock
from incident_mcp.records.record import Json
from incident_mcp.serving.callers import open_caller
from incident_mcp.serving.recording import text_of
from incident_mcp.serving.server import configure_logging, make_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.caller import Caller, Callers, Perform
from incident_mcp.tooling.tools import ToolResult, failed
from incident_mcp.transport.recording.lines import RecordedCall, Recording, Start
from incident_mcp.transport.recording.player import NoNetwork, Player
from incident_mcp.transport.service import Limits, Service
from incident_mcp.writing.codes import SECRET_BYTES, ConfirmationCodes
from incident_mcp.writing.journal.memory import MemoryJournal

_KEY = "replayed"
"""In place of a key; it is never sent."""
ASKED = "This call asked a person for confirmation, which a replay cannot do."
_log = logging.getLogger(__name__)


def build_replay_server(recording: Recording, closed: Callable[[], None] = lambda: None) -> Server[Callers]:
    """Build a server that answers from a recording.

    Args:
        recording: The recording.
        closed: Called after the last call.

    Raises:
        SettingError: The recording's settings cannot be used.
    """
    settings = max((_settings(start) for start in recording.starts), key=lambda each: len(select(each)))
    notes = [
        f"Replays {len(recording.calls)} calls of incident-mcp {recording.starts[0].version} from a file.",
        "Nothing is real, and nothing is sent. A call that was not recorded is answered from what the others read.",
        *recording.notes,
    ]

    @asynccontextmanager
    async def lifespan(_: Server[Callers]) -> AsyncGenerator[Callers]:
        with TemporaryDirectory(prefix="incident-mcp-replay-") as folder:
            own = replace(settings, state_dir=Path(folder))
            async with open_caller(own, select(own), NoNetwork(_KEY), Limits(backoff=0)) as caller:
                _Replay(caller, recording)
                yield caller
        closed()

    configure_logging()
    return make_server("".join(f"- {note}\n" for note in notes), lifespan)


def recorded_text(call: RecordedCall) -> str | None:
    """Return the text of a call's result as it was recorded; None if there is none to compare with."""
    result = call.result
    if result is None or result.asked:
        return None
    return result.error if result.error is not None else text_of_answer(result.answer or {})


def text_of_answer(answer: Json) -> str:
    """Return the text of an answer, as hosts get it."""
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def _settings(start: Start) -> Settings:
    recorded = start.settings
    for name, url in (("incident.io", recorded.incidentio_url), ("Ionhour", recorded.ionhour_url)):
        if not url.startswith(("https://", "http://")):
            raise SettingError(f"The recording has no usable address of {name}.")
    keys = {name: SecretStr(_KEY) for name in start.accounts}
    values: dict[str, Any] = recorded.model_dump()
    return Settings(**values, incidentio_key=keys.get("incident.io"), ionhour_key=keys.get("Ionhour"))


@dataclass(frozen=True, kw_only=True)
class _Codes(ConfirmationCodes):
    """Issues the codes that were recorded, in place of its own."""

    recorded: Callable[[], str | None]
    own: dict[str, str] = field(default_factory=dict[str, str])

    async def issue(self, request: str, shown: str | None = None) -> str:
        code = await super().issue(request, shown)
        name = self.recorded() or code
        self.own[name] = code
        return name

    async def check(self, code: str, request: str) -> str:
        return await super().check(self.own.get(code.strip(), code), request)


class _Replay:
    """Calls a caller's tools as they were recorded: first all calls before the one that is asked for, in their order.

    What a call answers depends on what earlier ones did: the journal, seen records, used codes.
    """

    def __init__(self, caller: Caller, recording: Recording) -> None:
        self._caller, self._calls = caller, recording.calls
        self._player = Player(recording)
        self._settings = {start.session: _settings(start) for start in recording.starts}
        self._state_dir = caller.settings.state_dir
        self._results: list[ToolResult] = []
        self._next: dict[str, int] = {}
        """The number of times that a call with these arguments was asked for."""
        self._lock = anyio.Lock()
        self._call: RecordedCall | None = None
        self._services = _keep_services(caller, {name for start in recording.starts for name in start.accounts})
        self._player.services = {service.name: service for service in self._services}
        for service in self._services:
            service.tape, service.rate_limit = self._player, None
        codes = _Codes(secrets=lambda: [_KEY.encode().ljust(SECRET_BYTES)], recorded=self._recorded_code)
        caller.safety = replace(caller.safety, journal=MemoryJournal(), codes=codes)
        caller.around, caller.state_folder = self, None

    async def __call__(self, name: str, arguments: Json, perform: Perform) -> ToolResult:
        """Answer a call: a recorded one in the recorded order, another one after all of them."""
        async with self._lock:
            order = self._find(name, arguments)
            last = len(self._calls) - 1 if order is None else order
            while len(self._results) <= last:
                call = self._calls[len(self._results)]
                self._results.append(await self._run(call, call.called.tool, call.called.arguments, perform))
            if order is not None:
                return self._results[order]
            return await self._run(None, name, arguments, perform)

    def _find(self, name: str, arguments: Json) -> int | None:
        """Return which recorded call this is: the next with these arguments, or again the last one."""
        wanted = _identity(name, arguments)
        same = [
            number
            for number, call in enumerate(self._calls)
            if _identity(call.called.tool, call.called.arguments) == wanted
        ]
        if not same:
            return None
        turn = self._next.get(wanted, 0)
        self._next[wanted] = turn + 1
        return same[min(turn, len(same) - 1)]

    async def _run(self, call: RecordedCall | None, name: str, arguments: Json, perform: Perform) -> ToolResult:
        self._call = call
        if call is not None:
            if call.result is not None and call.result.asked:
                return failed(ASKED)
            self._caller.settings = replace(self._settings[call.start.session], state_dir=self._state_dir)
        for service in self._services:
            self._prepare(service, call)
        self._player.start(call)
        with other_clock(self._player.now):
            result = self._with_recorded_keys(await perform(name, arguments))
        if call is not None:
            self._compare(call, result)
        return result

    def _compare(self, call: RecordedCall, result: ToolResult) -> None:
        recorded = recorded_text(call)
        if recorded is not None and isinstance(result, CallToolResult) and text_of(result) != recorded:
            _log.warning("Call %d is answered differently from what was recorded.", len(self._results) + 1)

    def _prepare(self, service: Service, call: RecordedCall | None) -> None:
        """Forget what an earlier call read: the recording has what this one read from the cache."""
        service.cache.clear()
        service.page_sizes.clear()
        if call is not None:
            service.ahead = call.called.ahead.get(service.name)
            service.known_account = call.start.accounts.get(service.name, "")

    def _recorded_code(self) -> str | None:
        result = self._call and self._call.result
        code = (result.answer or {}).get("confirm") if result else None
        return code if isinstance(code, str) else None

    def _with_recorded_keys(self, result: ToolResult) -> ToolResult:
        """Return a result with the recorded idempotency keys in place of those of this replay."""
        if not self._player.keys or not isinstance(result, CallToolResult):
            return result
        text = text_of(result)
        for own, recorded in self._player.keys.items():
            text = text.replace(own, recorded)
        answer = None if result.is_error else json.loads(text)
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=answer, is_error=result.is_error
        )


def _keep_services(caller: Caller, names: set[str]) -> list[Service]:
    """Leave a caller the services with these names."""
    caller.incidentio = caller.incidentio if "incident.io" in names else None
    caller.ionhour = caller.ionhour if "Ionhour" in names else None
    return [each for each in (caller.incidentio, caller.ionhour) if each is not None]


def _identity(name: str, arguments: Json) -> str:
    return json.dumps([name, arguments], sort_keys=True)
