"""The app in one process: roles, keys of a person's own, keys that change, readiness, and what it refuses."""

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from incident_mcp.catalogue import TOOLS
from incident_mcp.errors import SettingError
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.files import WatchedFile, read_key
from incident_mcp.serving.http.settings import ServerSettings, server_settings
from incident_mcp.serving.http.sign_in.token_file import add_token
from incident_mcp.serving.telemetry import Telemetry
from incident_mcp.settings import Settings
from tests.conftest import text_of
from tests.serving.http import by_hand
from tests.serving.http.by_hand import message
from tests.serving.http.identity_provider import IdentityProvider, identity_provider

pytestmark = pytest.mark.anyio
URL = "http://127.0.0.1:8000"
WRITES = {tool.name for tool in TOOLS if tool.writes}
PAGES = {tool.name for tool in TOOLS if tool.preview}
ROLES = ("reader", "responder", "pager")
ALL = {"INCIDENT_MCP_TOOLSETS": "all"}


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Run the app's lifespan, as an ASGI server does."""
    to_app, from_app = anyio.create_memory_object_stream[dict[str, str]](2), anyio.create_memory_object_stream[Any](2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, to_app[1].receive, from_app[0].send)
        await to_app[0].send({"type": "lifespan.startup"})
        assert await from_app[1].receive() == {"type": "lifespan.startup.complete"}
        yield app
        await to_app[0].send({"type": "lifespan.shutdown"})
        assert await from_app[1].receive() == {"type": "lifespan.shutdown.complete"}
    for stream in (*to_app, *from_app):
        stream.close()


def http(app: ASGIApp, **headers: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 1))
    return httpx2.AsyncClient(transport=transport, base_url=URL, headers=headers)


@asynccontextmanager
async def client(app: ASGIApp, token: str, mode: str = "2026-07-28") -> AsyncIterator[Client]:
    async with (
        http(app, Authorization=f"Bearer {token}") as sent,
        Client(streamable_http_client(f"{URL}/mcp", http_client=sent), mode=mode) as found,
    ):
        yield found


def app_for(box: Sandbox, tmp_path: Path, **environ: str) -> ASGIApp:
    settings, server = server_settings({"INCIDENT_MCP_STATE_DIR": str(tmp_path / "state"), **environ})
    return make_app(settings, server, network=box)


def tokens(tmp_path: Path, **people: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the settings for a token file, and each person's token."""
    file = tmp_path / "tokens.json"
    made = {name: add_token(file, name, role) for name, role in people.items()}
    return {"INCIDENT_MCP_TOKENS_FILE": str(file)}, made


@pytest.mark.parametrize(
    ("role", "hidden"),
    [("reader", WRITES), ("responder", PAGES), ("pager", set[str]())],
    ids=ROLES,
)
async def test_each_role_lists_and_reaches_only_its_tools(
    role: str, hidden: set[str], box: Sandbox, tmp_path: Path
) -> None:
    environ, people = tokens(tmp_path, ada=role)
    async with running(app_for(box, tmp_path, **environ, **ALL)) as app, client(app, people["ada"]) as ada:
        listed = {tool.name for tool in (await ada.list_tools()).tools}
        assert listed == {tool.name for tool in TOOLS} - hidden
        for name in sorted(hidden):
            refused = await ada.call_tool(name, {})
            assert refused.is_error
            assert "role" in text_of(refused)
    assert not [request for request in box.requests if request.method != "GET"]


@pytest.mark.parametrize("role", ["reader", "responder"])
async def test_a_tool_above_the_role_is_not_reached_through_the_tools_that_call_others(
    role: str, box: Sandbox, tmp_path: Path
) -> None:
    environ, people = tokens(tmp_path, ada=role)
    core = {"INCIDENT_MCP_TOOLSETS": "core"}
    async with running(app_for(box, tmp_path, **environ, **core)) as app, client(app, people["ada"]) as ada:
        page = {"tool": "incidentio_page_people", "arguments": {"incident": "INC-114"}}
        for caller in ("use_write_tool", "use_read_tool"):
            refused = await ada.call_tool(caller, page)
            assert refused.is_error
            assert "pager" in text_of(refused) or "not" in text_of(refused)
        found = await ada.call_tool("find_tools", {"words": "page somebody"})
        assert "incidentio_page_people" not in text_of(found)


async def test_lists_are_private_for_caches(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader")
    async with running(app_for(box, tmp_path, **environ)) as app, client(app, people["ada"]) as ada:
        assert (await ada.list_tools()).cache_scope == "private"


async def test_the_audit_log_and_a_repeat_say_who_made_a_write(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    log = tmp_path / "audit.jsonl"
    note = {"incident_id": 4512, "body": "Rolled back."}
    async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_AUDIT_LOG=str(log))) as app:
        async with client(app, people["ada"]) as ada:
            assert not (await ada.call_tool("ionhour_create_note", note)).is_error
        async with client(app, people["bob"], mode="legacy") as bob:
            again = await bob.call_tool("ionhour_create_note", note)
            assert "by ada (token)" in text_of(again)
    assert [json.loads(line)["person"] for line in log.read_text("utf-8").splitlines()] == [
        "ada (token)",
        "bob (token)",
    ]
    assert sum(row["body"] == "Rolled back." for row in box.ionhour.notes) == 1


async def test_a_write_of_somebody_else_in_between_makes_no_repeat_deliberate(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    async with (
        running(app_for(box, tmp_path, **environ)) as app,
        client(app, people["ada"]) as ada,
        client(app, people["bob"]) as bob,
    ):
        await ada.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "One."})
        await bob.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "Two."})
        again = await ada.call_tool("ionhour_create_note", {"incident_id": 4512, "body": "One."})
        assert (again.structured_content or {})["repeated"] is True
    assert sorted(row["body"] for row in box.ionhour.notes if row["body"] in ("One.", "Two.")) == ["One.", "Two."]


