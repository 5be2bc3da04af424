"""Attacks on the whole server over HTTP; those on tokens alone are in `sign_in`."""

import base64
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.serving.http.by_hand import (
    LEGACY,
    MODERN,
    answer,
    call,
    failure,
    head,
    headers,
    message,
    open_socket,
    post,
    raw,
    result,
)
from tests.serving.http.cluster import Cluster, Replica, cluster
from tests.serving.http.identity_provider import IdentityProvider, identity_provider
from tests.serving.http.people import Person, with_jwt, with_static_token

pytestmark = pytest.mark.team

AUDIENCE = "https://incidents.example.com/mcp"
VERSIONS = [LEGACY, MODERN]
CREATE = {"name": "Made by an attacker", "severity": "Minor"}
PAGE = {"title": "Paged by an attacker", "escalation_path": "Database"}


@dataclass
class Target:
    """The server under attack and who may call it."""

    cluster: Cluster
    provider: IdentityProvider
    hook_secret: str
    secrets: list[str]
    """What no answer and no log may contain."""
    reader: Person
    responder: Person
    pager: Person
    other: Person
    """Another pager."""

    @property
    def url(self) -> str:
        return self.cluster.replicas[0].url

    @property
    def urls(self) -> list[str]:
        return [replica.url for replica in self.cluster.replicas]

    def writes(self) -> list[dict[str, Any]]:
        return [row for row in self.cluster.services.requests() if row["method"] != "GET"]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("attacks")
    tokens = folder / "tokens.json"
    reader, other = (with_static_token(tokens, *row) for row in (("rita", "reader"), ("otto", "pager")))
    hook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    signing = os.urandom(32).hex()
    with identity_provider() as provider:
        settings = {
            "INCIDENT_MCP_SECRET": signing,
            "INCIDENT_MCP_TOKENS_FILE": str(tokens),
            "INCIDENT_MCP_OIDC_ISSUER": provider.issuer,
            "INCIDENT_MCP_OIDC_AUDIENCE": AUDIENCE,
            "INCIDENT_MCP_WEBHOOK_SECRET": hook_secret,
            "INCIDENT_MCP_METRICS": "1",
        }
        with cluster(folder, settings, replicas=2) as running:
            responder = with_jwt(provider, AUDIENCE, "rosa", "responder")
            pager = with_jwt(provider, AUDIENCE, "pia", "pager")
            ready = running.services.ready
            hidden = [signing, hook_secret, ready["incidentio_api_key"], ready["ionhour_api_key"]]
            hidden += [person.token for person in (reader, responder, pager, other)]
            yield Target(running, provider, hook_secret, hidden, reader, responder, pager, other)
            told = running.told()
            assert [secret for secret in hidden if secret in told] == []


# Roles.


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reader_cannot_write_by_the_name_of_a_tool(target: Target, version: str) -> None:
    before = target.writes()
    text = failure(call(target.url, target.reader, "incidentio_create_incident", version, **CREATE))
    assert "nknown tool" in text or "role" in text
    assert target.writes() == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("through", ["use_write_tool", "use_read_tool", "find_tools"])
def test_a_reader_cannot_write_through_a_tool_that_calls_others(target: Target, through: str, version: str) -> None:
    before = target.writes()
    for name in ("incidentio_create_incident", "Incidentio_Create_Incident", "create_incident"):
        arguments = {"query": name} if through == "find_tools" else {"name": name, "arguments": CREATE}
        response = call(target.url, target.reader, through, version, **arguments)
        if through == "find_tools":
            assert "incidentio_create_incident" not in json.dumps(answer(response))
        else:
            assert failure(response)
    assert target.writes() == before


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("through", [None, "use_write_tool"])
def test_a_responder_cannot_page(target: Target, through: str | None, version: str) -> None:
    before = target.writes()
    tool, arguments = "incidentio_page_people", PAGE
    if through:
        tool, arguments = through, {"name": tool, "arguments": arguments}
    assert "confirm" not in failure(call(target.url, target.responder, tool, version, **arguments))
    assert target.writes() == before


