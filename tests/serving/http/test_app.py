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
from incident_mcp.serving.http.settings import ServerSettings, server_settings
from incident_mcp.serving.http.sign_in.token_file import add_token
from incident_mcp.serving.telemetry import Telemetry
from incident_mcp.settings import Settings
from tests.conftest import text_of

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
    ids=lambda value: str(value)[:9],
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
    """Two services on loopback that accept every key and remember which were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def __call__(self, scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        self.sent.append(headers[b"authorization"].decode().removeprefix("Bearer "))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
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


async def test_without_sign_in_other_machines_are_not_served(box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app:
        away = httpx2.ASGITransport(app=app, client=("192.0.2.1", 1))
        async with httpx2.AsyncClient(transport=away, base_url=URL) as web:
            assert (await web.post("/mcp", json={})).status_code == 403
        async with http(app, **{"X-Forwarded-For": "192.0.2.1"}) as web:
            assert (await web.post("/mcp", json={})).status_code == 403


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "127.0.0.1:x"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Length": "99999999999"}, 413),
    ],
)
async def test_what_the_guard_refuses(sent: dict[str, str], status: int, box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app, http(app, **sent) as web:
        assert (await web.post("/mcp", content=b"{}")).status_code == status
        assert (await web.get("/mcp")).status_code in (405, 403, 421)


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
    ],
    ids=str,
)
def test_settings_that_would_leave_the_server_open_or_contradict_each_other_are_refused(
    environ: dict[str, str], host: str, named: str
) -> None:
    with pytest.raises(SettingError, match=named):
        server_settings(environ)[1].check_reach(host)


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
