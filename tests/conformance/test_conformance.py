"""The protocol's own conformance suite on `incident-mcp serve`, without and with sign-in.

Its scenarios of authorization test clients (`auth/...`) and authorization servers; none tests a server that takes
tokens, which is what this one is. What the specification asks of such a server is in `tests/serving/http/sign_in`.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from incident_mcp.serving.http.sign_in.token_file import add_token
from tests.serving.http.cluster import Nginx, Replica, free_port
from tests.spawned import environment, node_program, run

HERE = Path(__file__).parent
REVISIONS = ["2025-11-25", "2026-07-28"]
OFFERINGS = {"prompts-list", "resources-list", "completion-complete", "tools-list"}
SKILLS = ["sep-2640-skills-enumeration", "sep-2640-skills-manifest", "sep-2640-skills-directory"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `incident-mcp serve` on its sandbox, without sign-in."""
    replica = Replica(0, tmp_path_factory.mktemp("open"), {"INCIDENT_MCP_SANDBOX": "1"})
    try:
        replica.start()
        yield f"{replica.url}/mcp"
    finally:
        replica.end()


@pytest.fixture(scope="module")
def url_signed_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a proxy that adds a token, which the suite cannot send, before a server with sign-in."""
    folder = tmp_path_factory.mktemp("signed")
    token = add_token(folder / "tokens.json", "conformance", "pager")
    port = free_port()
    hosts = {
        "INCIDENT_MCP_ALLOWED_HOSTS": "127.0.0.1",
        "INCIDENT_MCP_PUBLIC_URL": f"http://127.0.0.1:{port}/mcp",
    }
    settings = {"INCIDENT_MCP_SANDBOX": "1", "INCIDENT_MCP_TOKENS_FILE": str(folder / "tokens.json"), **hosts}
    replica = Replica(0, folder, settings)
    nginx = Nginx(folder, [replica.port], port, added=f'proxy_set_header Authorization "Bearer {token}";')
    try:
        replica.start()
        nginx.start()
        assert httpx2.post(f"{replica.url}/mcp", json={}).status_code == 401
        yield f"{nginx.url}/mcp"
    finally:
        nginx.end()
        replica.end()


def conform(url: str, results: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = node_program("conformance")
    return run(
        program, "server", "--url", url, "--output-dir", results, *arguments, timeout=240, env=environment(results)
    )


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scenario_passes_but_those_about_the_suite_s_own_examples(
    revision: str, url: str, tmp_path: Path
) -> None:
    check_all(revision, url, tmp_path)


@pytest.mark.team
@pytest.mark.parametrize("revision", REVISIONS)
def test_the_same_scenarios_pass_with_sign_in(revision: str, url_signed_in: str, tmp_path: Path) -> None:
    check_all(revision, url_signed_in, tmp_path)


def check_all(revision: str, url: str, tmp_path: Path) -> None:
    expected = HERE / f"expected-{revision}.yml"
    done = conform(url, tmp_path, "--suite", "all", "--spec-version", revision, "--expected-failures", expected)
    _, _, summary = done.stdout.partition("=== SUMMARY ===")
    assert done.returncode == 0, summary + done.stderr
    passed = set(re.findall(r"✓ (\S+): [1-9][0-9]* passed, 0 failed", summary))
    assert passed >= OFFERINGS, summary


@pytest.mark.parametrize("scenario", SKILLS)
def test_the_skill_is_served_as_its_extension_asks(scenario: str, url: str, tmp_path: Path) -> None:
    done = conform(url, tmp_path, "--scenario", scenario)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Passed: ([1-9][0-9]*)/\1, 0 failed, 0 warnings", done.stdout), done.stdout
    # Only the reading of directories is an option that this server leaves out.
    assert ("SKIPPED" in done.stdout) == (scenario == "sep-2640-skills-directory")


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_expected_failure_gives_its_reason(revision: str) -> None:
    """A reason stands behind the line, or above the lines that share it."""
    group = ""
    for line in (HERE / f"expected-{revision}.yml").read_text("utf-8").splitlines():
        if line.startswith("  #"):
            group = line
        elif line.startswith("  - "):
            reason = line.partition(" # ")[2] or group
            assert re.search(
                r"test_|test://|json_schema_2020_12_tool|likewise|same call|log messages|a session", reason
            ), line
