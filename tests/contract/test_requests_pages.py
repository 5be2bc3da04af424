"""Every request about post-mortems and status pages is the one that incident.io's own SDK builds."""

from typing import Any

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
    status_pages_v2_show_status_page_structure,
)

from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.seeds.incidentio_status_pages import component_id
from tests.account import INCIDENT
from tests.contract.vendor import Wire, built, sent

pytestmark = pytest.mark.anyio

SEARCH = account_ulid("post-mortem INC-106: Search finds nothing for German customers")
PAGE, WEBHOOKS = account_ulid("status page Paysand"), account_ulid("published Delayed webhooks")
PAGES = built(status_pages_v2_list_status_pages, page_size=250)
STRUCTURE = built(status_pages_v2_show_status_page_structure, PAGE)
SHOW = built(postmortem_documents_v1_show, SEARCH)
COMPLETED = models.PostmortemDocumentsUpdateStatusPayloadV1Status.COMPLETED
# tool, arguments, the SDK's requests
CASES: list[tuple[str, dict[str, Any], list[Wire]]] = [
    (
        "incidentio_list_post_mortems",
        {"incident": INCIDENT["INC-107"], "limit": 3, "after": SEARCH},
        [built(postmortem_documents_v1_list, page_size=3, after=SEARCH, incident_id=INCIDENT["INC-107"])],
    ),
    (
        "incidentio_read_post_mortem",
        {"post_mortem": SEARCH},
        [SHOW, built(postmortem_documents_v1_show_content, SEARCH)],
    ),
    (
        "incidentio_set_post_mortem",
        {"post_mortem": SEARCH, "status": "completed"},
        [
            SHOW,
            built(
                postmortem_documents_v1_update_status,
                SEARCH,
                body=models.PostmortemDocumentsUpdateStatusPayloadV1(status=COMPLETED),
            ),
        ],
    ),
    ("incidentio_list_status_pages", {}, [PAGES]),
    ("incidentio_list_status_pages", {"page": PAGE}, [PAGES, STRUCTURE]),
    (
        "incidentio_list_published",
        {"page": PAGE, "limit": 2, "after": WEBHOOKS},
        [
            PAGES,
            built(status_pages_v2_list_status_page_incidents, status_page_id=PAGE, page_size=2, after=WEBHOOKS),
        ],
    ),
]
AFFECTED = {"component_id": component_id("Paysand", "Webhooks"), "component_status": "full_outage"}
Created = models.StatusPagesCreateStatusPageIncidentPayloadV2
Updated = models.StatusPagesCreateStatusPageIncidentUpdatePayloadV2
WRITES: list[tuple[str, dict[str, Any], Wire]] = [
    (
        "incidentio_put_post_mortem",
        {"incident": "INC-112", "title": "x", "content": "**y**"},
        built(
            incidents_v2_import_postmortem_document,
            INCIDENT["INC-112"],
            body=models.IncidentsImportPostmortemDocumentPayloadV2(title="x", content="**y**"),
        ),
    ),
    (
        "incidentio_publish_incident",
        {
            "page": PAGE,
            "name": "x",
            "message": "**y**",
            "status": "identified",
            "notify_subscribers": True,
            "components": {"Webhooks": "full_outage"},
            "idempotency_key": "k",
        },
        built(
            status_pages_v2_create_status_page_incident,
            body=Created.from_dict(
                {
                    "idempotency_key": "k",
                    "status_page_id": PAGE,
                    "name": "x",
                    "message": "**y**",
                    "incident_status": "identified",
                    "notify_subscribers": True,
                    "component_statuses": [AFFECTED],
                }
            ),
        ),
    ),
    (
        "incidentio_publish_update",
        {
            "public_incident": WEBHOOKS,
            "message": "**y**",
            "status": "monitoring",
            "notify_subscribers": False,
            "components": {"Webhooks": "full_outage"},
        },
        built(
            status_pages_v2_create_status_page_incident_update,
            body=Updated.from_dict(
                {
                    "status_page_incident_id": WEBHOOKS,
                    "message": "**y**",
                    "incident_status": "monitoring",
                    "notify_subscribers": False,
                    "component_statuses": [AFFECTED],
                }
            ),
        ),
    ),
    (
        "incidentio_publish_update",
        {"public_incident": WEBHOOKS, "message": "y", "notify_subscribers": False},
        built(
            status_pages_v2_create_status_page_incident_update,
            body=Updated(message="y", notify_subscribers=False, status_page_incident_id=WEBHOOKS),
        ),
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_a_tools_requests_are_those_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.ok(tool, **arguments)
    assert [sent(row) for row in box.requests if not row.path.startswith("/v2/incidents/")] == expected


@pytest.mark.parametrize(("tool", "arguments", "expected"), WRITES, ids=[f"{n}-{c[0]}" for n, c in enumerate(WRITES)])
async def test_a_confirmed_write_is_the_request_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.performed(tool, **arguments)
    assert [sent(row) for row in box.writes()] == [expected]
