"""Users."""

from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import USER
from tests.answering import Answering
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_find_users": [{"name_contains": "a"}, {"email": "Yuki.Tanaka@paysand.example"}]}
TOOL = "incidentio_find_users"
YUKI = "yuki.tanaka@paysand.example"


def names(answer: dict[str, Any]) -> list[str]:
    return [user["name"] for user in answer["users"]]


@pytest.mark.parametrize("part", ["sam", "SAM", " sam ", "am"])
async def test_users_are_found_by_a_part_of_the_name_in_any_case(call: Caller, part: str) -> None:
    found = names(await call.ok(TOOL, name_contains=part))
    assert found[:2] == ["Sam Okafor", "Sam Lindqvist"]
    assert all("am" in name.casefold() for name in found)


async def test_a_row_has_what_pages_and_roles_need(call: Caller) -> None:
    [user] = (await call.ok(TOOL, email=YUKI.upper()))["users"]
    assert user == {
        "id": USER["Yuki Tanaka"],
        "name": "Yuki Tanaka",
        "email": YUKI,
        "slack_user_id": "U04YUKI",
        "on_call_seat": "full_access",
    }


async def test_name_and_email_must_both_fit(call: Caller) -> None:
    assert names(await call.ok(TOOL, email=YUKI, name_contains="tanaka")) == ["Yuki Tanaka"]
    assert names(await call.ok(TOOL, email=YUKI, name_contains="sam")) == []


async def test_nobody_found_says_where_those_who_left_are(call: Caller) -> None:
    assert "include_inactive=true" in (await call.ok(TOOL, name_contains="Tom Baker"))["note"]
    assert "note" not in await call.ok(TOOL, name_contains="Nobody of this name", include_inactive=True)


async def test_me_is_the_person_of_the_setting(connect: Connect) -> None:
    async with connect(me="Yuki.Tanaka@paysand.example") as call:
        assert names(await call.ok(TOOL, email=" ME ")) == ["Yuki Tanaka"]


async def test_me_without_the_setting_names_the_setting(call: Caller) -> None:
    assert "INCIDENT_MCP_ME" in await call.error(TOOL, email="me")


async def test_inactive_users_are_left_out_unless_they_are_included(call: Caller) -> None:
    everybody = names(await call.ok(TOOL, include_inactive=True))
    active = names(await call.ok(TOOL))
    assert set(everybody) - set(active) == {"Tom Baker", "Ada Brandt"}
    [tom] = (await call.ok(TOOL, name_contains="tom", include_inactive=True))["users"]
    assert tom["active"] is False
    assert tom["on_call_seat"] == "none"


async def test_one_request_reads_all_users_and_is_kept(call: Caller, box: Sandbox) -> None:
    for part in ("sam", "yuki"):
        await call.ok(TOOL, name_contains=part)
    [request] = box.requests
    assert request.path == "/v2/users"
    assert request.query == [("page_size", "10000")]


async def test_more_than_a_hundred_are_cut_and_the_rest_is_counted(connect: Connect) -> None:
    users = [{"id": f"01USER{number:04}", "name": f"Ann {number}"} for number in range(130)]
    async with connect(sandbox=Answering({("GET", "/v2/users"): {"users": users}})) as call:
        answer = await call.ok(TOOL, name_contains="ann")
        assert len(answer["users"]) == 100
        assert answer["has_more"]
        assert answer["note"] == "30 more fit: pass a longer part of the name."
        answer = await call.ok(TOOL, name_contains="ann 1")
        assert (answer["has_more"], "note" in answer) == (False, False)


async def test_without_the_scope_the_error_names_it(connect: Connect, box: Sandbox) -> None:
    box.incidentio.remove_scope("users.view")
    async with connect() as call:
        assert "needs the scope users.view" in await call.error(TOOL, name_contains="sam")


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    odd = [
        {"id": "01A", "name": "Ann A", "email": 7, "seats": "none", "is_active": "maybe"},
        {"id": "01B"},
        {"id": "01C", "name": None, "email": "ann.c@paysand.example", "seats": {"on_call": "a new kind"}},
        {"name": "Ann without an id"},
        "Ann",
    ]
    box.fail(Fault("replace", status=200, path="/v2/users$", body={"users": odd}))
    async with connect() as call:
        answer = await call.ok(TOOL)
        assert [user["id"] for user in answer["users"]] == ["01A", "01B", "01C"]
        assert answer["users"][1] == {"id": "01B"}
        assert answer["users"][2]["on_call_seat"] == "a new kind"
        assert answer["unreadable"] == 2
        assert names(await call.ok(TOOL, name_contains="ann")) == ["Ann A"]
        [user] = (await call.ok(TOOL, email="ANN.c@paysand.example"))["users"]
        assert user["id"] == "01C"