def test_a_responder_cannot_page_with_the_code_of_a_pager(target: Target) -> None:
    before = target.writes()
    code = result(call(target.url, target.pager, "incidentio_page_people", **PAGE))["confirm"]
    failure(call(target.url, target.responder, "incidentio_page_people", **PAGE, confirm=code))
    assert target.writes() == before


def test_each_role_lists_only_its_tools_and_a_cache_must_not_share_the_list(target: Target) -> None:
    lists = {}
    for person in (target.reader, target.responder, target.pager):
        found = answer(post(target.url, person, "tools/list"))["result"]
        assert found["cacheScope"] == "private"
        lists[person.role] = {tool["name"] for tool in found["tools"]}
    assert lists["reader"] < lists["responder"] < lists["pager"]
    assert "incidentio_create_incident" not in lists["reader"]
    assert "incidentio_page_people" not in lists["responder"]


def test_a_token_cannot_raise_its_role_by_headers_or_arguments(target: Target) -> None:
    before = target.writes()
    more = {"X-Role": "pager", "X-Forwarded-User": "pia", "X-Forwarded-Email": "pia", "Mcp-Role": "pager"}
    params = {"name": "incidentio_create_incident", "arguments": CREATE}
    failure(post(target.url, target.reader, "tools/call", params, more=more))
    failure(call(target.url, target.reader, "incidentio_create_incident", **CREATE, role="pager"))
    assert target.writes() == before


# What belongs to another caller.


def test_another_caller_s_confirmation_code_is_rejected_on_every_replica(target: Target) -> None:
    before = target.writes()
    code = result(call(target.url, target.pager, "incidentio_page_people", **PAGE))["confirm"]
    for url in target.urls:
        text = failure(call(url, target.other, "incidentio_page_people", **PAGE, confirm=code))
        assert "confirm: the code is not of a preview of this call" in text
    assert target.writes() == before


def test_a_code_that_is_used_on_all_replicas_at_once_pages_once(target: Target) -> None:
    arguments = {**PAGE, "title": "Paged once"}
    code = result(call(target.url, target.pager, "incidentio_page_people", **arguments))["confirm"]
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(call, url, target.pager, "incidentio_page_people", **arguments, confirm=code)
            for url in target.urls * 4
        ]
        answers = [answer(job.result())["result"] for job in jobs]
    fresh = [each for each in answers if not each.get("isError") and not each["structuredContent"].get("repeated")]
    escalations = target.cluster.services.state()["incidentio"]["escalations"]
    assert (len(fresh), sum(row["title"] == "Paged once" for row in escalations)) == (1, 1)


def test_a_code_does_not_confirm_other_arguments(target: Target) -> None:
    before = target.writes()
    code = result(call(target.url, target.pager, "incidentio_page_people", **PAGE))["confirm"]
    changed = {**PAGE, "escalation_path": "Payments", "confirm": code}
    assert "confirm: the code" in failure(call(target.url, target.pager, "incidentio_page_people", **changed))
    assert target.writes() == before


def test_another_caller_s_cursor_is_rejected_on_every_replica(target: Target) -> None:
    cursor = result(call(target.url, target.pager, "catch_up"))["cursor"]
    for url in target.urls:
        assert "since" in failure(call(url, target.other, "catch_up", since=cursor))
        assert result(call(url, target.pager, "catch_up", since=cursor))["cursor"]


@pytest.fixture(scope="module")
def asking(target: Target) -> Iterator[list[str]]:
    """Replicas that ask a person before each write."""
    settings = {**target.cluster.replicas[0].settings, "INCIDENT_MCP_CONFIRM": "writes"}
    settings["INCIDENT_MCP_ALLOWED_HOSTS"] = "127.0.0.1"
    replicas = [Replica(number, target.cluster.folder, settings) for number in (7, 8)]
    try:
        for replica in replicas:
            replica.launch()
        for replica in replicas:
            replica.wait()
        yield [replica.url for replica in replicas]
    finally:
        for replica in replicas:
            replica.kill()


