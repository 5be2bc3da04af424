"""A client that leaves in the middle of a write: whether the write took effect is known to the next call."""

import json
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import pytest

from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.http.app import make_app
from incident_mcp.serving.http.settings import server_settings
from tests.serving.http.by_hand import LEGACY, MODERN, headers, message
from tests.serving.http.in_process import URL, client, running
from tests.serving.http.people import Person, with_static_token

pytestmark = pytest.mark.anyio
TOOL = "ionhour_create_note"
NOTE = {"incident_id": 4512, "body": "Written while the client left."}


class Held(httpx2.AsyncBaseTransport):
    """Both services, which carry out a write and answer it only when they are told to."""

    def __init__(self, box: Sandbox) -> None:
        self.key = box.key
        self.written = anyio.Event()
        self.answered = anyio.Event()
        self._transports = {slug: box.transport(slug) for slug in ("incidentio", "ionhour")}
        self._inner: httpx2.AsyncBaseTransport = self._transports["ionhour"]

    def transport(self, slug: Literal["incidentio", "ionhour"]) -> httpx2.AsyncBaseTransport:
        return self if slug == "ionhour" else self._transports[slug]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if request.method == "POST":
            self.written.set()
            await self.answered.wait()
        return response


def http_call(person: Person, version: str) -> tuple[dict[str, Any], bytes]:
    """Return the ASGI scope and the body of a call."""
    body = json.dumps(message("tools/call", {"name": TOOL, "arguments": NOTE}, version)).encode()
    sent = headers(person, "tools/call", TOOL, version) | {"Host": URL.removeprefix("http://")}
    lines = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/mcp"}
    scope |= {"query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "headers": lines}
    return scope, body


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_a_write_whose_client_left_is_done_once(version: str, box: Sandbox, tmp_path: Path) -> None:
    held, log = Held(box), tmp_path / "audit.jsonl"
    tokens = tmp_path / "tokens.json"
    ada = with_static_token(tokens, "ada", "responder")
    environ = {"INCIDENT_MCP_TOKENS_FILE": str(tokens), "INCIDENT_MCP_AUDIT_LOG": str(log)}
    scope, body = http_call(ada, version)
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await held.written.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    settings = server_settings({**environ, "INCIDENT_MCP_STATE_DIR": str(tmp_path / "state")})
    async with running(make_app(*settings, network=held)) as app:
        with anyio.fail_after(10):
            await app(scope, receive, send)
        held.answered.set()
        async with client(app, ada.token) as again:
            assert ((await again.call_tool(TOOL, NOTE)).structured_content or {})["repeated"] is True
    assert sum(row["body"] == NOTE["body"] for row in box.ionhour.notes) == 1
    outcomes = [json.loads(line)["outcome"] for line in log.read_text("utf-8").splitlines()]
    # The call may notice the answer or that the client left, whichever is first.
    assert (outcomes[0] in ("unknown", "done"), outcomes[1:]) == (True, ["done before"])
