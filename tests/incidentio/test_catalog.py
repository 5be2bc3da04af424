"""The catalog."""

from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.account import ENTRY
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_catalog": {},
    "incidentio_find_entries": [{"type": "01HR4B1YM0FJ915AD2RMMGRBNJ"}, {"type": "Product", "identifier": "checkout"}],
}
TOOL = "incidentio_find_entries"


def names(answer: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in answer["catalog_entries"]]


async def test_a_type_has_what_it_takes_to_choose_one(call: Caller, box: Sandbox) -> None:
    answer = await call.ok("incidentio_list_catalog")
    assert answer["catalog_types"] == [
        {
            "id": box.incidentio.catalog_types[0]["id"],
            "name": "Product",
            "description": "What merchants buy from us.",
            "estimated_count": 3,
            "is_team_type": False,
        }
    ]


@pytest.mark.parametrize("kind", ["Product", "product", " PRODUCT ", 'Custom["Product"]', "01HR4B1YM0FJ915AD2RMMGRBNJ"])
async def test_a_type_goes_by_its_name_in_any_case_its_type_name_or_its_id(call: Caller, kind: str) -> None:
    assert names(await call.ok(TOOL, type=kind)) == ["Hosted Checkout", "Payouts", "Merchant Dashboard"]


async def test_an_unknown_type_is_refused_with_the_types_there_are(call: Caller, box: Sandbox) -> None:
    assert "Unknown catalog type 'Service'. Pass one of: Product." in await call.error(TOOL, type="Service")
    assert "/v3/catalog_entries" not in [request.path for request in box.requests]


@pytest.mark.parametrize("identifier", ["checkout", "product-checkout", "hosted checkout", ENTRY["Hosted Checkout"]])
async def test_an_entry_has_its_attributes_by_name(call: Caller, identifier: str) -> None:
    [entry] = (await call.ok(TOOL, type="Product", identifier=identifier))["catalog_entries"]
    assert entry == {
        "id": ENTRY["Hosted Checkout"],
        "name": "Hosted Checkout",
        "external_id": "product-checkout",
        "aliases": ["checkout"],
        "attributes": ["Runbook: https://runbooks.paysand.example/product-checkout", "Owner: Payments"],
    }


async def test_many_entries_are_listed_without_attributes_page_by_page(connect: Connect, box: Sandbox) -> None:
    box.incidentio.catalog_entries += [
        {"id": f"01E{number:02}", "name": f"Product {number}", "aliases": [], "external_id": f"p-{number}"}
        for number in range(10)
    ]
    async with connect() as call:
        everything = await call.ok(TOOL, type="product")
        assert len(everything["catalog_entries"]) == 13
        assert not any("attributes" in entry for entry in everything["catalog_entries"])
        assert not everything["has_more"]
        seen: list[str] = []
        more: dict[str, str] = {}
        for _ in range(4):
            page = await call.ok(TOOL, type="product", limit=4, **more)
            assert len(page["catalog_entries"]) <= 4
            seen += names(page)
            more = {"after": page.get("after", "")}
            assert page["has_more"] == ("after" in page)
    assert seen == names(everything)


async def test_without_the_scope_the_error_names_it(connect: Connect, box: Sandbox) -> None:
    box.fail(Fault("status", path="/v3/catalog_types$", status=403, times=2))
    async with connect() as call:
        assert "catalog_types.view" in await call.error("incidentio_list_catalog")
        assert "catalog_types.view" in await call.error(TOOL, type="product")
        box.fail(Fault("status", path="/v3/catalog_entries$", status=403))
        assert "catalog_entries.view" in await call.error(TOOL, type="product")


async def test_odd_rows_do_not_hide_the_others(connect: Connect, box: Sandbox) -> None:
    runbook, owner = (attribute["id"] for attribute in box.incidentio.catalog_types[0]["schema"]["attributes"])
    odd = [
        {"id": "01A", "name": "Bare"},
        {"id": "01B", "name": "Odd", "aliases": [7, "b"], "attribute_values": {owner: "x", runbook: {"value": None}}},
        {
            "id": "01C",
            "name": "Several",
            "aliases": "c",
            "attribute_values": {
                owner: {"array_value": [{"label": "Payments"}, 7, {"literal": "Search"}]},
                "01UNKNOWN": {"value": {"literal": "kept"}},
            },
        },
        {"id": "01D"},
    ]
    box.fail(Fault("replace", status=200, path="/v3/catalog_entries$", body={"catalog_entries": odd}))
    async with connect() as call:
        answer = await call.ok(TOOL, type="product")
    assert answer["catalog_entries"] == [
        {"id": "01A", "name": "Bare"},
        {"id": "01B", "name": "Odd", "aliases": ["b"]},
        {"id": "01C", "name": "Several", "attributes": ["Owner: Payments, Search", "01UNKNOWN: kept"]},
    ]
    assert answer["unreadable"] == 1


async def test_a_type_without_a_readable_schema_still_has_entries(connect: Connect, box: Sandbox) -> None:
    odd = [{**box.incidentio.catalog_types[0], "schema": {"attributes": [7, {"id": 1}]}}, {"id": "01X"}, 7]
    box.fail(Fault("replace", status=200, path="/v3/catalog_types$", body={"catalog_types": odd}))
    async with connect() as call:
        assert (await call.ok("incidentio_list_catalog"))["unreadable"] == 2
        answer = await call.ok(TOOL, type="product", identifier="payouts")
    owner = box.incidentio.catalog_types[0]["schema"]["attributes"][1]["id"]
    assert f"{owner}: Payments" in answer["catalog_entries"][0]["attributes"]
