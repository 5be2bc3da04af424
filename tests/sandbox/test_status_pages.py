"""Status pages and post-mortems in the sandbox: what the document requires of requests."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

PAGE, PARTNERS = account_ulid("status page Paysand"), account_ulid("status page Paysand for partners")
WEBHOOKS = account_ulid("published Delayed webhooks")
NEW = {
    "idempotency_key": "k",
    "status_page_id": PAGE,
    "name": "x",
    "message": "x",
    "incident_status": "investigating",
    "notify_subscribers": False,
}
UPDATE = {"status_page_incident_id": WEBHOOKS, "message": "x", "notify_subscribers": False}
FOREIGN = {
    "component_id": account_ulid("component Paysand for partners SFTP Transfer"),
    "component_status": "operational",
}
OWN = {"component_id": account_ulid("component Paysand Webhooks"), "component_status": "operational"}


def published(box):
    return {row["id"]: row for row in box.incidentio.rows["status_page_incidents"]}


@pytest.mark.parametrize("key", NEW)
async def test_every_field_of_a_new_incident_is_required(incidentio, key):
    body = {name: value for name, value in NEW.items() if name != key}
    assert (await incidentio.post("/v2/status_page_incidents", json=body)).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 201},
        {"message": "x" * 4_097},
        {"incident_status": "closed"},
        {"notify_subscribers": "yes"},
        {"status_page_id": "01NOTHING"},
        {"status_page_id": PARTNERS, "notify_subscribers": True},
        {"component_statuses": [FOREIGN]},
        {"component_statuses": [OWN | {"component_status": "down"}]},
    ],
    ids=str,
)
async def test_a_new_incident_that_the_document_does_not_allow_is_rejected(box, incidentio, change):
    before = len(published(box))
    assert (await incidentio.post("/v2/status_page_incidents", json=NEW | change)).status_code == 422
    assert len(published(box)) == before


async def test_a_repeated_key_answers_the_first_and_messages_nobody_again(box, incidentio):
    body = NEW | {"notify_subscribers": True}
    first, again = [
        (await incidentio.post("/v2/status_page_incidents", json=body | {"message": text})).json() for text in "ab"
    ]
    assert again == first
    assert [row["message"] for row in box.incidentio.rows["status_page_messages"]] == ["a"]


async def test_every_update_is_published_there_is_no_key(box, incidentio):
    for _ in range(2):
        assert (await incidentio.post("/v2/status_page_incident_updates", json=UPDATE)).status_code == 201
    assert len(published(box)[WEBHOOKS]["updates"]) == 4


async def test_resolving_ends_every_impact_and_takes_no_components(box, incidentio):
    body = UPDATE | {"incident_status": "resolved"}
    path = "/v2/status_page_incident_updates"
    assert (await incidentio.post(path, json=body | {"component_statuses": [OWN]})).status_code == 422

    update = (await incidentio.post(path, json=body)).json()["status_page_incident_update"]
    assert {row["component_status"] for row in update["component_statuses"]} == {"operational"}
    assert all("end_at" in impact for impact in published(box)[WEBHOOKS]["component_impacts"])


async def test_a_change_of_a_component_ends_its_earlier_impact(box, incidentio):
    body = UPDATE | {"component_statuses": [OWN | {"component_status": "full_outage"}]}
    await incidentio.post("/v2/status_page_incident_updates", json=body)

    impacts = [
        row for row in published(box)[WEBHOOKS]["component_impacts"] if row["component_id"] == OWN["component_id"]
    ]
    assert [("end_at" in row, row["component_status"]) for row in impacts] == [
        (True, "degraded_performance"),
        (True, "partial_outage"),
        (False, "full_outage"),
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        (f"&component_id={OWN['component_id']}", 1),
        ("&start_at=2026-11-20T00:00:00Z", 1),
        ("&end_at=2026-11-20T00:00:00Z", 1),
        ("&start_at=2026-11-14T00:00:00Z&end_at=2026-11-15T00:00:00Z", 0),
    ],
)
async def test_the_list_of_a_page_is_filtered_by_component_and_time(incidentio, query, count):
    reply = await incidentio.get(f"/v2/status_page_incidents?status_page_id={PAGE}{query}")
    assert len(reply.json()["status_page_incidents"]) == count


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/status_page_incidents", 422),
        ("/v2/status_page_incidents?status_page_id=01NOTHING", 404),
        ("/v2/status_page_incidents/01NOTHING", 404),
        ("/v2/status_page_structures/01NOTHING", 404),
        ("/v1/postmortem_documents/01NOTHING", 404),
        ("/v1/postmortem_documents/01NOTHING/content", 404),
        ("/v1/postmortem_documents?sort_by=title", 422),
        ("/v1/postmortem_documents?page_size=251", 422),
    ],
)
async def test_what_does_not_exist_or_is_not_documented_is_an_error(incidentio, path, status):
    assert (await incidentio.get(path)).status_code == status


async def test_only_writing_needs_a_scope_on_status_pages(box, incidentio):
    box.incidentio.missing_scopes |= {scope for scopes in box.incidentio.scopes.values() for scope in scopes}

    assert (await incidentio.get("/v2/status_pages")).status_code == 200
    assert (await incidentio.get(f"/v2/status_page_incidents?status_page_id={PAGE}")).status_code == 200
    assert (await incidentio.post("/v2/status_page_incidents", json=NEW)).status_code == 403
    assert (await incidentio.get("/v1/postmortem_documents")).status_code == 403


@pytest.mark.parametrize("body", [{}, {"title": "x"}, {"title": "", "content": "x"}, {"title": "x", "content": ""}])
async def test_an_import_needs_a_title_and_content(box, incidentio, body):
    path = f"/v2/incidents/{box.incidentio.incidents[0]['id']}/actions/import_postmortem_document"
    assert (await incidentio.post(path, json=body)).status_code == 422


async def test_an_import_adds_a_document_each_time_and_says_where(box, incidentio):
    path = f"/v2/incidents/{box.incidentio.incidents[0]['id']}/actions/import_postmortem_document"
    replies = [await incidentio.post(path, json={"title": "x", "content": "**y**"}) for _ in range(2)]

    documents = [reply.json()["postmortem_document"] for reply in replies]
    assert documents[0]["id"] != documents[1]["id"]
    assert [reply.headers["location"] for reply in replies] == [document["document_url"] for document in documents]
    content = await incidentio.get(f"/v1/postmortem_documents/{documents[0]['id']}/content")
    assert content.json() == {"markdown": "# x\n\n**y**"}


async def test_the_oldest_documents_come_first_on_request(incidentio):
    newest, oldest = [
        (await incidentio.get(f"/v1/postmortem_documents?sort_by=created_at_{order}_first")).json()
        for order in ("newest", "oldest")
    ]
    assert [row["id"] for row in newest["postmortem_documents"]] == [
        row["id"] for row in oldest["postmortem_documents"][::-1]
    ]