def _asked(url: str, person: Person, **more: Any) -> dict[str, Any]:
    """Send a write that needs a person's answer, and return what is answered."""
    params = {"name": "incidentio_create_incident", "arguments": CREATE, **more}
    sent = message("tools/call", params)
    sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
    return answer(
        httpx2.post(
            f"{url}/mcp", json=sent, headers=headers(person, "tools/call", "incidentio_create_incident"), timeout=30
        )
    )


def test_another_person_s_request_state_is_rejected_on_every_replica(target: Target, asking: list[str]) -> None:
    before = target.writes()
    question = _asked(asking[0], target.pager)["result"]
    assert question["resultType"] == "input_required"
    (name,) = question["inputRequests"]
    schema = question["inputRequests"][name]["params"]["requestedSchema"]["properties"]
    agreed = {name: {"action": "accept", "content": dict.fromkeys(schema, True)}}
    state = {"inputResponses": agreed} | {key: question[key] for key in ("requestState",) if key in question}
    for url in asking:
        found = _asked(url, target.other, **state)
        assert "error" in found or found["result"].get("resultType") == "input_required", found
        forged = _asked(url, target.pager, **{**state, "requestState": "forged"})
        assert "error" in forged or forged["result"].get("resultType") == "input_required", forged
    assert target.writes() == before
    # The person who was asked may answer, at another replica than the one that asked.
    done = _asked(asking[1], target.pager, **state)["result"]
    assert not done.get("isError"), done
    assert len(target.writes()) == len(before) + 1


