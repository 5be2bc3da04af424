"""What the tests share: the sandbox, and a real MCP client on a server that talks to it."""

import gc
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from jsonschema import Draft202012Validator
from mcp import Client
from mcp_types import CallToolResult, TextContent

from incident_mcp.catalogue import TOOLS
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.transport.service import Limits
from tests.spawned import ROOT, run

# Keys that the tests use, and Ionhour's check tokens: put together here so that no scanner takes this file for a leak.
SECRETS = ["-".join(words) for words in (["sandbox", "incidentio", "key"], ["sandbox", "ionhour", "key"])]
SECRETS += ["-".join(words) for words in (["sandbox", "token", ""], ["planted", "key", ""])]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.option.log_level = config.option.log_level or "DEBUG"
    if config.option.markexpr != "quick":
        _register_hypothesis_profiles()


def _register_hypothesis_profiles() -> None:
    """Few examples, the same on every run, unless `--hypothesis-profile long` asks for many random ones."""
    from hypothesis import HealthCheck, settings  # noqa: PLC0415  # slow to import, and no quick test needs it

    every = list(HealthCheck)
    settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True, suppress_health_check=every)
    settings.register_profile("long", max_examples=1000, deadline=None, suppress_health_check=every)
    settings.load_profile("ci")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Start no worker processes for the quick tests or for tests named one by one: one process is faster."""
    return 0 if config.option.markexpr == "quick" or any("::" in argument for argument in config.args) else None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file without a quick test for `-m quick`: importing all of them takes longer than those tests."""
    if config.option.markexpr == "quick" and collection_path.suffix == ".py":
        return "pytest.mark.quick" not in collection_path.read_text("utf-8") or None
    return None


def pytest_collection_finish() -> None:
    """Exclude what is loaded from garbage collection: thousands of tests and the vendor's SDK do not go away."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that prints or logs a key, debug logging included."""
    report = yield
    told = "".join(content for _, content in report.sections)
    leaked = [secret for secret in SECRETS if secret in told]
    if leaked:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed or logged what must stay secret: {', '.join(leaked)}"
    return report


NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="session", autouse=True)
def _check_each_schema_once() -> Generator[None]:
    """Cache the check of a schema, which the SDK's client repeats for each client and which costs more than a call."""
    check = Draft202012Validator.check_schema

    @cache
    def check_text(text: str) -> None:
        check(json.loads(text))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", lambda schema: check_text(json.dumps(schema)))
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def box() -> Sandbox:
    return Sandbox(now=NOW)


PREVIEWED = {spec.name for spec in TOOLS if spec.preview}
"""Tools that take two calls."""


@dataclass
class Caller:
    """Calls tools through an MCP client."""

    client: Client
    box: Sandbox

    async def result(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool and give the raw result."""
        return await self.client.call_tool(tool, arguments)

    async def perform(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """Call a tool for real: one that takes two calls is previewed first, and called with the preview's code."""
        if tool not in PREVIEWED:
            return await self.result(tool, **arguments)
        preview = await self.result(tool, **arguments)
        if preview.is_error:
            return preview
        return await self.result(tool, **arguments, confirm=(preview.structured_content or {})["confirm"])

    async def performed(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Perform a write that must succeed and give its structured answer."""
        result = await self.perform(tool, **arguments)
        assert not result.is_error, text_of(result)
        return result.structured_content or {}

    async def ok(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool that must succeed and give its structured answer."""
        result = await self.result(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def error(self, tool: str, /, **arguments: Any) -> str:
        """Call a tool that must fail and give the text that the model reads."""
        result = await self.result(tool, **arguments)
        assert result.is_error, text_of(result)
        assert result.structured_content is None
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


BRIEF = Limits(backoff=0.02)
"""The documented limits, but for the waits before a request is repeated."""
Connect = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def connect(box: Sandbox, tmp_path: Path) -> Connect:
    """Connect a client to a server on the sandbox that offers all toolsets.

    `async with connect(mode="legacy", read_only=True) as call:`
    """

    @asynccontextmanager
    async def connect_(mode: str = "auto", sandbox: Sandbox = box, **settings: Any) -> AsyncIterator[Caller]:
        chosen = Settings(**{"sandbox": True, "state_dir": tmp_path / "state", "toolsets": ("all",), **settings})
        async with Client(build_server(chosen, network=sandbox, limits=BRIEF), mode=mode) as client:
            yield Caller(client, sandbox)

    return connect_


BOTH_VERSIONS = (ROOT / "tests/serving", ROOT / "tests/hosts")
"""Where CI runs each test of `call` on both protocol versions, beside what is marked quick: what differs is there."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of `call` on protocol version 2025-11-25 too, in CI, where the versions may differ."""
    if "call" in metafunc.fixturenames and os.environ.get("CI"):
        quick = metafunc.definition.get_closest_marker("quick")
        both = quick or any(metafunc.definition.path.is_relative_to(folder) for folder in BOTH_VERSIONS)
        metafunc.parametrize("call", ["legacy", "auto"] if both else ["auto"], indirect=True)


@pytest.fixture
async def call(connect: Connect, request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    """A client of protocol version 2026-07-28; in CI some tests also get one of 2025-11-25."""
    async with connect(getattr(request, "param", "auto")) as caller:
        yield caller


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that started the tests, or the one on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        pytest.fail("uv is not on the path: pip install uv")
    return found


# What lies in a developer's folder, and must not travel with what is packed from it.
PLANTED = [
    *(".env", ".env.py", ".mcp.json", ".vscode/mcp.json", ".DS_Store", "__pycache__/cli.cpython-311.pyc"),
    *("audit.jsonl", "journal.sqlite3", "journal.sqlite3-wal", "incident.log", "settings.json", "settings.py.orig"),
    *("key.pem", "id_rsa", "keys/id_rsa"),
]
IN_FOLDERS = [".", "src", "src/incident_mcp", "src/incident_mcp/ionhour", "src/incident_mcp/sandbox/demo"]


Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a folder once for all processes that share the tests out: `once("dist", build_into)`."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once_(name: str, fill: Callable[[Path], None]) -> Path:
        folder = shared / name
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                made = tmp_path_factory.mktemp(name)
                fill(made)
                made.rename(folder)
        return folder

    return once_


@pytest.fixture(scope="session")
def planted(once: Once) -> Path:
    """A copy of this repository in which files lie that must not travel."""
    return once("planted", _plant) / "incident-mcp"


def _plant(folder: Path) -> None:
    copy = folder / "incident-mcp"
    shutil.copytree(
        ROOT,
        copy,
        ignore=shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", ".*_cache", ".hypothesis"),
    )
    for file in [copy / folder / name for folder in IN_FOLDERS for name in PLANTED] + [copy / "src/scratch.py"]:
        file.parent.mkdir(exist_ok=True)
        file.write_text("planted", "utf-8")


@pytest.fixture(scope="session")
def built(uv: str, planted: Path, once: Once) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""

    def build(out: Path) -> None:
        building = run(uv, "build", "--out-dir", out, planted, timeout=300)
        assert building.returncode == 0, building.stderr

    return once("dist", build)
