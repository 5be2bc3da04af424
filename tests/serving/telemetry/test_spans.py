"""Spans and metrics of calls: one span of the call, its requests below, and nothing that anybody wrote."""

import json
import logging

import pytest
from mcp import MCPError
from opentelemetry.trace import SpanKind, StatusCode

from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.engine.faults import Fault
from tests.serving.telemetry.conftest import ConnectTo, Exported

pytestmark = pytest.mark.anyio
MARKER = "-".join(["planted", "marker", "9f3a"])  # noqa: FLY002  # not one word for scanners


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_requests_of_a_call_are_children_of_its_span(exported: Exported, observed: ConnectTo, mode: str):
    async with observed(exported, mode) as client:
        await client.call_tool("incidentio_list_incidents", {})
    [call] = exported.tool_spans()
    assert call.name == "tools/call incidentio_list_incidents"
    assert call.kind is SpanKind.SERVER
    assert call.attributes
    assert call.attributes["gen_ai.tool.name"] == "incidentio_list_incidents"
    assert call.attributes["incident_mcp.tool.outcome"] == "ok"
    assert exported.api_spans()
    for span in exported.api_spans():
        assert span.kind is SpanKind.CLIENT
        assert span.parent
        assert call.context
        assert (span.parent.span_id, span.parent.trace_id) == (call.context.span_id, call.context.trace_id)


async def test_a_request_s_span_has_method_template_host_status_and_request_id(exported: Exported, observed: ConnectTo):
    async with observed(exported) as client:
        await client.call_tool("incidentio_get_incident", {"incident": "INC-114"})
    [span] = [span for span in exported.api_spans() if span.name == "GET /v2/incidents/{incident}"]
    attributes = dict(span.attributes or {})
    attributes.pop("incident_mcp.request_id", None)
    assert attributes == {
        "http.request.method": "GET",
        "url.template": "/v2/incidents/{incident}",
        "server.address": "api.incident.io",
        "http.response.status_code": 200,
    }


async def test_each_attempt_has_a_span_and_a_repeated_one_its_number(
    exported: Exported, observed: ConnectTo, box: Sandbox
):
    headers = {"X-Request-Id": "req-123"}
    box.fail(Fault("status", "incidentio", "GET", "incidents", times=1, status=503, headers=headers))
    async with observed(exported) as client:
        await client.call_tool("incidentio_list_incidents", {})
    first, second, *_ = [span.attributes or {} for span in exported.api_spans() if "/v2/incidents" in span.name]
    assert (first["http.response.status_code"], first["error.type"]) == (503, "503")
    assert first["incident_mcp.request_id"] == "req-123"
    assert "http.request.resend_count" not in first
    assert (second["http.response.status_code"], second["http.request.resend_count"]) == (200, 1)
    labels = ("incident.io", "GET /v2/incidents")
    assert exported.points("incident_mcp.api.retries") == {labels: 1}
    assert exported.points("incident_mcp.api.requests")[(*labels, "5xx")] == 1


@pytest.mark.parametrize(("kind", "result"), [("refuse", "not_sent"), ("cut_before", "no_answer")])
async def test_a_request_without_a_response_has_the_kind_of_failure(
    exported: Exported, observed: ConnectTo, box: Sandbox, kind: str, result: str
):
    box.fail(Fault(kind, "incidentio"))
    async with observed(exported) as client:
        assert (await client.call_tool("incidentio_list_incidents", {})).is_error
    failed = [span for span in exported.api_spans() if span.attributes and span.attributes.get("error.type") == result]
    assert len(failed) == 4
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}
    assert exported.points("incident_mcp.api.requests") == {("incident.io", "GET /v2/incidents", result): 4}


async def test_calls_are_counted_by_tool_and_outcome(exported: Exported, observed: ConnectTo):
    async with observed(exported, toolsets=None) as client:
        await client.call_tool("incidentio_list_incidents", {})
        await client.call_tool("incidentio_get_incident", {"incident": "INC-99999"})
        await client.call_tool("use_read_tool", {"tool": "incidentio_list_post_mortems"})
    assert exported.points("incident_mcp.tool.calls") == {
        ("incidentio_list_incidents", "ok"): 1,
        ("incidentio_get_incident", "error"): 1,
        ("incidentio_list_post_mortems", "ok"): 1,
    }
    assert set(exported.metrics()) >= {"incident_mcp.tool.duration", "incident_mcp.api.duration"}


async def test_names_that_clients_make_up_add_no_label_and_no_span_name(exported: Exported, observed: ConnectTo):
    async with observed(exported) as client:
        for number in range(50):
            await client.call_tool(f"{MARKER}{number}", {})
        await client.call_tool("use_read_tool", {"tool": MARKER})
    assert exported.points("incident_mcp.tool.calls") == {("unknown", "error"): 50, ("use_read_tool", "error"): 1}
    assert {span.name for span in exported.tool_spans()} == {"tools/call unknown", "tools/call use_read_tool"}
    assert MARKER not in exported.written()


async def test_what_the_service_reports_as_remaining_is_a_gauge(exported: Exported, observed: ConnectTo):
    async with observed(exported) as client:
        await client.call_tool("incidentio_list_severities", {})
    [remaining] = exported.points("incident_mcp.api.rate_limit.remaining").values()
    assert 0 < remaining <= 1200


async def test_nothing_that_callers_or_services_wrote_is_exported_or_logged(
    exported: Exported, observed: ConnectTo, box: Sandbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    for row in box.incidentio.incidents:
        row |= {"name": MARKER, "summary": MARKER}
    box.incidentio.severities[0]["name"] = MARKER
    planted = {"message": MARKER, "type": MARKER, "request_id": MARKER}
    headers = {"X-Request-Id": f"{MARKER} <b>", "X-Planted": MARKER}
    box.fail(Fault("status", "ionhour", status=422, body=planted, headers=headers))
    async with observed(exported) as client:
        await client.call_tool("situation", {})
        await client.call_tool("incidentio_get_incident", {"incident": MARKER})
        await client.call_tool("incidentio_list_incidents", {"severity": MARKER, MARKER: MARKER})
        await client.call_tool("incidentio_edit_incident", {"incident": "INC-114", "summary": MARKER})
        await client.call_tool("incidentio_get_incident", {"incident": "INC-114"}, meta={MARKER: MARKER})
        for wrong in (
            lambda: client.get_prompt(MARKER, {MARKER: MARKER}),
            lambda: client.read_resource(f"x://{MARKER}"),
        ):
            with pytest.raises(MCPError):
                await wrong()
    assert exported.tool_spans()
    assert exported.api_spans()
    assert MARKER not in exported.written()
    assert MARKER not in json.dumps([record.getMessage() for record in caplog.records])
    assert all(not span.events and not span.status.description for span in exported.spans)


async def test_no_key_is_exported(exported: Exported, observed: ConnectTo, box: Sandbox):
    async with observed(exported) as client:
        await client.call_tool("situation", {})
    assert box.key("incidentio") not in exported.written()
    assert box.key("ionhour") not in exported.written()
    assert any("authorization" in headers for headers in exported.headers)
