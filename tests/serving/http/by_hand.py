"""Requests to the team's server as an attacker writes them: by hand, below what an MCP client would send."""

import json
import socket
from typing import Any

import httpx2

from tests.serving.http.people import Person

MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = "io.modelcontextprotocol"


def message(method: str, params: dict[str, Any], version: str = MODERN) -> dict[str, Any]:
    """Return a JSON-RPC request."""
    meta = {f"{META}/protocolVersion": version, f"{META}/clientCapabilities": {}}
    filled = {**params, "_meta": meta} if version == MODERN else params
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": filled}


def headers(person: Person | None, method: str, name: str | None = None, version: str = MODERN) -> dict[str, str]:
    """Return what belongs to a request."""
    usual = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    usual |= {"MCP-Protocol-Version": version}
    if version == MODERN:
        usual |= {"Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
    return usual | (person.headers if person else {})


def post(
    url: str,
    person: Person | None,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    version: str = MODERN,
    more: dict[str, str] | None = None,
) -> httpx2.Response:
    """Send one request to /mcp."""
    params = params or {}
    name = params.get("name") or params.get("uri")
    sent = headers(person, method, name, version) | (more or {})
    return httpx2.post(f"{url}/mcp", json=message(method, params, version), headers=sent, timeout=30)


def call(url: str, person: Person | None, tool: str, version: str = MODERN, **arguments: Any) -> httpx2.Response:
    """Call a tool."""
    params = {"name": tool, "arguments": arguments}
    return post(url, person, "tools/call", params, version=version)  # not that `requests`


def answer(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON-RPC message of a response, also of one that is streamed."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        data = [line[5:] for line in response.text.splitlines() if line.startswith("data:") and line[5:].strip()]
        return json.loads(data[-1])
    return response.json()


def failure(response: httpx2.Response) -> str:
    """Return the text of a call that must have failed."""
    found = answer(response)
    if "error" in found:
        return found["error"]["message"]
    assert found["result"].get("isError"), found
    return found["result"]["content"][0]["text"]


def result(response: httpx2.Response) -> dict[str, Any]:
    """Return the structured answer of a call that must have succeeded."""
    assert response.status_code == 200, response.text
    found = answer(response)
    assert "result" in found, found
    assert not found["result"].get("isError"), found
    return found["result"]["structuredContent"]


def head(url: str, lines: list[str], *, path: str = "/mcp", verb: str = "POST") -> bytes:
    """Return the head of a request, its lines as they are."""
    host = url.removeprefix("http://")
    return "\r\n".join([f"{verb} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode("latin-1")


def open_socket(url: str, seconds: float = 30) -> socket.socket:
    """Connect to a server."""
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def raw(url: str, content: bytes) -> tuple[int, bytes]:
    """Send bytes; return the status (0 without one) and all that is answered until the other side closes or is done."""
    with open_socket(url) as connection:
        connection.sendall(content)
        received = b""
        try:
            while more := connection.recv(65_536):
                received += more
                if b"\r\n\r\n" in received and _complete(received):
                    break
        except ConnectionResetError:
            pass
    parts = received.split(b" ", 2)
    return (int(parts[1]) if len(parts) > 2 and parts[0].startswith(b"HTTP/") else 0), received


def _complete(received: bytes) -> bool:
    before, _, body = received.partition(b"\r\n\r\n")
    for line in before.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")
