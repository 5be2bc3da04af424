"""Requests to the services as spans and metrics."""

import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode, Tracer, get_current_span

from incident_mcp.errors import NoAnswerError, NotSentError, TooLargeError
from incident_mcp.serving.telemetry.measures import Measures
from incident_mcp.serving.telemetry.trace_context import format_traceparent
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.telemetry import Target

_REQUEST_ID = re.compile("[A-Za-z0-9._:-]{1,100}", re.ASCII)
_FIRST_ERROR = 400


class _Attempt:
    """One attempt of a request and its span."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.result = "internal"
        """The class of the status, or the kind of failure."""

    def answered(self, status: int, request_id: str | None) -> None:
        self.result = f"{status // 100}xx"
        self._span.set_attribute("http.response.status_code", status)
        if request_id and _REQUEST_ID.fullmatch(request_id):
            self._span.set_attribute("incident_mcp.request_id", request_id)
        if status >= _FIRST_ERROR:
            self._fail(str(status))

    def failed(self, error: BaseException) -> None:
        self.result = _kind(error)
        self._fail(self.result)

    def _fail(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR)


class ApiObserver:
    """Makes a span of each attempt, and counts.

    Args:
        tracer: Makes the spans; None: there are none, and requests carry no trace context.
        measures: The metrics.
    """

    def __init__(self, tracer: Tracer | None, measures: Measures) -> None:
        self._tracer = tracer
        self._measures = measures

    @contextmanager
    def attempt(self, service: Target, operation: Operation, number: int) -> Generator[_Attempt]:
        """Surround one attempt with a span."""
        labels = {"service": service.name, "operation": f"{operation.method} {operation.path}"}
        began = time.monotonic()
        with self._span(service, operation, number) as span:
            attempt = _Attempt(span)
            try:
                yield attempt
            except BaseException as error:
                attempt.failed(error)
                raise
            finally:
                self._measures.request_seconds.record(time.monotonic() - began, {"service": service.name})
                self._measures.requests.add(1, {**labels, "result": attempt.result})

    @contextmanager
    def _span(self, service: Target, operation: Operation, number: int) -> Generator[Span]:
        if self._tracer is None:
            yield INVALID_SPAN
            return
        attributes: dict[str, str | int] = {
            "http.request.method": operation.method,
            "url.template": operation.path,
            "server.address": service.host,
        }
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        with self._tracer.start_as_current_span(
            f"{operation.method} {operation.path}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def headers(self) -> Mapping[str, str]:
        """Return `traceparent` of the attempt's span: no state or baggage, which clients may have written."""
        context = get_current_span().get_span_context()
        return {"traceparent": format_traceparent(context)} if self._tracer and context.is_valid else {}

    def waits_to_repeat(self, service: Target, operation: Operation, seconds: float) -> None:
        """Count a request that is repeated."""
        labels = {"service": service.name, "operation": f"{operation.method} {operation.path}"}
        self._measures.retries.add(1, labels)
        self._measures.retry_wait.add(seconds, {"service": service.name})

    def waits_for_rate_limit(self, service: Target, seconds: float) -> None:
        """Count the wait for the service's rate limit."""
        self._measures.rate_limit_wait.add(seconds, {"service": service.name})

    def remaining(self, service: Target, requests: int) -> None:
        """Note how many requests the service reports as remaining."""
        self._measures.remaining.set(requests, {"service": service.name})


def _kind(error: BaseException) -> str:
    """Return the kind of a failure without a response."""
    match error:
        case TooLargeError():
            return "too_large"
        case NoAnswerError(late=True):
            return "timeout"
        case NoAnswerError():
            return "no_answer"
        case NotSentError():
            return "not_sent"
        case Exception():
            return "internal"
        case _:
            return "cancelled"
