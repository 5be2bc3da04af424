"""The protocol's own conformance suite, on the same server over loopback HTTP."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spawned import ROOT, environment, node_program, run

HERE = Path(__file__).parent
REVISIONS = ["2025-11-25", "2026-07-28"]
OFFERINGS = {"prompts-list", "resources-list", "completion-complete", "tools-list"}
SKILLS = ["sep-2640-skills-enumeration", "sep-2640-skills-manifest", "sep-2640-skills-directory"]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server process that ends with its standard input."""
    command = [sys.executable, "-m", "tests.conformance.served"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path_factory.mktemp("state")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        # Leaving the block closes standard input, which ends the server, and waits for it.


def conform(url: str, results: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = node_program("conformance")
    return run(
        program, "server", "--url", url, "--output-dir", results, *arguments, timeout=240, env=environment(results)
    )


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scenario_passes_but_those_about_the_suite_s_own_examples(
    revision: str, url: str, tmp_path: Path
) -> None:
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
            assert re.search(r"test_|test://|json_schema_2020_12_tool|likewise|same call|log messages", reason), line
