"""incident.io's own SDK, with classic httpx, against the sandbox's incident.io."""

import asyncio
from datetime import UTC, datetime

import httpx
import pytest
from incident_io import AuthenticatedClient, models
from incident_io.api.catalog_v3 import catalog_v3_list_entries
from incident_io.api.custom_field_options_v1 import custom_field_options_v1_list
from incident_io.api.custom_fields_v2 import custom_fields_v2_list
from incident_io.api.incident_attachments_v1 import incident_attachments_v1_create, incident_attachments_v1_list
from incident_io.api.incident_roles_v2 import incident_roles_v2_list
from incident_io.api.incident_statuses_v1 import incident_statuses_v1_list, incident_statuses_v1_show
from incident_io.api.incident_timeline_items_v2 import (
    incident_timeline_items_v2_create,
    incident_timeline_items_v2_list,
)
from incident_io.api.incident_timestamps_v2 import incident_timestamps_v2_list
from incident_io.api.incident_types_v1 import incident_types_v1_list, incident_types_v1_show
from incident_io.api.incident_updates_v2 import incident_updates_v2_create, incident_updates_v2_list
from incident_io.api.incidents_v2 import incidents_v2_create, incidents_v2_edit, incidents_v2_list, incidents_v2_show
from incident_io.api.severities_v1 import severities_v1_list, severities_v1_show
from incident_io.api.users_v2 import users_v2_list, users_v2_show
from incident_io.api.utilities_v1 import utilities_v1_identity

from incident_mcp.sandbox.engine.clock import account_ulid

from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio

TEAM = account_ulid("Affected team")
PRODUCT = account_ulid("catalog type Product")


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


LISTS = [
    (severities_v1_list, models.SeveritiesListResultV1, {}),
    (incident_statuses_v1_list, models.IncidentStatusesListResultV1, {}),
    (incident_types_v1_list, models.IncidentTypesListResultV1, {}),
    (incident_roles_v2_list, models.IncidentRolesListResultV2, {}),
    (custom_fields_v2_list, models.CustomFieldsListResultV2, {}),
    (custom_field_options_v1_list, models.CustomFieldOptionsListResultV1, {"custom_field_id": TEAM}),
    (catalog_v3_list_entries, models.CatalogListEntriesResultV3, {"catalog_type_id": PRODUCT, "page_size": 250}),
    (incident_timestamps_v2_list, models.IncidentTimestampsListResultV2, {}),
    (users_v2_list, models.UsersListResultV2, {"include_inactive": True}),
    (utilities_v1_identity, models.UtilitiesIdentityResultV1, {}),
    (incidents_v2_list, models.IncidentsListResultV2, {"page_size": 250}),
    (incident_updates_v2_list, models.IncidentUpdatesListResultV2, {"page_size": 250}),
]


@pytest.mark.parametrize(("operation", "kind", "arguments"), LISTS)
async def test_every_list_parses_and_has_no_undocumented_key(sdk, operation, kind, arguments):
    await ask(operation, sdk, kind, **arguments)


SHOWS = [
    (severities_v1_show, models.SeveritiesShowResultV1, account_ulid("Major")),
    (incident_statuses_v1_show, models.IncidentStatusesShowResultV1, account_ulid("Closed")),
    (incident_types_v1_show, models.IncidentTypesShowResultV1, account_ulid("Data")),
    (users_v2_show, models.UsersShowResultV2, account_ulid("Ines Moreau")),
]


@pytest.mark.parametrize(("operation", "kind", "wanted"), SHOWS)
async def test_every_single_record_parses(sdk, operation, kind, wanted):
    await ask(operation, sdk, kind, id=wanted)


async def test_every_seeded_incident_parses(box, sdk):
    for incident in box.incidentio.incidents:
        shown = await ask(incidents_v2_show, sdk, models.IncidentsShowResultV2, id=incident["id"])
        assert shown.incident.reference == incident["reference"]


async def test_the_sdk_declares_edits_updates_and_closes_an_incident(sdk):
    body = models.IncidentsCreatePayloadV2.from_dict(
        {
            "idempotency_key": "sdk",
            "visibility": "public",
            "mode": "standard",
            "name": "From the SDK",
            "severity_id": account_ulid("Minor"),
            "custom_field_entries": [
                {"custom_field_id": TEAM, "values": [{"value_option_id": account_ulid("Affected team: Growth")}]}
            ],
            "incident_role_assignments": [
                {"incident_role_id": account_ulid("Incident Lead"), "assignee": {"id": account_ulid("Ines Moreau")}}
            ],
            "incident_timestamp_values": [
                {"incident_timestamp_id": account_ulid("Reported at"), "value": "2026-11-20T02:59:00Z"}
            ],
        }
    )
    created = await ask(incidents_v2_create, sdk, models.IncidentsCreateResultV2, body=body)
    incident_id = created.incident.id

    body = models.IncidentsEditPayloadV2.from_dict(
        {"incident": {"severity_id": account_ulid("Critical")}, "notify_incident_channel": True}
    )
    edited = await ask(incidents_v2_edit, sdk, models.IncidentsEditResultV2, id=incident_id, body=body)
    assert edited.incident.severity.name == "Critical"

    body = models.IncidentUpdatesCreatePayloadV2.from_dict(
        {
            "incident_id": incident_id,
            "idempotency_key": "sdk",
            "message": "Over.",
            "to_incident_status_id": account_ulid("Closed"),
        }
    )
    made = await ask(incident_updates_v2_create, sdk, models.IncidentUpdatesCreateResultV2, status=201, body=body)
    assert made.incident_update.new_incident_status.category == "closed"

    listed = await ask(incident_updates_v2_list, sdk, models.IncidentUpdatesListResultV2, incident_id=incident_id)
    assert [update.new_severity.name for update in listed.incident_updates] == ["Critical", "Critical", "Minor"]


