"""Keys, and the tokens of checks, appear nowhere: not in answers, errors, logs, files, help or a traceback.

The keys are put together at run time, so that no scanner takes this file for a leak. What all the other tests print and
log is looked at as well: see `pytest_runtest_makereport` in tests/conftest.py.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult

from incident_mcp.commands.cli import main
from tests.examples import calls
from tests.reliability.processes import Served, served_sandbox, server
from tests.spawned import OURS, SERVER, environment, run

PLANTED = {
    name: "-".join(["planted", "key", name]) + "9f3" * 5  # noqa: FLY002  # not one word for scanners
    for name in ("one", "two", "three")
}
TOKEN = "-".join(["sandbox", "token", ""])  # noqa: FLY002  # likewise
DEBUG = [
    sys.executable,
    "-c",
    (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True);"
        " from incident_mcp.commands.cli import main; sys.exit(main())"
    ),
]
CALLS = calls()
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 422},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "3600"}},
    {"kind": "garbage"},
    {"kind": "cut_after", "times": 1},
    {"kind": "status", "status": 301, "headers": {"Location": "https://elsewhere.example"}},
]


def secrets(sandbox: Served | None = None) -> list[str]:
    keys = [sandbox.ready["incidentio_api_key"], sandbox.ready["ionhour_api_key"]] if sandbox else []
    return [*PLANTED.values(), TOKEN, *keys]


def leaks(text: bytes | str, *known: str) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [secret for secret in known if secret.encode() in content]


@pytest.fixture
def sandbox() -> Iterator[Served]:
    with served_sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("accepted", [True, False], ids=["right keys", "wrong keys"])
def test_no_tool_under_any_fault_tells_a_key_or_a_token(accepted: bool, sandbox: Served, tmp_path: Path) -> None:
    log, state = tmp_path / "audit.jsonl", tmp_path / "state"
    settings = sandbox.settings() | {"INCIDENT_MCP_AUDIT_LOG": str(log), "INCIDENT_API_KEY": PLANTED["three"]}
    if not accepted:
        settings |= {"INCIDENTIO_API_KEY": PLANTED["one"], "IONHOUR_API_KEY": PLANTED["two"]}
    with server(state, settings, command=DEBUG) as running:
        tools = running.answer(running.ask("tools/list", {}))["result"]["tools"]
        assert {tool["name"] for tool in tools} == {tool for tool, _ in CALLS}
        told: list[CallToolResult] = [running.call(tool, **arguments) for tool, arguments in CALLS]
        for fault in FAULTS if accepted else []:
            sandbox.fail(fault)
            sent = [running.send(tool, **arguments) for tool, arguments in CALLS]
            told += [running.result(number) for number in sent]
            sandbox.heal()
        out, err = running.end()
    assert not accepted or any(not result.is_error for result in told)
    files = [path for path in state.rglob("*") if path.is_file()] + ([log] if log.exists() else [])
    assert len(files) >= 2
    known = secrets(sandbox)
    assert leaks(out, *known) == []
    assert b"DEBUG" in err
    assert leaks(err, *known) == []
    assert {path.name: leaks(path.read_bytes(), *known) for path in files} == {path.name: [] for path in files}


SETTINGS = [
    "INCIDENTIO_API_KEY",
    "INCIDENT_API_KEY",
    "INCIDENTIO_API_URL",
    "IONHOUR_API_KEY",
    "IONHOUR_API_URL",
    "IONHOUR_WORKSPACE_ID",
    "INCIDENT_MCP_READ_ONLY",
    "INCIDENT_MCP_TOOLSETS",
    "INCIDENT_MCP_SANDBOX",
    "INCIDENT_MCP_CONFIRM",
    "INCIDENT_MCP_MAX_DECLARES",
    "INCIDENT_MCP_MAX_WRITES",
]


@pytest.mark.parametrize(
    "command", [["--help"], ["tools"], ["call", "--help"], ["call", "incidentio_list_types"]], ids=" ".join
)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_key_in_any_setting_is_told_by_no_command(
    name: str,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    for each in environment(tmp_path):
        if each.startswith(OURS):
            monkeypatch.delenv(each, raising=False)
    # An address that nothing listens at: no test talks to the two services.
    monkeypatch.setenv("INCIDENTIO_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("INCIDENT_MCP_STATE_DIR", str(tmp_path))
    for value in (PLANTED["one"], f"https://user:{PLANTED['one']}@api.example", PLANTED["one"] + "\u2028"):
        if value.startswith("https") and not name.endswith("URL") and "call" in command:
            continue
        monkeypatch.setenv(name, value)
        if name.endswith("_API_KEY") and command[-1] == "incidentio_list_types":
            continue
        try:
            main(command)
        except SystemExit as ended:
            assert ended.code in (0, 2)  # noqa: PT017  # some of the commands end by themselves
        out, err = capfd.readouterr()
        assert leaks(out + err + caplog.text, PLANTED["one"]) == []


def test_the_process_list_and_a_traceback_hold_no_key(tmp_path: Path) -> None:
    """An error of our own, made by a network that raises what no network raises."""
    script = (
        "import anyio, logging, sys, httpx2; logging.basicConfig(level=logging.DEBUG)\n"
        "from mcp import Client\n"
        "from incident_mcp.serving.server import build_server\n"
        "from incident_mcp.settings import Settings\n"
        "import os\n"
        "class Broken:\n"
        "    def key(self, service): return os.environ['INCIDENTIO_API_KEY']\n"
        "    def transport(self, service):\n"
        "        def answer(request): raise RuntimeError('an error of our own')\n"
        "        return httpx2.MockTransport(answer)\n"
        "async def call():\n"
        "    async with Client(build_server(Settings.from_env(os.environ), network=Broken())) as client:\n"
        "        for tool, arguments in " + repr(CALLS) + ":\n"
        "            print((await client.call_tool(tool, arguments)).content[0].text)\n"
        "anyio.run(call)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(
            tmp_path,
            INCIDENTIO_API_KEY=PLANTED["one"],
            IONHOUR_API_KEY=PLANTED["two"],
            INCIDENT_MCP_TOOLSETS="all",
        ),
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "failed with an internal error (RuntimeError)" in ended.stdout
    assert "Traceback" in ended.stderr
    assert leaks(ended.stdout + ended.stderr, *secrets()) == []
    assert all(leaks(path.read_bytes(), *secrets()) == [] for path in tmp_path.rglob("*") if path.is_file())


def test_settings_and_what_is_made_of_them_show_no_key_when_printed() -> None:
    script = (
        "import os; from incident_mcp.settings import Settings; from incident_mcp.serving.server import build_server\n"
        "settings = Settings.from_env(os.environ); server = build_server(settings)\n"
        "from incident_mcp.transport.service import Service; s = Service('n', 'u', settings.incidentio_key, 'V')\n"
        "print(settings, repr(settings), vars(server), s, f'{s!r}')\n"
    )
    environ = environment(Path("/nowhere"), INCIDENTIO_API_KEY=PLANTED["one"], IONHOUR_API_KEY=PLANTED["two"])
    ended = run(sys.executable, "-c", script, env=environ)
    assert ended.returncode == 0, ended.stderr
    assert leaks(ended.stdout + ended.stderr, *secrets()) == []
    assert "**********" in ended.stdout


def test_call_from_a_shell_tells_no_key(sandbox: Served, tmp_path: Path) -> None:
    environ = environment(tmp_path, **sandbox.settings())
    for tool, arguments in (
        ("ionhour_get_incident", {"incident_id": 4514}),
        ("incidentio_get_incident", {"incident": "0"}),
    ):
        ended = run(*SERVER, "call", tool, "--json", json.dumps(arguments), env=environ)
        assert leaks(ended.stdout + ended.stderr, *secrets(sandbox)) == []
