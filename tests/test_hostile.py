"""Text written to harm in every field of every record: answers stay bounded, and nothing in them is hidden."""

import inspect
import json
from pathlib import Path

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from incident_mcp.catalogue import TOOLS
from incident_mcp.records.record import Listed
from incident_mcp.records.text import make_visible
from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from incident_mcp.tooling.tools import ToolSpec
from tests.conftest import NOW, text_of
from tests.examples import calls, examples
from tests.hostile import KINDS, At, Playing, Recording, fields, filled, longer, put
from tests.records.test_listed import NASTY

pytestmark = pytest.mark.anyio

KEPT = (
    "id",
    "_id",
    "_at",
    "At",
    "publicId",
    "reference",
    "category",
    "field_type",
    "role_type",
    "state",
    "mode",
    "rank",
)
"""Ends of fields without which there is no record to put the others into."""
MOST = 120_000
"""Characters of the largest answer, which is about 20,000 tokens."""
MOST_OF_ROW, MOST_TOKENS = 100, 20_000
"""Tokens of a row in a list of 25 or more, and of the largest answer."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[At, tuple[int, bytes]]:
    """What the sandbox answers to every tool."""
    network = Recording(Sandbox(now=NOW))
    settings = Settings(sandbox=True, toolsets=("all",), state_dir=tmp_path_factory.mktemp("state"), max_writes=0)
    async with Client(build_server(settings, network=network)) as client:
        for tool, arguments in calls():
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, text_of(result)
    return network.answers


def spoiled(answers: dict[At, tuple[int, bytes]], text: str) -> dict[At, tuple[int, bytes]]:
    """Put a text into every field but those that name a record."""
    made: dict[At, tuple[int, bytes]] = {}
    for at, (status, content) in answers.items():
        body = json.loads(content or b"{}")
        at_places = [place for name, place in fields(body).items() if not name.endswith(KEPT)]
        made[at] = (status, put(body, at_places, text))
    return made


@pytest.mark.parametrize("kind", KINDS)
async def test_a_large_text_in_every_field_leaves_answers_bounded_and_hides_nothing(
    kind: str, recorded: dict[At, tuple[int, bytes]], tmp_path: Path
) -> None:
    network = Playing(spoiled(recorded, filled(kind, 12_000)))
    settings = Settings(sandbox=True, toolsets=("all",), state_dir=tmp_path)
    async with Client(build_server(settings, network=network)) as client:
        for tool, arguments in calls():
            result = await client.call_tool(tool, arguments)
            text = text_of(result)
            assert len(text) < MOST, (tool, arguments, len(text))
            assert make_visible(text) == text, (tool, arguments)
            assert "failed with an internal error" not in text
            if not result.is_error:
                assert json.loads(text) == result.structured_content
            else:
                assert "\n" not in text


def long(answers: dict[At, tuple[int, bytes]], rows: int) -> dict[At, tuple[int, bytes]]:
    """Return answers whose lists have this many rows."""
    return {
        at: (status, json.dumps(longer(json.loads(content or b"{}"), rows), ensure_ascii=False).encode())
        for at, (status, content) in answers.items()
    }


SHOWN_WHOLE = {"ionhour_list_notes"}
"""Lists whose rows are their texts."""
READS = [spec for spec in TOOLS if not spec.writes]


def is_lean(spec: ToolSpec) -> bool:
    """Return whether a tool answers rows that are cut to a budget a row."""
    answer = inspect.signature(spec.fn, eval_str=True).return_annotation
    return issubclass(answer, Listed) and spec.name not in SHOWN_WHOLE


@pytest.mark.parametrize("kind", ["words", "rare emoji", "kanji"])
async def test_a_read_costs_what_a_host_takes_and_a_row_of_a_list_what_it_may(
    kind: str, recorded: dict[At, tuple[int, bytes]], tmp_path: Path
) -> None:
    settings = Settings(sandbox=True, toolsets=("all",), state_dir=tmp_path)
    for rows in (25, 100):
        network = Playing(long(spoiled(recorded, NASTY[kind][:300]), rows))
        async with Client(build_server(settings, network=network)) as client:
            for spec in READS:
                limit = spec.definition.input_schema["properties"].get("limit", {}).get("maximum")
                largest = {"limit": limit} if limit and rows > 25 else {}
                result = await client.call_tool(spec.name, examples(spec)[0] | largest)
                answer = result.structured_content
                assert answer is not None, text_of(result)
                assert count_tokens(answer) <= MOST_TOKENS, (spec.name, rows)
                if is_lean(spec) and rows == 25:
                    shown = sum(len(value) for value in answer.values() if isinstance(value, list))
                    assert count_tokens(answer) <= MOST_OF_ROW * max(shown, 25), spec.name


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_prompts_and_completions_are_bounded_and_hide_nothing(
    kind: str, recorded: dict[At, tuple[int, bytes]], tmp_path: Path
) -> None:
    network = Playing(spoiled(recorded, filled(kind, 12_000)))
    settings = Settings(sandbox=True, toolsets=("all",), state_dir=tmp_path)
    async with Client(build_server(settings, network=network)) as client:
        texts: list[str] = []
        for uri in ("incidentio://severities", "incidentio://incidents/INC-114", "ionhour://incidents/4512"):
            try:
                read = await client.read_resource(uri)
            except MCPError as error:
                texts.append(str(error))
            else:
                texts += [content.text for content in read.contents]
        for prompt, arguments in (
            ("declare", {"what": "x", "ionhour_incident_id": "4512"}),
            ("triage", {}),
            ("handover", {"incident": "INC-114"}),
            ("postmortem", {"incident": "INC-114"}),
        ):
            got = await client.get_prompt(prompt, arguments)
            texts += [message.content.text for message in got.messages]
        for text in texts:
            assert len(text) < MOST
            assert make_visible(text) == text
