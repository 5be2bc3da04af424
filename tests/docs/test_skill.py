"""SKILL.md: its examples run, it validates, and it comes with the package."""

import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from incident_mcp.catalogue import TOOLS
from incident_mcp.commands.cli import main
from tests.spawned import OURS, ROOT, environment, run

SKILL = (ROOT / "SKILL.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")


def commands(document: str) -> list[str]:
    """Return the lines of a document's shell examples that start the command, once each."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", document, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("incident-mcp ")))


@pytest.mark.parametrize("command", dict.fromkeys(commands(SKILL) + commands(README)), ids=lambda line: line[13:60])
def test_an_example_runs_on_the_sandbox(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in environment(tmp_path):
        if name.startswith(OURS):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INCIDENT_MCP_SANDBOX", "1")
    monkeypatch.setenv("INCIDENT_MCP_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err
    if " call " in command:
        answer = json.loads(capsys.readouterr().out)
        assert any(answer.get(rows, True) for rows in ("incidents", "notes", "events")), "an example that shows nothing"
        [tool] = [spec.definition for spec in TOOLS if spec.name in command.split()]
        assert undeclared(answer, tool.output_schema or {}) == []


def undeclared(value: object, schema: dict[str, Any]) -> list[str]:
    """Return the keys of an answer that its schema does not name; an object without properties may hold any."""
    if isinstance(value, list):
        return [name for item in value for name in undeclared(item, schema.get("items", {}))]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    deeper = [name for key in value if key in known for name in undeclared(value[key], known[key])]
    return [key for key in value if key not in known] + deeper


def test_the_examples_call_every_tool_but_none_twice_the_same() -> None:
    found = commands(SKILL)
    assert len(found) > 20
    assert len({line.split()[2] for line in found if " call " in line}) >= 18


def test_a_real_shell_runs_an_example(tmp_path: Path) -> None:
    example = next(line for line in commands(SKILL) if "'" in line)
    settings = environment(tmp_path, INCIDENT_MCP_SANDBOX="1")
    settings["PATH"] = f"{Path(sys.executable).parent}:{settings['PATH']}"
    ran = subprocess.run(["bash", "-c", example], capture_output=True, text=True, env=settings, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["incidents"]


def test_the_skill_validates(tmp_path: Path) -> None:
    # The validator wants the folder named like the skill.
    (tmp_path / "incident-mcp").symlink_to(ROOT)
    checked = run(Path(sys.executable).with_name("agentskills"), "validate", tmp_path / "incident-mcp")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_skill_carries_no_license_text() -> None:
    assert "Permission is hereby granted" not in SKILL
    assert not re.search(r"copyright", SKILL, re.IGNORECASE)


def test_the_front_matter_has_only_the_fields_that_skills_know() -> None:
    front = SKILL.split("---\n")[1]
    allowed = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
    assert set(re.findall(r"^([\w-]+):", front, re.MULTILINE)) <= allowed
    assert not re.search(r"[{}]", front), "block form only: some readers know no other"


def test_the_wheel_carries_the_skill(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("incident_mcp/SKILL.md").decode() == SKILL


def test_the_wheel_starts_by_itself(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    settings = environment(tmp_path / "state", PYTHONPATH=str(tmp_path / "installed"))
    code = "import sys, incident_mcp.commands.cli as cli; print(cli.__file__); sys.exit(cli.main(sys.argv[1:]))"
    started = run(sys.executable, "-c", code, "tools", "--json", env=settings, cwd=tmp_path)
    where, tools = started.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert len(json.loads(tools)) >= 18
