"""SKILL.md over MCP: a resource for every host, and the Skills extension (SEP-2640) on 2026-07-28."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    PaginatedRequestParams,
    Request,
    RequestParams,
    TextResourceContents,
)
from pydantic import TypeAdapter

from incident_mcp.serving.skill import FILES, URI
from tests.spawned import ROOT, run

from .conftest import Serve

pytestmark = pytest.mark.anyio

FILE = (ROOT / "SKILL.md").read_bytes()
FRONTMATTER = yaml.safe_load(FILE.decode().split("---\n", 2)[1])
EXTENSION = "io.modelcontextprotocol/skills"


class GetSkill(RequestParams):
    uri: str


async def ask(client: Client, method: str, params: RequestParams) -> dict[str, Any]:
    request = Request(method=method, params=params)
    return await client.session.send_request(request, TypeAdapter(dict[str, Any]))


async def read(client: Client, uri: str = URI) -> bytes:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/markdown"
    return content.text.encode()


async def test_the_skill_is_a_resource_named_and_described_as_its_frontmatter_says(client):
    assert await read(client) == FILE
    [listed] = [row for row in (await client.list_resources()).resources if str(row.uri) == URI]
    assert (listed.name, listed.description) == (FRONTMATTER["name"], FRONTMATTER["description"])


async def test_the_extension_lists_the_skill_with_its_frontmatter_digest_and_size(serve: Serve):
    async with serve("auto") as client:
        assert client.server_capabilities.extensions == {EXTENSION: {}}
        listed = await ask(client, "skills/list", PaginatedRequestParams())
        served = await read(client)
    digest = f"sha256:{hashlib.sha256(served).hexdigest()}"
    [entry] = listed["skills"]
    assert (entry["uri"], entry["frontmatter"]) == (URI, FRONTMATTER)
    assert entry["resources"][0] == {"uri": URI, "digest": digest, "size": len(served)}
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "public")
    assert listed["ttlMs"] > 0
    assert "nextCursor" not in listed


async def test_the_manifest_lists_every_file_of_the_skill_and_each_can_be_read(serve: Serve):
    async with serve("auto") as client:
        [entry] = (await ask(client, "skills/list", PaginatedRequestParams()))["skills"]
        listed = {str(row.uri): row for row in (await client.list_resources()).resources}
        read_back = {uri: await read(client, uri) for uri in FILES}
    on_disk = {"SKILL.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "references").rglob("*"))}
    assert set(FILES.values()) == on_disk
    assert read_back == {uri: (ROOT / path).read_bytes() for uri, path in FILES.items()}
    assert entry["resources"] == [
        {"uri": uri, "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}", "size": len(raw)}
        for uri, raw in read_back.items()
    ]
    for uri in FILES:
        assert listed[uri].title
        assert listed[uri].description


async def test_one_skill_is_got_as_it_is_listed(serve: Serve):
    async with serve("auto") as client:
        listed = await ask(client, "skills/list", PaginatedRequestParams())
        got = await ask(client, "skills/get", GetSkill(uri=URI))
    assert got["skill"] == listed["skills"][0]
    assert {name: got[name] for name in ("ttlMs", "cacheScope")} == {"ttlMs": listed["ttlMs"], "cacheScope": "public"}


@pytest.mark.parametrize("uri", ["skill://other/SKILL.md", "skill://incident-mcp", "skill://incident-mcp/skill.md", ""])
async def test_an_unknown_skill_is_refused_with_the_one_there_is(serve: Serve, uri):
    async with serve("auto") as client:
        with pytest.raises(MCPError) as refused:
            await ask(client, "skills/get", GetSkill(uri=uri))
    assert refused.value.code == INVALID_PARAMS
    assert URI in str(refused.value)


async def test_the_earlier_revision_has_the_resource_and_no_extension(serve: Serve):
    async with serve("legacy") as client:
        assert client.server_capabilities.extensions is None
        for method, params in (("skills/list", PaginatedRequestParams()), ("skills/get", GetSkill(uri=URI))):
            with pytest.raises(MCPError) as refused:
                await ask(client, method, params)
            assert refused.value.code == METHOD_NOT_FOUND
        assert await read(client) == FILE


async def test_the_skill_needs_no_key_and_no_service(serve: Serve):
    async with serve("auto", sandbox=None) as client:
        assert await read(client) == FILE
        assert (await ask(client, "skills/list", PaginatedRequestParams()))["skills"]


def test_the_built_wheel_serves_the_same_skill(built: Path, tmp_path: Path):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import incident_mcp.serving.skill as s, json, sys; assert sys.argv[1] in s.__file__;"
        "sys.stdout.reconfigure(encoding='utf-8', newline='');"
        "assert s._entry()['frontmatter'] == json.loads(sys.argv[2]);"
        "sys.stdout.write(''.join(map(s.read_skill, s.FILES.values())))"
    )
    ran = run(
        sys.executable,
        "-c",
        code,
        tmp_path / "site",
        json.dumps(FRONTMATTER),
        env={"PYTHONPATH": str(tmp_path / "site")},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.encode() == b"".join((ROOT / path).read_bytes() for path in FILES.values())
