"""`incident-mcp serve` as a process: where it listens, what it calls itself, how it ends, what it says."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from incident_mcp.serving.http.sign_in.token_file import add_token
from tests.spawned import SERVER, environment, run

SHARED = {"INCIDENT_MCP_REDIS_URL": "redis://127.0.0.1:9", "INCIDENT_MCP_SECRET": "s" * 32}


@dataclass
class Serving:
    """A server that listens."""

    process: subprocess.Popen[str]
    address: str
    lines: list[str]

    def end(self, number: signal.Signals) -> tuple[int, list[str]]:
        """Stop it; return its exit code and all that it wrote."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        rest = self.process.stderr.read().splitlines()
        return self.process.wait(60), [*self.lines, *rest]


@contextlib.contextmanager
def serving(tmp_path: Path, *options: str, **settings: str) -> Iterator[Serving]:
    """Serve until the block ends; the sandbox, unless a setting forbids it."""
    settings = {"INCIDENT_MCP_SANDBOX": "1", **settings}
    command = [*SERVER, "serve", "--port", "0", *options]
    with subprocess.Popen(
        command, env=environment(tmp_path / "state", **settings), stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        lines: list[str] = []
        try:
            for line in process.stderr or ():
                lines.append(line.rstrip("\n"))
                if found := re.search(r"serving on (http://[^\"]+)", lines[-1]):
                    yield Serving(process, found[1], lines)
                    break
            else:
                pytest.fail("\n".join(lines))
        finally:
            if process.poll() is None:
                process.terminate()  # its workers end, too


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, str]:
    add_token(tmp_path / "tokens.json", "ada", "reader")
    return {"INCIDENT_MCP_TOKENS_FILE": str(tmp_path / "tokens.json")}


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def metadata(address: str) -> str:
    answer = httpx2.get(f"{address.removesuffix('/mcp')}/.well-known/oauth-protected-resource/mcp", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["resource"]


@pytest.mark.parametrize(
    ("host", "settings"),
    [
        ("127.0.0.1", {}),
        ("LocalHost", {}),
        ("::1", {}),
        ("[::1]", {}),
        ("127.0.0.1", {"INCIDENT_MCP_PUBLIC_URL": " "}),
        ("127.0.0.1", {"INCIDENT_MCP_PUBLIC_URL": ""}),
    ],
    ids=str,
)
def test_a_server_on_this_machine_answers_under_the_address_that_it_names(
    host: str, settings: dict[str, str], tokens: dict[str, str], tmp_path: Path
) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("there is no IPv6")
    with serving(tmp_path, "--host", host, **tokens, **settings) as server:
        assert metadata(server.address) == server.address


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  # what is tried
@pytest.mark.parametrize(
    ("hosts", "public"),
    [
        ("incidents.example.com,127.0.0.1", "https://incidents.example.com/mcp"),
        ("127.0.0.1:8443,127.0.0.1", "http://127.0.0.1:8443/mcp"),
        ("127.0.0.1,incidents.example.com", None),
    ],
)
def test_a_server_for_other_machines_is_named_after_its_first_host(
    host: str, hosts: str, public: str | None, tokens: dict[str, str], tmp_path: Path
) -> None:
    if host == "::" and not has_ipv6():
        pytest.skip("there is no IPv6")
    with serving(tmp_path, "--host", host, **tokens, INCIDENT_MCP_ALLOWED_HOSTS=hosts) as server:
        # `::` takes IPv4 too.
        address = re.sub(r"//.+:", "//127.0.0.1:", server.address)
        assert metadata(address) == (public or address)


@pytest.mark.parametrize("host", ["", " ", "name.invalid", "ä" * 70, "a..b", "http://127.0.0.1", "127.0.0.1:80"])
def test_a_host_that_cannot_be_used_is_explained_in_a_line(host: str, tokens: dict[str, str], tmp_path: Path) -> None:
    ended = run(*SERVER, "serve", "--sandbox", f"--host={host}", env=environment(tmp_path, **SHARED, **tokens, **NAMED))
    assert ended.returncode in (1, 2)
    assert ended.stderr.count("\n") == 1
    assert "--host" in ended.stderr


NAMED = {"INCIDENT_MCP_ALLOWED_HOSTS": "incidents.example.com"}


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.skipif(os.name == "nt", reason="there are no such signals")
def test_ctrl_c_ends_the_server_without_a_traceback(workers: str, tokens: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", workers, **SHARED, **tokens) as server:
        metadata(server.address)
        code, lines = server.end(signal.SIGINT)
    assert code == 0
    assert "Traceback" not in "\n".join(lines)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_json_logs_are_one_object_a_line_without_an_access_log(
    workers: str, tokens: dict[str, str], tmp_path: Path
) -> None:
    with serving(tmp_path, "--workers", workers, **SHARED, **tokens, INCIDENT_MCP_LOG_FORMAT="json") as server:
        metadata(server.address)
        _, lines = server.end(signal.SIGTERM)
    logged = [json.loads(line) for line in lines]
    assert [row["level"] for row in logged if row["message"].startswith("serving on http://127.0.0.1:")] == ["INFO"]
    assert "Application shutdown complete." in {row["message"] for row in logged} or workers == "2"
    loggers = {row["logger"] for row in logged}
    assert "uvicorn.error" in loggers
    assert "uvicorn.access" not in loggers


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "settings",
    [
        {"INCIDENT_MCP_TOKENS_FILE": "missing.json"},
        {"INCIDENT_MCP_REDIS_URL": "localhost:6379"},
        {"INCIDENT_MCP_REDIS_URL": "redis://127.0.0.1:9/0?unknown=1"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"},
        {"INCIDENTIO_API_KEY_FILE": "missing"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_used_ends_the_start_whatever_the_number_of_workers(
    workers: str, settings: dict[str, str], tokens: dict[str, str], tmp_path: Path
) -> None:
    env = environment(tmp_path, **{**SHARED, **tokens, **settings})
    ended = run(*SERVER, "serve", "--sandbox", "--port", "0", "--workers", workers, env=env, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert next(iter(settings)) in ended.stderr


def test_a_start_without_keys_says_which_variables_to_set(tokens: dict[str, str], tmp_path: Path) -> None:
    with serving(tmp_path, **tokens, INCIDENT_MCP_SANDBOX="0", INCIDENTIO_API_KEY="${KEY}") as server:
        assert "INCIDENTIO_API_KEY holds a placeholder" in server.lines[0]
        assert "IONHOUR_API_KEY is not set" in server.lines[0]
