"""What README, SKILL.md and manifest.json name exists, and what exists is named there."""

import inspect
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from incident_mcp.catalogue import DISCOVERY, TOOLS, TOOLSETS, select
from incident_mcp.response.prompts import PROMPTS
from incident_mcp.response.resources import ACCOUNT, TEMPLATES
from incident_mcp.serving.skill import URI
from incident_mcp.settings import IGNORED_ARGUMENTS, Settings
from tests.spawned import ROOT, environment, run

BUILT = [spec.definition for spec in (*TOOLS, *DISCOVERY)]
DEFAULT = [spec.name for spec in select(Settings())]
ARGUMENTS = {name for tool in BUILT for name in tool.input_schema["properties"]}
SETTINGS = set(
    re.findall(
        r'"((?:INCIDENTIO|INCIDENT|IONHOUR)_[A-Z_]*[A-Z])"', (ROOT / "src/incident_mcp/settings.py").read_text("utf-8")
    )
)
SERVER_SETTINGS = {f"INCIDENT_MCP_{name}" for name in ("TOKENS_FILE",)}
"""Of the team's server, whose settings are in docs/deploy.md."""
DOCUMENTS = ["README.md", "SKILL.md", "manifest.json"]
NO_TOOLS = {
    "incidentio_api_key",
    "incidentio_api_url",
    "ionhour_api_key",
    "ionhour_api_url",
    "ionhour_workspace_id",
    "ionhour_incident_id",
}
"""Settings of the bundle and fields, which look like tools."""
NOT_IN_A_BUNDLE = {
    "INCIDENT_API_KEY",
    "INCIDENT_MCP_TOOLSETS",
    "INCIDENT_MCP_STATE_DIR",
    "INCIDENT_MCP_IGNORE_ARGUMENTS",
    "INCIDENT_MCP_DISCOVERY",
    "INCIDENT_MCP_SECRET",
    "INCIDENT_MCP_RECORD",
}
"""An older name, a choice of one, a folder that a bundle's user has no reason to move, what other hosts add, the list
that a small model gets, what several servers share, and what is set for one bug report."""


def text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def manifest() -> dict[str, Any]:
    return json.loads(text("manifest.json"))


