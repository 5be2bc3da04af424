"""Which hosts, origins and machines may call."""

from pathlib import Path

import httpx2
import pytest

from incident_mcp.sandbox import Sandbox
from tests.serving.http.in_process import URL, app_for, http, running, tokens

pytestmark = pytest.mark.anyio


async def test_without_sign_in_other_machines_are_not_served(box: Sandbox, tmp_path: Path) -> None:
    async with running(app_for(box, tmp_path)) as app:
        away = httpx2.ASGITransport(app=app, client=("192.0.2.1", 1))
        async with httpx2.AsyncClient(transport=away, base_url=URL) as web:
            assert (await web.post("/mcp", json={})).status_code == 403
        for header in (
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "Forwarded",
            "Via",
            "CF-Ray",
            "Fly-Client-IP",
            "X-Real-IP",
        ):
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
