"""`incident-mcp serve`: the team's server, on uvicorn."""

import logging
import os
import socket
from contextlib import closing

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from incident_mcp.commands.console import complain
from incident_mcp.errors import SettingError
from incident_mcp.serving.http.app import PATH, build_app
from incident_mcp.serving.http.settings import server_settings
from incident_mcp.serving.telemetry import configure_json_logging

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
        The exit code: 0, or 1 if the address cannot be used.

    Raises:
        SettingError: A setting cannot be used, or the server would be reachable without protection.
    """
    _, settings = server_settings(os.environ)
    settings.check_reach(host)
    if workers > 1 and settings.redis_url is None:
        raise SettingError("--workers needs INCIDENT_MCP_REDIS_URL: the workers share a journal and limits there.")
    try:
        listener = _bind(host, port)
    except OSError as error:
        complain(f"incident-mcp serve: {host}:{port} cannot be used ({error.strerror or error}).")
        return 1
    announce = complain
    if settings.log_format == "json":
        # Here, too: with several workers, this process only supervises them.
        configure_json_logging()
        announce = logging.getLogger("uvicorn.error").info
    with closing(listener):
        address = f"http://{_shown(host)}:{listener.getsockname()[1]}{PATH}"
        # The workers read it, too.
        os.environ.setdefault("INCIDENT_MCP_PUBLIC_URL", address)
        app = build_app(os.environ) if workers == 1 else "incident_mcp.serving.http.app:build_app"
        announce(f"incident-mcp: serving on {address}")
        _run(app, listener, workers)
    return 0


def _run(app: ASGIApp | str, listener: socket.socket, workers: int) -> None:
    config = uvicorn.Config(
        app,
        factory=isinstance(app, str),
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