# HTTP.


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example.com", "127.0.0.1:1", "169.254.169.254"])
def test_another_host_is_rejected_as_rebinding_sends_it(target: Target, host: str) -> None:
    response = post(target.url, target.pager, "tools/list", more={"Host": host})
    assert response.status_code in (400, 403, 421)
    assert "incidentio" not in response.text


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1.evil.example.com"])
def test_another_origin_is_rejected(target: Target, origin: str) -> None:
    response = post(target.url, target.pager, "tools/list", more={"Origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_a_preflight_of_another_origin_allows_nothing(target: Target) -> None:
    asked = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    response = httpx2.options(f"{target.url}/mcp", headers=asked)
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("verb", ["GET", "DELETE", "PUT", "PATCH", "HEAD", "TRACE", "OPTIONS"])
def test_only_post_is_served(target: Target, verb: str) -> None:
    sent = headers(target.pager, "tools/list") | {"Mcp-Session-Id": "x", "Last-Event-ID": "1"}
    response = httpx2.request(verb, f"{target.url}/mcp", headers=sent, timeout=10)
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


@pytest.mark.parametrize("person", ["nobody", "pager"])
def test_a_body_of_5_mb_is_rejected_before_it_is_read(target: Target, person: str) -> None:
    caller = target.pager if person == "pager" else None
    arguments = {"incident": "INC-114", "message": "x" * 5_000_000}
    response = call(target.url, caller, "incidentio_post_update", **arguments)
    assert response.status_code == (413 if caller else 401)


def test_a_body_of_5_mb_without_a_length_is_cut_off(target: Target) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 65_536

    try:
        sent = headers(target.pager, "tools/list")
        status = httpx2.post(f"{target.url}/mcp", content=chunks(), headers=sent, timeout=30).status_code
    except httpx2.TransportError:
        status = 0  # the server closed while we wrote
    assert status in (0, 413)
    assert post(target.url, target.pager, "tools/list").status_code == 200


def test_bodies_that_drip_are_cut_off_while_others_are_served(target: Target) -> None:
    lines = [f"{name}: {value}" for name, value in headers(target.pager, "tools/list").items()]
    slow = [open_socket(target.url, 60) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(head(target.url, [*lines, "Content-Length: 1000"]) + b"{")
        stopped = threading.Event()

        def drip() -> None:
            for connection in slow:
                try:
                    connection.sendall(b" ")
                except OSError:
                    continue
            if not stopped.wait(0.5):
                drip()

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        assert [post(target.url, target.pager, "tools/list").status_code for _ in range(3)] == [200] * 3
        began = time.monotonic()
        answers = [connection.recv(100) for connection in slow]
        assert time.monotonic() - began < 45
        assert {text[:13] for text in answers} <= {b"HTTP/1.1 408 ", b"HTTP/1.1 400 ", b""}
        stopped.set()
        dripping.join(10)
    finally:
        for connection in slow:
            connection.close()


def test_heads_that_never_end_do_not_keep_others_from_being_served(target: Target) -> None:
    slow = [open_socket(target.url) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert [post(target.url, target.pager, "tools/list").status_code for _ in range(3)] == [200] * 3
    finally:
        for connection in slow:
            connection.close()


INJECTED = {
    "a line end in a value": ["X-A: a\r\nX-Role: pager", "X-B: a\rb"],
    "a zero byte": ["X-A: a\x00b"],
    "a name with a space": ["X A: b"],
    "a folded line": ["X-A: a", " Authorization: Bearer x"],
    "two lengths": ["Content-Length: 5", "Content-Length: 50"],
    "a length and chunks": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "a head of 1 MB": ["X-A: " + "a" * 1_000_000],
    "ten thousand headers": [f"X-{number}: a" for number in range(10_000)],
    "two hosts": ["Host: evil.example.com"],
    "two tokens": ["Authorization: Bearer x"],
    "two methods": ["Mcp-Method: tools/call"],
    "two names": ["Mcp-Name: a", "Mcp-Name: b"],
    "two versions": ["MCP-Protocol-Version: 2025-11-25"],
}


@pytest.mark.parametrize("injected", INJECTED.values(), ids=INJECTED)
def test_an_ambiguous_head_is_rejected_or_means_what_its_first_line_says(target: Target, injected: list[str]) -> None:
    before = target.writes()
    body = json.dumps(message("tools/call", {"name": "incidentio_create_incident", "arguments": CREATE})).encode()
    usual = headers(target.reader, "tools/call", "incidentio_create_incident")
    lengths = [] if any("ength" in line for line in injected) else [f"Content-Length: {len(body)}"]
    lines = [*(f"{name}: {value}" for name, value in usual.items()), *lengths, *injected, "Connection: close"]
    status, received = raw(target.url, head(target.url, lines) + body)
    assert status in (0, 200, 400, 401, 403, 404, 408, 413, 421, 431)
    # Signed in as a reader, it must not have written, whatever the head was taken for.
    assert target.writes() == before
    assert post(target.url, target.pager, "tools/list").status_code == 200
    assert b"Traceback" not in received


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Mcp-Method", "tools/list"),
        ("Mcp-Name", "situation"),
        ("Mcp-Name", ""),
        ("MCP-Protocol-Version", "9999-01-01"),
        ("MCP-Protocol-Version", "x" * 5_000),
    ],
)
def test_headers_that_contradict_the_body_are_rejected(target: Target, name: str, value: str) -> None:
    before = target.writes()
    params = {"name": "incidentio_create_incident", "arguments": CREATE}
    response = post(target.url, target.pager, "tools/call", params, more={name: value})
    assert response.status_code == 400
    assert target.writes() == before


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b"0" * 100_000])
def test_a_body_that_is_no_message_is_rejected(target: Target, body: bytes) -> None:
    response = httpx2.post(f"{target.url}/mcp", content=body, headers=headers(target.pager, "tools/list"), timeout=20)
    assert response.status_code == 400
    assert "Traceback" not in response.text


# Those who did not sign in.


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "//mcp", "/MCP", "/mcp/../mcp", "/%6dcp", "/mcp?token=x", "/"])
def test_nothing_is_served_without_a_token(target: Target, path: str) -> None:
    body = json.dumps(message("tools/list", {})).encode()
    lines = [f"{name}: {value}" for name, value in headers(None, "tools/list").items()]
    content = head(target.url, [*lines, f"Content-Length: {len(body)}", "Connection: close"], path=path) + body
    status, received = raw(target.url, content)
    assert status in (307, 400, 401, 404, 405)
    assert b"incidentio_" not in received


