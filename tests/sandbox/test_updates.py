"""Updates, timeline items and attachments in incident.io."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio


def ulid_of(box, number):
    return box.incidentio.incidents[number - 101]["id"]


async def listed(client, incident_id):
    reply = await client.get("/v2/incident_updates", params={"incident_id": incident_id})
    assert reply.status_code == 200
    return reply.json()["incident_updates"]


async def test_an_update_answers_201_and_is_listed(box, incidentio):
    incident_id = ulid_of(box, 114)
    body = {"incident_id": incident_id, "idempotency_key": "u1", "message": "Queue is draining."}

    reply = await incidentio.post("/v2/incident_updates", json=body)

    update = reply.json()["incident_update"]
    assert reply.status_code == 201
    assert update["new_incident_status"]["name"] == "Fixing"
    assert update in await listed(incidentio, incident_id)
    assert box.incidentio.incidents[13]["last_activity_at"] == update["created_at"]


async def test_the_same_key_answers_the_first_update_again(box, incidentio):
    body = {"incident_id": ulid_of(box, 114), "idempotency_key": "u1", "message": "Once."}
    count = len(box.incidentio.updates)

    first = await incidentio.post("/v2/incident_updates", json=body)
    again = await incidentio.post("/v2/incident_updates", json=body | {"message": "Twice."})

    assert (again.status_code, again.json()) == (201, first.json())
    assert len(box.incidentio.updates) == count + 1


async def test_a_repeated_update_still_answers_the_first_created_at_a_day_later(box, incidentio):
    body = {"incident_id": ulid_of(box, 114), "idempotency_key": "u1", "to_incident_status_id": account_ulid("Closed")}
    first = await incidentio.post("/v2/incident_updates", json=body)
    box.advance(86_400)

    again = await incidentio.post("/v2/incident_updates", json=body)

    assert first.json()["incident_update"]["created_at"] == "2026-11-20T03:00:00.001000Z"
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Date"] == "Sat, 21 Nov 2026 03:00:00 GMT"
    assert box.incidentio.incidents[13]["updated_at"] == "2026-11-20T03:00:00.001000Z"


async def test_an_update_can_close_an_incident_with_a_message_in_one_call(box, incidentio):
    closed, minor = account_ulid("Closed"), account_ulid("Minor")
    body = {
        "incident_id": ulid_of(box, 114),
        "idempotency_key": "u2",
        "message": "Done.",
        "to_incident_status_id": closed,
        "to_severity_id": minor,
    }

    update = (await incidentio.post("/v2/incident_updates", json=body)).json()["incident_update"]

    incident = (await incidentio.get("/v2/incidents/114")).json()["incident"]
    assert incident["incident_status"]["id"] == update["new_incident_status"]["id"] == closed
    assert incident["severity"]["id"] == update["new_severity"]["id"] == minor
    assert incident["updated_at"] == incident["last_activity_at"] == update["created_at"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message": ""}, "message"),
        ({"idempotency_key": None}, "idempotency_key"),
        ({"incident_id": "114"}, "incident_id"),
        ({"to_severity_id": "Major"}, "to_severity_id"),
        ({"to_incident_status_id": account_ulid("Paused")}, "to_incident_status_id"),
        ({"status": "Closed"}, "status"),
    ],
)
async def test_an_invalid_update_is_rejected_and_writes_nothing(box, incidentio, change, field):
    body = {"incident_id": ulid_of(box, 114), "idempotency_key": "u3", "message": "Hello."} | change
    count = len(box.incidentio.updates)

    reply = await incidentio.post("/v2/incident_updates", json=body)

    assert reply.status_code == 422
    assert [error["source"]["field"] for error in reply.json()["errors"]] == [field]
    assert len(box.incidentio.updates) == count


@pytest.mark.parametrize("wanted", ["114", "INC-114", "01FDAG4SAP5TYPT98WGR2N7W91"])
async def test_a_filter_other_than_an_incident_s_ulid_returns_an_empty_list(incidentio, wanted):
    assert await listed(incidentio, wanted) == []


async def test_a_merge_names_the_target_incident(box, incidentio):
    [update] = await listed(incidentio, ulid_of(box, 113))

    assert update["merged_into_incident_id"] == ulid_of(box, 114)


async def test_timeline_items_are_ordered_by_timestamp(box, incidentio):
    incident_id = ulid_of(box, 114)
    body = {
        "incident_id": incident_id,
        "title": "Deploy of delivery-worker 4.2",
        "timestamp": "2026-11-20T01:00:00+01:00",
        "idempotency_key": "t1",
    }

    reply = await incidentio.post("/v2/incident_timeline_items", json=body)
    again = await incidentio.post("/v2/incident_timeline_items", json=body)

    assert (reply.status_code, again.json()) == (201, reply.json())
    query = {"incident_id": incident_id}
    items = (await incidentio.get("/v2/incident_timeline_items", params=query)).json()["incident_timeline_items"]
    assert [item["title"] for item in items] == [
        "Deploy of delivery-worker 4.2",
        "Queue depth starts to rise",
        "Restarted the delivery workers",
    ]


async def test_a_timeline_needs_an_incident(incidentio):
    reply = await incidentio.get("/v2/incident_timeline_items")

    assert reply.status_code == 422
    assert reply.json()["errors"][0]["source"] == {"field": "incident_id"}


async def test_a_link_is_attached_and_found_by_incident_and_by_resource(box, incidentio):
    incident_id = ulid_of(box, 116)
    resource = {"resource_type": "arbitrary_url", "url": "https://example.com/graph", "title": "Graph"}
    body = {"incident_id": incident_id, "resource": resource}

    made = await incidentio.post("/v1/incident_attachments", json=body)

    attachment = made.json()["incident_attachment"]
    assert made.status_code == 201
    assert attachment["resource"]["permalink"] == "https://example.com/graph"
    by_incident = await incidentio.get("/v1/incident_attachments", params={"incident_id": incident_id})
    assert by_incident.json() == {"incident_attachments": [attachment]}
    query = {"resource_type": "zendesk_ticket", "external_id": "55120"}
    by_resource = (await incidentio.get("/v1/incident_attachments", params=query)).json()["incident_attachments"]
    assert [row["incident_id"] for row in by_resource] == [ulid_of(box, 112)]


@pytest.mark.parametrize(
    "resource",
    [
        {"resource_type": "arbitrary_url"},
        {"resource_type": "jira_issue", "external_id": "A-1", "url": "https://example.com"},
        {"resource_type": "jira_issue", "external_id": "A-1", "title": "Only for links"},
        {"resource_type": "fax", "external_id": "1"},
    ],
)
async def test_a_resource_needs_exactly_one_address_and_a_known_type(box, incidentio, resource):
    body = {"incident_id": ulid_of(box, 114), "resource": resource}

    assert (await incidentio.post("/v1/incident_attachments", json=body)).status_code == 422


async def test_a_list_of_attachments_needs_a_filter(incidentio):
    assert (await incidentio.get("/v1/incident_attachments")).status_code == 422
    assert (await incidentio.get("/v1/incident_attachments", params={"resource_type": "jira_issue"})).status_code == 422
