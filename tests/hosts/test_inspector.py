"""The MCP Inspector's command line, a client that is not ours, on a spawned server.

It has no method for completions: the conformance suite and tests/offerings drive those.
"""

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from incident_mcp.catalogue import select
from incident_mcp.serving.skill import FILES
from incident_mcp.settings import Settings
from tests.spawned import ROOT, environment, node_program, run

ERAS = ["legacy", "modern"]
SKILL = "skill://incident-mcp/SKILL.md"
OPEN, STORY = "What is open", "The timeline of"


def server() -> str:
    """The installed command, as a host starts it."""
    return str(Path(sys.executable).with_name("incident-mcp"))


def inspect(state: Path, method: str, *arguments: str) -> CompletedProcess[str]:
    inspector = node_program("mcp-inspector")
    return run(
        inspector,
        "--cli",
        server(),
        "--sandbox",
        "--method",
        method,
        *arguments,
        env=environment(state, MCP_CATALOG_PATH=str(state / "catalog.json")),
    )


def answer(state: Path, method: str, *arguments: str) -> dict[str, Any]:
    done = inspect(state, method, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("era", ERAS)
def test_the_tool_list_passes_the_inspectors_strict_schema_checks(era: str, tmp_path: Path) -> None:
    listed = answer(tmp_path, "tools/list", "--strict", "--protocol-era", era)
    assert [tool["name"] for tool in listed["tools"]] == [tool.name for tool in select(Settings())]


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
    called = answer(tmp_path, "tools/call", "--tool-name", tool, *pairs)
    assert not called.get("isError"), called
    assert called["structuredContent"][field] == value
    assert json.loads(called["content"][0]["text"]) == called["structuredContent"]


def test_the_inspector_lists_prompts_resources_and_templates(tmp_path: Path) -> None:
    prompts = answer(tmp_path, "prompts/list")["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["declare", "triage", "handover", "postmortem"]
    assert all(each["description"] for prompt in prompts for each in (prompt, *prompt["arguments"]))
    resources = {row["uri"]: row["mimeType"] for row in answer(tmp_path, "resources/list")["resources"]}
    words = {f"incidentio://{name}": "application/json" for name in ("severities", "statuses", "types")}
    words["incident-mcp://situation"] = "application/json"
    assert resources == {**dict.fromkeys(FILES, "text/markdown"), **words}
    templates = answer(tmp_path, "resources/templates/list")["resourceTemplates"]
    assert {row["uriTemplate"]: row["mimeType"] for row in templates} == {
        "incidentio://incidents/{incident}": "text/markdown",
        "ionhour://incidents/{incident_id}": "text/markdown",
    }


# One protocol version each: tests/serving compares both.
@pytest.mark.parametrize(
    ("era", "prompt", "arguments", "said"),
    [
        (
            "legacy",
            "declare",
            ["what=Logins fail", "severity=Major", "ionhour_incident_id=4512"],
            ["Logins fail", OPEN, "The alert"],
        ),
        ("modern", "triage", ["focus=payments"], ["Look first at: payments.", OPEN]),
        ("legacy", "handover", ["incident=INC-114"], ["handover", "Incident INC-114", STORY]),
        ("modern", "postmortem", ["incident=114"], ["post-mortem", "Incident 114", STORY]),
    ],
)
def test_the_inspector_gets_a_prompt(
    era: str, prompt: str, arguments: list[str], said: list[str], tmp_path: Path
) -> None:
    pairs = [part for pair in arguments for part in ("--prompt-args", pair)]
    got = answer(tmp_path, "prompts/get", "--prompt-name", prompt, *pairs, "--protocol-era", era)
    texts = "\n".join(message["content"]["text"] for message in got["messages"])
    assert [part for part in said if part not in texts] == []
    assert "could not be read" not in texts


def test_the_inspector_is_told_which_argument_a_prompt_lacks(tmp_path: Path) -> None:
    refused = inspect(tmp_path, "prompts/get", "--prompt-name", "postmortem", "--protocol-era", "modern")
    assert refused.returncode != 0
    assert "incident is required" in refused.stderr


@pytest.mark.parametrize(
    ("era", "uri", "begins"),
    [
        ("modern", "incidentio://severities", "{"),
        ("legacy", "incidentio://incidents/INC-114", "# INC-114: "),
        ("modern", "ionhour://incidents/4512", "# Ionhour incident 4512: "),
        ("legacy", SKILL, "---\nname: incident-mcp\n"),
    ],
)
def test_the_inspector_reads_a_resource(era: str, uri: str, begins: str, tmp_path: Path) -> None:
    [content] = answer(tmp_path, "resources/read", "--uri", uri, "--protocol-era", era)["contents"]
    assert content["uri"] == uri
    assert content["text"].startswith(begins)


def test_the_inspector_is_told_what_does_not_exist(tmp_path: Path) -> None:
    refused = inspect(tmp_path, "resources/read", "--uri", "incidentio://incidents/INC-9999")
    assert refused.returncode != 0
    assert "does not exist" in refused.stderr


@pytest.mark.parametrize("arguments", [["skills/list"], ["skills/get", "--uri", SKILL]], ids=" ".join)
def test_the_inspector_verifies_the_skill_its_frontmatter_and_its_digests(arguments: list[str], tmp_path: Path) -> None:
    verified = answer(tmp_path, *arguments, "--verify", "--require-digests", "--protocol-era", "modern")
    assert (verified["ok"], verified["outcome"]) == (True, "verified")
    assert (verified["conformance"], verified["frontmatter"]) == ([], [])
    found = {file["uri"]: (file["status"], file["actualSize"]) for file in verified["files"]}
    assert found == {uri: ("verified", (ROOT / path).stat().st_size) for uri, path in FILES.items()}
