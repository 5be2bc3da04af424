"""Every kind of fault, through the sandbox's transport."""

from datetime import timedelta

import anyio
import httpx2
import pytest

from incident_mcp.sandbox import IONHOUR_KEY, Fault, Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid

from .conftest import NOW

pytestmark = pytest.mark.anyio

DATE = "Fri, 20 Nov 2026 03:00:00 GMT"
BODY = {"idempotency_key": "k", "visibility": "public", "severity_id": account_ulid("Minor")}


async def create(client):
    return await client.post("/v2/incidents", json=BODY)


@pytest.mark.parametrize(("kind", "made"), [("cut_before", 0), ("cut_after", 1)])
async def test_a_cut_connection_is_a_read_error_before_or_after_the_write(box, incidentio, kind, made):
    box.fail(Fault(kind))

    with pytest.raises(httpx2.ReadError):
        await create(incidentio)

    assert len(box.incidentio.incidents) == 17 + made
    assert [request.status for request in box.requests] == [None]


async def test_a_refused_connection_is_a_connect_error_and_writes_nothing(box, incidentio):
    box.fail(Fault("refuse"))

    with pytest.raises(httpx2.ConnectError):
        await create(incidentio)

    assert len(box.incidentio.incidents) == 17


@pytest.mark.parametrize(("kind", "made"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_hanging_request_lasts_until_the_client_gives_up(box, incidentio, kind, made):
    box.fail(Fault(kind))

    with anyio.move_on_after(0.01) as scope:
        await create(incidentio)

    assert scope.cancelled_caught
    assert len(box.incidentio.incidents) == 17 + made


async def test_a_hanging_request_ends_at_the_client_s_read_timeout(box, incidentio):
    box.fail(Fault("hang_before"))

    with pytest.raises(httpx2.ReadTimeout):
        await incidentio.get("/v1/severities", timeout=httpx2.Timeout(5, read=0.01))


async def test_a_delayed_request_succeeds(box, incidentio):
    box.fail(Fault("delay", seconds=0.001))

    assert (await create(incidentio)).status_code == 200


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, "api_error"),
        (503, "api_error"),
        (403, "resource_forbidden"),
        (409, "conflict"),
        (401, "authentication_error"),
    ],
)
async def test_a_status_comes_with_the_vendor_s_error_body(box, incidentio, status, kind):
    box.fail(Fault("status", status=status))

    reply = await create(incidentio)

    body = reply.json()
    assert (reply.status_code, body["status"], body["type"]) == (status, status, kind)
    assert body["errors"][0]["code"] == kind
    assert len(box.incidentio.incidents) == 17


async def test_a_429_has_the_retry_time_in_headers_and_body(box, incidentio):
    box.fail(Fault("status", status=429, headers={"Retry-After": "7"}))

    reply = await create(incidentio)

    assert reply.headers["Retry-After"] == "7"
    assert reply.headers["X-RateLimit-Remaining"] == "0"
    assert reply.json()["rate_limit"] == {
        "name": "Sandbox key",
        "limit": 1200,
        "remaining": 0,
        "retry_after": "2026-11-20T03:00:07Z",
    }


@pytest.mark.parametrize(("headers", "sent"), [({}, "1"), ({"retry-after": None}, None)])
async def test_a_429_has_retry_after_unless_the_fault_removes_it(box, incidentio, headers, sent):
    box.fail(Fault("status", status=429, headers=headers))

    assert (await create(incidentio)).headers.get("Retry-After") == sent


async def test_ionhour_s_429_has_no_default_header(box, ionhour):
    box.fail(Fault("status", status=429))

    reply = await ionhour.get("/incidents")

    assert reply.json() == {
        "statusCode": 429,
        "message": "The sandbox was told to fail",
        "error": "Too Many Requests",
    }
    assert "Retry-After" not in reply.headers


@pytest.mark.parametrize(
    ("body", "text"),
    [({"message": ["a", "b"]}, '{"message": ["a", "b"]}'), ("busy", "busy"), (b"\x00", "\x00")],
)
async def test_a_fault_can_set_the_body_of_an_error(box, ionhour, body, text):
    box.fail(Fault("status", status=502, body=body))

    assert (await ionhour.get("/incidents")).text == text


async def test_garbage_is_a_200_after_the_write_took_effect(box, incidentio):
    box.fail(Fault("garbage"))

    reply = await create(incidentio)

    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        reply.json()
    assert len(box.incidentio.incidents) == 18


