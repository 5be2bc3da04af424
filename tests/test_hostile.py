"""Text written to harm in every field of every record: answers stay bounded, and nothing in them is hidden."""

import json
from pathlib import Path

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from incident_mcp.records.text import make_visible
from incident_mcp.sandbox import Sandbox
from incident_mcp.serving.server import build_server
from incident_mcp.settings import Settings
from tests.conftest import NOW, text_of
from tests.hostile import KINDS, READS, WRITES, At, Playing, Recording, fields, filled, put

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


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[At, tuple[int, bytes]]:
    """What the sandbox answers to every tool."""
    network = Recording(Sandbox(now=NOW))
    settings = Settings(sandbox=True, state_dir=tmp_path_factory.mktemp("state"))
    async with Client(build_server(settings, network=network)) as client:
        for tool, arguments in READS + WRITES:
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
    async with Client(build_server(Settings(sandbox=True, state_dir=tmp_path), network=network)) as client:
        for tool, arguments in READS + WRITES:
            result = await client.call_tool(tool, arguments)
            text = text_of(result)
            assert len(text) < MOST, (tool, arguments, len(text))
            assert make_visible(text) == text, (tool, arguments)
            assert "failed with an internal error" not in text
            if not result.is_error:
                assert json.loads(text) == result.structured_content
            else:
                assert "\n" not in text


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_prompts_and_completions_are_bounded_and_hide_nothing(
    kind: str, recorded: dict[At, tuple[int, bytes]], tmp_path: Path
) -> None:
    network = Playing(spoiled(recorded, filled(kind, 12_000)))
    async with Client(build_server(Settings(sandbox=True, state_dir=tmp_path), network=network)) as client:
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
