"""`incident-mcp serve`: the team's server, on uvicorn."""

import gc
import logging
import os
import socket
import sys
from contextlib import closing, suppress
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from incident_mcp.commands.console import complain
from incident_mcp.errors import SettingError
from incident_mcp.serving.http.app import PATH, build_app, check_app, configure_logs
from incident_mcp.serving.http.settings import LOCAL_NAMES, PUBLIC_URL, ServerSettings, server_settings
from incident_mcp.settings import Settings

_log = logging.getLogger(__name__)
GRACE_SECONDS = 25
"""For calls in progress when the server ends: longer than an attempt of a request may take."""
MAX_CONNECTIONS = 2_000
"""Of a worker; further ones are answered 503."""


def serve(host: str, port: int, workers: int) -> int:
    """Serve until a signal arrives.

    Args:
        host: The address to bind to.
        port: The port; 0 picks a free one.
        workers: How many processes.

    Returns:
        The exit code: 0; 1 if the address cannot be used; 3 if the workers do not start. A single process that does not
        start ends with 3 by itself.

    Raises:
        SettingError: A setting cannot be used, or the server would be reachable without protection.
    """
    common, settings = server_settings(os.environ)
    settings.check_reach(host)
    if workers > 1 and settings.redis_url is None:
        raise SettingError("--workers needs INCIDENT_MCP_REDIS_URL: the workers share a journal and limits there.")
    try:
        listener = _bind(host, port)
    except (OSError, TypeError, UnicodeError) as error:  # the last two: no name that can be looked up
        complain(f"incident-mcp serve: {_shown(host)}:{port} cannot be used ({_why(error)}). Choose --host and --port.")
        return 1
    configure_logs(settings)
    with closing(listener):
        bound_port = listener.getsockname()[1]
        if not settings.public_url_is_set:
            # The workers read it, too.
            os.environ[PUBLIC_URL] = _public_url(host, bound_port, settings)
        app = build_app(os.environ) if workers == 1 else None
        if app is None:
            check_app(os.environ)
        for warning in _warnings(common, settings, workers):
            _say(logging.WARNING, warning, settings.log_format)
        _say(logging.INFO, f"serving on http://{_shown(host)}:{bound_port}{PATH}", settings.log_format)
        return _serve_alone(app, listener) if app is not None else _serve_with_workers(workers, listener)


def worker_app() -> ASGIApp:
    """Return the app of one of several worker processes.

    A setting that can no longer be used ends the process, and another one is started in its place, until it can.
    """
    try:
        app = build_app(os.environ)
    except SettingError as error:
        _say(logging.ERROR, str(error), os.environ.get("INCIDENT_MCP_LOG_FORMAT", "").strip().lower())
        sys.exit(1)
    _keep_what_is_loaded()
    return app


def _keep_what_is_loaded() -> None:
    """Let the garbage collector leave alone what was made so far: it stays, and to look at it delays many calls."""
    gc.collect()
    gc.freeze()


def _serve_alone(app: ASGIApp, listener: socket.socket) -> int:
    _keep_what_is_loaded()
    with suppress(KeyboardInterrupt):  # raised again once the server has ended
        uvicorn.Server(_config(app)).run(sockets=[listener])
    return 0


def _serve_with_workers(workers: int, listener: socket.socket) -> int:
    name = f"{__name__}:{worker_app.__name__}"
    supervisor = Multiprocess(_config(name, factory=True, workers=workers), sockets=[listener])
    supervisor.run()
    failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    return STARTUP_FAILURE if failed else 0


def _config(app: ASGIApp | str, *, factory: bool = False, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _public_url(host: str, port: int, settings: ServerSettings) -> str:
    """Return the address that clients use: of the server itself, or of what ends TLS before it."""
    name = _shown(host) if host.lower() in LOCAL_NAMES else settings.allowed_hosts[0]
    parts = urlsplit(f"//{name}")
    if parts.hostname not in LOCAL_NAMES:
        return f"https://{name}{PATH}"
    return f"http://{name}{PATH}" if parts.port else f"http://{name}:{port}{PATH}"


def _warnings(common: Settings, settings: ServerSettings, workers: int) -> list[str]:
    """Return warnings about settings that are probably mistakes."""
    if common.sandbox:
        return [f"each of the {workers} workers has a sandbox of its own"] if workers > 1 else []
    if common.incidentio_key or common.ionhour_key or settings.key_files or settings.keys_file:
        return []
    return [f"no tool can work: {common.why_no_key('incidentio')}, and {common.why_no_key('ionhour')}"]


def _say(level: int, text: str, log_format: str) -> None:
    if log_format == "json":
        _log.log(level, "%s", text)
    else:
        complain(f"incident-mcp: {text}")


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # `::` stands for every address of the machine.
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=both)


def _why(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error)
    return text.partition(" (while")[0]  # `create_server` appends the address


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
