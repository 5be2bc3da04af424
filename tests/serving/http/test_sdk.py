"""What the team server relies on in the MCP SDK about who calls: each test says what depends on it."""

import httpx2
import mcp_types as types
import pytest
from mcp.server import Server
from mcp.server.mcpserver import authenticated_principal

from incident_mcp.serving.http.sdk import AccessToken, get_access_token
from incident_mcp.serving.http.sign_in import require_sign_in

pytestmark = pytest.mark.anyio
PUBLIC = "http://127.0.0.1:8000/mcp"


class Anybody:
    """Signs in each token as the subject that it names."""

    async def verify_token(self, token):
        claims = {"iss": "https://idp.example.com"}
        return AccessToken(token="", client_id="host", scopes=["reader"], subject=token, claims=claims)


async def test_a_handler_sees_the_caller_of_its_own_request():
    """serving/http/team.py chooses the caller by `get_access_token`, and `RequestStateSecurity` binds by principal."""

    async def call_tool(context, _):
        text = f"{get_access_token().subject} {authenticated_principal(context)} {context.request.headers.keys()}"
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    async def list_tools(*_):
        return types.ListToolsResult(tools=[])

    server = Server("canary", on_call_tool=call_tool, on_list_tools=list_tools)
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    signed_in = require_sign_in(app, Anybody(), public_url=PUBLIC)
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "any", "arguments": {}}}
    accepted = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
    async with (
        server.session_manager.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(signed_in)) as client,
    ):
        for name in ("alice", "bob"):
            response = await client.post(PUBLIC, json=message, headers={**accepted, "Authorization": f"Bearer {name}"})
            text = response.json()["result"]["content"][0]["text"]
            assert text.startswith(f'{name} ["host","https://idp.example.com","{name}"]')
            assert "authorization" not in text
