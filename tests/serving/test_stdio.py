"""The spawned server as a host sees it: both protocol versions, bad input, and its end."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.response.served import served as account
from tests.spawned import SERVER, environment, run

pytestmark = pytest.mark.anyio

PLANTED = "planted-for-the-test"
VERSIONS = [("legacy", "2025-11-25"), ("auto", "2026-07-28")]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def parameters(state: Path, *arguments: str, **settings: str) -> StdioServerParameters:
    return StdioServerParameters(command=SERVER[0], args=[*SERVER[1:], *arguments], env=environment(state, **settings))


@pytest.mark.parametrize(("mode", "version"), VERSIONS)
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


@pytest.mark.parametrize(("mode", "version"), VERSIONS)
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

    def __init__(
        self,
        state: Path,
        *,
        command: Sequence[str] = (*SERVER, "--sandbox"),
        out: IO[bytes] | int = subprocess.PIPE,
        log: IO[bytes] | int = subprocess.PIPE,
        **settings: str,
    ) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=log,
            env=environment(state, **settings),
        )

    def write(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and read lines until its answer; every line must be JSON."""
        self.write(json.dumps(message).encode())
        return self.answer_to(message["id"])

    def answer_to(self, number: int) -> dict[str, Any]:
        return self._read_until(number)[-1]

    def answers_until(self, number: int, *, ask: bool = False) -> list[dict[str, Any]]:
        """Read the answers that come before another one, of a ping that is sent first if `ask`."""
        if ask:
            self.write(request(id=number))
        return self._read_until(number)[:-1]

    def _read_until(self, number: int) -> list[dict[str, Any]]:
        answers = [json.loads(self.process.stdout.readline())]
        while answers[-1].get("id") != number:
            answers.append(json.loads(self.process.stdout.readline()))
        return answers

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


@dataclass
class Logged:
    """A server that many lines go to, and its log."""

    wire: Wire
    log: Path

    def send(self, line: bytes) -> tuple[list[dict[str, Any]], bytes]:
        """Send a line; return the answers that come before that to a ping, and what was logged meanwhile."""
        before = self.log.stat().st_size
        self.wire.write(line)
        return self.wire.answers_until(2, ask=True), self.log.read_bytes()[before:]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    folder = tmp_path_factory.mktemp("served")
    with (folder / "log").open("wb") as log:
        wire = Wire(folder, log=log)
        wire.start()
        yield Logged(wire, folder / "log")
        wire.process.kill()
        wire.process.communicate()


