"""Sending spans and metrics, with the OpenTelemetry SDK. Nothing here blocks or fails a call."""

import contextlib
import logging
import uuid
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from prometheus_client import (
    CollectorRegistry,
    make_asgi_app,  # pyright: ignore[reportUnknownVariableType]  # the app that it makes has no type
)

from incident_mcp.serving.telemetry.destinations import Destinations
from incident_mcp.serving.telemetry.payload import without_payload
from incident_mcp.serving.telemetry.trace_context import App

_log = logging.getLogger(__name__)


class Exporting:
    """The providers of spans and metrics, and what sends them.

    Args:
        destinations: Where they go.
        version: The server's version.
    """

    def __init__(self, destinations: Destinations, version: str) -> None:
        resource = make_resource(version)
        self.tracers: TracerProvider | None = None
        self.metrics_app: App | None = None
        if destinations.spans or destinations.metrics:
            # It logs each attempt of an endpoint that is down.
            logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        if destinations.spans:
            self.tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            self.tracers.add_span_processor(WithoutPayload(BatchSpanProcessor(_SpanExporter(destinations.spans))))
        readers: list[MetricReader] = []
        if destinations.metrics:
            readers.append(PeriodicExportingMetricReader(_MetricExporter(destinations.metrics)))
        if destinations.prometheus:
            registry = CollectorRegistry()
            readers.append(PrometheusMetricReader(scope_info_enabled=False, registry=registry))
            self.metrics_app = cast("App", make_asgi_app(registry))
        self.meters = MeterProvider(readers, resource, shutdown_on_exit=False)

    def shut_down(self) -> None:
        """Send what was not sent yet, and end the threads."""
        if self.tracers is not None:
            self.tracers.shutdown()
        self.meters.shutdown()


def make_resource(version: str) -> Resource:
    """Return what describes this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence."""
    ours = {
        "service.name": "incident-mcp",
        "service.version": version,
        # Several worker processes would overwrite each other's metrics.
        "service.instance.id": str(uuid.uuid4()),
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


class Failures:
    """Logs that an endpoint cannot be reached: once, until it can be reached again.

    Args:
        what: What is sent there.
        url: Its address.
    """

    def __init__(self, what: str, url: str) -> None:
        self._what = what
        self._host = urlsplit(url).hostname or ""
        self._failing = False

    def note(self, *, failed: bool) -> None:
        """Note whether sending failed."""
        if failed and not self._failing:
            _log.warning("%s cannot be sent to %s. Further failures are not logged.", self._what, self._host)
        elif self._failing and not failed:
            _log.warning("%s can be sent to %s again.", self._what, self._host)
        self._failing = failed


class WithoutPayload(SpanProcessor):
    """Hands ended spans on without what callers and services wrote.

    This is done before they are queued: a name in a request may be as long as a request.

    Args:
        processor: Sends them.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor

    def on_end(self, span: ReadableSpan) -> None:
        """Hand a span on."""
        # An exception would end the call.
        with contextlib.suppress(Exception):
            self._processor.on_end(without_payload(span))

    def shutdown(self) -> None:
        """End the processor."""
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what the processor holds."""
        return self._processor.force_flush(timeout_millis)


class _SpanExporter(OTLPSpanExporter):
    """Exports spans; a failure is a result.

    Args:
        endpoint: Address of the endpoint.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self._failures = Failures("Spans", endpoint)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans."""
        try:
            result = super().export(spans)
        except Exception:  # noqa: BLE001  # the SDK would log its text
            result = SpanExportResult.FAILURE
        self._failures.note(failed=result is not SpanExportResult.SUCCESS)
        return result


class _MetricExporter(OTLPMetricExporter):
    """Exports metrics; a failure is a result.

    Args:
        endpoint: Address of the endpoint.
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__(endpoint)
        self._failures = Failures("Metrics", endpoint)

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: object
    ) -> MetricExportResult:
        """Export metrics."""
        try:
            result = super().export(metrics_data, timeout_millis, **kwargs)  # pyright: ignore[reportUnknownMemberType]  # its kwargs have no type
        except Exception:  # noqa: BLE001  # the SDK would log its text
            result = MetricExportResult.FAILURE
        self._failures.note(failed=result is not MetricExportResult.SUCCESS)
        return result
