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
from incident_mcp.writing.journal.protocol import Journal
from incident_mcp.writing.journal.sqlite import SqliteJournal
from incident_mcp.writing.limits import SettingLimit
from incident_mcp.writing.safety import WriteSafety
from incident_mcp.writing.seen_file import SeenFile

if TYPE_CHECKING:
    from incident_mcp.serving.recording import Recording
    from incident_mcp.writing.audit import AuditLog

CLOSING_SECONDS = 0.5
INCIDENTIO_RATE = (1200, 20)
"""incident.io's limit: requests in a burst, and how many more a second. Ionhour documents no numbers."""


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
        caller.seen = SeenFile(partial(state_folder, settings))
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
        network = make_sandbox()
    incidentio, ionhour = make_services(settings, network, limits)
    # What a sandbox of this process did is gone with it, so its journal is not kept either.
    journal = MemoryJournal() if passing else SqliteJournal(partial(state_folder, settings))
    codes = ConfirmationCodes(secret_source(settings, in_memory=passing), name or settings.person)
    return Caller(
        settings,
        {tool.name: tool for tool in tools},
        {tool.name: tool for tool in reachable(settings)},
        make_safety(settings, journal, codes, open_audit_log(settings)),
        incidentio,
        ionhour,
        state_folder=None if passing else partial(state_folder, settings),
    )


def make_sandbox() -> Network:
    """Return both services in memory."""
    from incident_mcp.sandbox import Sandbox  # noqa: PLC0415  # imported only when needed

    return Sandbox()


def make_services(
    settings: Settings, network: Network | None, limits: Limits = DOCUMENTED
) -> tuple[Service | None, Service | None]:
    """Return incident.io and Ionhour as the settings reach them; None without a key."""
    service = partial(_service, network=network, limits=limits)
    incidentio = service("incidentio", "incident.io", settings.incidentio_url, settings.incidentio_key)
    ionhour = service("ionhour", "Ionhour", settings.ionhour_url, settings.ionhour_key)
    if incidentio is not None:
        incidentio.rate_limit = LocalRateLimit(*INCIDENTIO_RATE)
    redact_all_keys(incidentio, ionhour)
    return incidentio, ionhour


def make_safety(
    settings: Settings, journal: Journal, codes: ConfirmationCodes, audit: "AuditLog | None"
) -> WriteSafety:
    """Return what makes a caller's writes safe."""
    limit = partial(SettingLimit, person=settings.person)
    return WriteSafety(
        journal=journal,
        declaration_limit=limit("declarations", settings.max_declares, "INCIDENT_MCP_MAX_DECLARES"),
        write_limit=limit("writes", settings.max_writes, "INCIDENT_MCP_MAX_WRITES"),
        codes=codes,
        audit=audit,
    )


def _record(caller: Caller) -> "Recording | None":
    """Record the caller's calls, if its settings ask for it."""
    if caller.settings.record is None:
        return None
    from incident_mcp.serving.recording import Recording  # noqa: PLC0415  # imported only when needed

    return Recording(caller, caller.settings.record)


def redact_all_keys(*services: Service | None) -> None:
    """Have each service redact the keys of all services."""
    found = [service for service in services if service is not None]
    redactor = Redactor(service.key for service in found)
    for service in found:
        service.redact = redactor


def state_folder(settings: Settings) -> Path:
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


def secret_source(settings: Settings, *, in_memory: bool) -> Callable[[], Sequence[bytes]]:
    """Return what reads the secret behind confirmation codes."""
    if settings.signing_key is not None:
        secret = settings.signing_key.get_secret_value().encode(errors="replace")
        return lambda: [secret]
    if in_memory:
        # Nothing is real, and a preview is of use to the next command.
        return lambda: [b"sandbox".ljust(SECRET_BYTES)]
    return lambda: [secret_in(state_folder(settings))]


def open_audit_log(settings: Settings) -> "AuditLog | None":
    """Return the audit log, its last line repaired; None if the settings ask for none."""
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