def request(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": "ping", **fields}).encode()


DEEP, DIGITS = b"[" * 300 + b"]" * 300, b"9" * 5_000
PARSE, INVALID = -32700, -32600
# A line, and the id and code of its answer; None when it gets none.
REFUSED: dict[str, tuple[bytes, tuple[Any, int] | None]] = {
    "words": (b"not json", (None, PARSE)),
    "a banner": (b"\x1b[31mWelcome!\x1b[0m", (None, PARSE)),
    "cut": (b"{", (None, PARSE)),
    "cut after its id": (b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"na', (7, PARSE)),
    "cut in a text": (b'{"id":"seven","method":"ping","params":{"a":"' + b'\\"' * 100_000, ("seven", PARSE)),
    "two messages": (request() + request(), (7, PARSE)),
    "a text, cut": (b'"' + b"x" * 100_000, (None, PARSE)),
    "Latin-1": (request(params={"a": "X"}).replace(b"X", b"caf\xe9"), (7, PARSE)),
    "UTF-16": (request().decode().encode("utf-16"), (None, PARSE)),
    "5,000 digits": (b'{"jsonrpc":"2.0","id":"a","method":"ping","params":{"a":' + DIGITS + b"}}", ("a", PARSE)),
    "5,000 digits as the id": (b'{"jsonrpc":"2.0","id":' + DIGITS + b',"method":"ping"}', (None, PARSE)),
    "300 levels": (b'{"params":{"a":' + DEEP + b'},"jsonrpc":"2.0","id":7,"method":"ping"}', (7, PARSE)),
    "100,000 levels": (b'{"id":7,"method":"ping","params":' + b'{"a":' * 100_000, (7, PARSE)),
    "an empty batch": (b"[]", (None, INVALID)),
    "a batch": (b"[" + request() + b"]", (None, INVALID)),
    "a number": (b"5", (None, INVALID)),
    "null": (b"null", (None, INVALID)),
    "nothing but a version": (b'{"jsonrpc":"2.0"}', (None, INVALID)),
    "no method": (b'{"jsonrpc":"2.0","id":7}', (7, INVALID)),
    "a number as the method": (request(method=5), (7, INVALID)),
    "a number as the method, no id": (b'{"jsonrpc":"2.0","method":5}', (None, INVALID)),
    "JSON-RPC 1.0": (request(jsonrpc="1.0"), (7, INVALID)),
    "no version": (b'{"id":7,"method":"ping"}', (7, INVALID)),
    "params as a list": (request(params=["a"]), (7, INVALID)),
    "null as the id": (request(id=None), (None, INVALID)),
    "a fraction as the id": (request(id=1.5), (None, INVALID)),
    "a boolean as the id": (request(id=True), (None, INVALID)),
    "an object as the id": (request(id={"id": 7}), (None, INVALID)),
    "half a pair in the id": (request(id="\ud83d"), (None, INVALID)),
    "too long": (request(params={"a": "x" * 64 * 1024 * 1024}), (7, INVALID)),
    "a broken notification": (b'{"jsonrpc":"2.0","method":"notifications/initialized","params":{"a":NaN,}}', None),
    "a notification with a list": (b'{"jsonrpc":"2.0","method":"notifications/progress","params":[1]}', None),
    "a broken response": (b'{"jsonrpc":"2.0","id":7,"result":{"a":' + DIGITS + b"}}", None),
    "a response with a number": (b'{"jsonrpc":"2.0","id":7,"result":5}', None),
}


@pytest.mark.parametrize(("line", "answer"), REFUSED.values(), ids=REFUSED)
def test_a_line_that_is_no_message_is_answered_with_its_id_and_logged(
    served: Logged, line: bytes, answer: tuple[Any, int] | None
) -> None:
    answers, log = served.send(line)
    got = [(each["id"], each["error"]["code"]) for each in answers]
    assert got == ([answer] if answer else [])
    assert all("could not be read" in each["error"]["message"] for each in answers)
    assert b"A line on stdin is" in log
    assert len(log) < 1_000
    assert b"\x1b[31m" not in log


MARK = "\ufeff".encode()


def call_with(name: bytes, rest: bytes = b"") -> bytes:
    """Return a call whose name argument is written with these bytes."""
    arguments = b'{"severity":"minor","dry_run":true,"name":"%s"}' % name
    params = b'{"name":"incidentio_create_incident","arguments":%s%s}' % (arguments, rest)
    return b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%s}' % params


MENDED: dict[str, tuple[bytes, str]] = {
    "half a pair": (call_with(rb"a\ud83d"), "a\ufffd"),
    "the other half": (call_with(rb"\uDE00a"), "\ufffda"),
    "reversed": (call_with(rb"\ude00\ud83d"), "\ufffd\ufffd"),
    "half a pair before a whole one": (call_with(rb"\ud83d\ud83d\ude00"), "\ufffd\U0001f600"),
    "an escaped backslash before it": (call_with(rb"\\ud83d\\\ud83d"), "\\ud83d\\\ufffd"),
    "in a key": (call_with(rb"a", rb',"_meta":{"\ud83d":1}'), "a"),
    "a pair as two characters": (call_with(b"\xed\xa0\xbd\xed\xb8\x80"), "\U0001f600"),
    "half of one as a character": (call_with(b"a\xed\xa0\xbd"), "a\ufffd"),
    "a byte-order mark": (MARK + call_with(b"a"), "a"),
    "two marks": (MARK + MARK + call_with(b"a"), "a"),
    "a mark and half a pair": (MARK + call_with(rb"\ud83d"), "\ufffd"),
    "a carriage return": (call_with(b"a") + b"\r", "a"),
    "NaN": (call_with(b"a", b',"_meta":{"a":NaN}'), "a"),
    "a key twice": (call_with(b'b","name":"a'), "a"),
}


@pytest.mark.parametrize(("line", "meant"), MENDED.values(), ids=MENDED)
def test_half_a_surrogate_pair_or_a_mark_costs_no_answer(served: Logged, line: bytes, meant: str) -> None:
    before = served.log.read_bytes()
    served.wire.write(line)
    answer = served.wire.answer_to(7)
    assert answer["result"]["structuredContent"]["would_send"]["body"]["name"] == meant
    assert served.log.read_bytes() == before


@pytest.mark.parametrize("line", [b"", b"  \t", b"\r", MARK, b"\0"], ids=repr)
def test_an_empty_line_is_skipped_without_a_word(served: Logged, line: bytes) -> None:
    assert served.send(line) == ([], b"")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_client_goes_on_after_an_answer_to_no_request(mode: Any, tmp_path: Path) -> None:
    noisy = ["-c", f"(echo Welcome; echo []; exec cat) | {shlex.join([*SERVER, '--sandbox'])}"]
    server = StdioServerParameters(command="sh", args=noisy, env=environment(tmp_path))
    async with Client(server, mode=mode) as client:
        answer = await client.call_tool("incidentio_list_severities", {})
    assert not answer.is_error


def test_the_log_of_a_line_holds_no_key_and_no_hidden_character(tmp_path: Path) -> None:
    wire = Wire(tmp_path, INCIDENTIO_API_KEY=PLANTED, IONHOUR_API_KEY=PLANTED[::-1])
    wire.write(f"INCIDENTIO_API_KEY={PLANTED} \u202e IONHOUR_API_KEY={PLANTED[::-1]}".encode())
    out, err = wire.process.communicate(timeout=20)
    assert json.loads(out)["error"]["code"] == PARSE
    logged = " ".join(err.decode().split())
    assert "INCIDENTIO_API_KEY=[key] <U+202E> IONHOUR_API_KEY=[key]" in logged
    assert PLANTED.encode() not in out + err


def test_the_end_of_input_ends_it_with_0_and_a_quiet_stderr(wire: Wire) -> None:
    wire.start()
    out, err = wire.process.communicate(timeout=15)
    assert (wire.process.returncode, out, err) == (0, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_with_128_and_its_number(wire: Wire, number: signal.Signals) -> None:
    wire.start()
    wire.ask(
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "incidentio_list_severities", "arguments": {}},
        }
    )
    wire.process.send_signal(number)
    # The call itself would take 20 s.
    assert wire.process.wait(timeout=15) == 128 + number
    assert b"Traceback" not in wire.process.stderr.read()


