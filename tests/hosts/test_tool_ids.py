"""The ids that hosts build from a server's name and a tool's name: none is too long, none is cut."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from incident_mcp.catalogue import TOOLS
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.spawned import ROOT

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

README = (ROOT / "README.md").read_text("utf-8")
KEYS = ("mcpServers", "servers", "mcp_servers")
"""Under which configuration files and plugins name their servers."""
LONGEST = max((spec.name for spec in TOOLS), key=len)
# Any other character becomes one: a host's choice of it does not change a length.
OTHER = re.compile(r"[^A-Za-z0-9_-]")

HOSTS = {
    "Claude Code and Claude Desktop": ("mcp__{server}__{tool}", 64),
    "Codex": ("mcp__{server}__{tool}", 64),
    "Gemini CLI": ("mcp_{server}_{tool}", 63),
    "OpenClaw": ("{server}__{tool}", 64),
    "Cursor": ("{server}:{tool}", 60),
}
"""How each puts an id together, and the longest that it takes or leaves whole. VS Code cuts the server's name."""
VSCODE_PREFIX, VSCODE_LONGEST = 18, 64


def servers(node: object) -> Iterator[str]:
    """Yield the names of the servers in a configuration, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in KEYS and isinstance(value, dict) and all(isinstance(server, dict) for server in value.values()):
                yield from value
            yield from servers(value)
    elif isinstance(node, list):
        for item in node:
            yield from servers(item)


def shipped(pattern: str) -> list[Path]:
    """Return the files of the repository that match, without what tools and tests leave in it."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob(pattern))
    return [path for path in found if not {".venv", "node_modules", "tests"} & set(path.parts)]


def names() -> dict[str, str]:
    """Return each server name that a host may use, and where it stands."""
    found: dict[str, str] = {}
    for file in shipped("*.json"):
        content = json.loads((ROOT / file).read_text("utf-8"))
        found |= dict.fromkeys(servers(content), str(file))
        found |= {content[key]: f"{file}, {key}" for key in ("name", "display_name", "title") if key in content}
    for kind, load in (("json", json.loads), ("toml", tomllib.loads)):
        for block in re.findall(rf"```{kind}\n(.*?)```", README, re.DOTALL):
            found |= dict.fromkeys(servers(load(block)), "README.md")
    for added in re.findall(r"^(?:claude|codex|gemini) mcp add (?:--scope user )?(\S+) ", README, re.MULTILINE):
        found[added] = "README.md"
    return found


def test_the_names_are_found_where_they_stand() -> None:
    assert names() == {
        "incidents": "README.md",
        "incident-mcp": "manifest.json, name",
        "Incidents": "manifest.json, display_name",
    }


async def test_the_server_calls_itself_by_names_that_are_held_to_the_same(tmp_path: Path) -> None:
    async with Client(build_server(Settings(sandbox=True, state_dir=tmp_path))) as client:
        assert {client.server_info.name, client.server_info.title} <= set(names())


@pytest.mark.parametrize("server", names())
@pytest.mark.parametrize("host", HOSTS)
def test_the_longest_tool_id_fits(host: str, server: str) -> None:
    form, longest = HOSTS[host]
    tool_id = form.format(server=OTHER.sub("_", server), tool=LONGEST)
    assert len(tool_id) <= longest, tool_id


def test_the_longest_tool_fits_behind_the_prefix_to_which_vs_code_cuts() -> None:
    assert VSCODE_PREFIX + len(LONGEST) <= VSCODE_LONGEST


@pytest.mark.parametrize("spec", TOOLS, ids=lambda spec: spec.name)
def test_a_tool_name_is_one_that_every_host_takes_unchanged(spec) -> None:
    # Google's functions begin with a letter or an underscore; 28 leaves a server's name its half.
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,27}", spec.name)
