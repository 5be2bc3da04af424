"""Escalation paths."""

import pytest

from incident_mcp.sandbox import Sandbox
from tests.conftest import Caller

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_paths": [{"name_contains": "pay"}, {"team": "01HR4B1YM0H8RCV220P483NFXZ"}]}
TOOL = "incidentio_list_paths"


async def test_a_path_has_who_is_on_call_its_levels_and_teams(call: Caller) -> None:
    answer = await call.ok(TOOL, name_contains="PAYM")
    [path] = answer["escalation_paths"]
    assert (path["name"], path["on_call"], path["levels"], path["teams"]) == (
        "Payments",
        ["Yuki Tanaka"],
        2,
        ["Payments"],
    )
    assert "note" not in answer


async def test_a_path_without_anybody_on_call_is_named_and_not_called_empty(call: Caller) -> None:
    answer = await call.ok(TOOL, name_contains="batch")
    assert "on_call" not in answer["escalation_paths"][0]
    assert answer["note"].startswith("The service names nobody on call for Batch jobs:")


async def test_long_and_hostile_names_do_not_fill_the_note(call: Caller, box: Sandbox) -> None:
    for row in box.incidentio.on_call.paths:
        row["name"] = "Batch\njobs" * 100
    note = (await call.ok(TOOL))["note"]
    assert len(note) <= 400
    assert note.isprintable()


@pytest.mark.parametrize("team", ["Payments", "01HR4B1YM0H8RCV220P483NFXZ"])
async def test_paths_of_a_team_go_by_its_name_or_id(call: Caller, team: str) -> None:
    found = (await call.ok(TOOL, team=team))["escalation_paths"]
    assert found
    assert all(row["teams"] == ["Payments"] for row in found)
    assert "Payments" in await call.error(TOOL, team="Nobody's")
