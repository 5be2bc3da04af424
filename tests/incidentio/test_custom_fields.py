"""Custom fields."""

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import FIELD
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_fields": [{}, {"field": "Affected team"}]}
TOOL = "incidentio_list_fields"


async def test_fields_are_listed_with_their_types(call: Caller, box: Sandbox) -> None:
    answer = await call.ok(TOOL)
    assert {row["name"]: row["field_type"] for row in answer["custom_fields"]} == {
        "Affected team": "single_select",
        "Affected services": "multi_select",
        "Customer impact": "text",
        "Runbook": "link",
        "Errors per minute": "numeric",
        "Affected product": "single_select",
    }
    assert "options" not in answer
    assert answer["custom_fields"][-1] == {
        "id": FIELD["Affected product"],
        "name": "Affected product",
        "field_type": "single_select",
        "catalog_type_id": box.incidentio.catalog_types[0]["id"],
        "description": "From the product catalog.",
    }


@pytest.mark.parametrize("field", ["Affected team", " affected TEAM", FIELD["Affected team"]])
async def test_a_select_field_has_its_options_in_their_order(call: Caller, field: str) -> None:
    answer = await call.ok(TOOL, field=field)
    assert [row["name"] for row in answer["custom_fields"]] == ["Affected team"]
    assert answer["options"] == ["Payments", "Platform", "Growth"]
    assert not answer["has_more"]


async def test_a_field_of_the_catalog_says_where_its_values_are(call: Caller, box: Sandbox) -> None:
    answer = await call.ok(TOOL, field="affected product")
    assert [row["name"] for row in answer["custom_fields"]] == ["Affected product"]
    assert "incidentio_find_entries" in answer["note"]
    assert "options" not in answer
    assert "/v1/custom_field_options" not in [request.path for request in box.requests]


@pytest.mark.parametrize("field", ["Customer impact", "Runbook", "Errors per minute"])
async def test_a_field_of_text_has_no_options(call: Caller, field: str) -> None:
    answer = await call.ok(TOOL, field=field)
    assert [row["name"] for row in answer["custom_fields"]] == [field]
    assert answer.get("options", []) == []


async def test_an_unknown_field_is_refused_with_the_fields_there_are(call: Caller) -> None:
    error = await call.error(TOOL, field="Team")
    assert "Unknown custom field 'Team'. Pass one of: Affected team, Affected services," in error


async def test_two_fields_of_one_name_are_refused_with_their_ids(connect: Connect, box: Sandbox) -> None:
    box.incidentio.custom_fields.append({**box.incidentio.custom_fields[0], "id": "01SECOND"})
    async with connect() as call:
        error = await call.error(TOOL, field="affected team")
        assert f"is ambiguous: Affected team ({FIELD['Affected team']}), Affected team (01SECOND)" in error
        assert (await call.ok(TOOL, field="01SECOND"))["custom_fields"][0]["id"] == "01SECOND"


async def test_without_the_scope_the_error_names_it(connect: Connect, box: Sandbox) -> None:
    box.fail(Fault("status", path="/custom_field", status=403))
    async with connect() as call:
        for arguments in ({}, {"field": "Affected team"}):
            assert "custom_fields.view" in await call.error(TOOL, **arguments)


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    odd = [{"id": "01A", "name": "Bare"}, {"id": "01B", "name": "New kind", "field_type": "matrix"}, {"id": "01C"}, 7]
    options = [{"id": "01O", "value": "One"}, {"id": "01P"}, {"id": "01Q", "value": "Two", "sort_key": "x"}]
    box.fail(Fault("replace", status=200, path="/custom_fields$", body={"custom_fields": odd}))
    box.fail(Fault("replace", status=200, path="/custom_field_options$", body={"custom_field_options": options}))
    async with connect() as call:
        answer = await call.ok(TOOL)
        assert [row["name"] for row in answer["custom_fields"]] == ["Bare", "New kind"]
        assert answer["custom_fields"][1]["field_type"] == "matrix"
        assert answer["unreadable"] == 2
        answer = await call.ok(TOOL, field="new kind")
        assert answer["options"] == ["One", "Two"]
        assert answer["unreadable"] == 1
