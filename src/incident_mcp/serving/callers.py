"""Callers: services, journal, limits and tools, made from settings and closed at the end."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
from pydantic import SecretStr

from incident_mcp.catalogue import reachable
from incident_mcp.settings import KEY_VARIABLES, URL_VARIABLES, Settings
from incident_mcp.tooling.caller import Caller
from incident_mcp.tooling.tools import ToolSpec
from incident_mcp.transport.rate_limit import LocalRateLimit
from incident_mcp.transport.redaction import Redactor
from incident_mcp.transport.service import DOCUMENTED, Limits, Network, Service
from incident_mcp.writing.codes import SECRET_BYTES, ConfirmationCodes, secret_in
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.journal.sqlite import SqliteJournal
from incident_mcp.writing.limits import SettingLimit
from incident_mcp.writing.safety import WriteSafety
from incident_mcp.writing.seen_file import SeenFile

if TYPE_CHECKING:
    from incident_mcp.serving.recording import Recording
    from incident_mcp.writing.audit import AuditLog

CLOSING_SECONDS = 0.5


@asynccontextmanager
async def open_caller(  # noqa: PLR0913  # all that callers differ in, by name
    settings: Settings,
    tools: Sequence[ToolSpec],
    network: Network | None = None,
    limits: Limits = DOCUMENTED,
    name: str = "",
    *,
    one_call: bool = False,
) -> AsyncGenerator[Caller]:
    """Make a caller, and close its journal and connections at the end.

    Args:
        settings: The caller's settings.
        tools: The tools that the caller is offered.
        network: Answers instead of the network: a sandbox that outlives the caller.
        limits: Time and size limits of each service.
        name: Who it is, where several callers share an account: confirmation codes are bound to it.
        one_call: Each of its calls is a process, so that what it has been shown is kept in a file.
    """
    caller = _make_caller(settings, tools, network, limits, name)
    if one_call and not settings.sandbox:
        caller.seen = SeenFile(partial(_state_folder, settings))
    recording = _record(caller)
    try:
        yield caller
    finally:
        # A signal cancels what runs here; the connections must still be closed.
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await caller.close()
        if recording is not None:
            recording.close()


def _make_caller(
    settings: Settings, tools: Sequence[ToolSpec], network: Network | None, limits: Limits, name: str
) -> Caller:
    passing = settings.sandbox and network is None
    if passing:
        from incident_mcp.sandbox import Sandbox  # noqa: PLC0415  # imported only when needed

        network = Sandbox()
    service = partial(_service, network=network, limits=limits)
    incidentio = service("incidentio", "incident.io", settings.incidentio_url, settings.incidentio_key)
    ionhour = service("ionhour", "Ionhour", settings.ionhour_url, settings.ionhour_key)
    if incidentio is not None:
        # The vendor's limit: 1200 requests in a burst, refilled at 20 a second. Ionhour documents no numbers.
        incidentio.rate_limit = LocalRateLimit(size=1200, rate=20)
    _redact_all_keys([service for service in (incidentio, ionhour) if service is not None])
    safety = WriteSafety(
        # What a sandbox of this process did is gone with it, so its journal is not kept either.
        journal=MemoryJournal() if passing else SqliteJournal(lambda: _state_folder(settings)),
        declaration_limit=SettingLimit("declarations", settings.max_declares, "INCIDENT_MCP_MAX_DECLARES"),
        write_limit=SettingLimit("writes", settings.max_writes, "INCIDENT_MCP_MAX_WRITES"),
        codes=ConfirmationCodes(_secret_source(settings, in_memory=passing), name or settings.person),
        audit=_audit_log(settings),
    )
    may_call = {tool.name: tool for tool in reachable(settings)}
    return Caller(
        settings,
        {tool.name: tool for tool in tools},
        may_call,
        safety,
        incidentio,
        ionhour,
        state_folder=_folder_source(settings, in_memory=passing),
    )


def _record(caller: Caller) -> "Recording | None":
    """Record the caller's calls, if its settings ask for it."""
    if caller.settings.record is None:
        return None
    from incident_mcp.serving.recording import Recording  # noqa: PLC0415  # imported only when needed

    return Recording(caller, caller.settings.record)


def _redact_all_keys(services: list[Service]) -> None:
    """Have each service redact the keys of all services."""
    redactor = Redactor(service.key for service in services)
    for service in services:
        service.redact = redactor


def _state_folder(settings: Settings) -> Path:
    """Return the folder for the journal.

    Raises:
        RuntimeError: There is no home folder to look in.
    """
    if settings.state_dir is not None:
        try:
            return settings.state_dir.expanduser()
        except RuntimeError:
            home = settings.state_dir.parts[0]
            raise RuntimeError(f"INCIDENT_MCP_STATE_DIR: there is no home folder for {home}") from None
    from platformdirs import user_state_path  # noqa: PLC0415  # imported only by a write

    return user_state_path("incident-mcp", appauthor=False)


def _folder_source(settings: Settings, *, in_memory: bool) -> Callable[[], Path] | None:
    """Return what finds the state folder; None if nothing is kept."""
    return None if in_memory else partial(_state_folder, settings)


def _secret_source(settings: Settings, *, in_memory: bool) -> Callable[[], Sequence[bytes]]:
    """Return what reads the secret behind confirmation codes."""
    if settings.signing_key is not None:
        secret = settings.signing_key.get_secret_value().encode(errors="replace")
        return lambda: [secret]
    if in_memory:
        # Nothing is real, and a preview is of use to the next command.
        return lambda: [b"sandbox".ljust(SECRET_BYTES)]
    return lambda: [secret_in(_state_folder(settings))]


def _audit_log(settings: Settings) -> "AuditLog | None":
    if settings.audit_log is None:
        return None
    from incident_mcp.writing.audit import AuditLog  # noqa: PLC0415  # imported only when needed

    log = AuditLog(settings.audit_log)
    log.repair()
    return log


def _service(  # noqa: PLR0913  # all that two services differ in, and what they share by name
    slug: Literal["incidentio", "ionhour"],
    name: str,
    url: str,
    key: SecretStr | None,
    *,
    network: Network | None,
    limits: Limits,
) -> Service | None:
    if network is not None:
        key = SecretStr(network.key(slug))
    if key is None:
        return None
    transport = network.transport(slug) if network else None
    return Service(
        name, url, key, KEY_VARIABLES[slug], transport=transport, limits=limits, url_variable=URL_VARIABLES[slug]
    )
