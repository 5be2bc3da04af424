"""Teams."""

from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_teams": [{}, {"name_contains": "pay"}]}
TOOL = "incidentio_list_teams"


def names(answer: dict[str, Any]) -> list[str]:
    return [team["name"] for team in answer["teams"]]


async def test_a_team_has_its_members_by_name(call: Caller, box: Sandbox) -> None:
    answer = await call.ok(TOOL)
    assert names(answer) == ["Payments", "Platform", "Search"]
    [payments] = (await call.ok(TOOL, name_contains=" PAY "))["teams"]
    assert payments == {
        "id": box.incidentio.teams[0]["id"],
        "name": "Payments",
        "members": ["Yuki Tanaka", "Sam Lindqvist", "Ines Moreau"],
    }
    assert names(await call.ok(TOOL, name_contains="paymentz")) == []


async def test_more_members_than_are_shown_are_counted(connect: Connect, box: Sandbox) -> None:
    box.incidentio.teams[2]["members"] = [{"id": f"01{number}", "name": f"Ann {number}"} for number in range(33)]
    async with connect() as call:
        [search] = (await call.ok(TOOL, name_contains="search"))["teams"]
        assert len(search["members"]) + search["more_members"] == 33
        assert len(search["members"]) == 20
        assert "more_members" not in (await call.ok(TOOL, name_contains="platform"))["teams"][0]


async def test_teams_of_all_pages_are_listed(connect: Connect, box: Sandbox) -> None:
    box.incidentio.teams = [{"id": f"01T{number:03}", "name": f"T{number}", "members": []} for number in range(300)]
    async with connect() as call:
        assert names(await call.ok(TOOL, name_contains="t299")) == ["T299"]


async def test_without_the_scope_the_error_names_it(connect: Connect, box: Sandbox) -> None:
    box.incidentio.remove_scope("catalog_entries.view")
    async with connect() as call:
        error = await call.error(TOOL)
    assert "403" in error
    assert "catalog_entries.view" in error


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    odd = [
        {"id": "01A", "name": "No members"},
        {"id": "01B", "name": "Odd members", "members": ["x", None, {"email": "a@b.c"}, {"id": "01U"}, {"name": 7}]},
        {"id": "01C", "name": "Members are no list", "members": "Yuki"},
        {"id": "01D"},
    ]
    box.fail(Fault("replace", status=200, path="/v3/teams$", body={"teams": odd}))
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert [(team["name"], team.get("members")) for team in answer["teams"]] == [
        ("No members", None),
        ("Odd members", ["a@b.c", "01U"]),
        ("Members are no list", None),
    ]
    assert answer["unreadable"] == 1
