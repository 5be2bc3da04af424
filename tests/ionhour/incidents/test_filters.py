"""Projects and checks by name."""

import pytest

pytestmark = pytest.mark.anyio

LIST = "ionhour_list_incidents"


async def test_a_project_and_a_check_are_found_by_the_names_that_rows_carry(call, box):
    for project in ("Back office", " back OFFICE ", "13", 13, 13.0):
        assert {row["id"] for row in (await call.ok(LIST, project_id=project))["incidents"]} == {4501, 4503, 4507}
        assert ("projectId", "13") in box.requests[-1].query
    assert {row["id"] for row in (await call.ok(LIST, check_id="payout-files"))["incidents"]} == {4503, 4507}
    assert ("checkId", "205") in box.requests[-1].query
    # The names are read once a minute.
    assert [dict(request.query).get("limit") for request in box.requests].count("100") == 2


async def test_a_name_that_no_row_carries_is_refused_with_those_found(call, box):
    error = await call.error(LIST, project_id="Payments")
    assert "project_id: none of the last 9 incidents has a project named 'Payments'." in error
    assert "Checkout (11)" in error
    assert "Back office (13)" in error
    assert len(box.requests) == 1
    assert "check_id must be a name or a number from 1" in await call.error(LIST, check_id="0")


async def test_a_name_of_two_projects_is_refused_with_both_numbers(call, box):
    newest = box.ionhour.incidents[-1]
    newest["project"] = {"id": 99, "name": "back office"}
    assert "'Back office' is ambiguous: 13, 99. Pass the number." in await call.error(LIST, project_id="Back office")
