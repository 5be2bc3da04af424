"""The MCP bundle: it validates, packs what a host needs and no more, and the unpacked server starts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from incident_mcp.catalogue import TOOLS
from tests.spawned import ROOT, environment, node_program, run

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundle, packed from this tree and unpacked."""
    mcpb, folder = node_program("mcpb"), tmp_path_factory.mktemp("bundle")
    packed = run(mcpb, "pack", ROOT, folder / "incident-mcp.mcpb")
    assert packed.returncode == 0, packed.stdout + packed.stderr
    unpacked = run(mcpb, "unpack", folder / "incident-mcp.mcpb", folder / "unpacked")
    assert unpacked.returncode == 0, unpacked.stdout + unpacked.stderr
    return folder / "unpacked"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_manifest_validates() -> None:
    checked = run(node_program("mcpb"), "validate", ROOT / "manifest.json")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_bundle_holds_what_a_host_needs_and_no_more(bundle: Path) -> None:
    assert names_in(bundle) == {
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SKILL.md",
        "manifest.json",
        "pyproject.toml",
        "src",
    }
    sources = {path.relative_to(ROOT) for path in (ROOT / "src").rglob("*.py")}
    assert {path.relative_to(bundle) for path in bundle.rglob("*") if path.suffix == ".py"} == sources
    assert not [path for path in bundle.rglob("*") if path.name == "__pycache__"]


async def test_the_unpacked_bundle_starts_as_its_manifest_says_and_lists_its_tools(
    bundle: Path, uv: str, tmp_path: Path
) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    config = manifest["server"]["mcp_config"]
    assert config["command"] == "uv"
    # A host leaves an optional setting's default, and shows a switch as true or false.
    defaults = {name: option["default"] for name, option in manifest["user_config"].items()} | {"sandbox": True}
    filled = {f"${{user_config.{name}}}": str(value).lower() for name, value in defaults.items()}
    settings = {name: filled.get(value, value) for name, value in config["env"].items()}
    server = StdioServerParameters(
        command=uv,
        args=[part.replace("${__dirname}", str(bundle)) for part in config["args"]],
        env={name: value for name, value in environment(tmp_path, **settings).items() if name != "VIRTUAL_ENV"},
    )
    async with Client(server) as client:
        listed = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("ionhour_get_incident", {"incident_id": 4512})
    assert (
        listed
        == [tool["name"] for tool in manifest["tools"]]
        == [spec.name for spec in TOOLS if spec.toolset == "core"]
    )
    assert not answer.is_error
    assert ".venv" in names_in(bundle), "it ran from its own environment"
