"""The app in one process: keys that change, readiness, metrics, and its addresses."""

import json
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.settings import server_settings
from incident_mcp.serving.telemetry import Telemetry
from tests.serving.http.hooks.conftest import headers, new_secret, updated
from tests.serving.http.in_process import URL, Keys, app_for, client, http, running, served, tokens, write

pytestmark = pytest.mark.anyio


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
    for own, status in (({"me": "ada@example.com"}, 503), ({"incidentio": "of-ada"}, 200)):
        file = write(tmp_path / "keys.json", json.dumps({"token:ada": own}))
        settings, server = server_settings({**environ, "INCIDENT_MCP_KEYS_FILE": file})
        async with running(make_app(settings, server)) as app, http(app) as web:
            assert (await web.get("/ready")).status_code == status


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


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_a_slash_at_the_end_of_the_address_redirects_nowhere(path: str, box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app, http(app) as web:
        async with Client(streamable_http_client(f"{URL}{path}", http_client=web)) as found:
            assert (await found.list_tools()).tools
        assert (await web.get(path)).status_code == 405


async def test_the_secret_of_webhooks_in_a_file_is_replaced_while_the_server_runs(box: Sandbox, tmp_path: Path) -> None:
    old, new = new_secret(), new_secret()
    file = tmp_path / "webhooks"
    environ = {"INCIDENT_MCP_WEBHOOK_SECRET_FILE": write(file, old)}
    async with running(app_for(box, tmp_path, **environ)) as app, http(app) as web:
        steps = [(old, 204, 401), (f"{old}\n{new}\n", 204, 204), ("whsec_", 204, 204), (new, 401, 204)]
        for step, (content, *statuses) in enumerate(steps):
            write(file, content)
            ready = (await web.get("/ready")).json()  # reads changed files again
            assert ready.get("files") == ("a changed file cannot be used" if content == "whsec_" else None)
            for secret, status in zip((old, new), statuses, strict=True):
                signed = headers(secret, updated(), number=f"msg_{step}_{status}_{secret == old}")
                answer = await web.post("/hooks/incidentio", content=updated(), headers=signed)
                assert answer.status_code == status, (step, answer.text)
