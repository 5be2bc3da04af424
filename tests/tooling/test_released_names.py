"""Names are for ever: a released tool or argument works, or an alias answers with its new name."""

import json
from pathlib import Path
from typing import Any

import pytest

from incident_mcp.catalogue import DISCOVERY, TOOLS
from incident_mcp.tooling import aliases
from tests.conftest import Connect

pytestmark = pytest.mark.anyio

RELEASED: dict[str, list[str]] = json.loads(Path(__file__).with_name("released_names.json").read_text("utf-8"))
NOW = {spec.name: set(spec.definition.input_schema.get("properties", {})) for spec in (*TOOLS, *DISCOVERY)}
REMEDY = "add the old name to src/incident_mcp/tooling/aliases.py, and keep it for a release"


def missing(released: dict[str, list[str]], now: dict[str, set[str]]) -> list[str]:
    """Return what was released and neither exists nor has an alias to something that does."""
    found: list[str] = []
    for tool, arguments in released.items():
        name = aliases.TOOLS.get(tool, tool)
        if name not in now:
            found.append(f"{tool} is gone or renamed: {REMEDY}")
            continue
        renamed = aliases.ARGUMENTS.get(name, {})
        gone = [each for each in arguments if renamed.get(each, each) not in now[name]]
        found += [f"{tool}: the argument {each} is gone or renamed: {REMEDY}" for each in gone]
    return found


@pytest.mark.quick
def test_every_released_name_works_or_has_an_alias() -> None:
    assert missing(RELEASED, NOW) == []


@pytest.mark.quick
def test_every_name_is_kept() -> None:
    unkept = {tool: sorted(names - set(RELEASED.get(tool, ()))) for tool, names in NOW.items()}
    assert [tool for tool in NOW if tool not in RELEASED or unkept[tool]] == [], "run `uv run python -m tools.generate`"


def test_a_name_that_is_gone_is_missed_and_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {name: arguments - {"limit"} for name, arguments in NOW.items() if name != "situation"}
    missed = missing(RELEASED, without)
    assert f"situation is gone or renamed: {REMEDY}" in missed
    assert f"incidentio_list_updates: the argument limit is gone or renamed: {REMEDY}" in missed
    monkeypatch.setitem(aliases.TOOLS, "situation", "incident_timeline")
    monkeypatch.setitem(aliases.ARGUMENTS, "incidentio_list_updates", {"limit": "after"})
    assert not [each for each in missing(RELEASED, without) if "incidentio_list_updates" in each]
    assert f"situation is gone or renamed: {REMEDY}" not in missing(RELEASED, without)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("toolsets", [("all",), ("alerts",)])
async def test_an_old_name_answers_and_says_the_new_one(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, mode: str, toolsets: tuple[str, ...]
) -> None:
    monkeypatch.setitem(aliases.TOOLS, "incidentio_show_alerts", "incidentio_list_alerts")
    monkeypatch.setitem(aliases.ARGUMENTS, "incidentio_list_alerts", {"most": "limit"})
    async with connect(mode, toolsets=toolsets) as call:
        answer = await call.ok("incidentio_show_alerts", most=1)
        assert len(answer["alerts"]) == 1
        assert answer["note"] == (
            "incidentio_show_alerts is now called incidentio_list_alerts. The argument most is now called limit."
        )
        assert "note" not in await call.ok("incidentio_list_alerts", limit=1)
        error = await call.error("incidentio_list_alerts", most=1, limit=1)
        assert "unknown argument most" in error


async def test_an_old_name_is_reached_through_another_tool_too(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(aliases.TOOLS, "incidentio_show_alerts", "incidentio_list_alerts")
    async with connect(toolsets=("core",)) as call:
        old: dict[str, Any] = {"tool": "incidentio_show_alerts", "arguments": {"limit": 1}}
        answer = await call.ok("use_read_tool", **old)
    assert answer["note"] == "incidentio_show_alerts is now called incidentio_list_alerts."
