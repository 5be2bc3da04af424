"""The MCP Inspector's command line, a client that is not ours, on a spawned server."""

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from incident_mcp.catalogue import TOOLS
from tests.spawned import environment, node_program, run


def server() -> str:
    """The installed command, as a host starts it."""
    return str(Path(sys.executable).with_name("incident-mcp"))


def inspect(state: Path, *arguments: str) -> CompletedProcess[str]:
    inspector = node_program("mcp-inspector")
    return run(
        inspector,
        "--cli",
        server(),
        "--sandbox",
        *arguments,
        env=environment(state, MCP_CATALOG_PATH=str(state / "catalog.json")),
    )


def test_the_tool_list_passes_the_inspectors_strict_schema_checks(tmp_path: Path) -> None:
    listed = inspect(tmp_path, "--method", "tools/list", "--strict")
    assert listed.returncode == 0, listed.stderr
    names = [tool["name"] for tool in json.loads(listed.stdout)["tools"]]
    assert names == [tool.name for tool in TOOLS if tool.toolset == "core"]


@pytest.mark.parametrize(
    ("tool", "arguments", "field", "value"),
    [
        ("incidentio_get_incident", ["incident=INC-114"], "reference", "INC-114"),
        ("ionhour_get_incident", ["incident_id=4512"], "id", 4512),
        ("incidentio_create_incident", ["name=Drill", "severity=Minor", "dry_run=true"], "dry_run", True),
    ],
)
def test_the_inspector_calls_a_tool(tool: str, arguments: list[str], field: str, value: object, tmp_path: Path) -> None:
    pairs = [part for pair in arguments for part in ("--tool-arg", pair)]
    called = inspect(tmp_path, "--method", "tools/call", "--tool-name", tool, *pairs)
    assert called.returncode == 0, called.stderr
    answer = json.loads(called.stdout)
    assert not answer.get("isError"), answer
    assert answer["structuredContent"][field] == value
    assert json.loads(answer["content"][0]["text"]) == answer["structuredContent"]