LIST = {"name": "incidentio_list_severities", "arguments": {}}


@pytest.mark.parametrize("asked", [False, True], ids=["idle", "with an answer to write"])
def test_a_host_that_reads_no_more_ends_it(wire: Wire, asked: bool) -> None:
    wire.start()
    wire.process.stdout.close()
    if asked:
        wire.write(request(id=2, method="tools/call", params=LIST))
    assert wire.process.wait(timeout=20) == 1
    err = wire.process.stderr.read()
    assert b"stdout" in err
    assert b"Traceback" not in err
    assert len(err) < 1_000


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
def test_a_parent_that_was_killed_ends_it_although_stdin_stays_open(tmp_path: Path) -> None:
    wire = Wire(tmp_path, command=("sh", "-c", f"{shlex.join(SERVER)} --sandbox; true"))
    try:
        wire.start()
        wire.process.kill()
        assert wire.process.wait(timeout=20) == -signal.SIGKILL
        # The server's own stdout and stderr end with it.
        assert wire.process.stdout.read() == b""
        assert b"The process that started this server is" in wire.process.stderr.read()
    finally:
        wire.process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_full_stdout_ends_it(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        wire = Wire(tmp_path, out=full)
    wire.write(json.dumps(INITIALIZE).encode())
    assert wire.process.wait(timeout=20) == 1
    assert b"No space left" in b" ".join(wire.process.communicate()[1].split())


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


CONTENTLESS = "The host accepted the form without an answer"
ODD = "The host could not ask for confirmation (its answer does not match the form)"
NO = [
    ({"result": 5}, "The host could not ask for confirmation (A line on stdin could not be read"),
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


FOR_A_PERSON = [b"incident-mcp serves MCP on stdio", b"To set up a host, ", b"To try it without a key: "]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")
@pytest.mark.parametrize("piped", [False, True], ids=["a terminal", "a terminal with stdout in a pipe"])
def test_on_a_terminal_it_says_in_three_lines_what_it_is(tmp_path: Path, piped: bool) -> None:
    import pty  # noqa: PLC0415  # not there on Windows

    host, terminal = pty.openpty()
    out = subprocess.PIPE if piped else terminal
    process = subprocess.Popen(
        SERVER, stdin=terminal, stdout=out, stderr=subprocess.PIPE, env=environment(tmp_path), start_new_session=True
    )
    os.close(terminal)
    lines = [process.stderr.readline() for _ in FOR_A_PERSON]
    os.write(host, b"\x04")
    _, rest = process.communicate(timeout=20)
    os.close(host)
    assert [line.startswith(start) for line, start in zip(lines, FOR_A_PERSON, strict=True)] == [True] * 3
    assert (process.returncode, rest) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_without_stdin_or_stdout_it_ends_with_2_and_says_so(tmp_path: Path, closed: str) -> None:
    ended = run("sh", "-c", f"{shlex.join(SERVER)} --sandbox {closed}", env=environment(tmp_path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ("stdin or stdout is closed" in ended.stderr) == ("2>" not in closed)
    assert "Traceback" not in ended.stderr


def test_a_closed_stderr_costs_no_answer(tmp_path: Path) -> None:
    wire = Wire(tmp_path, command=("sh", "-c", f"exec {shlex.join(SERVER)} --sandbox 2>&-"))
    wire.start()
    wire.write(b"not json")
    assert [each["error"]["code"] for each in wire.answers_until(2, ask=True)] == [PARSE]
    wire.process.communicate(timeout=20)
    assert wire.process.returncode == 0


NO_HOME = """\
import os, pwd, sys

def nobody(_):
    raise KeyError

pwd.getpwuid = nobody
os.environ.pop("HOME", None)
from incident_mcp.commands.cli import main

sys.exit(main())
"""
"""Starts the server as a user without a home folder and without an entry among the users."""
LONG = "x" * 300
# What is wrong, the settings, and what the note of a write says of it.
NOWHERE: dict[str, tuple[dict[str, str], str]] = {
    "no home": ({"INCIDENT_MCP_STATE_DIR": ""}, "home directory"),
    "a ~ without a home": ({"INCIDENT_MCP_STATE_DIR": "~/x"}, "INCIDENT_MCP_STATE_DIR: there is no home folder for ~)"),
    "a ~ of nobody": ({"INCIDENT_MCP_STATE_DIR": "~nosuchuser/x"}, "there is no home folder for ~nosuchuser"),
    "an unwritable XDG folder": ({"INCIDENT_MCP_STATE_DIR": "", "XDG_STATE_HOME": "/dev/null"}, "Not a directory"),
    "a file": ({"INCIDENT_MCP_STATE_DIR": "{}/file"}, "Not a directory"),
    "a folder in a file": ({"INCIDENT_MCP_STATE_DIR": "{}/file/x"}, "Not a directory"),
    "a device": ({"INCIDENT_MCP_STATE_DIR": "/dev/null"}, "Not a directory"),
    "a dangling link": ({"INCIDENT_MCP_STATE_DIR": "{}/dangling"}, "File exists"),
    "a link to itself": ({"INCIDENT_MCP_STATE_DIR": "{}/loop"}, "symbolic links"),
    "a long name": ({"INCIDENT_MCP_STATE_DIR": f"{{}}/{LONG}"}, "File name too long"),
    "a read-only system": ({"INCIDENT_MCP_STATE_DIR": "/proc/x"}, "/proc/x"),
    "an audit log of nobody": ({"INCIDENT_MCP_AUDIT_LOG": "~nosuchuser/a"}, "The audit log cannot be written"),
    "an audit log without a home": ({"INCIDENT_MCP_AUDIT_LOG": "~/a"}, "The audit log cannot be written"),
    "a folder as the audit log": ({"INCIDENT_MCP_AUDIT_LOG": "{}"}, "Is a directory"),
    "an audit log with a long name": ({"INCIDENT_MCP_AUDIT_LOG": f"{{}}/{LONG}"}, "File name too long"),
    "a device as the audit log": ({"INCIDENT_MCP_AUDIT_LOG": "/dev/null"}, "The audit log cannot be written"),
    "an audit log behind a dangling link": ({"INCIDENT_MCP_AUDIT_LOG": "{}/dangling/a"}, "The audit log cannot"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's users, devices and words")
@pytest.mark.parametrize(("settings", "says"), NOWHERE.values(), ids=NOWHERE)
def test_a_write_without_a_place_for_its_state_is_made_and_says_so(
    tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (folder := tmp_path / "started here").mkdir()
    command = [sys.executable, "-c", NO_HOME, "call", "incidentio_create_incident", "name=Carts", "severity=Minor"]
    with account() as sandbox:
        plain = {name: value for name, value in environment(tmp_path / "state").items() if not name.startswith("XDG")}
        chosen = {name: value.format(tmp_path) for name, value in settings.items()}
        done = run(*command, env={**plain, **sandbox.variables(), **chosen}, cwd=folder)
    assert done.returncode == 0, done.stderr
    note = json.loads(done.stdout)["note"]
    assert says in note
    assert ("recognised only until the server ends" in note) == ("INCIDENT_MCP_AUDIT_LOG" not in settings)
    assert done.stderr.count("cannot be written") == 1
    assert list(folder.iterdir()) == []
