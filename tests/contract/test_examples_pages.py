"""The vendor's own examples of post-mortems and status pages, read by our tools: the whole ones, and the leanest."""

from typing import Any

import pytest
from incident_io import models

from tests.account import Scripted
from tests.contract.vendor import example, required_only

pytestmark = pytest.mark.anyio

DOCUMENT, PAGE, INCIDENT = "01GDZEW57FDA1K4S63MGMQ5DS9", "01FCNDV6P870EA6S7TK1DSYDG0", "01FDAG4SAP5TYPT98WGR2N7W91"
CREATED = "2021-08-17T13:28:57Z"
PAGES = {("GET", "/v2/status_pages"): models.StatusPagesListStatusPagesResultV2}
STRUCTURE = {
    ("GET", f"/v2/status_page_structures/{PAGE}"): models.StatusPagesShowStatusPageStructureResultV2,
}
PUBLISHED = {("GET", "/v2/status_page_incidents"): models.StatusPagesListStatusPageIncidentsResultV2}
SHOW = {("GET", f"/v1/postmortem_documents/{DOCUMENT}"): models.PostmortemDocumentsShowResultV1}
NEW = {"message": "abc123", "notify_subscribers": False}
# tool, its arguments, method, path to the SDK's result
CALLS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], type]]] = {
    "incidentio_list_post_mortems": (
        {},
        {("GET", "/v1/postmortem_documents"): models.PostmortemDocumentsListResultV1},
    ),
    "incidentio_read_post_mortem": (
        {"post_mortem": DOCUMENT},
        {
            **SHOW,
            ("GET", f"/v1/postmortem_documents/{DOCUMENT}/content"): models.PostmortemDocumentsShowContentResultV1,
        },
    ),
    "incidentio_set_post_mortem": (
        {"post_mortem": DOCUMENT, "status": "completed"},
        {
            **SHOW,
            ("PUT", f"/v1/postmortem_documents/{DOCUMENT}"): models.PostmortemDocumentsUpdateStatusResultV1,
        },
    ),
    "incidentio_list_status_pages": ({}, PAGES),
    "incidentio_list_published": ({"page": PAGE}, {**PAGES, **STRUCTURE, **PUBLISHED}),
}
ROWS = {
    "incidentio_list_post_mortems": "postmortem_documents",
    "incidentio_list_status_pages": "status_pages",
    "incidentio_list_published": "status_page_incidents",
}
"""The key of a list's rows."""


def whole(kind: type) -> Any:
    return example(kind)


def lean(kind: Any) -> Any:
    return required_only(kind.from_dict(example(kind))).to_dict()


async def answer_of(connect: Any, tool: str, form: Any) -> dict[str, Any]:
    """Return what a tool answers to the vendor's examples in one of their forms; of a list its first row."""
    arguments, answers = CALLS[tool]
    async with connect(sandbox=Scripted({at: form(kind) for at, kind in answers.items()})) as call:
        answer = await call.ok(tool, **arguments)
    return answer[ROWS[tool]][0] if tool in ROWS else answer


@pytest.mark.parametrize("tool", CALLS)
async def test_the_leanest_answer_that_the_document_allows_is_read(connect, tool):
    assert (await answer_of(connect, tool, lean))["id"] == (await answer_of(connect, tool, whole))["id"]


async def test_a_post_mortem_s_example_is_read_whole(connect):
    answer = await answer_of(connect, "incidentio_read_post_mortem", whole)

    assert answer.pop("markdown").startswith("# Incident Postmortem\n\n## Summary\n\nThis incident was investigated")
    # The example's `updated_at` is no timestamp: it is left out.
    assert answer == {
        "id": DOCUMENT,
        "title": "INC-123: Database is sad",
        "incident_id": "01GBA8J19SMXQWPJMX3P2ESCVG",
        "type": "in_app",
        "status": "in_progress",
        "document_url": f"https://app.incident.io/my-org/incidents/123/post-mortems/{DOCUMENT}",
        "exported_urls": ["https://www.notion.so/INC-123-sad-database", "https://docs.google.com/document/d/1234"],
        "editors": ["Lisa Karlin Curtis"],
        "created_at": CREATED,
    }


async def test_a_page_s_and_a_structure_s_examples_are_read_whole(connect):
    answers = {at: whole(kind) for at, kind in {**PAGES, **STRUCTURE}.items()}
    async with connect(sandbox=Scripted(answers)) as call:
        answer = await call.ok("incidentio_list_status_pages", page=PAGE)

    assert answer["status_pages"] == [
        {
            "id": PAGE,
            "name": "Our public status page",
            "description": "This status page is our public status page.",
            "public_url": "https://statuspage.incident.io/our-public-status-page",
        }
    ]
    assert answer["components"] == [{"id": "01FCNDV6P870EA6S7TK1DSYDG1", "name": "App"}]


async def test_a_published_incident_s_example_is_read_whole(connect):
    assert await answer_of(connect, "incidentio_list_published", whole) == {
        "id": PAGE,
        "name": "Elevated API latency",
        "status": "investigating",
        "published_at": CREATED,
        "updates": [f"{CREATED} investigating: abc123"],
    }


@pytest.mark.parametrize("form", [whole, lean])
async def test_an_incident_s_update_s_and_document_s_examples_are_read_after_publishing(connect, form):
    shown = form(models.StatusPagesShowStatusPageIncidentResultV2) or whole(
        models.StatusPagesShowStatusPageIncidentResultV2
    )
    # The result of a new incident is optional in the document: without it the outcome stays unknown, see test_matrix.
    created = whole(models.StatusPagesCreateStatusPageIncidentResultV2)
    answers: dict[tuple[str, str], Any] = {
        **{at: form(kind) for at, kind in {**PAGES, **STRUCTURE}.items()},
        ("GET", "/v2/status_page_incidents"): {"status_page_incidents": []},
        ("GET", f"/v2/status_page_incidents/{PAGE}"): shown,
        ("POST", "/v2/status_page_incidents"): created,
        ("POST", "/v2/status_page_incident_updates"): form(models.StatusPagesCreateStatusPageIncidentUpdateResultV2)
        or whole(models.StatusPagesCreateStatusPageIncidentUpdateResultV2),
        ("GET", f"/v2/incidents/{INCIDENT}"): form(models.IncidentsShowResultV2),
        ("GET", "/v1/postmortem_documents"): {"postmortem_documents": []},
        ("POST", f"/v2/incidents/{INCIDENT}/actions/import_postmortem_document"): form(
            models.IncidentsImportPostmortemDocumentResultV2
        ),
    }
    async with connect(sandbox=Scripted(answers)) as call:
        new = {"page": PAGE, "name": "Elevated API latency", "status": "investigating", **NEW}
        published = await call.performed("incidentio_publish_incident", **new)
        update = await call.performed("incidentio_publish_update", public_incident=PAGE, **NEW)
        document = {"incident": INCIDENT, "title": "INC-123: Database is sad", "content": "x"}
        stored = await call.performed("incidentio_put_post_mortem", **document)

    assert (published["id"], published["page"]) == (PAGE, "Our public status page")
    assert (update["id"], update["status"]) == (PAGE, "investigating")
    assert stored["id"] == DOCUMENT