async def test_limits_count_the_writes_of_each_person(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_MAX_WRITES="1")) as app:
        for name in ("ada", "bob"):
            async with client(app, people[name]) as person:
                first = await person.call_tool("ionhour_create_note", {"incident_id": 4512, "body": f"{name} 1"})
                second = await person.call_tool("ionhour_create_note", {"incident_id": 4512, "body": f"{name} 2"})
                assert (first.is_error, second.is_error) == (False, True)
                assert f"by {name} (token)" in text_of(second)


class Keys:
    """Two services on loopback that accept every key but `revoked`, and remember which were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        self.sent.append(headers[b"authorization"].decode().removeprefix("Bearer "))
        status = 401 if self.sent[-1] == "revoked" else 200
        start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        await send(start)
        await send({"type": "http.response.body", "body": b'{"severities": [], "identity": {"name": "x"}}'})


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an app on loopback, and yield its address."""
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True


def write(file: Path, text: str) -> str:
    file.write_text(text, "utf-8")
    file.chmod(0o600)
    return str(file)


async def test_a_person_s_own_key_is_used_and_everybody_else_s_is_shared(tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader", bob="reader", eve="reader")
    own = write(tmp_path / "keys.json", json.dumps({"token:ada": {"incidentio": "of-ada"}}))
    keys = Keys()
    async with served(keys) as address:
        reached = {"INCIDENTIO_API_KEY": "of-all", "INCIDENTIO_API_URL": address, "INCIDENT_MCP_KEYS_FILE": own}
        settings, server = server_settings({**environ, **reached, "INCIDENT_MCP_STATE_DIR": str(tmp_path)})
        async with running(make_app(settings, server)) as app:
            for name in ("ada", "bob", "eve"):
                async with client(app, people[name]) as person:
                    await person.call_tool("incidentio_list_severities", {})
    assert keys.sent == ["of-ada", "of-all", "of-all"]


@asynccontextmanager
async def signed(app: ASGIApp, provider: IdentityProvider, **claims: Any) -> AsyncIterator[Client]:
    """Connect with a token of the identity provider."""
    async with client(app, provider.token(aud=f"{URL}/mcp", **claims)) as found:
        yield found


async def test_a_subject_that_is_written_like_a_static_token_does_not_get_its_keys(tmp_path: Path) -> None:
    own = {"token:ada": {"incidentio": "of-ada"}, "u-7": {"incidentio": "of-u-7"}}
    keys = Keys()
    with identity_provider() as provider:
        async with served(keys) as address:
            environ = {"INCIDENTIO_API_KEY": "of-all", "INCIDENTIO_API_URL": address}
            environ |= {"INCIDENT_MCP_KEYS_FILE": write(tmp_path / "keys.json", json.dumps(own))}
            environ |= {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_STATE_DIR": str(tmp_path)}
            async with running(make_app(*server_settings(environ))) as app:
                for subject in ("token:ada", "u-7", "U-7"):
                    async with signed(app, provider, sub=subject) as person:
                        await person.call_tool("incidentio_list_severities", {})
    assert keys.sent == ["of-all", "of-u-7", "of-all"]


async def test_a_person_with_another_name_is_still_the_same_and_another_person_with_that_name_is_not(
    box: Sandbox, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    people = [("u-7", "Ada", False), ("u-7", "Ada L.", True), ("u-8", "Ada", False)]
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_MAX_WRITES": "1"}
        async with running(app_for(box, tmp_path, **environ, INCIDENT_MCP_AUDIT_LOG=str(log))) as app:
            for number, (subject, name, is_limited) in enumerate(people):
                async with signed(app, provider, sub=subject, name=name) as person:
                    note = {"incident_id": 4512, "body": f"Note {number}"}
                    assert (await person.call_tool("ionhour_create_note", note)).is_error is is_limited
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [row["person"] for row in rows if row["outcome"] == "done"] == [
        f"Ada (u-7 at {provider.issuer})",
        f"Ada (u-8 at {provider.issuer})",
    ]


PAGE = {"title": "Paged by Pia", "escalation_path": "Database"}


async def test_a_role_that_was_taken_away_after_the_preview_pages_nobody(box: Sandbox, tmp_path: Path) -> None:
    tool = "incidentio_page_people"
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, **ALL}
        async with running(app_for(box, tmp_path, **environ)) as app:
            async with signed(app, provider, sub="pia", roles=["reader", "pager"]) as pia:
                code = ((await pia.call_tool(tool, PAGE)).structured_content or {})["confirm"]
            async with signed(app, provider, sub="pia", roles=["responder"]) as pia:
                for name in (tool, f"mcp_{tool}", tool.upper()):
                    assert (await pia.call_tool(name, {**PAGE, "confirm": code})).is_error
            assert not [request for request in box.requests if request.method == "POST"]
            async with signed(app, provider, sub="pia", roles=["pager"]) as pia:
                assert not (await pia.call_tool(tool, {**PAGE, "confirm": code})).is_error


async def test_no_role_writes_where_the_server_is_read_only(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, pia="pager")
    app = app_for(box, tmp_path, **environ, **ALL, INCIDENT_MCP_READ_ONLY="1")
    async with running(app), client(app, people["pia"]) as pia:
        assert {tool.name for tool in (await pia.list_tools()).tools} == {tool.name for tool in TOOLS} - WRITES
        for name in sorted(WRITES):
            assert "INCIDENT_MCP_READ_ONLY" in text_of(await pia.call_tool(name, {}))


async def test_a_question_is_not_answered_with_a_role_that_may_not_write(box: Sandbox, tmp_path: Path) -> None:
    note = {"name": "ionhour_create_note", "arguments": {"incident_id": 4512, "body": "Asked."}}
    with identity_provider() as provider:
        environ = {"INCIDENT_MCP_OIDC_ISSUER": provider.issuer, "INCIDENT_MCP_CONFIRM": "writes"}
        async with running(app_for(box, tmp_path, **environ)) as app, http(app) as web:

            async def send(role: str, **more: Any) -> Any:
                body = message("tools/call", {**note, **more})
                body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
                token = provider.token(aud=f"{URL}/mcp", sub="rosa", roles=[role])
                sent = by_hand.headers(None, "tools/call", note["name"]) | {"Authorization": f"Bearer {token}"}
                return by_hand.answer(await web.post("/mcp", json=body, headers=sent))["result"]

            asked = await send("responder")
            (question,) = asked["inputRequests"]
            answered: dict[str, Any] = {
                "inputResponses": {question: {"action": "accept", "content": {"confirm": True}}},
                **({"requestState": asked["requestState"]} if "requestState" in asked else {}),
            }
            assert (await send("reader", **answered))["isError"] is True
            assert not [row for row in box.ionhour.notes if row["body"] == "Asked."]
            assert not (await send("responder", **answered)).get("isError")
    assert sum(row["body"] == "Asked." for row in box.ionhour.notes) == 1


async def test_who_signs_in_is_not_the_person_of_the_server_s_settings(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, rita="reader")
    app = app_for(box, tmp_path, **environ, INCIDENT_MCP_ME="petra@example.com")
    async with running(app), client(app, people["rita"]) as rita:
        find = {"tool": "incidentio_find_users", "arguments": {"email": "me"}}
        refused = await rita.call_tool("use_read_tool", find)
        assert refused.is_error
        assert "sign-in" in text_of(refused)
        assert "petra" not in text_of(refused)


async def test_two_persons_with_one_key_are_told_apart_in_the_same_way_on_each_replica(
    box: Sandbox, tmp_path: Path
) -> None:
    environ, people = tokens(tmp_path, ada="responder", bob="responder")
    own = {f"token:{name}": {"ionhour": "of-both"} for name in people}
    environ["INCIDENT_MCP_KEYS_FILE"] = write(tmp_path / "keys.json", json.dumps(own))
    note = {"incident_id": 4512, "body": "Once."}
    repeated: list[bool] = []
    for first in ("ada", "bob"):
        async with running(app_for(box, tmp_path, **environ)) as app:
            async with client(app, people[first]) as person:
                await person.call_tool("ionhour_list_incidents", {})
            async with client(app, people["ada"]) as ada:
                repeated.append(
                    ((await ada.call_tool("ionhour_create_note", note)).structured_content or {}).get("repeated", False)
                )
    assert repeated == [False, True]


async def test_a_key_in_a_file_is_replaced_while_the_server_runs_and_a_bad_one_is_not_taken(tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader")
    file = tmp_path / "key"
    keys = Keys()
    async with served(keys) as address:
        reached = {"INCIDENTIO_API_KEY_FILE": write(file, "first\n"), "INCIDENTIO_API_URL": address}
        settings, server = server_settings({**environ, **reached, "INCIDENT_MCP_STATE_DIR": str(tmp_path)})
        async with running(make_app(settings, server)) as app, client(app, people["ada"]) as ada:
            for content, seconds in (("first\n", 0), ("second\n", 2.5), ("not a key\n", 2.5)):
                write(file, content)
                await anyio.sleep(seconds)
                await ada.call_tool("incidentio_get_identity", {})
                await ada.call_tool("use_read_tool", {"tool": "incidentio_get_identity"})
            async with http(app) as web:
                assert (await web.get("/ready")).json()["files"] == "a changed file cannot be used"
    assert keys.sent[:3] == ["first", "second", "second"]


async def test_readiness_tells_a_rejected_key_in_fixed_words(box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app, http(app) as web:
        assert (await web.get("/ready")).json() == {"ready": True, "incidentio": "ok", "ionhour": "ok"}
        assert (await web.get("/health")).json() == {"status": "ok"}
    keys = {"INCIDENTIO_API_KEY": "wrong", "INCIDENTIO_API_URL": "http://127.0.0.1:9", "IONHOUR_API_KEY": "x"}
    settings, server = server_settings({**keys, "IONHOUR_API_URL": "http://127.0.0.1:9"})
    async with running(make_app(settings, server)) as app, http(app) as web:
        # A service that is down is no reason to take the server away.
        assert (await web.get("/ready")).json() == {"ready": True, "incidentio": "no answer", "ionhour": "no answer"}


async def test_readiness_tells_at_once_whether_a_replaced_key_is_accepted(tmp_path: Path) -> None:
    async with served(Keys()) as address:
        environ = {"INCIDENTIO_API_KEY_FILE": write(tmp_path / "key", "good"), "INCIDENTIO_API_URL": address}
        settings, server = server_settings(environ)
        async with running(make_app(settings, server)) as app, http(app) as web:
            for key, status in (("good", 200), ("revoked", 503), ("better", 200)):
                write(tmp_path / "key", key)
                answer = await web.get("/ready")
                assert (answer.status_code, answer.json()["incidentio"] == "ok") == (status, status == 200), key
                assert key not in answer.text
                assert (await web.head("/ready")).status_code == status


async def test_a_server_without_any_key_is_not_ready(tmp_path: Path) -> None:
    environ, _ = tokens(tmp_path, ada="reader")
    async with running(make_app(*server_settings(environ))) as app, http(app) as web:
        answer = await web.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "keys": "none is set", "sign_in": "ok"})
        assert (await web.get("/health")).status_code == 200
    own = write(tmp_path / "keys.json", json.dumps({"token:ada": {"incidentio": "of-ada"}}))
    settings, server = server_settings({**environ, "INCIDENT_MCP_KEYS_FILE": own})
    async with running(make_app(settings, server)) as app, http(app) as web:
        assert (await web.get("/ready")).json() == {"ready": True, "sign_in": "ok"}


async def test_without_sign_in_other_machines_are_not_served(box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app:
        away = httpx2.ASGITransport(app=app, client=("192.0.2.1", 1))
        async with httpx2.AsyncClient(transport=away, base_url=URL) as web:
            assert (await web.post("/mcp", json={})).status_code == 403
        for header in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "CF-Connecting-IP", "X-Real-IP"):
            async with http(app, **{header: "127.0.0.1"}) as web:
                assert (await web.post("/mcp", json={})).status_code == 403


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "127.0.0.1:x"}, 421),
        ({"Host": "127.0.0.1."}, 421),
        ({"Host": "a@127.0.0.1"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Length": "99999999999"}, 413),
    ],
)
async def test_what_the_guard_refuses(sent: dict[str, str], status: int, box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app, http(app, **sent) as web:
        assert (await web.post("/mcp", content=b"{}")).status_code == status
        assert (await web.get("/mcp")).status_code in (405, 403, 421)


@pytest.mark.parametrize(
    "sent",
    [
        {"Host": "127.0.0.1:"},
        {"Host": "LOCALHOST:8000", "Origin": "http://localhost:8000"},
        {"Host": "[::1]:8000"},
        {"Origin": "https://inspector.example.com"},
    ],
    ids=str,
)
async def test_what_the_guard_lets_pass(sent: dict[str, str], box: Sandbox, tmp_path: Path) -> None:
    origins = {"INCIDENT_MCP_ALLOWED_ORIGINS": "https://Inspector.example.com/"}
    async with running(app_for(box, tmp_path, **origins)) as app, http(app, **sent) as web:
        answered = await web.post("/mcp", content=b"{}")
        assert answered.status_code == 400
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers.get("access-control-allow-origin") == (
            sent["Origin"] if "inspector" in str(sent) else None
        )


@pytest.mark.parametrize(("name", "status"), [("Origin", 403), ("Host", 421)])
async def test_a_header_that_is_there_twice_is_not_chosen_from(
    name: str, status: int, box: Sandbox, tmp_path: Path
) -> None:
    value = URL if name == "Origin" else URL.removeprefix("http://")
    async with running(app_for(box, tmp_path)) as app, http(app) as web:
        twice = httpx2.Request("POST", f"{URL}/mcp", headers=[("Host", "127.0.0.1:8000"), (name, value), (name, value)])
        assert (await web.send(twice)).status_code == status


async def test_a_code_of_one_person_does_not_confirm_a_call_of_another(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="pager", bob="pager")
    async with running(app_for(box, tmp_path, **environ, **ALL)) as app:
        async with client(app, people["ada"]) as ada:
            code = ((await ada.call_tool("incidentio_page_people", PAGE)).structured_content or {})["confirm"]
        async with client(app, people["bob"]) as bob:
            refused = await bob.call_tool("incidentio_page_people", {**PAGE, "confirm": code})
            assert "confirm: the code is not of a preview of this call" in text_of(refused)
    assert not [request for request in box.requests if request.method == "POST"]


async def test_a_web_page_that_is_allowed_may_send_what_clients_send_and_read_the_challenge(
    box: Sandbox, tmp_path: Path
) -> None:
    origin = "https://inspector.example.com"
    environ, _ = tokens(tmp_path, ada="reader")
    environ["INCIDENT_MCP_ALLOWED_ORIGINS"] = origin
    sent = "authorization,content-type,accept,mcp-protocol-version,mcp-method,mcp-name,traceparent"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": sent}
    async with running(app_for(box, tmp_path, **environ)) as app, http(app, Origin=origin) as web:
        preflight = await web.options("/mcp", headers=asked)
        assert preflight.status_code == 200
        allowed = {name.strip().lower() for name in preflight.headers["access-control-allow-headers"].split(",")}
        assert set(sent.split(",")) <= allowed
        refused = await web.post("/mcp", json={})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, origin)
        assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in refused.headers


