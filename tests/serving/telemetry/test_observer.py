"""What is made of the requests to a service."""

import logging

import anyio
import pytest
from pydantic import SecretStr

from incident_mcp.errors import NoAnswerError, NotSentError, TooLargeError
from incident_mcp.serving.telemetry.exporting import Failures
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.service import Service
from tests.serving.telemetry.conftest import Exported

pytestmark = pytest.mark.anyio
GET = Operation("GET", "/things/{thing}")


@pytest.fixture
def service() -> Service:
    return Service("A service", "https://api.example/base", SecretStr("k" * 8), "A_KEY")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotSentError("planted"), "not_sent"),
        (NoAnswerError("planted"), "no_answer"),
        (NoAnswerError("planted", late=True), "timeout"),
        (TooLargeError("planted"), "too_large"),
        (KeyError("planted"), "internal"),
        (KeyboardInterrupt("planted"), "cancelled"),
    ],
)
async def test_a_failure_has_a_kind_and_no_text(exported: Exported, service: Service, error: BaseException, kind: str):
    with pytest.raises(type(error)), exported.telemetry.observer.attempt(service, GET, 1):
        raise error
    [span] = exported.api_spans()
    assert span.attributes
    assert span.attributes["error.type"] == kind
    assert exported.points("incident_mcp.api.requests") == {("A service", "GET /things/{thing}", kind): 1}
    assert "planted" not in exported.written()


async def test_a_cancelled_attempt_is_no_failure_of_the_service(exported: Exported, service: Service):
    with anyio.move_on_after(0.01), exported.telemetry.observer.attempt(service, GET, 3):
        await anyio.sleep_forever()
    [span] = exported.api_spans()
    assert span.attributes
    assert (span.attributes["error.type"], span.attributes["http.request.resend_count"]) == ("cancelled", 2)


@pytest.mark.parametrize("request_id", ["", "x" * 101, "a b", "a\nb", "<x>", "\u0661"], ids=ascii)
async def test_an_odd_request_id_is_left_out(exported: Exported, service: Service, request_id: str):
    with exported.telemetry.observer.attempt(service, GET, 1) as attempt:
        attempt.answered(200, request_id)
    [span] = exported.api_spans()
    assert "incident_mcp.request_id" not in (span.attributes or {})


async def test_waits_are_counted_in_seconds(exported: Exported, service: Service):
    observer = exported.telemetry.observer
    for seconds in (0.5, 1.5):
        observer.waits_for_rate_limit(service, seconds)
        observer.waits_to_repeat(service, GET, seconds)
    observer.remaining(service, 7)
    observer.remaining(service, 5)
    assert exported.points("incident_mcp.api.rate_limit.wait") == {("A service",): 2.0}
    assert exported.points("incident_mcp.api.retry.wait") == {("A service",): 2.0}
    assert exported.points("incident_mcp.api.retries") == {("A service", "GET /things/{thing}"): 2}
    assert exported.points("incident_mcp.api.rate_limit.remaining") == {("A service",): 5}


async def test_without_a_span_there_is_no_traceparent(exported: Exported):
    assert exported.telemetry.observer.headers() == {}


def test_an_endpoint_that_works_again_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    failures = Failures("Spans", "https://user@collector.example/v1")
    for failed in (False, True, True, False, False, True):
        failures.note(failed=failed)
    assert [record.getMessage() for record in caplog.records] == [
        "Spans cannot be sent to collector.example. Further failures are not logged.",
        "Spans can be sent to collector.example again.",
        "Spans cannot be sent to collector.example. Further failures are not logged.",
    ]
