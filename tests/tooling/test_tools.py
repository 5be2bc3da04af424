"""What holds for every tool; each tool's contract is a snapshot.

A change of a contract is a product decision. To take one, run `uv run python -m tools.generate` and read the diff.
"""

import inspect
import json

import pytest

from incident_mcp.catalogue import TOOLS
from tools.generate import SNAPSHOTS, contract

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

NAMES = [spec.name for spec in TOOLS]
every_tool = pytest.mark.parametrize("spec", TOOLS, ids=NAMES)
INJECTED = {"api", "caller", "writer", "settings", "services", "incidentio", "ionhour"}


async def test_a_client_is_told_the_snapshots(connect):
    async with connect() as call:
        tools = (await call.client.list_tools()).tools
    for tool in tools:
        told = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
        snapshot = json.loads((SNAPSHOTS / f"{tool.name}.json").read_text(encoding="utf-8"))
        assert {key: told[key] for key in snapshot} == snapshot


def test_names_are_unique_short_and_say_service_verb_noun():
    assert len(NAMES) == len(set(NAMES))
    for name in NAMES:
        assert len(name) <= 28
        assert len(name.split("_")) >= 3 or not name.startswith(("incidentio", "ionhour"))


@every_tool
def test_every_argument_is_described_typed_and_none_is_injected(spec):
    arguments = contract(spec)["inputSchema"]
    for name, schema in arguments["properties"].items():
        assert name not in INJECTED
        assert schema.get("type"), name
        assert schema.get("description", "").endswith("."), name
        assert "title" not in schema
    seen = set(inspect.signature(spec.fn).parameters)
    assert set(arguments["properties"]) == seen - INJECTED


@every_tool
def test_hints_title_and_first_line_are_there(spec):
    told = contract(spec)
    hints = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
    assert {key for key, value in told["annotations"].items() if isinstance(value, bool)} == hints
    assert told["title"]
    assert told["annotations"]["title"] == told["title"]
    first, *_ = told["description"].splitlines()
    assert first.endswith(".")
    assert not any(line.startswith("    ") for line in told["description"].splitlines())


@every_tool
def test_a_tool_writes_or_its_hints_say_that_it_does_not(spec):
    told = contract(spec)
    assert told["annotations"]["readOnlyHint"] is not spec.writes
    in_two_calls = bool(spec.preview)
    assert ("dry_run" in told["inputSchema"]["properties"]) is (spec.writes and not in_two_calls)
    assert ("confirm" in told["inputSchema"]["properties"]) is in_two_calls
    assert {"preview", "confirm"} <= set(told["outputSchema"]["properties"]) or not in_two_calls
    assert ("would_send" in told["outputSchema"]["properties"]) is spec.writes
    assert spec.writes or not told["annotations"]["destructiveHint"]


def test_only_what_loses_something_or_wakes_people_is_destructive():
    destructive = {spec.name for spec in TOOLS if spec.destructive}
    rings = {spec.name for spec in TOOLS if spec.preview}
    lost = {"incidentio_close_incident", "incidentio_resolve_alert", "ionhour_delete_note", "incidentio_revoke_access"}
    only_adds = {"incidentio_put_post_mortem"}
    assert destructive == lost | rings - only_adds
