"""The skill's references: each is of one toolset, names all its tools, and its examples run."""

import re
import shlex

import pytest

from incident_mcp.catalogue import TOOLS
from incident_mcp.commands.call import _arguments
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.skill import REFERENCES
from tests.conftest import Caller, Connect
from tests.spawned import ROOT

from .test_names import ARGUMENTS, BUILT, fields
from .test_skill import commands, undeclared

TEXTS = {file.stem: file.read_text("utf-8") for file in sorted((ROOT / "references").glob("*.md"))}
COMMANDS = [line for text in TEXTS.values() for line in commands(text)]
IDS = {"escalation": "escalations", "alert": "alerts", "override": "schedule_overrides"}
IDS |= {"follow_up": "follow_ups", "action": "actions", "public_incident": "status_page_incidents"}
IDS |= {"post_mortem": "postmortem_documents"}
"""The rows of the sandbox of which one is meant by an example's `ID`."""
OPEN = (None, "triggered", "firing", "outstanding")
SUBJECTS = {"Checkout errors above 5 percent", "Ledger replica lags by 40 seconds"}
"""An alert that has notes and incidents; a page that rings."""


@pytest.mark.anyio
@pytest.mark.parametrize("command", COMMANDS, ids=lambda line: line[18:70])
async def test_an_example_runs(command: str, connect: Connect, box: Sandbox) -> None:
    async with connect(me="yuki.tanaka@paysand.example") as call:
        await run_example(command, call, box)


async def run_example(command: str, call: Caller, box: Sandbox) -> None:
    name, *pairs = shlex.split(command)[2:]
    arguments = _arguments(pairs, None)
    for argument, rows in IDS.items():
        if arguments.get(argument) == "ID":
            every = box.incidentio.rows[rows]
            found = [row for row in every if row.get("status") in OPEN] or every
            arguments[argument] = next((row for row in found if row.get("title") in SUBJECTS), found[0])["id"]
    if arguments.get("confirm") == "CODE":
        preview = await call.ok(name, **{key: value for key, value in arguments.items() if key != "confirm"})
        assert preview["preview"]
        arguments["confirm"] = preview["confirm"]
    answer = await call.ok(name, **arguments)
    [tool] = [spec.definition for spec in TOOLS if spec.name == name]
    assert undeclared(answer, tool.output_schema or {}) == []
    assert not any(value == [] for value in answer.values()), "an example that shows nothing"


def test_every_example_that_previews_is_followed_by_the_one_that_does_it() -> None:
    confirming = [line for line in COMMANDS if line.endswith(" confirm=CODE")]
    assert len(confirming) >= 5
    assert [line for line in confirming if line.removesuffix(" confirm=CODE") not in COMMANDS] == []


@pytest.mark.parametrize("toolset", TEXTS)
def test_a_reference_names_every_tool_of_its_toolset_and_none_that_does_not_exist(toolset: str) -> None:
    named = set(re.findall(r"\b(?:incidentio|ionhour)_[a-z_]*[a-z]\b", TEXTS[toolset]))
    words = set(re.findall(r"[a-z_]+", TEXTS[toolset]))
    own = {spec.name for spec in TOOLS if spec.toolset.name == toolset}
    assert own
    assert own - words == set()
    assert named - {spec.name for spec in TOOLS} == set()


@pytest.mark.parametrize("toolset", TEXTS)
def test_every_name_in_backticks_is_a_tool_an_argument_or_a_field(toolset: str) -> None:
    prose = re.sub(r"```.*?```", "", TEXTS[toolset], flags=re.DOTALL)
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?:[= ][^`]*)?`", prose))
    known = {tool.name for tool in BUILT} | ARGUMENTS | {name for tool in BUILT for name in fields(tool.output_schema)}
    assert named - known == set()
    calls = [line.split() for line in re.findall(r"`((?:incidentio|ionhour)_\w+ [^`]+)`", prose)]
    for name, *pairs in calls:
        [tool] = [tool for tool in BUILT if tool.name == name]
        assert {pair.partition("=")[0] for pair in pairs} <= set(tool.input_schema["properties"])


def test_the_references_are_short_and_the_skill_links_each() -> None:
    skill = (ROOT / "SKILL.md").read_text("utf-8")
    for toolset, text in TEXTS.items():
        assert len(text.splitlines()) < 120
        assert f"](references/{toolset}.md)" in skill or f"references/{toolset}.md" not in REFERENCES
        assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (ROOT / "references" / link).exists()] == []