async def test_a_truncated_answer_is_the_first_half_of_the_real_one(box, incidentio):
    whole = await incidentio.get("/v1/severities")
    box.fail(Fault("truncated"))

    half = await incidentio.get("/v1/severities")

    assert half.content == whole.content[: len(whole.content) // 2]
    assert half.headers["Content-Type"] == "application/json"


async def test_a_gateway_s_html_page_replaces_the_answer(box, incidentio):
    box.fail(Fault("html", status=502))

    reply = await create(incidentio)

    assert (reply.status_code, reply.headers["Content-Type"]) == (502, "text/html")
    assert reply.text.startswith("<html>")
    assert len(box.incidentio.incidents) == 17


async def test_a_fault_applies_only_to_matching_requests(box, incidentio, ionhour):
    box.fail(Fault("status", service="incidentio", method="POST", path=r"^/v2/incidents$"))

    assert (await incidentio.get("/v2/incidents")).status_code == 200
    assert (await ionhour.post("/incidents/4514/acknowledge")).status_code == 201
    assert (await incidentio.post("/v2/incident_updates", json={})).status_code == 422
    assert (await create(incidentio)).status_code == 500


async def test_a_fault_skips_after_requests_and_fails_times_requests(box, incidentio):
    box.fail(Fault("status", status=503, after=1, times=2))

    statuses = [(await incidentio.get("/v1/severities")).status_code for _ in range(5)]

    assert statuses == [200, 503, 503, 200, 200]


async def test_a_second_fault_takes_over_when_the_first_is_used_up(box, incidentio):
    box.fail(Fault("status", status=503, times=1))
    box.fail(Fault("status", status=429, times=1))

    statuses = [(await incidentio.get("/v1/severities")).status_code for _ in range(3)]

    assert statuses == [503, 429, 200]


async def test_healing_removes_every_fault(box, incidentio):
    box.fail(Fault("refuse"))
    box.fail(Fault("html"))

    box.heal()

    assert (await incidentio.get("/v1/severities")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/severities", "/v2/incidents/999", "/v2/nothing"])
async def test_every_incident_io_reply_carries_the_date_of_the_sandbox_s_clock(incidentio, path):
    assert (await incidentio.get(path)).headers.get_list("Date") == [DATE]


async def test_every_ionhour_reply_carries_the_date_of_the_sandbox_s_clock(box, ionhour):
    fine = await ionhour.get("/incidents")
    missing = await ionhour.get("/incidents/1")
    async with httpx2.AsyncClient(transport=box.transport("ionhour"), base_url="https://x/api") as client:
        refused = await client.get("/incidents", headers={"Authorization": f"Bearer {IONHOUR_KEY}x"})

    assert [reply.status_code for reply in (fine, missing, refused)] == [200, 404, 401]
    assert [reply.headers["Date"] for reply in (fine, missing, refused)] == [DATE] * 3


@pytest.mark.parametrize("kind", ["status", "html", "replace", "garbage", "truncated", "delay"])
async def test_every_reply_of_a_fault_carries_the_date_unless_the_fault_changes_it(box, incidentio, kind):
    other = "Sun, 06 Nov 1994 08:49:37 GMT"
    for headers in ({}, {"DATE": other}, {"date": None}):
        box.fail(Fault(kind, times=1, headers=headers))

    dates = [(await incidentio.get("/v1/severities")).headers.get_list("date") for _ in range(3)]

    assert dates == [[DATE], [other], []]


async def test_a_fault_can_replace_the_type_of_a_body(box, incidentio):
    box.fail(Fault("html", headers={"content-type": "text/html; charset=utf-8"}))

    reply = await incidentio.get("/v1/severities")

    assert reply.headers.get_list("Content-Type") == ["text/html; charset=utf-8"]


async def test_advancing_moves_a_fixed_clock(box, incidentio, ionhour):
    before = (await ionhour.get("/incidents/4514")).json()["durationSinceSuccessMs"]

    box.advance(3600.5)

    assert (await incidentio.get("/v1/severities")).headers["Date"] == "Fri, 20 Nov 2026 04:00:00 GMT"
    assert (await ionhour.get("/incidents/4514")).json()["durationSinceSuccessMs"] == before + 3_600_500
    assert (await create(incidentio)).json()["incident"]["created_at"] == "2026-11-20T04:00:00.501000Z"


def test_advancing_moves_a_clock_that_follows_the_real_time():
    box = Sandbox()
    before = box.incidentio.clock.now

    box.advance(60)
    box.advance(60)

    assert timedelta(minutes=2) <= box.incidentio.clock.now - before < timedelta(minutes=3)
    assert box.incidentio.clock.tick() < box.ionhour.clock.tick()


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_the_clock_never_goes_back(box, seconds):
    with pytest.raises(ValueError, match="negative"):
        box.advance(seconds)

    assert box.incidentio.clock.now == NOW


async def test_a_replaced_reply_comes_after_the_write_took_effect(box, incidentio):
    box.fail(Fault("replace", status=302, headers={"Location": "https://sso.example.com/"}, body=""))

    reply = await create(incidentio)

    assert (reply.status_code, reply.headers["Location"], reply.content) == (302, "https://sso.example.com/", b"")
    assert "X-RateLimit-Limit" not in reply.headers
    assert len(box.incidentio.incidents) == 18
    assert [request.status for request in box.requests] == [302]


@pytest.mark.parametrize(
    ("body", "content"),
    [({"success": False}, b'{"success": false}'), ("", b""), (b"", b""), ("busy", b"busy"), ([], b"[]")],
)
async def test_a_replaced_reply_has_the_body_of_the_fault(box, ionhour, body, content):
    box.fail(Fault("replace", status=200, body=body))

    reply = await ionhour.post("/incident-notes/4514", json={"body": "Looking."})

    assert (reply.status_code, reply.content) == (200, content)
    assert box.ionhour.notes[-1]["body"] == "Looking."


async def test_a_replaced_reply_without_a_body_has_the_vendor_s_error_body(box, incidentio, ionhour):
    box.fail(Fault("replace", status=503))

    reply = await create(incidentio)

    assert (reply.status_code, reply.json()["type"]) == (503, "api_error")
    assert len(box.incidentio.incidents) == 18
    assert (await ionhour.get("/incidents")).json()["error"] == "Service Unavailable"
