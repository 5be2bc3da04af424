"""`use_read_tool` and `use_write_tool`: a tool that is not listed is called as if it were."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitResult

from incident_mcp.catalogue import DISCOVERY, TOOLS
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, PREVIEWED, Caller, Connect, text_of
from tests.examples import calls

pytestmark = pytest.mark.anyio

NONE: tuple[str, ...] = ("core",)
NOTE = {"incident_id": 4514, "body": "Looking."}
PAGE = {"title": "Ledger writes fail", "escalation_path": "Database"}
SPECS = {spec.name: spec for spec in TOOLS}


def using(tool: str) -> str:
    return "use_write_tool" if SPECS[tool].writes else "use_read_tool"


MOVING = {"age", "ago", "as_of", "confirm", "duration_since_success_ms", "now", "since_success"}
"""What depends on when a call is made, and the code of a preview, which is new each time."""


def same(result: CallToolResult) -> tuple[Any, ...]:
    """What must not differ."""
    content = steady(result.structured_content)
    return result.is_error, content, "" if content else text_of(result)


def steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: steady(item) for key, item in value.items() if key not in MOVING}
    return [steady(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("tool", "arguments"), calls(), ids=str)
async def test_a_tool_answers_the_same_through_another_one(
    connect: Connect, tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    held_back = {"dry_run": True} if SPECS[tool].writes and tool not in PREVIEWED else {}
    async with connect(sandbox=Sandbox(now=NOW), state_dir=tmp_path / "one") as call:
        direct = await call.result(tool, **arguments, **held_back)
    async with connect(sandbox=Sandbox(now=NOW), state_dir=tmp_path / "two", toolsets=NONE) as call:
        through = await call.result(using(tool), tool=tool, arguments=arguments | held_back)
    assert same(through) == same(direct)


async def test_arguments_that_a_host_sent_as_text_are_read(connect: Connect) -> None:
    async with connect(toolsets=NONE) as call:
        found = await call.ok("use_read_tool", tool="incidentio_list_on_call", arguments='{"schedule": "Batch jobs"}')
    assert [row["schedule"] for row in found["on_call"]] == ["Batch jobs"]


async def test_arguments_are_passed_on_unchanged(connect: Connect, box: Sandbox) -> None:
    sent = {"status": ["acked", "triggered"], "limit": "2", "incident": "null", "created_at_gte": ""}
    async with connect(toolsets=NONE) as call:
        found = await call.ok("use_read_tool", tool="incidentio_list_escalations", arguments=sent)
    assert len(found["escalations"]) == 2
    (request,) = box.requests
    assert sorted(request.query) == [
        ("page_size", "2"),
        ("status[one_of]", "acked"),
        ("status[one_of]", "triggered"),
    ]


@pytest.mark.parametrize(
    ("by", "tool", "arguments", "says"),
    [
        ("use_read_tool", "incidentio_page_people", PAGE, "page_people writes: call it with use_write_tool"),
        (
            "use_write_tool",
            "incidentio_list_alerts",
            {},
            "list_alerts only reads: call it with use_read_tool",
        ),
        ("use_read_tool", "incidentio_list_alert", {}, "Did you mean incidentio_list_alerts?"),
        ("use_read_tool", "use_read_tool", {"tool": "situation"}, "Unknown tool 'use_read_tool'"),
        ("use_write_tool", "find_tools", {}, "Unknown tool 'find_tools'"),
        ("use_read_tool", "\u202e\x1b[31m", {}, "find_tools finds one by words"),
        (
            "use_read_tool",
            "incidentio_list_alerts",
            {"sevrity": "x"},
            "list_alerts: unknown argument sevrity",
        ),
        ("use_read_tool", "incidentio_get_alert", {}, "incidentio_get_alert: alert is required. Not sent. Arguments"),
        ("use_read_tool", "incidentio_list_alerts", "[1]", "arguments"),
    ],
)
async def test_what_cannot_be_called_says_why_and_what_instead(
    connect: Connect, box: Sandbox, by: str, tool: str, arguments: Any, says: str
) -> None:
    async with connect(toolsets=NONE) as call:
        error = await call.error(by, tool=tool, arguments=arguments)
    assert says in error
    assert error.isprintable()
    assert box.requests == []


@pytest.mark.parametrize(
    ("settings", "tool", "listed"),
    [
        ({"read_only": True}, "incidentio_page_people", {"find_tools", "use_read_tool"}),
        ({"discovery": False}, "incidentio_list_alerts", set()),
        ({"toolsets": ("all",)}, "incidentio_list_alerts", set()),
    ],
)
async def test_what_the_settings_forbid_is_not_reached(
    connect: Connect, box: Sandbox, settings: dict[str, Any], tool: str, listed: set[str]
) -> None:
    async with connect(**{"toolsets": NONE, **settings}) as call:
        offered = {each.name for each in (await call.client.list_tools()).tools}
        assert offered & {spec.name for spec in DISCOVERY} == listed
        for by in ("use_read_tool", "use_write_tool"):
            await call.error(by, tool=tool, arguments=PAGE)
        if "find_tools" in offered:
            assert tool not in json.dumps(await call.ok("find_tools", words="page people"))
    assert box.writes() == []


async def test_a_page_takes_the_same_two_calls(connect: Connect, box: Sandbox) -> None:
    page: dict[str, Any] = {"tool": "incidentio_page_people", "arguments": PAGE}
    async with connect(toolsets=NONE) as call:
        preview = await call.ok("use_write_tool", **page)
        assert box.writes() == []
        confirmed = PAGE | {"confirm": preview["confirm"]}
        assert "Not sent" in await call.error(
            "use_write_tool", tool=page["tool"], arguments=confirmed | {"title": "Another"}
        )
        done = await call.ok("use_write_tool", tool=page["tool"], arguments=confirmed)
        assert "already used" in await call.error("use_write_tool", tool=page["tool"], arguments=confirmed)
    assert done["status"] == "triggered"
    assert [ring["user"] for ring in box.state()["incidentio"]["rings"]] == ["Sam Lindqvist"]


@asynccontextmanager
async def asking(box: Sandbox, folder: Path, mode: str, *, yes: bool) -> AsyncIterator[tuple[Caller, list[str]]]:
    """Connect a client that is asked for confirmation of every write."""
    asked: list[str] = []

    async def answer(_: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": yes})

    settings = Settings(sandbox=True, toolsets=NONE, state_dir=folder, confirm="writes", audit_log=folder / "audit")
    async with Client(build_server(settings, network=box), mode=mode, elicitation_callback=answer) as client:
        yield Caller(client, box), asked


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("yes", [True, False])
async def test_a_person_is_asked_and_the_audit_log_names_the_tool(
    box: Sandbox, tmp_path: Path, mode: str, yes: bool
) -> None:
    (tmp_path / "state").mkdir()
    page: dict[str, Any] = {"tool": "incidentio_page_people"}
    async with asking(box, tmp_path / "state", mode, yes=yes) as (call, asked):
        preview = await call.ok("use_write_tool", **page, arguments=PAGE)
        assert asked == []
        result = await call.result("use_write_tool", **page, arguments=PAGE | {"confirm": preview["confirm"]})
    assert asked == ['Page "Sam Lindqvist" by the escalation path "Database", saying "Ledger writes fail".']
    assert result.is_error is not yes
    assert len(box.state()["incidentio"]["rings"]) == int(yes)
    log = tmp_path / "state" / "audit"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    assert [(line["tool"], line["outcome"]) for line in lines] == ([("incidentio_page_people", "done")] if yes else [])


async def test_found_tools_have_their_schemas_and_say_how_they_are_called(connect: Connect) -> None:
    async with connect(toolsets=NONE) as call:
        found = await call.ok("find_tools", words="who is on the hook for payments tonight")
        first, *_ = found["tools"]
        assert (first["name"], first["call_with"]) == ("incidentio_list_on_call", "use_read_tool")
        assert first["input_schema"] == SPECS["incidentio_list_on_call"].definition.input_schema
        assert 1 <= len(found["tools"]) <= 8
        listed = {tool.name for tool in (await call.client.list_tools()).tools}
    assert all((tool["call_with"] == "itself") is (tool["name"] in listed) for tool in found["tools"])
    assert all(("input_schema" in tool) is (tool["name"] not in listed) for tool in found["tools"])
    rest = [line.partition(":")[0] for line in found["others"]]
    unlisted = {spec.name for spec in TOOLS} - listed
    assert {tool["name"] for tool in found["tools"]} & set(rest) == set()
    assert unlisted == ({tool["name"] for tool in found["tools"]} | set(rest)) & unlisted


async def test_words_that_fit_nothing_find_no_tool_and_name_all_that_are_not_listed(connect: Connect) -> None:
    async with connect(toolsets=NONE) as call:
        found = await call.ok("find_tools", words="zzzz")
        listed = {tool.name for tool in (await call.client.list_tools()).tools}
    assert found["tools"] == []
    assert {line.partition(":")[0] for line in found["others"]} == {spec.name for spec in TOOLS} - listed


async def test_the_instructions_say_how_tools_that_are_not_listed_are_reached(connect: Connect) -> None:
    async with connect(toolsets=NONE) as call:
        assert "more tools are not listed: find_tools finds them" in (call.client.instructions or "")
        assert "use_read_tool" in await call.error("incidentio_list_alerts")
    async with connect(toolsets=("all",)) as call:
        assert "find_tools" not in (call.client.instructions or "")