async def test_the_sdk_s_filters_are_understood(sdk):
    listed = await ask(
        incidents_v2_list,
        sdk,
        models.IncidentsListResultV2,
        status_category=models.IncidentsV2ListStatusCategory.from_dict({"one_of": ["live", "triage"]}),
        severity=models.IncidentsV2ListSeverity.from_dict({"gte": [account_ulid("Critical")]}),
        custom_field=models.IncidentsV2ListCustomField.from_dict(
            {TEAM: {"one_of": [account_ulid("Affected team: Platform")]}}
        ),
    )

    assert [incident.reference for incident in listed.incidents] == ["INC-114"]
    assert listed.pagination_meta.total_record_count == 1


async def test_the_sdk_finds_a_catalog_entry_and_reads_its_attributes(sdk):
    arguments = {"catalog_type_id": PRODUCT, "page_size": 1, "identifier": "payouts"}

    listed = await ask(catalog_v3_list_entries, sdk, models.CatalogListEntriesResultV3, **arguments)

    [entry] = listed.catalog_entries
    runbook, owner = listed.catalog_type.schema.attributes
    assert (entry.name, entry.external_id) == ("Payouts", "product-payouts")
    assert entry.attribute_values[runbook.id].value.label == "https://runbooks.paysand.example/product-payouts"
    assert entry.attribute_values[owner.id].value.label == "Payments"
    assert listed.pagination_meta.total_record_count == 1


async def test_an_unknown_catalog_type_parses_as_the_vendor_s_404(sdk):
    error = await ask(catalog_v3_list_entries, sdk, models.ErrorResponse, status=404, catalog_type_id=TEAM)

    assert (error.type_, [single.code for single in error.errors]) == ("not_found", ["not_found"])


async def test_the_sdk_writes_timeline_items_and_attachments(box, sdk):
    incident_id = box.incidentio.incidents[13]["id"]
    body = models.IncidentTimelineItemsCreatePayloadV2(
        incident_id=incident_id,
        title="Seen",
        timestamp=datetime(2026, 11, 20, 1, 0, tzinfo=UTC),
        idempotency_key="t",
        description="By the SDK.",
    )
    kind = models.IncidentTimelineItemsCreateResultV2
    await ask(incident_timeline_items_v2_create, sdk, kind, status=201, body=body)
    kind = models.IncidentTimelineItemsListResultV2
    items = await ask(incident_timeline_items_v2_list, sdk, kind, incident_id=incident_id)
    assert len(items.incident_timeline_items) == 3

    body = models.IncidentAttachmentsCreatePayloadV1.from_dict(
        {"incident_id": incident_id, "resource": {"resource_type": "jira_issue", "external_id": "OPS-1"}}
    )
    kind = models.IncidentAttachmentsCreateResultV1
    await ask(incident_attachments_v1_create, sdk, kind, status=201, body=body)
    kind = models.IncidentAttachmentsListResultV1
    attached = await ask(incident_attachments_v1_list, sdk, kind, incident_id=incident_id)
    assert len(attached.incident_attachments) == 2


async def test_a_missing_key_parses_as_the_vendor_s_error(box):
    client = AuthenticatedClient(
        base_url="https://api.incident.io",
        token="another",  # noqa: S106
        httpx_args={"transport": httpx.ASGITransport(box.incidentio_app)},
    )
    async with client:
        error = await severities_v1_list.asyncio(client=client)

    assert isinstance(error, models.ErrorResponse)
    assert (error.type_, error.status) == ("authentication_error", 401)


async def test_concurrent_creates_with_one_key_create_one_incident(box, sdk):
    body = models.IncidentsCreatePayloadV2.from_dict(
        {"idempotency_key": "same", "visibility": "public", "severity_id": account_ulid("Minor")}
    )

    made = await asyncio.gather(*[incidents_v2_create.asyncio(client=sdk, body=body) for _ in range(5)])

    assert len({result.incident.id for result in made}) == 1
    assert len(box.incidentio.incidents) == 18
