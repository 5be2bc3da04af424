"""A client on a server whose spans and metrics stay in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import mcp.shared._otel
import opentelemetry.propagate
import pytest
from mcp import Client
from mcp.server import Server
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from incident_mcp.catalogue import select
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.callers import open_caller
from incident_mcp.serving.server import make_server
from incident_mcp.serving.telemetry import Telemetry
from incident_mcp.serving.telemetry.exporting import WithoutPayload
from incident_mcp.serving.telemetry.trace_context import BoundedTraceContext
from incident_mcp.settings import Settings
from incident_mcp.tooling.caller import Caller, Callers
from incident_mcp.transport.service import Limits, Service

SOON = Limits(attempt=3, call=10, backoff=0.01)
Points = dict[tuple[str, ...], Any]


@dataclass
class Exported:
    """Telemetry, and what it exported."""

    telemetry: Telemetry
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    headers: list[httpx2.Headers] = field(default_factory=list[httpx2.Headers])
    """Of the requests to the services."""

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def tool_spans(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith("tools/call") and span.kind is SpanKind.SERVER]

    def api_spans(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.attributes and "url.template" in span.attributes]

    def metrics(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        every = data.resource_metrics if data else []
        return {metric.name: metric for each in every for scope in each.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> Points:
        """Return the values of a counter or gauge by its labels."""
        found = self.metrics().get(name)
        return {tuple(point.attributes.values()): point.value for point in found.data.data_points} if found else {}

    def written(self) -> str:
        """Return all that an exporter would send, as text."""
        data = self.reader.get_metrics_data()
        metrics = encode_metrics(data).SerializeToString() if data else b""
        sent = (encode_spans(self.spans).SerializeToString() + metrics).decode("latin-1")
        return "\n".join([sent, *(span.to_json() for span in self.spans)])


class _HeaderLog(httpx2.AsyncBaseTransport):
    """Keeps the headers of requests on their way to the sandbox."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, kept: list[httpx2.Headers]) -> None:
        self._inner, self._kept = inner, kept

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._kept.append(request.headers)
        return await self._inner.handle_async_request(request)


def make_exported() -> tuple[Exported, TracerProvider]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(WithoutPayload(SimpleSpanProcessor(exporter)))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    return Exported(Telemetry(tracers, meters), exporter, reader), tracers


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Telemetry that also gets the SDK's spans, as after `install`, which would last for the whole process."""
    made, tracers = make_exported()
    monkeypatch.setattr(mcp.shared._otel, "_tracer", tracers.get_tracer("mcp-python-sdk"))
    monkeypatch.setattr(opentelemetry.propagate, "propagator", BoundedTraceContext())
    return made


MakeServer = Callable[..., Server[Callers]]


@pytest.fixture
def server_of(box: Sandbox, tmp_path: Path) -> MakeServer:
    """Make a server on the sandbox: `server_of(exported.telemetry, exported.headers)`."""

    def make(telemetry: Telemetry, headers: list[httpx2.Headers], **options: Any) -> Server[Callers]:
        settings = Settings(
            **{"sandbox": True, "state_dir": tmp_path / "state", "toolsets": ("all",), **options},
        )

        @asynccontextmanager
        async def lifespan(_: Server[Callers]) -> AsyncGenerator[Callers]:
            async with open_caller(settings, select(settings), box, SOON) as caller:
                for service in services_of(caller):
                    assert service.transport
                    service.transport = _HeaderLog(service.transport, headers)
                telemetry.observe(caller)
                yield caller

        return make_server("", lifespan)

    return make


def services_of(caller: Caller) -> Iterator[Service]:
    for service in (caller.incidentio, caller.ionhour):
        assert service
        yield service


ConnectTo = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def observed(server_of: MakeServer) -> ConnectTo:
    """Connect a client: `async with observed(exported, mode) as client:`."""

    @asynccontextmanager
    async def connect(exported: Exported, mode: str = "auto", **options: Any) -> AsyncIterator[Client]:
        async with Client(server_of(exported.telemetry, exported.headers, **options), mode=mode) as client:
            yield client

    return connect
