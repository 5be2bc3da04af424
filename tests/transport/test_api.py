"""The HTTP client: what is sent again, how long it waits, and how it reads odd answers."""

import json
import math
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import httpx2
import pytest
from pydantic import BaseModel, SecretStr

from incident_mcp.errors import NoAnswerError, NotSentError, RefusedError, ServiceError, TooLargeError
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.rate_limit import LocalRateLimit
from incident_mcp.transport.retry import Repeat
from incident_mcp.transport.service import Limits, Service

pytestmark = pytest.mark.anyio

KEY = "-".join(["key", "of", "the", "test"])  # noqa: FLY002  # not one word for scanners
QUICK = Limits(backoff=0.001, call=2)
Reply = httpx2.Response | Exception


class Thing(BaseModel):
    id: str


class Wire:
    """Answers in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self, *replies: Reply, limits: Limits = QUICK, bucket: LocalRateLimit | None = None) -> None:
        self.replies, self.requests = list(replies), list[httpx2.Request]()
        self.service = Service(
            "A service",
            "https://api.example",
            SecretStr(KEY),
            "A_KEY",
            bucket,
            httpx2.MockTransport(self._answer),
            limits,
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return httpx2.Response(reply.status_code, headers=reply.headers, content=reply.content)

    async def send(self, method: str = "POST", repeat: Repeat = Repeat.KEYED, **options: Any) -> Thing:
        return await Api(self.service).send(
            Operation(method, "/things").request(body={"a": 1}), Thing, repeat=repeat, **options
        )

    async def failure(self, *arguments: Any, **options: Any) -> ServiceError:
        with pytest.raises(ServiceError) as raised:
            await self.send(*arguments, **options)
        return raised.value


Make = Callable[..., Wire]


@pytest.fixture
async def wire() -> AsyncIterator[Make]:
    made: list[Wire] = []

    def wire_(*replies: Reply, **options: Any) -> Wire:
        made.append(Wire(*replies, **options))
        return made[-1]

    yield wire_
    for each in made:
        await each.service.close()


def ok(**headers: str) -> httpx2.Response:
    return httpx2.Response(200, json={"id": "1"}, headers=headers)


def status(code: int, **headers: str) -> httpx2.Response:
    return httpx2.Response(code, headers={name.replace("_", "-"): value for name, value in headers.items()})


LOST = [
    408,
    500,
    502,
    503,
    504,
    httpx2.ReadError("lost"),
    httpx2.ReadTimeout("late"),
    httpx2.RemoteProtocolError("cut"),
]
lost = pytest.mark.parametrize("fault", LOST, ids=lambda fault: str(fault) or type(fault).__name__)


def reply(fault: int | Exception) -> Reply:
    return status(fault) if isinstance(fault, int) else fault


@lost
@pytest.mark.parametrize("repeat", [Repeat.READ, Repeat.KEYED, Repeat.HARMLESS])
async def test_what_may_be_repeated_is_sent_again_after_a_lost_answer(
    fault: int | Exception, repeat: Repeat, wire: Make
) -> None:
    sent = wire(reply(fault), ok())
    assert (await sent.send(repeat=repeat)).id == "1"
    assert len(sent.requests) == 2


@lost
async def test_at_most_four_times(fault: int | Exception, wire: Make) -> None:
    sent = wire(reply(fault))
    assert isinstance(await sent.failure(), NoAnswerError)
    assert len(sent.requests) == 4


@lost
async def test_what_may_not_be_repeated_is_sent_once(fault: int | Exception, wire: Make) -> None:
    sent = wire(reply(fault))
    assert isinstance(await sent.failure(repeat=Repeat.NEVER), NoAnswerError)
    assert len(sent.requests) == 1


@lost
@pytest.mark.parametrize("repeat", [Repeat.CHECKED, Repeat.NEVER])
async def test_a_write_that_is_found_done_is_not_sent_again(fault: int | Exception, repeat: Repeat, wire: Make) -> None:
    async def find_effect() -> Thing:
        return Thing(id="found")

    sent = wire(reply(fault))
    assert (await sent.send(repeat=repeat, find_effect=find_effect)).id == "found"
    assert len(sent.requests) == 1


@pytest.mark.parametrize("fault", [504, 408, httpx2.ReadTimeout("late")], ids=str)
async def test_a_write_without_a_key_that_may_still_land_is_not_sent_again(fault: int | Exception, wire: Make) -> None:
    async def find_effect() -> None:
        return None

    sent = wire(reply(fault))
    assert isinstance(await sent.failure(repeat=Repeat.NEVER, find_effect=find_effect), NoAnswerError)
    assert len(sent.requests) == 1


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize("fault", [429, httpx2.ConnectError("refused"), httpx2.ConnectTimeout("late")], ids=str)
async def test_what_was_never_carried_out_is_sent_again_whatever_it_is(
    fault: int | Exception, repeat: Repeat, wire: Make
) -> None:
    sent = wire(reply(fault), ok())
    assert (await sent.send(repeat=repeat)).id == "1"
    sent = wire(reply(fault))
    failure = await sent.failure(repeat=repeat)
    assert (type(failure), len(sent.requests)) == (NotSentError, 4)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 412, 413, 415, 418, 422, 451])
async def test_a_refusal_is_never_sent_again(code: int, wire: Make) -> None:
    sent = wire(status(code, Location="https://elsewhere.example/things"))
    failure = await sent.failure(repeat=Repeat.READ)
    assert (type(failure), failure.status, len(sent.requests)) == (RefusedError, code, 1)
    assert "elsewhere" not in str(failure)


PASSED_ON = [100, 102, 103, 199, 300, 301, 302, 303, 304, 307, 308, 399]
"""What a gateway may answer after the service has acted."""


@pytest.mark.parametrize("code", PASSED_ON)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("repeat", list(Repeat)[1:])
async def test_a_redirect_or_a_final_1xx_to_a_write_leaves_it_unknown_and_is_not_followed(
    code: int, method: str, repeat: Repeat, wire: Make
) -> None:
    sent = wire(status(code, Location="https://elsewhere.example/things"))
    failure = await sent.failure(method, repeat)
    assert (type(failure), failure.status, len(sent.requests)) == (NoAnswerError, code, 1)
    assert f"A service answered {code}" in str(failure)
    assert "elsewhere" not in str(failure)


@pytest.mark.parametrize("code", PASSED_ON)
async def test_a_redirect_or_a_final_1xx_to_a_write_is_looked_up_once(code: int, wire: Make) -> None:
    async def find_effect() -> Thing:
        return Thing(id="found")

    sent = wire(status(code))
    assert (await sent.send(repeat=Repeat.CHECKED, find_effect=find_effect)).id == "found"
    assert len(sent.requests) == 1


@pytest.mark.parametrize("code", PASSED_ON)
async def test_a_redirect_or_a_final_1xx_to_a_read_is_refused(code: int, wire: Make) -> None:
    sent = wire(status(code, Location="https://elsewhere.example/things"))
    failure = await sent.failure("GET", Repeat.READ)
    assert (type(failure), failure.status, len(sent.requests)) == (RefusedError, code, 1)
    assert "elsewhere" not in str(failure)
    if code >= 300:
        assert "Redirects are not followed: check the address setting for api.example." in str(failure)


DENIALS = [
    {"success": False},
    {"success": "false"},
    {"ok": False},
    {"status": "error"},
    {"status": "failed"},
    {"error": "no such thing"},
    {"errors": [{"message": "no such thing"}]},
    {"statusCode": 400, "message": "no such thing"},
]


@pytest.mark.parametrize("body", DENIALS, ids=str)
async def test_a_2xx_that_says_that_it_failed_leaves_a_write_unknown_and_is_fine_for_a_read(
    body: dict[str, Any], wire: Make
) -> None:
    answer = httpx2.Response(200, json={"id": "1", **body})
    for method in ("POST", "PATCH", "DELETE"):
        sent = wire(answer)
        failure = await sent.failure(method)
        assert (type(failure), len(sent.requests)) == (NoAnswerError, 1)
        assert f"A service answered {method} /things with 200, but" in str(failure)
        assert "no such thing" in str(failure) or "no such thing" not in str(body)
    assert (await wire(answer).send("GET", Repeat.READ)).id == "1"


@pytest.mark.parametrize("body", [{"success": True}, {"status": "live"}, {"error": None}, {"errors": []}], ids=str)
async def test_a_2xx_that_denies_nothing_is_done(body: dict[str, Any], wire: Make) -> None:
    assert (await wire(httpx2.Response(200, json={"id": "1", **body})).send()).id == "1"


async def test_a_delete_that_is_gone_after_a_lost_answer_was_done(wire: Make) -> None:
    class Nothing(BaseModel):
        pass

    sent = wire(httpx2.ReadError("lost"), status(404))
    request = Operation("DELETE", "/things/{thing}").request(at={"thing": 1})
    assert await Api(sent.service).send(request, Nothing, repeat=Repeat.HARMLESS) == Nothing()


async def test_a_read_that_is_refused_after_a_lost_answer_is_refused(wire: Make) -> None:
    failure = await wire(status(503), status(404)).failure("GET", Repeat.READ)
    assert (type(failure), failure.status) == (RefusedError, 404)


async def test_a_write_that_is_refused_after_a_lost_answer_stays_unknown(wire: Make) -> None:
    failure = await wire(status(503), status(401)).failure()
    assert (type(failure), failure.status) == (NoAnswerError, 503)
    assert "After that: A service answered 401" in str(failure)


def date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("said", ["3600", "3600.5", pytest.param(date(86_400), id="tomorrow"), "99999999999"])
@pytest.mark.parametrize("code", [429, 503])
async def test_a_wait_that_does_not_fit_is_reported_at_once(said: str, code: int, wire: Make) -> None:
    sent = wire(status(code, Retry_After=said))
    failure = await sent.failure()
    assert len(sent.requests) == 1
    assert failure.retry_after is not None
    wait = "more than a day" if said == "99999999999" else f"{math.ceil(failure.retry_after)} s"
    assert f"It asks to wait {wait}, longer than a call may take" in str(failure)
    assert failure.retry_after >= 3500


@pytest.mark.parametrize(
    "said", ["0", "", "0.01", "soon", "-5", pytest.param(date(-60), id="a minute ago"), "Wed, 99 Foo 2026", None]
)
async def test_a_wait_of_nothing_or_nonsense_is_a_short_one(said: str | None, wire: Make) -> None:
    sent = wire(status(429, **({} if said is None else {"Retry_After": said})), ok())
    await sent.send()
    assert len(sent.requests) == 2


async def test_a_service_that_throttles_to_the_end_says_how_long(wire: Make) -> None:
    failure = await wire(status(429, Retry_After="0.4")).failure()
    assert "It asks to wait 1 s: call again after that." in str(failure)


async def test_cookies_are_not_kept(wire: Make) -> None:
    sent = wire(ok(**{"Set-Cookie": "session=1"}))
    for _ in range(2):
        await sent.send()
    assert "cookie" not in sent.requests[1].headers


@pytest.mark.parametrize("repeat", [Repeat.READ, Repeat.KEYED])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>proxy</html>", "no JSON"),
        (b'{"id": "1"', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "not as documented"),
        (b"null", "not as documented"),
        (b'{"id": []}', "not as documented (id)"),
        (b"", "not as documented (id)"),
    ],
)
async def test_an_answer_that_cannot_be_read_names_what_was_expected_and_not_what_came(
    content: bytes, said: str, repeat: Repeat, wire: Make
) -> None:
    sent = wire(httpx2.Response(200, content=content))
    failure = await sent.failure(repeat=repeat)
    assert (type(failure), len(sent.requests)) == (NoAnswerError, 1)
    assert f"A service's answer to POST /things (200) is {said}" in str(failure)
    assert "expected Thing" in str(failure)
    assert len(str(failure)) < 200


async def test_an_answer_over_the_most_bytes_is_not_read(wire: Make) -> None:
    big = httpx2.Response(200, content=b'{"id": "' + b"x" * 2000 + b'"}')
    failure = await wire(big, limits=replace(QUICK, most_bytes=1000)).failure()
    assert type(failure) is TooLargeError
    assert isinstance(failure, NoAnswerError)
    assert "A service answered POST /things" in str(failure)


def test_the_documented_limits() -> None:
    limits = Limits()
    assert (limits.connect, limits.attempt, limits.call, limits.attempts) == (5, 20, 45, 4)
    assert (limits.at_once, limits.most_bytes) == (16, 20_000_000)


async def test_a_key_that_the_service_tells_back_is_taken_out(wire: Make) -> None:
    told = httpx2.Response(422, json={"errors": [{"message": f"Bearer {KEY} is odd"}], "type": KEY})
    failure = await wire(told).failure()
    assert KEY not in str(failure)
    assert "[key]" in str(failure)
    assert (await wire(httpx2.Response(200, json={"id": KEY})).send()).id == "[key]"


async def test_the_pace_follows_what_the_service_says_is_left(wire: Make) -> None:
    bucket = LocalRateLimit(size=1200, rate=20)
    sent = wire(ok(**{"X-RateLimit-Remaining": "2"}), bucket=bucket)
    await sent.send()
    assert bucket.level <= 2
    assert [round(await bucket.take(), 1) for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]


@pytest.mark.parametrize("remaining", ["", "-1", "many", "12abc"])
async def test_a_remainder_that_is_none_changes_nothing(remaining: str, wire: Make) -> None:
    bucket = LocalRateLimit(size=1200, rate=20)
    await wire(ok(**{"X-RateLimit-Remaining": remaining}), bucket=bucket).send()
    assert bucket.level > 1190


async def test_a_wait_for_the_rate_limit_past_the_calls_time_takes_no_token(wire: Make) -> None:
    bucket = LocalRateLimit(size=1, rate=0.001)
    sent = wire(ok(), bucket=bucket)
    await sent.send()
    level = bucket.level
    failure = await sent.failure()
    assert (type(failure), len(sent.requests)) == (NotSentError, 1)
    assert "rate limit is used up. Call again in" in str(failure)
    assert bucket.level == pytest.approx(level, abs=0.1)


async def test_a_request_that_gets_no_turn_in_the_calls_time_was_not_sent(wire: Make) -> None:
    sent = wire(ok(), limits=replace(QUICK, call=0.05, at_once=2))
    for _ in range(2):
        sent.service.slots.acquire_nowait()
    failure = await sent.failure()
    assert (type(failure), sent.requests) == (NotSentError, [])
    assert "2 requests to A service are the most at once" in str(failure)


# Odd headers.

ODD = {
    "superscript": "\xb2",
    "other digits": "\u0663",
    "empty": "",
    "blank": " ",
    "letters": "many",
    "sign": "-1",
    "plus": "+5",
    "fraction": "1.5",
    "exponent": "1e999",
    "infinite": "inf",
    "not a number": "nan",
    "hexadecimal": "0x10",
    "underscore": "1_0",
    "long": "9" * 400,
    "very long": "9" * 100_000,
    "list": "1, 2",
    "year 99999": "Fri, 31 Dec 99999 23:59:59 GMT",
    "year 9999": "Fri, 31 Dec 9999 23:59:59 GMT",
    "year 1": "Mon, 01 Jan 0001 00:00:00 GMT",
    "no zone": "Fri, 31 Dec 2027 23:59:59",
    "odd zone": "Fri, 31 Dec 2027 23:59:59 +9999",
    "iso": "9999-12-31T23:59:59+23:59",
    "iso year 1": "0001-01-01T00:00:00+23:59",
}


def raw(code: int, name: str, value: str) -> httpx2.Response:
    """A response whose header holds these very bytes."""
    return httpx2.Response(code, json={"id": "1"}, headers=[(name.encode(), value.encode("utf-8"))])


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("name", ["X-RateLimit-Remaining", "Retry-After", "Date", "Content-Type", "Set-Cookie"])
async def test_an_odd_header_never_fails_a_call(name: str, value: str, wire: Make) -> None:
    bucket = LocalRateLimit(size=1200, rate=20)
    sent = wire(raw(200, name, value), bucket=bucket)
    assert (await sent.send()).id == "1"
    assert (await sent.send("GET", Repeat.READ)).id == "1"
    assert bucket.level >= 0
    assert math.isfinite(Api(sent.service).now())


@pytest.mark.parametrize("latin", [b"\xb2", b"\xb9\xb2", b"\xff", b"\x80"])
async def test_a_header_that_is_no_utf_8_never_fails_a_call(latin: bytes, wire: Make) -> None:
    bucket = LocalRateLimit(size=1200, rate=20)
    for name in (b"X-RateLimit-Remaining", b"Retry-After", b"Date"):
        sent = wire(httpx2.Response(200, json={"id": "1"}, headers=[(name, latin)]), bucket=bucket)
        assert (await sent.send()).id == "1"
        throttled = wire(httpx2.Response(429, headers=[(name, latin)]), ok())
        assert (await throttled.send()).id == "1"
    assert bucket.level > 1190


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
@pytest.mark.parametrize("code", [429, 503])
async def test_an_odd_retry_after_is_a_finite_wait_of_at_least_a_second_or_none(
    value: str, code: int, wire: Make
) -> None:
    sent = wire(raw(code, "Retry-After", value))
    text = str(await sent.failure())
    waits = [int(seconds) for seconds in re.findall(r"wait (\S+) s\b", text)]
    assert all(seconds >= 1 for seconds in waits)
    assert not re.search(r"\b(inf|nan)\b", text, re.IGNORECASE)
    assert len(text) < 400
    # The wait is too long for the call, fits once, or is none: then all attempts are made.
    assert len(sent.requests) in (1, 2, 4)


@pytest.mark.parametrize("wait", [0, 0.2, 1e999, -5, True, "soon", None, [], 10**400, "1e999", 5e-324])
async def test_an_odd_wait_in_the_body_of_a_429_is_read_likewise(wait: Any, wire: Make) -> None:
    content = json.dumps({"type": "too_many_requests", "rate_limit": {"retry_after": wait}}).encode()
    sent = wire(httpx2.Response(429, content=content))
    text = str(await sent.failure())
    assert " 0 s" not in text
    assert not re.search(r"\b(inf|nan)\b", text, re.IGNORECASE)
    assert len(sent.requests) in (1, 4)


# The call's time.


async def test_a_passed_deadline_is_never_called_a_rate_limit(wire: Make) -> None:
    for bucket in (None, LocalRateLimit(size=1200, rate=20), LocalRateLimit(size=1, rate=50)):
        if bucket and bucket.size == 1:
            await bucket.take()
        sent = wire(ok(), bucket=bucket)
        api = Api(sent.service)
        api.deadline = anyio.current_time() - 1
        for method, repeat in (("GET", Repeat.READ), ("POST", Repeat.KEYED), ("POST", Repeat.NEVER)):
            with pytest.raises(NotSentError) as raised:
                await api.send(Operation(method, "/things").request(), Thing, repeat=repeat)
            text = str(raised.value)
            assert "may take are over" in text
            assert "rate limit" not in text
            assert "at once" not in text
        assert sent.requests == []


@pytest.mark.parametrize(
    "date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "0001-01-01", "soon"]
)
async def test_a_date_that_cannot_be_true_says_nothing_of_the_services_clock(date: str, wire: Make) -> None:
    sent = wire(ok(Date=date))
    await sent.send()
    assert sent.service.ahead is None
    sent = wire(ok(Date=format_datetime(datetime.now(UTC) + timedelta(hours=5), usegmt=True)))
    await sent.send()
    assert sent.service.ahead == pytest.approx(18_000, abs=2)