async def test_the_address_with_a_slash_is_served_without_a_redirect(box: Sandbox, tmp_path: Path) -> None:
    environ, people = tokens(tmp_path, ada="reader")
    async with running(app_for(box, tmp_path, **environ)) as app, http(app) as web:
        assert (await web.post("/mcp/", json={})).status_code == 401
        web.headers["Authorization"] = f"Bearer {people['ada']}"
        for path in ("/mcp", "/mcp/"):
            assert (await web.get(path)).status_code == 405
            assert (await web.post(path, content=b"{}")).status_code == 400


BEHIND = {"INCIDENT_MCP_PUBLIC_URL": "https://incidents.example.com/mcp"}


@pytest.mark.parametrize(
    ("environ", "host", "named"),
    [
        ({}, "0.0.0.0", "INCIDENT_MCP_TOKENS_FILE"),  # noqa: S104  # what is refused
        ({"INCIDENT_MCP_TOKENS_FILE": "tokens.json"}, "0.0.0.0", "INCIDENT_MCP_ALLOWED_HOSTS"),  # noqa: S104  # likewise
        ({"INCIDENT_MCP_TOKENS_FILE": "tokens.json", **BEHIND}, "::", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_REDIS_URL": "redis://127.0.0.1"}, "127.0.0.1", "INCIDENT_MCP_SECRET"),
        ({"INCIDENT_MCP_REDIS_URL": "$REDIS_URL"}, "127.0.0.1", "INCIDENT_MCP_REDIS_URL"),
        ({"INCIDENT_MCP_TOKENS_FILE": "<path>"}, "127.0.0.1", "INCIDENT_MCP_TOKENS_FILE"),
        ({"INCIDENT_MCP_KEYS_FILE": "keys.json"}, "127.0.0.1", "INCIDENT_MCP_KEYS_FILE"),
        ({"INCIDENT_MCP_OIDC_AUDIENCE": "x"}, "127.0.0.1", "INCIDENT_MCP_OIDC_ISSUER"),
        ({"INCIDENT_MCP_PUBLIC_URL": "http://incidents.example.com/mcp"}, "127.0.0.1", "INCIDENT_MCP_PUBLIC_URL"),
        ({"INCIDENT_MCP_RECORD": "calls"}, "127.0.0.1", "INCIDENT_MCP_RECORD"),
        ({"IONHOUR_API_KEY": "x", "IONHOUR_API_KEY_FILE": "y"}, "127.0.0.1", "IONHOUR_API_KEY_FILE"),
        ({"INCIDENT_API_KEY": "x", "INCIDENTIO_API_KEY_FILE": "y"}, "127.0.0.1", "INCIDENT_API_KEY"),
        ({"INCIDENT_MCP_ROLE_CLAIM": "groups"}, "127.0.0.1", "INCIDENT_MCP_OIDC_ISSUER"),
        ({"INCIDENT_MCP_AUDIT_LOG": "${LOG}"}, "127.0.0.1", "INCIDENT_MCP_AUDIT_LOG"),
        ({"INCIDENT_MCP_LOG_FORMAT": "${FORMAT}"}, "127.0.0.1", "INCIDENT_MCP_LOG_FORMAT"),
        (BEHIND, "127.0.0.1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": ","}, "localhost", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "https://incidents.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "*.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "::1"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_HOSTS": "*"}, "::1", "INCIDENT_MCP_ALLOWED_HOSTS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "inspector.example.com"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "https://x.example/path"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
        ({"INCIDENT_MCP_ALLOWED_ORIGINS": "https://*.example"}, "::1", "INCIDENT_MCP_ALLOWED_ORIGINS"),
    ],
    ids=str,
)
def test_settings_that_would_leave_the_server_open_or_contradict_each_other_are_refused(
    environ: dict[str, str], host: str, named: str
) -> None:
    with pytest.raises(SettingError, match=named):
        server_settings(environ)[1].check_reach(host)


def test_origins_are_compared_as_browsers_write_them() -> None:
    written = {"INCIDENT_MCP_ALLOWED_ORIGINS": "HTTPS://Inspector.Example.com/, http://localhost:6274"}
    origins = ("https://inspector.example.com", "http://localhost:6274")
    assert server_settings(written)[1].allowed_origins == origins


@pytest.mark.parametrize(
    ("content", "key"), [(' "abc"\n', "abc"), ("${KEY}", None), ("your key\n", None), ("a\nb", None)]
)
def test_what_a_key_file_holds_is_read_like_a_variable(content: str, key: str | None, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(content, "utf-8")
    file.chmod(0o600)
    if key is None:
        with pytest.raises(SettingError, match="INCIDENTIO_API_KEY_FILE"):
            WatchedFile("INCIDENTIO_API_KEY_FILE", file, read_key("INCIDENTIO_API_KEY_FILE"))
    else:
        assert WatchedFile("INCIDENTIO_API_KEY_FILE", file, read_key("INCIDENTIO_API_KEY_FILE")).value == key


def test_a_file_with_keys_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("x", "utf-8")
    file.chmod(0o644)
    if os.name == "nt":
        pytest.skip("modes of files do not tell there")
    with pytest.raises(SettingError, match="INCIDENTIO_API_KEY_FILE"):
        make_app(Settings(), ServerSettings(key_files={"incidentio": file}))


async def test_refused_sign_ins_are_counted_in_the_metrics(tmp_path: Path, box: Sandbox) -> None:
    environ, _ = tokens(tmp_path, ada="reader")
    telemetry = Telemetry.from_env({"INCIDENT_MCP_METRICS": "1"}, "1")
    assert telemetry
    settings, server = server_settings({"INCIDENT_MCP_STATE_DIR": str(tmp_path), **environ})
    async with running(make_app(settings, server, telemetry, network=box)) as app, http(app) as web:
        await web.post("/mcp", json={})
        await web.post("/mcp", json={}, headers={"Authorization": "Bearer imcp_guess"})
        text, same = [(await web.get(path)).text for path in ("/metrics", "/metrics/")]
    assert "incident_mcp_sign_in_refused_total" in same
    assert 'incident_mcp_sign_in_refused_total{reason="unauthorized"} 1.0' in text
    assert 'incident_mcp_sign_in_refused_total{reason="invalid_token"} 1.0' in text


BAD_KEYS = ["", "[]", "null", "7", '{"a": null}', '{"a": {"incidentio": ""}}', '{"a": {"incidentio": "x y"}}']
BAD_KEYS += ['{"a": {"incidentio": 7}}', '{"a": {"key": "x"}}', '{"a": {"me": null}}', "[" * 5_000, "1" * 1_000_001]


@pytest.mark.parametrize("content", BAD_KEYS, ids=lambda text: text[:24])
def test_keys_of_persons_that_cannot_be_read_stop_the_start_and_are_not_repeated(content: str, tmp_path: Path) -> None:
    environ, _ = tokens(tmp_path, ada="reader")
    file = write(tmp_path / "keys.json", content)
    with pytest.raises(SettingError, match="INCIDENT_MCP_KEYS_FILE") as refused:
        make_app(*server_settings({**environ, "INCIDENT_MCP_KEYS_FILE": file}))
    assert "x y" not in str(refused.value)


def test_a_pipe_in_place_of_a_file_does_not_hold_up_the_start(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SettingError, match="not a file"):
        make_app(Settings(), ServerSettings(key_files={"incidentio": pipe}))


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_a_slash_at_the_end_of_the_address_redirects_nowhere(path: str, box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app, http(app) as web:
        async with Client(streamable_http_client(f"{URL}{path}", http_client=web)) as found:
            assert (await found.list_tools()).tools
        assert (await web.get(path)).status_code == 405


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_metrics_are_at_their_address_without_a_redirect(path: str, box: Sandbox, tmp_path: Path) -> None:
    telemetry = Telemetry.from_env({"INCIDENT_MCP_METRICS": "1"}, "1")
    settings, server = server_settings({"INCIDENT_MCP_STATE_DIR": str(tmp_path)})
    async with running(make_app(settings, server, telemetry, network=box)) as app, http(app) as web:
        answer = await web.get(path)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
