"""The ASGI app of a team's server: Streamable HTTP at `/mcp`, and what belongs to it.

```
Guard          Host, Origin, only this machine where nobody signs in
Starlette      /health /ready /hooks/incidentio /metrics, the metadata for sign-in
  /mcp         sign-in -> size and time of the body -> the MCP SDK, stateless
```
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
from mcp.server import CacheHint
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incident_mcp import __version__
from incident_mcp.serving.callers import make_sandbox, secret_source, state_folder
from incident_mcp.serving.http.files import PersonalKeys, WatchedFile, read_key, read_personal_keys, read_secrets, watch
from incident_mcp.serving.http.guard import MAX_BODY_BYTES, Bounded, Guard
from incident_mcp.serving.http.health import Readiness, health_routes
from incident_mcp.serving.http.hooks import FILE_VARIABLE, LocalReplays, Replays, Signatures, hook_route
from incident_mcp.serving.http.sdk import TransportSecuritySettings
from incident_mcp.serving.http.secrets import request_state_security
from incident_mcp.serving.http.settings import KEY_FILES, ServerSettings, server_settings
from incident_mcp.serving.http.shared import SharedState
from incident_mcp.serving.http.shared.events import RedisEvents, RedisFeed, RedisReplays
from incident_mcp.serving.http.sign_in import SignIn, metadata_route, require_sign_in
from incident_mcp.serving.http.team import Shared, Team
from incident_mcp.serving.server import configure_logging, instructions_for, make_server
from incident_mcp.serving.subscriptions import Events, Listen, ListenLimits, LocalEvents
from incident_mcp.serving.telemetry import Telemetry, configure_json_logging, with_trace_context
from incident_mcp.settings import Settings
from incident_mcp.tooling.feed import Feed, LocalFeed
from incident_mcp.transport.service import DOCUMENTED, Limits, Network
from incident_mcp.writing.journal.memory import MemoryJournal
from incident_mcp.writing.journal.sqlite import SqliteJournal

PATH = "/mcp"
FRESH = CacheHint(ttl_ms=300_000, scope="private")
"""The lists depend on the caller's role."""
LONGEST_STREAM = 3_600.0
"""Seconds after which a subscription ends and its client signs in again: a stream does not notice a revoked token."""
_log = logging.getLogger(__name__)


def build_app(environ: Mapping[str, str] | None = None) -> ASGIApp:
    """Return the app that the environment asks for, for any ASGI server.

    Without sign-in it serves only its own machine.

    Raises:
        SettingError: A setting cannot be used.
    """
    environ = os.environ if environ is None else environ
    settings, server = server_settings(environ)
    configure_logs(server)
    telemetry = Telemetry.from_env(environ, __version__)
    if telemetry is not None:
        telemetry.install()
    return make_app(settings, server, telemetry)


def check_app(environ: Mapping[str, str]) -> None:
    """Check all that `build_app` needs, in a process that serves nothing itself.

    Raises:
        SettingError: A setting cannot be used.
    """
    settings, server = server_settings(environ)
    telemetry = Telemetry.from_env(environ, __version__)
    if telemetry is not None:
        anyio.run(telemetry.close)
    make_app(settings, server)


def configure_logs(server: ServerSettings) -> None:
    """Log in the format that the settings ask for."""
    if server.log_format == "json":
        configure_json_logging()
    else:
        configure_logging()


def make_app(
    settings: Settings,
    server: ServerSettings,
    telemetry: Telemetry | None = None,
    network: Network | None = None,
    limits: Limits = DOCUMENTED,
) -> ASGIApp:
    """Return the app for these settings.

    Args:
        settings: The settings of every server.
        server: Those of the team's server.
        telemetry: Observes requests and calls.
        network: Answers instead of the network.
        limits: Time and size limits of each service.

    Raises:
        SettingError: A setting cannot be used.
    """
    return _Parts(settings, server, telemetry, network, limits).app()


