"""What the observer of a service learns of its requests."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import httpx2
import pytest
from pydantic import BaseModel, SecretStr

from incident_mcp.errors import NotSentError, RefusedError
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation, Request
from incident_mcp.transport.rate_limit import LocalRateLimit
from incident_mcp.transport.service import Limits, Service
from incident_mcp.transport.tape import Response, Send
from incident_mcp.transport.telemetry import Target

pytestmark = pytest.mark.anyio
GET = Operation("GET", "/things/{thing}")
REQUEST = GET.request([("q", "planted")], at={"thing": "planted"})
LIMITS = Limits(backoff=0.001, call=2)


class Thing(BaseModel):
    id: str


class Log:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    @contextmanager
    def attempt(self, service: Target, operation: Operation, number: int) -> Generator["Log"]:
        self.events.append((service.name, operation.method, operation.path, number))
        try:
            yield self
        except Exception as error:
            self.events.append((type(error).__name__,))
            raise

    def answered(self, status: int, request_id: str | None) -> None:
        self.events.append((status, request_id))

    def headers(self) -> Mapping[str, str]:
        return {"traceparent": "the span"}

    def waits_to_repeat(self, _: Target, operation: Operation, seconds: float) -> None:
        self.events.append(("repeat", operation.path, seconds > 0))

    def waits_for_rate_limit(self, _: Target, seconds: float) -> None:
        self.events.append(("rate limit", seconds > 0))

    def remaining(self, _: Target, requests: int) -> None:
        self.events.append(("remaining", requests))


class WaitsOnce(LocalRateLimit):
    """The second request waits, however fast this machine refills a bucket."""

    def __init__(self) -> None:
        super().__init__(size=10, rate=1)
        self.waits = [0, 0.001]

    async def take(self) -> float:
        return self.waits.pop(0)


def service_that(
    *replies: httpx2.Response | Exception, rate_limit: LocalRateLimit | None = None
) -> tuple[Service, Log]:
    waiting = list(replies)
    log = Log()

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["traceparent"] == "the span"
        reply = waiting.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    key = SecretStr("k" * 8)
    service = Service(
        "A service", "https://api.example", key, "A_KEY", rate_limit, httpx2.MockTransport(answer), LIMITS
    )
    service.observer = log
    return service, log


def ok(**headers: str) -> httpx2.Response:
    return httpx2.Response(200, json={"id": "1"}, headers=headers)


FIRST = ("A service", "GET", "/things/{thing}", 1)
SECOND = ("A service", "GET", "/things/{thing}", 2)
REPEAT = ("repeat", "/things/{thing}", True)


async def test_each_attempt_is_observed_with_its_template_status_and_request_id():
    service, log = service_that(httpx2.Response(503, headers={"X-Request-Id": "r-1"}), ok())
    await Api(service).send(REQUEST, Thing)
    assert log.events == [FIRST, (503, "r-1"), REPEAT, SECOND, (200, None)]
    await service.close()


async def test_a_failure_of_the_network_is_observed():
    service, log = service_that(httpx2.ConnectError("no"), ok())
    await Api(service).send(REQUEST, Thing)
    assert log.events == [FIRST, ("NotSentError",), REPEAT, SECOND, (200, None)]
    await service.close()


async def test_after_the_last_attempt_there_is_no_wait():
    service, log = service_that(httpx2.Response(404))
    with pytest.raises(RefusedError):
        await Api(service).send(REQUEST, Thing)
    assert log.events == [FIRST, (404, None)]
    await service.close()


async def test_waits_for_the_rate_limit_and_what_remains_of_it_are_observed():
    limit = WaitsOnce()
    service, log = service_that(ok(), ok(**{"x-ratelimit-remaining": "0"}), rate_limit=limit)
    await Api(service).send(REQUEST, Thing)
    await Api(service).send(REQUEST, Thing)
    assert log.events == [FIRST, (200, None), ("rate limit", True), FIRST, (200, None), ("remaining", 0)]
    await service.close()


async def test_a_request_that_is_not_sent_is_no_attempt():
    service, log = service_that(rate_limit=LocalRateLimit(size=1, rate=0.001))
    assert service.rate_limit
    service.rate_limit.level = 0
    with pytest.raises(NotSentError):
        await Api(service).send(REQUEST, Thing)
    assert log.events == []


async def test_what_a_recording_answers_is_no_attempt():
    class Replay:
        async def exchange(self, _: str, __: Request, ___: Send) -> Response:
            return Response(200, httpx2.Headers(), b'{"id": "1"}', 0)

    service, log = service_that()
    service.tape = Replay()
    await Api(service).send(REQUEST, Thing)
    assert log.events == []


@pytest.mark.parametrize("remaining", ["-1", "1e3", "9" * 10, "x", "\u0661"])
async def test_an_odd_remaining_allowance_is_not_observed(remaining: str):
    service, log = service_that(
        httpx2.Response(200, json={"id": "1"}, headers=[(b"x-ratelimit-remaining", remaining.encode())])
    )
    await Api(service).send(REQUEST, Thing)
    assert log.events == [FIRST, (200, None)]
    await service.close()
