"""Trace context: of HTTP headers and of `_meta`, into the requests to the services, and never more than that."""

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from opentelemetry.trace import get_current_span

from incident_mcp.serving.telemetry import with_trace_context
from incident_mcp.serving.telemetry.trace_context import BoundedTraceContext, read_trace_context
from tests.serving.telemetry.conftest import Exported, MakeServer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
ALL_ZERO = f"00-{'0' * 32}-{SPAN}-01"
HOSTILE = [
    *("", "x", "\x00", PARENT + "\n", PARENT.upper(), PARENT + "-", PARENT + "-more", f"ff{PARENT[2:]}", ALL_ZERO),
    *("00-" * 1000, "a" * 1_000_000, PARENT + "-" + "a" * 1_000_000, PARENT.replace("4", "\u0664")),
]


@asynccontextmanager
async def http_client(app: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(with_trace_context(app)), base_url="http://127.0.0.1:8000"
        ) as client,
    ):
        yield client


async def call(client: httpx2.AsyncClient, version: str, meta: dict[str, Any], headers: dict[str, str]) -> None:
    tool = "incidentio_list_severities"
    if version > "2026":
        meta = {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
            **meta,
        }
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}, "_meta": meta},
    }
    sent = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version, **headers}
    answer = await client.post("/mcp", json=message, headers={**sent, "Mcp-Method": "tools/call", "Mcp-Name": tool})
    assert answer.status_code == 200, answer.text
    assert not answer.json()["result"].get("isError"), answer.text


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("meta", "header", "trace"),
    [
        ({}, PARENT, TRACE),
        ({"traceparent": PARENT}, PARENT.replace(TRACE, "a" * 32), TRACE),
        ({"traceparent": PARENT}, None, TRACE),
        ({"traceparent": "x" * 100_000}, PARENT, TRACE),
        ({"traceparent": {"a": [PARENT]}, "tracestate": 7}, PARENT, TRACE),
    ],
    ids=["header only", "both", "meta only", "meta too long", "meta of another type"],
)
async def test_the_parent_of_a_call_is_that_of_meta_or_else_of_the_header(
    exported: Exported, server_of: MakeServer, version: str, meta: dict[str, Any], header: str | None, trace: str
):
    app = server_of(exported.telemetry, exported.headers).streamable_http_app(json_response=True, stateless_http=True)
    async with http_client(app) as client:
        await call(client, version, meta, {"traceparent": header} if header else {})
    [span] = exported.tool_spans()
    assert span.parent
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == f"{trace}-{SPAN}"
    assert {f"{each.context.trace_id:032x}" for each in exported.api_spans() if each.context} == {trace}
    assert {headers["traceparent"].split("-")[1] for headers in exported.headers} == {trace}


@pytest.mark.anyio
async def test_requests_to_the_services_carry_the_span_and_nothing_of_the_client_s(
    exported: Exported, server_of: MakeServer
):
    app = server_of(exported.telemetry, exported.headers).streamable_http_app(json_response=True, stateless_http=True)
    headers = {"traceparent": PARENT, "tracestate": "vendor=planted", "baggage": "user=planted"}
    async with http_client(app) as client:
        await call(client, "2025-11-25", {"baggage": "user=planted", "tracestate": "v=planted"}, headers)
    [request] = exported.headers
    [span] = exported.api_spans()
    assert span.context
    assert request["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert "tracestate" not in request
    assert "baggage" not in request
    assert "planted" not in json.dumps(dict(request))


@pytest.mark.anyio
async def test_the_trace_of_one_request_ends_with_it(exported: Exported, server_of: MakeServer):
    app = server_of(exported.telemetry, exported.headers).streamable_http_app(json_response=True, stateless_http=True)
    async with http_client(app) as client:
        await call(client, "2025-11-25", {}, {"traceparent": PARENT})
        await call(client, "2025-11-25", {}, {})
    first, second = exported.tool_spans()
    assert first.parent
    assert second.parent is None


@pytest.mark.anyio
async def test_in_a_session_each_request_has_its_own_parent(exported: Exported, server_of: MakeServer):
    app = server_of(exported.telemetry, exported.headers).streamable_http_app(json_response=True)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
    start = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    async with http_client(app) as client:
        accept = {"Accept": "application/json, text/event-stream"}
        answer = await client.post("/mcp", json=start, headers={**accept, "traceparent": PARENT})
        session = {"Mcp-Session-Id": answer.headers["mcp-session-id"]}
        for trace in ("a" * 32, "b" * 32):
            await call(client, "2025-11-25", {}, {**session, "traceparent": PARENT.replace(TRACE, trace)})
    traces = [f"{span.context.trace_id:032x}" for span in exported.tool_spans() if span.context]
    assert traces == ["a" * 32, "b" * 32]


@pytest.mark.parametrize("parent", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_traceparent_is_ignored(parent: str, caplog: pytest.LogCaptureFixture):
    assert read_trace_context(parent) is None
    context = BoundedTraceContext().extract({"traceparent": parent})
    assert not get_current_span(context).get_span_context().is_valid
    assert not caplog.records


@pytest.mark.parametrize(
    "states",
    [["a" * 1_000_000], ["=" * 500], ["a=1,a=2"], ["a=\x00"], ["a=1"] * 33, [",".join(f"a{n}=1" for n in range(33))]],
    ids=["long", "signs", "twice", "control", "many headers", "many members"],
)
def test_a_hostile_tracestate_is_left_out_and_not_logged(states: list[str], caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    found = read_trace_context(PARENT, states)
    assert found
    assert not found.trace_state
    assert not caplog.records


def test_a_tracestate_is_kept():
    found = read_trace_context(PARENT, ["a=1, 1b/c@d=2", "e=f g"])
    assert found
    assert dict(found.trace_state) == {"a": "1", "1b/c@d": "2", "e": "f g"}


def test_a_later_version_may_say_more():
    assert read_trace_context(f"01-{TRACE}-{SPAN}-01-more")


@pytest.mark.anyio
async def test_of_several_traceparent_headers_none_counts():
    seen: list[bool] = []

    async def app(*_: object) -> None:
        seen.append(get_current_span().get_span_context().is_valid)

    scope = {"type": "http", "headers": [(b"traceparent", PARENT.encode())] * 2}
    await with_trace_context(app)(scope, None, None)  # type: ignore[arg-type]
    await with_trace_context(app)({**scope, "headers": scope["headers"][:1]}, None, None)  # type: ignore[arg-type]
    await with_trace_context(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == [False, True, False]
