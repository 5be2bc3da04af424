"""The spawned server as a host sees it: both protocol eras, bad input, and its end."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.spawned import SERVER, environment

pytestmark = pytest.mark.anyio

ERAS = [("legacy", "2025-11-25"), ("auto", "2026-07-28")]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def parameters(state: Path, *arguments: str, **settings: str) -> StdioServerParameters:
    return StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *arguments], env=environment(state, **settings))


@pytest.mark.parametrize(("mode", "version"), ERAS)
async def test_a_client_of_either_era_lists_and_calls_tools(mode: Any, version: str, tmp_path: Path) -> None:
    async with Client(parameters(tmp_path, "--sandbox"), mode=mode) as client:
        assert client.protocol_version == version
        assert client.server_info.name == "incident-mcp"
        assert "data" in (client.instructions or "")
        names = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("incidentio_list_incidents", {"status_category": ["live"]})
    assert "incidentio_create_incident" in names
    assert not answer.is_error
    assert {row["status_category"] for row in answer.structured_content["incidents"]} == {"live"}


@pytest.mark.parametrize(("mode", "version"), ERAS)
async def test_a_write_is_remembered_while_the_server_runs(mode: Any, version: str, tmp_path: Path) -> None:
    async with Client(parameters(tmp_path, "--sandbox"), mode=mode) as client:
        declared = await client.call_tool(
            "incidentio_create_incident", {"name": f"Drill {version}", "severity": "Minor"}
        )
        reference = declared.structured_content["reference"]
        await client.call_tool("incidentio_post_update", {"incident": reference, "message": "Looking."})
        updates = await client.call_tool("incidentio_list_updates", {"incident": reference})
        closed = await client.call_tool("incidentio_close_incident", {"incident": reference})
    assert "Looking." in [row.get("message") for row in updates.structured_content["incident_updates"]]
    assert closed.structured_content["status_category"] == "closed"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_without_a_key_tools_are_listed_and_a_call_says_what_to_set(mode: Any, tmp_path: Path) -> None:
    async with Client(parameters(tmp_path), mode=mode) as client:
        assert len((await client.list_tools()).tools) > 1
        answer = await client.call_tool("incidentio_list_severities", {})
    assert answer.is_error
    assert "INCIDENTIO_API_KEY" in answer.content[0].text
    assert "--sandbox" in answer.content[0].text


async def test_read_only_offers_no_tool_that_writes(tmp_path: Path) -> None:
    async with Client(parameters(tmp_path, "--sandbox", INCIDENT_MCP_READ_ONLY="1")) as client:
        tools = (await client.list_tools()).tools
    assert tools
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)


class Wire:
    """A server process, and JSON lines to and from it."""

    def __init__(self, state: Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [*SERVER, "--sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(state, **settings),
        )

    def write(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and read lines until its answer; every line must be JSON."""
        self.write(json.dumps(message).encode())
        while True:
            answer = json.loads(self.process.stdout.readline())
            if answer.get("id") == message["id"]:
                return answer

    def start(self, **capabilities: Any) -> None:
        hello = {**INITIALIZE, "params": {**INITIALIZE["params"], "capabilities": capabilities}}
        assert self.ask(hello)["result"]["serverInfo"]["name"] == "incident-mcp"
        self.write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode())


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(tmp_path)
    yield wire
    wire.process.kill()
    wire.process.communicate()


@pytest.mark.parametrize(
    "garbage",
    [
        b"not json",
        b"{",
        b"[]",
        b'{"jsonrpc":"2.0"}',
        b"\xff\xfe",
        b'"' + b"x" * 100_000,
        b'{"jsonrpc":"2.0","id":7,"method":5}',
    ],
    ids=["words", "cut", "empty batch", "no method", "no utf-8", "long", "wrong type"],
)
def test_a_line_of_garbage_is_survived(wire: Wire, garbage: bytes) -> None:
    wire.start()
    wire.write(garbage)
    assert wire.ask({"jsonrpc": "2.0", "id": 2, "method": "ping"})["result"] == {}


def test_the_end_of_input_ends_it_with_0_and_a_quiet_stderr(wire: Wire) -> None:
    wire.start()
    out, err = wire.process.communicate(timeout=5)
    assert (wire.process.returncode, out, err) == (0, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_second_with_128_and_its_number(wire: Wire, number: signal.Signals) -> None:
    wire.start()
    wire.ask(
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "incidentio_list_severities", "arguments": {}},
        }
    )
    began = time.monotonic()
    wire.process.send_signal(number)
    assert wire.process.wait(timeout=5) == 128 + number
    assert time.monotonic() - began < 1
    assert b"Traceback" not in wire.process.stderr.read()


def test_an_unusable_setting_is_told_on_stderr_and_ends_it_with_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        SERVER,
        capture_output=True,
        env=environment(tmp_path, IONHOUR_API_URL="http://ionhour.example"),
        stdin=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, b"")
    assert b"IONHOUR_API_URL" in ended.stderr
    assert b"Traceback" not in ended.stderr


CONTENTLESS = "The host accepted without an answer in the form"
ODD = "The host could not ask for confirmation (its answer is not as documented)"
NO = [
    ({"result": {"action": "accept", "content": {"confirm": {"is": True}}}}, ODD),
    ({"result": {"action": "maybe"}}, ODD),
    ({"result": {}}, ODD),
    ({"error": {"code": -32603, "message": "no window"}}, "The host could not ask for confirmation (no window)"),
    ({"result": {"action": "accept"}}, CONTENTLESS),
    ({"result": {"action": "accept", "content": {}}}, CONTENTLESS),
    ({"result": {"action": "accept", "content": {"confirm": "true"}}}, CONTENTLESS),
    ({"result": {"action": "accept", "content": {"confirm": None}}}, CONTENTLESS),
]
"""Answers to the form that are no yes; the SDK's client would not send all of them."""


def test_an_answer_of_a_host_that_is_no_yes_is_a_tool_error(tmp_path: Path) -> None:
    wire = Wire(tmp_path, INCIDENT_MCP_CONFIRM="writes")
    create = {"name": "incidentio_create_incident", "arguments": {"name": "Carts", "severity": "major"}}
    find = {"name": "incidentio_list_incidents", "arguments": {"name_contains": "Carts"}}
    results = []
    try:
        wire.start(elicitation={})
        for number, (answer, _) in enumerate(NO, 10):
            wire.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": create}).encode())
            asked = json.loads(wire.process.stdout.readline())
            assert asked["method"] == "elicitation/create"
            assert asked["params"]["requestedSchema"]["required"] == ["confirm"]
            wire.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}).encode())
            results.append(json.loads(wire.process.stdout.readline())["result"])
        found = wire.ask({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": find})
    finally:
        wire.process.kill()
        wire.process.communicate()
    for result, (answer, why) in zip(results, NO, strict=True):
        text = result["content"][0]["text"]
        assert result["isError"] is True, answer
        assert text.startswith(why), answer
        assert text.endswith("Not sent.")
    assert found["result"]["structuredContent"]["incidents"] == []
