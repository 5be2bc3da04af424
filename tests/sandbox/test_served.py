"""The sandbox under one address, and as a separate process."""

import contextlib
import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2
import pytest

from incident_mcp.sandbox import INCIDENTIO_KEY, IONHOUR_KEY, Sandbox
from incident_mcp.sandbox.engine.clock import account_ulid

from .conftest import NOW

pytestmark = pytest.mark.anyio

BODY = {"idempotency_key": "k", "visibility": "public", "severity_id": account_ulid("Minor")}


@contextlib.contextmanager
def served(*arguments):
    command = [sys.executable, "-m", "incident_mcp.sandbox", *arguments]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        ready = json.loads(process.stdout.readline())
        yield process, ready
    finally:
        process.kill()
        process.communicate()


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def running():
    with served("--bulk", "30") as (_, ready), httpx2.Client(timeout=10) as client:
        yield ready, client


def test_both_services_answer_at_the_printed_addresses(running):
    ready, client = running

    incidents = client.get(
        f"{ready['incidentio_api_url']}/v2/incidents", headers=bearer(ready["incidentio_api_key"])
    ).json()
    alerts = client.get(f"{ready['ionhour_api_url']}/incidents", headers=bearer(ready["ionhour_api_key"])).json()

    assert incidents["pagination_meta"]["total_record_count"] == 45
    assert alerts["total"] == 39
    assert (ready["incidentio_api_key"], ready["ionhour_api_key"]) == (INCIDENTIO_KEY, IONHOUR_KEY)


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "refuse"])
def test_a_cut_drops_the_connection_and_the_server_keeps_running(running, kind):
    ready, client = running
    url = f"{ready['incidentio_api_url']}/v2/incidents"
    client.post(f"{ready['control_url']}/faults", json={"kind": kind, "times": 1})

    with pytest.raises(httpx2.TransportError):
        client.post(url, json=BODY | {"idempotency_key": kind}, headers=bearer(INCIDENTIO_KEY))

    assert client.get(url, headers=bearer(INCIDENTIO_KEY)).status_code == 200
    newest = client.get(f"{ready['control_url']}/requests").json()[-2]
    assert (newest["method"], newest["path"], newest["status"]) == ("POST", "/v2/incidents", None)


def test_a_served_reply_has_one_date_which_advances_with_the_sandbox_s_clock():
    with served() as (_, ready), httpx2.Client(timeout=10, headers=bearer(INCIDENTIO_KEY)) as client:
        url = f"{ready['incidentio_api_url']}/v1/severities"
        before = client.get(url).headers.get_list("Date")

        advanced = client.post(f"{ready['control_url']}/advance", json={"seconds": 86_400})

        after = client.get(url).headers.get_list("Date")
        client.post(f"{ready['control_url']}/faults", json={"kind": "status", "headers": {"date": None}})
        without = client.get(url).headers.get_list("Date")

    assert (len(before), len(after), without) == (1, 1, [])
    passed = parsedate_to_datetime(after[0]) - parsedate_to_datetime(before[0])
    assert timedelta(days=1) <= passed < timedelta(days=1, minutes=1)
    now = datetime.fromisoformat(advanced.json()["now"])
    assert timedelta() <= now - parsedate_to_datetime(before[0]) - timedelta(days=1) < timedelta(minutes=1)


def test_a_hanging_request_does_not_keep_the_process_from_ending():
    with served() as (process, ready), httpx2.Client(timeout=0.05) as client:
        client.post(f"{ready['control_url']}/faults", json=[{"kind": "hang_after"}], timeout=10)
        with pytest.raises(httpx2.ReadTimeout):
            client.get(f"{ready['ionhour_api_url']}/incidents", headers=bearer(IONHOUR_KEY))

        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_the_end_of_a_piped_input_ends_the_process():
    with served() as (process, _):
        process.stdin.close()

        assert process.wait(10) == 0
        process.stdin = None


async def test_the_control_paths_install_and_remove_faults_and_show_the_state():
    box = Sandbox()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(box.app), base_url="http://sandbox") as client:
        url = "/incidentio/v1/severities"
        installed = await client.post("/_sandbox/faults", json=[{"kind": "status", "status": 503}, {"kind": "html"}])
        assert installed.json() == {"installed": 2}
        assert (await client.get(url)).status_code == 503
        await client.delete("/_sandbox/faults")
        assert (await client.get(url, headers=bearer(INCIDENTIO_KEY))).status_code == 200
        requests = (await client.get("/_sandbox/requests")).json()
        state = (await client.get("/_sandbox/state")).json()

    assert [(row["path"], row["status"]) for row in requests] == [("/v1/severities", 503), ("/v1/severities", 200)]
    assert {"attachments", "incidents", "timeline_items", "updates"} <= set(state["incidentio"])
    assert {"events", "incidents", "notes"} <= set(state["ionhour"])
    assert len(state["incidentio"]["incidents"]) == 17


async def test_advancing_the_clock_pages_the_next_level_and_the_state_shows_who_was_rung():
    box = Sandbox(now=NOW)
    body = {"title": "Help", "idempotency_key": "k", "escalation_path_id": account_ulid("path Payments")}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(box.app), base_url="http://sandbox") as client:
        await client.post("/incidentio/v2/escalations", json=body, headers=bearer(INCIDENTIO_KEY))
        await client.post("/_sandbox/advance", json={"seconds": 300})
        state = (await client.get("/_sandbox/state")).json()

    assert [(row["user"], row["level"]) for row in state["incidentio"]["rings"]] == [
        ("Yuki Tanaka", 1),
        ("Sam Okafor", 2),
    ]


@pytest.mark.parametrize(
    "fault", ["x", {"kind": "fire"}, {"kind": "html", "path": "("}, {"kind": "html", "paths": "x"}, 5]
)
async def test_an_invalid_fault_is_rejected(fault):
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Sandbox().app), base_url="http://sandbox") as client:
        assert (await client.post("/_sandbox/faults", json=fault)).status_code == 400
        assert (await client.post("/_sandbox/faults", content=b"{")).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"60",
        b"{}",
        b'{"seconds": "60"}',
        b'{"seconds": true}',
        b'{"seconds": -1}',
        b'{"seconds": NaN}',
        b'{"seconds": 1e300}',
        b'{"seconds": Infinity}',
        b'{"seconds": 1e12}',
        b'{"seconds": 1, "minutes": 1}',
    ],
)
async def test_the_clock_is_advanced_by_a_number_of_seconds_only(body):
    box = Sandbox(now=NOW)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(box.app), base_url="http://sandbox") as client:
        refused = await client.post("/_sandbox/advance", content=body)
        advanced = await client.post("/_sandbox/advance", json={"seconds": 1.5})

    assert (refused.status_code, "message" in refused.json()) == (400, True)
    assert advanced.json() == {"now": "2026-11-20T03:00:01.500000Z"}


async def test_an_unknown_address_answers_the_known_ones():
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Sandbox().app), base_url="http://sandbox") as client:
        reply = await client.get("/v2/incidents")

    assert reply.status_code == 404
    assert {"/_sandbox/faults", "/_sandbox/advance"} <= set(reply.json()["known"])
    assert reply.headers["Date"].endswith(" GMT")
