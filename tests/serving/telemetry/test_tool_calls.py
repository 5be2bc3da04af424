"""What stands around tool calls: outcomes, what it stands around itself, and the journal."""

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from mcp_types import CallToolResult, InputRequiredResult
from opentelemetry.sdk.trace import TracerProvider

from incident_mcp.records.record import Json
from incident_mcp.tooling.caller import Perform
from incident_mcp.tooling.tools import ToolResult
from incident_mcp.writing.journal.protocol import Journal
from tests.serving.telemetry.conftest import Exported

pytestmark = pytest.mark.anyio
TOOL = "incidentio_list_incidents"


def outcomes(exported: Exported) -> dict[str, int]:
    return {outcome: count for (_, outcome), count in exported.points("incident_mcp.tool.calls").items()}


async def test_a_question_is_an_outcome(exported: Exported):
    async def ask(_: str, __: Json) -> ToolResult:
        return InputRequiredResult(request_state="s")

    await exported.telemetry.observed(None)(TOOL, {}, ask)
    assert outcomes(exported) == {"question": 1}


async def test_a_call_that_is_cancelled_is_counted_as_that(exported: Exported):
    async def wait(_: str, __: Json) -> ToolResult:
        await anyio.sleep_forever()
        raise AssertionError

    with anyio.move_on_after(0.01):
        await exported.telemetry.observed(None)(TOOL, {}, wait)
    assert outcomes(exported) == {"cancelled": 1}
    [span] = exported.tool_spans()
    assert span.attributes
    assert span.attributes["incident_mcp.tool.outcome"] == "cancelled"


async def test_an_exception_passes_through_and_is_counted(exported: Exported):
    async def fail(_: str, __: Json) -> ToolResult:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError):
        await exported.telemetry.observed(None)(TOOL, {}, fail)
    assert outcomes(exported) == {"error": 1}
    assert "planted" not in exported.written()


async def test_what_records_a_call_gets_it_as_it_was_made(exported: Exported):
    seen: list[Any] = []

    async def record(name: str, arguments: Json, perform: Perform) -> ToolResult:
        seen.append((name, arguments))
        return await perform(name, arguments)

    async def perform(name: str, arguments: Json) -> ToolResult:
        seen.append((name, arguments))
        return CallToolResult(content=[])

    result = await exported.telemetry.observed(record)("made up", {"a": 1}, perform)
    assert result == CallToolResult(content=[])
    assert seen == [("made up", {"a": 1})] * 2
    assert outcomes(exported) == {"ok": 1}


@pytest.mark.parametrize("name", ["use_read_tool", "use_write_tool"])
@pytest.mark.parametrize(
    "tool", [None, 7, ["x"], {"a": "b"}, "x" * 100_000], ids=["none", "number", "list", "map", "long"]
)
async def test_an_odd_inner_name_is_no_label(exported: Exported, name: str, tool: object):
    async def perform(_: str, __: Json) -> ToolResult:
        return CallToolResult(content=[])

    await exported.telemetry.observed(None)(name, {"tool": tool}, perform)
    assert set(exported.points("incident_mcp.tool.calls")) == {(name, "ok")}


async def test_a_journal_in_trouble_is_counted_once_until_it_works_again(exported: Exported):
    journal = SimpleNamespace(trouble=None, unreadable=None, lost=False)

    async def perform(_: str, arguments: Json) -> ToolResult:
        journal.trouble = arguments["trouble"]
        return CallToolResult(content=[])

    around = exported.telemetry.observed(None, cast("Journal", journal))
    for trouble in (None, "planted", "planted", None, "planted"):
        await around(TOOL, {"trouble": trouble}, perform)
    assert exported.points("incident_mcp.journal.failures") == {(): 2}
    assert "planted" not in exported.written()


async def test_a_span_that_cannot_be_handed_on_fails_no_call(exported: Exported, monkeypatch: pytest.MonkeyPatch):
    def fail(_: object) -> None:
        raise RuntimeError

    async def perform(_: str, __: Json) -> ToolResult:
        return CallToolResult(content=[])

    monkeypatch.setattr("incident_mcp.serving.telemetry.exporting.without_payload", fail)
    await exported.telemetry.observed(None)(TOOL, {}, perform)
    assert exported.spans == ()


async def test_a_long_name_is_not_kept_until_it_is_sent(exported: Exported):
    tracer = cast("TracerProvider", exported.telemetry._tracers).get_tracer("mcp-python-sdk")
    long = "x" * 1_000_000
    prompt = {"mcp.method.name": "prompts/get", "gen_ai.prompt.name": long}
    unknown = {"mcp.method.name": long, "jsonrpc.request.id": long}
    for attributes in (prompt, unknown):
        with tracer.start_as_current_span(long, attributes=attributes):
            pass
    assert [span.name for span in exported.spans] == ["prompts/get", "unknown"]
    assert len(exported.written()) < 10_000
