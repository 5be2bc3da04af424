"""incident.io's own SDK against the sandbox's status pages and post-mortems."""

import pytest
from incident_io import models
from incident_io.api.incidents_v2 import incidents_v2_import_postmortem_document
from incident_io.api.postmortem_documents_v1 import (
    postmortem_documents_v1_list,
    postmortem_documents_v1_show,
    postmortem_documents_v1_show_content,
    postmortem_documents_v1_update_status,
)
from incident_io.api.status_pages_v2 import (
    status_pages_v2_create_status_page_incident,
    status_pages_v2_create_status_page_incident_update,
    status_pages_v2_list_status_page_incidents,
    status_pages_v2_list_status_pages,
    status_pages_v2_show_status_page_incident,
    status_pages_v2_show_status_page_structure,
)

from incident_mcp.sandbox.engine.clock import account_ulid

from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio

PAGE = account_ulid("status page Paysand")


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


async def test_every_page_its_structure_and_what_is_published_parse(sdk):
    pages = await ask(status_pages_v2_list_status_pages, sdk, models.StatusPagesListStatusPagesResultV2)
    for page in pages.status_pages:
        kind = models.StatusPagesShowStatusPageStructureResultV2
        await ask(status_pages_v2_show_status_page_structure, sdk, kind, status_page_id=page.id)
        listed = models.StatusPagesListStatusPageIncidentsResultV2
        found = await ask(status_pages_v2_list_status_page_incidents, sdk, listed, status_page_id=page.id)
        for row in found.status_page_incidents:
            shown = models.StatusPagesShowStatusPageIncidentResultV2
            await ask(status_pages_v2_show_status_page_incident, sdk, shown, status_page_incident_id=row.id)


async def test_an_incident_is_published_updated_and_resolved(sdk):
    affected = models.StatusPageIncidentAffectedComponentV2.from_dict(
        {"component_id": account_ulid("component Paysand Checkout"), "component_status": "partial_outage"}
    )
    body = models.StatusPagesCreateStatusPageIncidentPayloadV2(
        idempotency_key="k",
        incident_status=models.StatusPagesCreateStatusPageIncidentPayloadV2IncidentStatus.INVESTIGATING,
        message="Seen.",
        name="Payments fail",
        notify_subscribers=True,
        status_page_id=PAGE,
        component_statuses=[affected],
    )
    kind = models.StatusPagesCreateStatusPageIncidentResultV2
    made = await ask(status_pages_v2_create_status_page_incident, sdk, kind, status=201, body=body)
    assert [str(row.component_status) for row in made.status_page_incident.component_impacts] == ["partial_outage"]

    resolved = models.StatusPagesCreateStatusPageIncidentUpdatePayloadV2IncidentStatus.RESOLVED
    update = models.StatusPagesCreateStatusPageIncidentUpdatePayloadV2(
        message="Over.",
        notify_subscribers=False,
        status_page_incident_id=made.status_page_incident.id,
        incident_status=resolved,
    )
    kind = models.StatusPagesCreateStatusPageIncidentUpdateResultV2
    done = await ask(status_pages_v2_create_status_page_incident_update, sdk, kind, status=201, body=update)
    assert str(done.status_page_incident_update.incident_status) == "resolved"


async def test_every_post_mortem_parses_and_those_that_are_held_here_have_content(sdk):
    listed = await ask(postmortem_documents_v1_list, sdk, models.PostmortemDocumentsListResultV1)
    for row in listed.postmortem_documents:
        await ask(postmortem_documents_v1_show, sdk, models.PostmortemDocumentsShowResultV1, id=row.id)
        held = str(row.type_) == "in_app"
        kind = models.PostmortemDocumentsShowContentResultV1 if held else models.ErrorResponse
        await ask(postmortem_documents_v1_show_content, sdk, kind, status=200 if held else 404, id=row.id)


async def test_a_post_mortem_is_imported_and_completed(box, sdk):
    incident = next(row for row in box.incidentio.incidents if row["reference"] == "INC-112")["id"]
    body = models.IncidentsImportPostmortemDocumentPayloadV2(title="x", content="y")
    kind = models.IncidentsImportPostmortemDocumentResultV2
    made = await ask(incidents_v2_import_postmortem_document, sdk, kind, status=201, id=incident, body=body)

    completed = models.PostmortemDocumentsUpdateStatusPayloadV1Status.COMPLETED
    change = models.PostmortemDocumentsUpdateStatusPayloadV1(status=completed)
    kind = models.PostmortemDocumentsUpdateStatusResultV1
    number = made.postmortem_document.id
    done = await ask(postmortem_documents_v1_update_status, sdk, kind, id=number, body=change)
    assert str(done.postmortem_document.status) == "completed"