def test_a_token_in_the_address_is_not_accepted(target: Target) -> None:
    for name in ("access_token", "token"):
        body = message("tools/list", {})
        url = f"{target.url}/mcp?{name}={target.pager.token}"
        assert httpx2.post(url, json=body, headers=headers(None, "tools/list")).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/.well-known/oauth-protected-resource/mcp"])
def test_open_paths_tell_no_secret(target: Target, path: str) -> None:
    call(target.url, target.pager, "incidentio_get_incident", incident="INC-114")
    response = httpx2.get(f"{target.url}{path}", timeout=20, follow_redirects=True)
    assert response.status_code == 200, response.text
    shown = response.text + str(response.headers)
    assert [secret for secret in target.secrets if secret in shown] == []
    hidden = ["INC-114", "rosa", "pia", "rita", "otto", str(target.cluster.folder), target.cluster.redis.url]
    assert [word for word in hidden if word in shown] == []


def test_guessed_tokens_are_rejected_and_leave_nothing_in_the_log(target: Target) -> None:
    guesses = [f"imcp_{secrets.token_urlsafe(32)}" for _ in range(60)]
    near = [target.other.token[:-1], target.other.token + "A", target.other.token.swapcase(), target.other.token[::-1]]
    with httpx2.Client(timeout=20) as client:
        for guess in guesses + near:
            sent = headers(None, "tools/list") | {"Authorization": f"Bearer {guess}"}
            response = client.post(f"{target.url}/mcp", json=message("tools/list", {}), headers=sent)
            assert response.status_code == 401
            assert guess not in response.text + str(response.headers)
    told = target.cluster.told()
    assert [guess for guess in guesses if guess in told] == []
    assert post(target.url, target.other, "tools/list").status_code == 200


def test_a_token_that_was_just_valid_is_rejected_when_it_has_expired(target: Target) -> None:
    expires = int(time.time()) + 2
    claims = {"sub": "eva", "roles": ["reader"], "aud": AUDIENCE, "exp": expires}
    person = Person("eva", "reader", target.provider.token(**claims))
    assert post(target.url, person, "tools/list").status_code == 200
    time.sleep(max(0.0, expires - time.time()) + 0.05)
    assert [post(url, person, "tools/list").status_code for url in target.urls] == [401, 401]


# Webhooks.


def _hook(target: Target, url: str, number: str, at: float, secret: str | None = None) -> int:
    name = "public_incident.incident_updated_v2"
    body = json.dumps({"event_type": name, name: {"id": "01FDAG4SAP5TYPT98WGR2N7W91", "name": "x"}}).encode()
    key = base64.b64decode((secret or target.hook_secret).removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{number}.{int(at)}.".encode() + body, "sha256")).decode()
    sent = {"webhook-id": number, "webhook-timestamp": str(int(at)), "webhook-signature": f"v1,{signature}"}
    return httpx2.post(f"{url}/hooks/incidentio", content=body, headers=sent, timeout=20).status_code


def test_a_replayed_webhook_is_taken_once_over_all_replicas(target: Target) -> None:
    one, other = target.urls
    now = time.time()
    assert _hook(target, one, "msg_once", now) == 204
    assert [_hook(target, url, "msg_once", now) for url in (one, other)] == [200, 200]


def test_an_old_or_wrongly_signed_webhook_is_rejected(target: Target) -> None:
    wrong = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    assert _hook(target, target.url, "msg_old", time.time() - 900) == 401
    assert _hook(target, target.url, "msg_new", time.time() + 900) == 401
    assert _hook(target, target.url, "msg_wrong", time.time(), wrong) == 401


def test_the_caller_s_token_is_not_passed_on(target: Target, tmp_path: Path) -> None:
    del tmp_path
    result(call(target.url, target.pager, "incidentio_get_incident", incident="INC-114"))
    shown = json.dumps(target.cluster.services.requests())
    assert target.pager.token not in shown
