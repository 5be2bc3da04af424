"""What is packed: bundle, wheel and source distribution hold what they need and no more; the unpacked server starts."""

import json
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from incident_mcp.catalogue import TOOLS
from incident_mcp.serving.skill import REFERENCES
from tests.spawned import ROOT, environment, node_program, run

pytestmark = pytest.mark.anyio


PACKAGE = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src/incident_mcp").rglob("*.py")}
PACKAGE |= {"incident_mcp/py.typed", "incident_mcp/tooling/schemas.json"}
SOURCES = {f"src/{path}" for path in PACKAGE}
SKILL = {"SKILL.md", *REFERENCES}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def bundle(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, packed and unpacked."""
    mcpb, folder = node_program("mcpb"), tmp_path_factory.mktemp("bundle")
    packed = run(mcpb, "pack", planted, folder / "incident-mcp.mcpb")
    assert packed.returncode == 0, packed.stdout + packed.stderr
    unpacked = run(mcpb, "unpack", folder / "incident-mcp.mcpb", folder / "unpacked")
    assert unpacked.returncode == 0, unpacked.stdout + unpacked.stderr
    return folder / "unpacked"


def test_the_manifest_validates() -> None:
    checked = run(node_program("mcpb"), "validate", ROOT / "manifest.json")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_bundle_holds_what_a_host_needs_and_no_more(bundle: Path) -> None:
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if not path.is_dir()}
    assert files == SOURCES | {"LICENSE", "README.md", "manifest.json", "pyproject.toml"} | SKILL


def test_the_wheel_holds_the_package_and_no_more(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    described = {f"incident_mcp-{VERSION}.dist-info/{name}" for name in about}
    assert files == PACKAGE | {f"incident_mcp/{path}" for path in SKILL} | described


def test_the_source_distribution_holds_what_builds_the_wheel_and_no_more(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        files = {member.name.removeprefix(f"incident_mcp-{VERSION}/") for member in archive if not member.isdir()}
    documents = {"CHANGELOG.md", "LICENSE", "README.md", "manifest.json"} | SKILL
    assert files == SOURCES | documents | {".gitignore", "PKG-INFO", "pyproject.toml"}


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
    assert listed == [tool["name"] for tool in manifest["tools"]]
    finding = ["find_tools", "use_read_tool", "use_write_tool"]
    assert listed == [*(spec.name for spec in TOOLS if spec.toolset.default), *finding]
    assert not answer.is_error
    assert (bundle / ".venv").is_dir(), "it ran from its own environment"