def fields(schema: Any) -> set[str]:
    """Return every property name in a schema, at any depth."""
    if isinstance(schema, list):
        return {name for item in schema for name in fields(item)}
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | {name for item in schema.values() for name in fields(item)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_tool_that_a_document_names_exists(document: str) -> None:
    named = set(re.findall(r"\b(?:incidentio|ionhour)_[a-z_]*[a-z]\b", text(document))) - NO_TOOLS
    assert named - {tool.name for tool in BUILT} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_tool_of_the_default_set_is_named(document: str) -> None:
    whole = text(document)
    if document == "SKILL.md":
        # What belongs to a toolset is in a file of its own.
        whole += "".join(file.read_text("utf-8") for file in sorted((ROOT / "references").glob("*.md")))
    assert [name for name in DEFAULT if not re.search(rf"\b{name}\b", whole)] == []


def test_the_readme_lists_tools_in_their_order_and_says_which_write() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (reads|writes) \|$", text("README.md"), re.MULTILINE)
    by_toolset = [spec for toolset in TOOLSETS.values() for spec in (*TOOLS, *DISCOVERY) if spec.toolset == toolset]
    assert rows == [(spec.name, "writes" if spec.writes else "reads") for spec in by_toolset]


@pytest.mark.parametrize("document", ["README.md", "SKILL.md"])
def test_every_name_in_backticks_is_an_argument_or_a_field(document: str) -> None:
    prose = re.sub(r"```.*?```", "", text(document), flags=re.DOTALL)
    named = {name for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:=[^`]*)?`", prose) if name.split("_")[0] != "mcp"}
    known = {tool.name for tool in BUILT} | ARGUMENTS | {name for tool in BUILT for name in fields(tool.output_schema)}
    assert named - known - {"claude_desktop_config", "env_vars", *TOOLSETS, *IGNORED_ARGUMENTS} == set()


@pytest.mark.parametrize("document", ["README.md", "SKILL.md", "CONTRIBUTING.md", "manifest.json"])
def test_every_setting_that_a_document_names_exists(document: str) -> None:
    named = set(re.findall(r"\b(?:INCIDENTIO|INCIDENT|IONHOUR)_[A-Z_]+[A-Z]\b", text(document)))
    assert named - SETTINGS - SERVER_SETTINGS - {"INCIDENT_MCP_REQUIRE_NODE"} == set()


def test_the_readme_s_table_has_every_setting() -> None:
    rows = "\n".join(re.findall(r"^\| `[A-Z_]+` \|.*$", text("README.md"), re.MULTILINE))
    assert sorted(name for name in SETTINGS if f"`{name}`" not in rows) == []


def host_settings() -> list[dict[str, Any]]:
    """Return the server entry of each host's settings in the README."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text("README.md"), re.DOTALL)]
    blocks += [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text("README.md"), re.DOTALL)]
    servers = [
        block.get("mcpServers") or block.get("mcp_servers") or block.get("servers") or block["mcp"]["servers"]
        for block in blocks
    ]
    return [server["incidents"] for server in servers]


def test_the_readme_s_settings_of_hosts_start_the_installed_command_with_both_keys() -> None:
    entries = host_settings()
    assert len(entries) == 7
    for entry in entries:
        assert (entry["command"], entry["args"]) == ("incident-mcp", [])
        assert {"INCIDENTIO_API_KEY", "IONHOUR_API_KEY"} == set(entry.get("env") or entry["env_vars"])


def test_a_placeholder_that_a_host_leaves_in_place_counts_as_unset() -> None:
    for entry in host_settings():
        assert Settings.from_env(entry.get("env", {})) == Settings()


def test_no_document_fetches_a_package_that_no_index_has() -> None:
    for document in ("README.md", "SKILL.md", "CONTRIBUTING.md"):
        fetching = r".*(?:uvx|pipx run|pipx install|uv tool install|pip install) incident-mcp\b.*"
        lines = re.findall(fetching, text(document))
        assert [line for line in lines if "Once the package is published" not in line] == []


@pytest.mark.parametrize("runner", ["uvx --from", "uv run --directory"])
def test_the_forms_without_an_installation_start_from_a_copy(runner: str, uv: str, tmp_path: Path) -> None:
    [command] = re.findall(rf"`({runner} /path/to/incident-mcp .*?incident-mcp)`", text("README.md"))
    program, *arguments = command.replace("/path/to/incident-mcp", str(ROOT)).split()
    launcher = [uv, "tool", "run"] if program == "uvx" else [uv]
    environ = {name: value for name, value in environment(tmp_path).items() if name != "VIRTUAL_ENV"}
    called = run(*launcher, *arguments, "--version", env=environ, timeout=120)
    assert called.returncode == 0, called.stderr
    assert called.stdout.strip() == tomllib.loads(text("pyproject.toml"))["project"]["version"]


def test_the_manifest_is_of_this_version_and_lists_the_default_tools_in_order() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    bundle = manifest()
    assert (bundle["name"], bundle["version"]) == (project["name"], project["version"])
    assert [tool["name"] for tool in bundle["tools"]] == DEFAULT
    assert all(tool["description"] for tool in bundle["tools"])


def test_the_manifest_fills_its_environment_from_settings_that_may_be_left_empty() -> None:
    bundle = manifest()
    environment = bundle["server"]["mcp_config"]["env"]
    filled = {match[1] for value in environment.values() if (match := re.fullmatch(r"\$\{user_config\.(\w+)\}", value))}
    assert filled == set(bundle["user_config"])
    assert set(environment) - {"UV_COMPILE_BYTECODE"} <= SETTINGS
    assert environment["UV_COMPILE_BYTECODE"] == "1"
    for name, option in bundle["user_config"].items():
        assert option["required"] is False
        assert "default" in option, f"{name} without a default reaches the server as a placeholder"
        assert option.get("sensitive", False) == name.endswith("api_key")


def test_the_manifest_has_every_setting_and_its_default_is_ours() -> None:
    bundle = manifest()
    environment = bundle["server"]["mcp_config"]["env"]
    assert set(environment) - {"UV_COMPILE_BYTECODE"} == SETTINGS - NOT_IN_A_BUNDLE
    defaults = {f"${{user_config.{name}}}": str(option["default"]) for name, option in bundle["user_config"].items()}
    assert Settings.from_env({name: defaults.get(value, value) for name, value in environment.items()}) == Settings()


def test_the_manifest_has_the_server_s_prompts_and_their_arguments() -> None:
    bundle = manifest()
    for prompt, told in zip(PROMPTS, bundle["prompts"], strict=True):
        arguments = [name for name in inspect.signature(prompt).parameters if name != "call"]
        assert (told["name"], told["arguments"]) == (prompt.__name__, arguments)
        assert told["description"] == inspect.getdoc(prompt)
        assert set(re.findall(r"\$\{arguments\.(\w+)\}", told["text"])) == set(arguments)


def test_the_readme_names_every_prompt_and_resource() -> None:
    readme = text("README.md")
    offered = [prompt.__name__ for prompt in PROMPTS] + [*ACCOUNT, *TEMPLATES, URI]
    assert [name for name in offered if f"`{name}`" not in readme] == []


def test_the_readme_s_figures_of_what_one_call_saves_are_those_of_the_benchmark() -> None:
    measured = run(sys.executable, ROOT / "benchmarks/situation.py", cwd=ROOT)
    assert measured.returncode == 0, measured.stderr
    ways = re.findall(r"(\d+) calls, (\d+) requests, (\d+) tokens", measured.stdout)
    rows = re.findall(r"^\| .+ \| (\d+) \| (\d+) \| about ([\d,]+) \|$", text("README.md"), re.MULTILINE)
    for (calls, requests, cost), told in zip(ways, rows, strict=True):
        assert told[:2] == (calls, requests)
        assert float(told[2].replace(",", "")) == pytest.approx(float(cost), rel=0.1)


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads(text("pyproject.toml"))["project"]["version"]
    assert f'__version__ = "{version}"' in text("src/incident_mcp/__init__.py")
    assert f"## [{version}]" in text("CHANGELOG.md")


def test_the_documents_stay_short_enough_to_be_read() -> None:
    assert len(text("SKILL.md").splitlines()) < 300
    assert len(text("AGENTS.md").splitlines()) < 80


@pytest.mark.parametrize("document", ["README.md", "AGENTS.md", "CONTRIBUTING.md", "CLAUDE.md"])
def test_every_file_that_a_document_links_to_exists(document: str) -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text(document)) if "://" not in link]
    assert [link for link in links if not Path(ROOT, link).exists()] == []
