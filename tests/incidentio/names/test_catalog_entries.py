"""Custom fields whose values are catalog entries: by the names that reads tell, external ids, aliases and ids."""

import pytest

from incident_mcp.sandbox import Fault
from tests.account import ENTRY, FIELD

pytestmark = pytest.mark.anyio

EDIT, LIST, GET, CREATE = (
    "incidentio_edit_incident",
    "incidentio_list_incidents",
    "incidentio_get_incident",
    "incidentio_create_incident",
)
PRODUCT = "Affected product"
PAYOUTS = ["Payouts", "pAYOUTS", " payouts ", "product-payouts", "Product-Payouts", "settlements", "SETTLEMENTS"]
PAYOUTS.append(ENTRY["Payouts"])


@pytest.mark.parametrize("value", PAYOUTS)
async def test_an_entry_is_found_by_anything_that_it_is_called(connect, box, value):
    async with connect() as call:
        edited = await call.ok(EDIT, incident="114", custom_fields={PRODUCT: [value]})
        assert box.writes()[0].body["incident"]["custom_field_entries"] == [
            {"custom_field_id": FIELD[PRODUCT], "values": [{"value_catalog_entry_id": ENTRY["Payouts"]}]}
        ]
        assert edited["custom_fields"][PRODUCT] == ["Payouts"]
        told = await call.ok(LIST, custom_fields={PRODUCT: value})
        assert (f"custom_field[{FIELD[PRODUCT]}][one_of]", ENTRY["Payouts"]) in box.requests[-1].query
        assert {row["reference"] for row in told["incidents"]} == {"INC-101", "INC-112", "INC-114"}


async def test_what_get_tells_can_be_written_back(call, box):
    fields = (await call.ok(GET, incident="112"))["custom_fields"]
    edited = await call.ok(EDIT, incident="116", custom_fields=fields)
    assert edited["custom_fields"] == fields
    assert len(box.writes()) == 1


async def test_an_unknown_entry_is_refused_with_the_candidates(call, box):
    for tool, more in (
        (CREATE, {"name": "n", "severity": "Minor", "custom_fields": {PRODUCT: ["Payout"]}}),
        (EDIT, {"incident": "114", "custom_fields": {PRODUCT: ["Payout"]}}),
        (LIST, {"custom_fields": {PRODUCT: ["Payout"]}}),
        (LIST, {"custom_fields_not_in": {PRODUCT: ["Payout"]}}),
    ):
        error = await call.error(tool, **more)
        assert "Unknown catalog entry 'Payout' of custom field Affected product. Pass one of: Hosted Checkout" in error
        assert error.endswith("Not sent.")
    assert not box.writes()


async def test_an_entry_whose_name_fits_two_is_refused_with_both_ids(call, box):
    second = {"id": "01SECONDPAYOUTS0000000000A", "name": "payouts", "external_id": "p2", "aliases": ["settlements"]}
    box.incidentio.catalog_entries.append(second)
    for value in ("Payouts", "settlements"):
        error = await call.error(EDIT, incident="114", custom_fields={PRODUCT: [value]})
        assert f"catalog entry '{value}' is ambiguous:" in error
        assert f"Payouts ({ENTRY['Payouts']}), payouts (01SECONDPAYOUTS0000000000A). Pass the ID." in error
    assert not box.writes()
    for value in ("p2", "01SECONDPAYOUTS0000000000A"):
        await call.ok(EDIT, incident="114", custom_fields={PRODUCT: [value]}, dry_run=True)


async def test_an_id_comes_before_a_name_and_a_name_before_an_alias(call, box):
    box.incidentio.catalog_entries.append(
        {"id": "01OTHER0000000000000000000", "name": "Other", "external_id": ENTRY["Payouts"], "aliases": ["Payouts"]}
    )
    for value in ("Payouts", ENTRY["Payouts"]):
        told = await call.ok(EDIT, incident="114", custom_fields={PRODUCT: [value]}, dry_run=True)
        (entry,) = told["would_send"]["body"]["incident"]["custom_field_entries"]
        assert entry["values"] == [{"value_catalog_entry_id": ENTRY["Payouts"]}]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_may_not_read_the_catalog_passes_the_value_through(connect, box, status):
    box.fail(Fault("status", path="/v3/catalog_entries", status=status))
    async with connect() as call:
        edited = await call.ok(EDIT, incident="114", custom_fields={PRODUCT: [" product-payouts "]})
        assert edited["custom_fields"][PRODUCT] == ["Payouts"]
        # The service knows ids, external ids and aliases, and refuses the rest in its own words.
        assert "incident.io answered 422" in await call.error(
            EDIT, incident="114", custom_fields={PRODUCT: ["Payouts?"]}
        )
    (entry,) = box.writes()[0].body["incident"]["custom_field_entries"]
    assert entry["values"] == [{"value_catalog_entry_id": "product-payouts"}]


async def test_another_failure_of_the_catalog_fails_the_call(connect, box):
    box.fail(Fault("status", path="/v3/catalog_entries", status=401))
    async with connect() as call:
        assert "incident.io answered 401" in await call.error(
            EDIT, incident="114", custom_fields={PRODUCT: ["Payouts"]}
        )
    assert not box.writes()


async def test_an_entry_is_looked_up_once_a_minute(call, box):
    for _ in range(3):
        await call.ok(LIST, custom_fields={PRODUCT: ["settlements"]})
    assert [request.path for request in box.requests].count("/v3/catalog_entries") == 1


async def test_an_entry_that_is_new_is_found_although_the_list_was_read_before(call, box):
    assert "Unknown catalog entry" in await call.error(LIST, custom_fields={PRODUCT: ["Refunds"]})
    box.incidentio.catalog_entries.append(
        {"id": "01REFUNDS00000000000000000", "name": "Refunds", "external_id": "refunds", "aliases": []}
    )
    told = await call.ok(EDIT, incident="114", custom_fields={PRODUCT: ["refunds"]}, dry_run=True)
    (entry,) = told["would_send"]["body"]["incident"]["custom_field_entries"]
    assert entry["values"] == [{"value_catalog_entry_id": "01REFUNDS00000000000000000"}]
