"""Where spans and metrics go: OTLP and Prometheus, by the environment, and never at the cost of a call."""

import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio
import httpx2
import mcp.shared._otel
import pytest
from opentelemetry.metrics import NoOpMeterProvider

from incident_mcp.errors import SettingError
from incident_mcp.serving.telemetry import Telemetry
from tests.loopback import listening
from tests.serving.telemetry.conftest import ConnectTo, Exported
from tests.spawned import run

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"


Install = Callable[[Telemetry], Telemetry]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the process's environment."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Have the SDK's spans made by a telemetry, as `install` does for the whole process."""

    def install(telemetry: Telemetry) -> Telemetry:
        assert telemetry._tracers
        monkeypatch.setattr(mcp.shared._otel, "_tracer", telemetry._tracers.get_tracer("mcp-python-sdk"))
        return telemetry

    return install


def make(environ: Mapping[str, str]) -> Telemetry:
    telemetry = Telemetry.from_env(environ, "1.2.3")
    assert telemetry
    return telemetry


class Collector:
    """Keeps the requests of OTLP exporters."""

    def __init__(self, status: int = 200) -> None:
        self.bodies: dict[str, bytes] = {}
        self._status = status

    def __call__(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while line := lines.readline():
                path = line.split()[1].decode()
                headers = {}
                while (header := lines.readline()).strip():
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip()
                body = lines.read(int(headers.get(b"content-length", b"0")))
                self.bodies[path] = self.bodies.get(path, b"") + body
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self._status)


@pytest.mark.parametrize(
    "environ", [{}, {"INCIDENT_MCP_METRICS": ""}, {"INCIDENT_MCP_METRICS": "0"}, {ENDPOINT: " "}], ids=str
)
def test_without_a_destination_there_is_no_telemetry(environ: dict[str, str]):
    assert Telemetry.from_env(environ, "1") is None


@pytest.mark.parametrize(
    "environ",
    [
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true", "INCIDENT_MCP_METRICS": "1"},
        {ENDPOINT: "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
    ids=["disabled", "none"],
)
def test_the_standard_switches_turn_it_off(environ: dict[str, str]):
    assert Telemetry.from_env(environ, "1") is None


WRONG = "planted-value"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"INCIDENT_MCP_METRICS": WRONG}, "INCIDENT_MCP_METRICS"),
        ({ENDPOINT: WRONG}, ENDPOINT),
        ({ENDPOINT: f"http://[{WRONG}"}, ENDPOINT),
        ({TRACES: f"ftp://{WRONG}"}, TRACES),
        ({METRICS: f"http://{WRONG}:99999"}, METRICS),
        ({ENDPOINT: "http://localhost", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({ENDPOINT: "http://localhost", "OTEL_EXPORTER_OTLP_HEADERS": WRONG}, "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_repeated(environ: dict[str, str], name: str):
    with pytest.raises(SettingError) as raised:
        Telemetry.from_env(environ, "1")
    assert name in str(raised.value)
    assert WRONG not in str(raised.value)


def test_a_setting_that_the_sdk_rejects_stops_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-5")
    with pytest.raises(SettingError, match="OTEL_") as raised:
        Telemetry.from_env({ENDPOINT: "http://127.0.0.1:1"}, "1")
    assert "-5" not in str(raised.value)


@pytest.mark.parametrize("setting", [{ENDPOINT: "http://127.0.0.1:1"}, {"INCIDENT_MCP_METRICS": "1"}], ids=str)
def test_without_the_extra_the_error_names_it(setting: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "incident_mcp.serving.telemetry.exporting", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.prometheus", None)
    with pytest.raises(SettingError, match=r"incident-mcp\[otel\]") as raised:
        Telemetry.from_env(setting, "1")
    assert next(iter(setting)) in str(raised.value)


@pytest.mark.anyio
async def test_spans_and_metrics_reach_an_otlp_endpoint(exported: Exported, observed: ConnectTo, installed: Install):
    collector = Collector()
    with listening(collector) as server:
        exported.telemetry = installed(make({ENDPOINT: f"http://127.0.0.1:{server.port}/"}))
        async with observed(exported) as client:
            await client.call_tool("incidentio_list_severities", {})
        await exported.telemetry.close()
    assert set(collector.bodies) == {"/v1/traces", "/v1/metrics"}
    assert b"tools/call incidentio_list_severities" in collector.bodies["/v1/traces"]
    assert b"GET /v1/severities" in collector.bodies["/v1/traces"]
    assert b"incident_mcp.tool.calls" in collector.bodies["/v1/metrics"]
    assert b"1.2.3" in collector.bodies["/v1/traces"]


@pytest.mark.anyio
async def test_nothing_planted_reaches_an_otlp_endpoint(exported: Exported, observed: ConnectTo, installed: Install):
    collector = Collector()
    with listening(collector) as server:
        exported.telemetry = installed(make({ENDPOINT: f"http://127.0.0.1:{server.port}"}))
        async with observed(exported) as client:
            await client.call_tool("incidentio_get_incident", {"incident": WRONG, WRONG: WRONG})
            await client.call_tool(WRONG, {WRONG: WRONG})
        await exported.telemetry.close()
    assert set(collector.bodies) == {"/v1/traces", "/v1/metrics"}
    assert WRONG.encode() not in b"".join(collector.bodies.values())


@pytest.mark.anyio
async def test_an_endpoint_of_its_own_takes_the_spans_only(exported: Exported, observed: ConnectTo):
    collector = Collector()
    with listening(collector) as server:
        exported.telemetry = make({TRACES: f"http://127.0.0.1:{server.port}/spans"})
        async with observed(exported) as client:
            await client.call_tool("incidentio_list_severities", {})
        await exported.telemetry.close()
    assert set(collector.bodies) == {"/spans"}


def _silent(connection: socket.socket) -> None:
    connection.settimeout(None)
    while connection.recv(65536):
        pass


@pytest.fixture(params=["refused", "silent", "error"])
def dead(request: pytest.FixtureRequest) -> Any:
    """The address of an endpoint that is down."""
    if request.param == "refused":
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        return
    with listening(_silent if request.param == "silent" else Collector(500)) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.mark.anyio
async def test_an_endpoint_that_is_down_fails_no_call_and_is_logged_once(
    exported: Exported, observed: ConnectTo, dead: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    exported.telemetry = make({ENDPOINT: dead})
    async with observed(exported) as client:
        for _ in range(3):
            assert not (await client.call_tool("incidentio_list_severities", {})).is_error
            await anyio.sleep(0.1)
    with anyio.fail_after(10):
        await exported.telemetry.close()
    logged = [
        record for record in caplog.records if record.name.startswith(("incident_mcp", "opentelemetry", "urllib3"))
    ]
    warnings = [record.getMessage() for record in logged if record.levelno >= logging.WARNING]
    assert sorted(set(warnings)) == sorted(warnings)
    assert warnings
    assert {text.split()[0] for text in warnings} <= {"Spans", "Metrics"}


@pytest.mark.anyio
async def test_closing_does_not_raise_and_not_wait_for_long(caplog: pytest.LogCaptureFixture):
    def fail() -> None:
        raise RuntimeError(WRONG)

    telemetry = Telemetry(None, NoOpMeterProvider(), shut_down=fail)
    await telemetry.close()
    await telemetry.close()
    assert WRONG not in caplog.text


@pytest.fixture
async def prometheus(exported: Exported) -> AsyncIterator[httpx2.AsyncClient]:
    exported.telemetry = make({"INCIDENT_MCP_METRICS": "1"})
    assert exported.telemetry.metrics_app
    transport = httpx2.ASGITransport(exported.telemetry.metrics_app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://server") as client:
        yield client
    await exported.telemetry.close()


@pytest.mark.anyio
async def test_prometheus_reads_counters_with_bounded_labels(
    exported: Exported, observed: ConnectTo, prometheus: httpx2.AsyncClient
):
    async with observed(exported) as client:
        await client.call_tool("incidentio_list_severities", {})
        for number in range(20):
            await client.call_tool(f'{WRONG}"\n}}{number}', {})
    for number in range(50):
        exported.telemetry.sign_in_refused(f"reason_{number}")
    exported.telemetry.sign_in_refused(f"{WRONG} <x>")
    text = (await prometheus.get("/metrics")).text
    assert 'incident_mcp_tool_calls_total{outcome="ok",tool="incidentio_list_severities"} 1.0' in text
    assert 'incident_mcp_tool_calls_total{outcome="error",tool="unknown"} 20.0' in text
    assert 'incident_mcp_sign_in_refused_total{reason="other"} 31.0' in text
    assert text.count("incident_mcp_sign_in_refused_total{") == 21
    assert "incident_mcp_api_rate_limit_remaining" in text
    assert WRONG not in text


@pytest.mark.anyio
async def test_metrics_of_one_server_are_not_those_of_another(prometheus: httpx2.AsyncClient):
    other = make({"INCIDENT_MCP_METRICS": "1"})
    other.sign_in_refused("elsewhere")
    assert "elsewhere" not in (await prometheus.get("/metrics")).text
    await other.close()


@pytest.mark.anyio
async def test_with_metrics_only_requests_carry_no_trace_context(
    exported: Exported, observed: ConnectTo, prometheus: httpx2.AsyncClient
):
    async with observed(exported) as client:
        await client.call_tool("incidentio_list_severities", {})
    assert exported.headers
    assert all("traceparent" not in headers for headers in exported.headers)
    assert "incident_mcp_api_requests_total" in (await prometheus.get("/metrics")).text


INSTALL = """
from opentelemetry import trace
from incident_mcp.serving.telemetry import Telemetry
import mcp.shared._otel as sdk
first, second = (Telemetry.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "1") for _ in range(2))
first.install()
second.install()
first.install()
assert trace.get_tracer_provider() is first._tracers
with sdk.otel_span("tools/call x", kind=trace.SpanKind.SERVER) as span:
    assert span.is_recording()
    meta = {}
    sdk.inject_trace_context(meta)
    assert list(meta) == ["traceparent"], meta
assert sdk.extract_trace_context({"traceparent": "x" * 1000, "baggage": "a=b"}) is None
"""


def test_installing_twice_is_safe():
    done = run(sys.executable, "-W", "error", "-c", INSTALL)
    assert (done.returncode, done.stderr) == (0, "")


STARTED = "import sys, incident_mcp.commands.cli, incident_mcp.serving.server; print(*sys.modules, sep='\\n')"
SDK = "import sys, mcp.server, mcp.shared._otel; print(*sys.modules, sep='\\n')"


def test_a_start_without_telemetry_loads_only_what_the_sdk_does():
    ours, theirs = (set(run(sys.executable, "-c", code).stdout.split()) for code in (STARTED, SDK))
    assert "incident_mcp.transport.telemetry" in ours
    loaded = {name for name in ours - theirs if name.startswith(("opentelemetry", "prometheus_client"))}
    assert loaded == set()
    assert not [name for name in ours if name.startswith("incident_mcp.serving.telemetry")]