class _Parts:
    """What the app is made of."""

    def __init__(
        self,
        settings: Settings,
        server: ServerSettings,
        telemetry: Telemetry | None,
        network: Network | None,
        limits: Limits,
    ) -> None:
        self._server = server
        self._telemetry = telemetry
        self._files: list[WatchedFile[Any]] = []
        keys = {
            slug: self._file(KEY_FILES[slug], file, read_key(KEY_FILES[slug]))
            for slug, file in server.key_files.items()
        }
        settings = _with_keys(settings, {slug: file.value for slug, file in keys.items()})
        self._sign_in = SignIn.from_settings(server.tokens_file, server.oidc) if server.has_sign_in else None
        self._redis = SharedState(server.redis_url.get_secret_value()) if server.redis_url else None
        self._events, self._replays, feed = _hearing(self._redis)
        self._signatures = self._webhook_signatures()
        self._feed = feed if self._signatures else None
        self._listen = Listen(self._events, ListenLimits(longest=LONGEST_STREAM))
        shared = self._shared(settings, network, limits)
        self._team = Team(settings, shared, self._personal_keys(), signs_in=self._sign_in is not None)
        for slug, file in keys.items():
            file.changed = partial(self._team.change_key, slug)
        self._mcp = make_server(
            instructions_for(settings) + _ROLES * (self._sign_in is not None),
            self._team.lifespan(self._events),
            self._listen,
            fresh=FRESH,
            request_state=request_state_security(shared.secrets),
        )

    def _shared(self, settings: Settings, network: Network | None, limits: Limits) -> Shared:
        in_memory = settings.sandbox and network is None
        return Shared(
            journal=MemoryJournal() if in_memory else SqliteJournal(partial(state_folder, settings)),
            secrets=self._secrets(settings, in_memory=in_memory),
            redis=self._redis,
            feed=self._feed,
            telemetry=self._telemetry,
            network=make_sandbox() if in_memory else network,
            limits=limits,
            rotates_keys=bool(self._server.key_files),
        )

    def _personal_keys(self) -> Callable[[], dict[str, PersonalKeys]]:
        path = self._server.keys_file
        if path is None:
            return dict[str, PersonalKeys]
        file = self._file("INCIDENT_MCP_KEYS_FILE", path, read_personal_keys)
        return lambda: file.value

    def _webhook_signatures(self) -> Callable[[], Signatures] | None:
        if self._server.webhook_secret_file is not None:
            file = self._file(FILE_VARIABLE, self._server.webhook_secret_file, Signatures.from_file)
            return lambda: file.value
        if self._server.webhook_secret is None:
            return None
        signatures = Signatures.from_text(self._server.webhook_secret.get_secret_value())
        return lambda: signatures

    def _file(self, variable: str, path: Path, read: Callable[[str], Any]) -> WatchedFile[Any]:
        file = WatchedFile(variable, path, read)
        self._files.append(file)
        return file

    def _secrets(self, settings: Settings, *, in_memory: bool) -> Callable[[], tuple[bytes, ...]]:
        if self._server.secret_file is not None:
            file = self._file("INCIDENT_MCP_SECRET_FILE", self._server.secret_file, read_secrets)
            return lambda: file.value
        read = secret_source(settings, in_memory=in_memory)
        return lambda: tuple(read())

    def app(self) -> ASGIApp:
        """Put the layers together."""
        server = self._server
        starlette = Starlette(routes=self._routes(), lifespan=self._lifespan)
        # It would redirect to http:// where a proxy ends TLS.
        starlette.router.redirect_slashes = False
        app: ASGIApp = Guard(starlette, server.allowed_hosts, server.allowed_origins, local_only=self._sign_in is None)
        return with_trace_context(app) if self._telemetry is not None else app

    def _routes(self) -> list[BaseRoute]:
        server = self._server
        mcp: ASGIApp = Bounded(
            self._mcp.streamable_http_app(
                streamable_http_path=PATH,
                # A session would tie a client to one replica.
                stateless_http=True,
                # `Guard` checks hosts and origins, of all routes.
                transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
                max_request_body_size=MAX_BODY_BYTES,
            )
        )
        routes: list[BaseRoute] = [*health_routes(Readiness(self._team, self._redis, self._sign_in, self._files))]
        if self._sign_in is not None:
            refused = self._telemetry.sign_in_refused if self._telemetry else _ignore
            mcp = require_sign_in(mcp, self._sign_in, public_url=server.public_url, refused=refused)
            routes.append(metadata_route(server.public_url, server.oidc.issuer if server.oidc else None))
        routes += _endpoint(PATH, mcp)
        if self._signatures is not None:
            routes.append(hook_route(self._signatures, self._events, self._feed, self._replays))
        if self._telemetry is not None and self._telemetry.metrics_app is not None:
            routes += _endpoint("/metrics", self._telemetry.metrics_app)
        return routes

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            if self._telemetry is not None:
                stack.push_async_callback(self._telemetry.close)
            if self._redis is not None:
                await self._redis.open()
                stack.push_async_callback(self._redis.close)
            if self._sign_in is not None:
                stack.push_async_callback(self._sign_in.close)
            await stack.enter_async_context(self._mcp.session_manager.run())
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            if isinstance(self._events, RedisEvents):
                tasks.start_soon(self._events.run)
            if self._files:
                tasks.start_soon(watch, self._files)
            stack.enter_context(_ending_streams(self._listen.close))
            yield


def _hearing(shared: SharedState | None) -> tuple[Events, Replays, Feed]:
    """Return what webhooks need: the events for listeners, which webhooks were read, and what no list shows."""
    if shared is None:
        return LocalEvents(), LocalReplays(), LocalFeed()
    return RedisEvents(shared.client), RedisReplays(shared.client), RedisFeed(shared.client)


class _Endpoint:
    """An ASGI app as the endpoint of a route, for every method. Nothing stores its answers."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        self._path = path
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unstored(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app({**scope, "path": self._path, "raw_path": self._path.encode()}, receive, send_unstored)


def _endpoint(path: str, app: ASGIApp) -> list[Route]:
    """Return the routes of an app at a path, with and without a slash, since nothing redirects."""
    return [Route(each, endpoint=_Endpoint(path, app)) for each in (path, f"{path}/")]


def _ignore(_: str) -> None:
    """Count nothing: nobody asked for metrics."""


_ROLES = "- Your role decides which tools are listed; a tool that is not was not given to you.\n"


def _with_keys(settings: Settings, keys: Mapping[str, str]) -> Settings:
    fields = {f"{slug}_key": SecretStr(key) for slug, key in keys.items()}
    return replace(settings, **fields)  # pyright: ignore[reportArgumentType]  # the fields of keys


@contextmanager
def _ending_streams(close: Callable[[], None]) -> Generator[None]:
    """End open streams on a signal: the server waits for them before its lifespan ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    loop = asyncio.get_running_loop()

    def end(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(close)
        handler = before.get(signal.Signals(number))
        if callable(handler):
            handler(number, frame)

    changed = [number for number, handler in before.items() if callable(handler)]
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in changed:
            if signal.getsignal(number) is end:
                signal.signal(number, before[number])
