"""Telemetry of a server: what observes its requests and tool calls, and where that goes."""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial

import anyio.to_thread
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.propagate import set_global_textmap

from incident_mcp.errors import SettingError
from incident_mcp.serving.telemetry.destinations import Destinations
from incident_mcp.serving.telemetry.measures import SCOPE, Measures
from incident_mcp.serving.telemetry.observer import ApiObserver
from incident_mcp.serving.telemetry.tool_calls import ObservedCalls
from incident_mcp.serving.telemetry.trace_context import App, BoundedTraceContext
from incident_mcp.tooling.caller import Around, Caller
from incident_mcp.writing.journal.protocol import Journal

CLOSING_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Telemetry:
    """Spans and metrics of a server.

    Args:
        tracers: Makes the tracer; None: there are no spans.
        meters: Makes the meter.
        version: The server's version.
        metrics_app: Answers with the metrics in Prometheus's text format; None: they are not offered.
        shut_down: Sends what was not sent yet. It may block, and runs in a thread.
    """

    def __init__(
        self,
        tracers: trace.TracerProvider | None,
        meters: MeterProvider,
        version: str = "",
        metrics_app: App | None = None,
        shut_down: Callable[[], None] = lambda: None,
    ) -> None:
        self.metrics_app = metrics_app
        self._tracers = tracers
        self._tracer = tracers.get_tracer(SCOPE, version) if tracers else None
        self._measures = Measures(meters, version)
        self._shut_down = shut_down
        self.observer = ApiObserver(self._tracer, self._measures)
        """Observes the requests to the services."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], version: str) -> "Telemetry | None":
        """Return what the environment asks for; None if it asks for no telemetry.

        Raises:
            SettingError: A setting cannot be used, or the packages of `incident-mcp[otel]` are not installed.
        """
        destinations = Destinations.from_env(environ)
        if not destinations:
            return None
        try:
            from incident_mcp.serving.telemetry.exporting import Exporting  # noqa: PLC0415  # an optional extra
        except ModuleNotFoundError as error:
            setting = destinations.setting
            raise SettingError(
                f"{setting} needs packages that are not installed ({error.name}): install incident-mcp[otel]."
            ) from None
        try:
            exporting = Exporting(destinations, version)
        except ValueError as error:
            # Its text may repeat a value.
            raise SettingError(f"A setting OTEL_* cannot be used ({type(error).__name__}).") from None
        return cls(exporting.tracers, exporting.meters, version, exporting.metrics_app, exporting.shut_down)

    def install(self) -> None:
        """Have the SDK's spans of requests made here, too; once a process, since OpenTelemetry allows one provider."""
        if self._tracers is None or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            return
        trace.set_tracer_provider(self._tracers)
        set_global_textmap(BoundedTraceContext())

    def observed(self, around: Around | None, journal: Journal | None = None) -> Around:
        """Return what stands around tool calls to observe them.

        Args:
            around: Records or replays the calls; it is called within.
            journal: The caller's journal, whose failures are counted.
        """
        return ObservedCalls(self._tracer, self._measures, around, journal)

    def observe(self, caller: Caller) -> None:
        """Observe a caller's calls and the requests to its services from now on."""
        caller.around = self.observed(caller.around, caller.safety.journal)
        for service in (caller.incidentio, caller.ionhour):
            if service is not None:
                service.observer = self.observer

    def sign_in_refused(self, reason: str) -> None:
        """Count a request whose sign-in was refused.

        Args:
            reason: A fixed word like `expired`; never text of the request.
        """
        self._measures.sign_ins_refused.add(1, {"reason": self._measures.bounded_reason(reason)})

    async def close(self) -> None:
        """Send what was not sent yet, for two seconds at most. It does not raise."""
        # A thread that the process does not wait for: an endpoint that is down takes longer.
        sending = threading.Thread(target=self._try_to_shut_down, daemon=True)
        sending.start()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(partial(sending.join, CLOSING_SECONDS))

    def _try_to_shut_down(self) -> None:
        try:
            self._shut_down()
        except Exception as error:  # noqa: BLE001  # nothing of the telemetry may fail the server
            _log.warning("Telemetry could not be closed (%s)", type(error).__name__)
