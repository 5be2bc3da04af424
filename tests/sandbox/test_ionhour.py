"""Ionhour's operations."""

import json

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_mcp.sandbox import IONHOUR_KEY, Sandbox

pytestmark = pytest.mark.anyio


async def ids(client, **query):
    reply = await client.get("/incidents", params=query)
    assert reply.status_code == 200, reply.text
    return [row["id"] for row in reply.json()["items"]]


async def test_a_list_comes_in_the_documented_envelope(ionhour):
    body = (await ionhour.get("/incidents")).json()

    assert {key: body[key] for key in body if key != "items"} == {
        "total": 9,
        "page": 1,
        "itemCount": 9,
        "pageCount": 1,
        "limit": 20,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [4514, 4513, 4512, 4510, 4509, 4507, 4503, 4501, 4498]),
        ({"state": "ACTIVE"}, [4514, 4513, 4512, 4510, 4509]),
        ({"state": "monitoring"}, [4514, 4513, 4512, 4510, 4509]),
        ({"state": "Open"}, [4514, 4513, 4512, 4510, 4509]),
        ({"state": "resolved"}, [4507, 4503, 4501, 4498]),
        ({"projectId": 13}, [4507, 4503, 4501]),
        ({"checkId": 205}, [4507, 4503]),
        ({"checkId": 205, "state": "ACTIVE"}, []),
        ({"workspaceId": 1}, [4514, 4513, 4512, 4510, 4509, 4507, 4503, 4501, 4498]),
        ({"workspaceId": 2}, []),
        ({"limit": 4, "page": 2}, [4509, 4507, 4503, 4501]),
        ({"limit": 4, "page": 9}, []),
    ],
)
async def test_each_filter_returns_its_incidents(ionhour, query, expected):
    assert await ids(ionhour, **query) == expected


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"state": "CLOSED"}, "state must be one of the following values: ACTIVE, RESOLVED"),
        ({"page": "0"}, "page must be a number not less than 1"),
        ({"limit": "ten"}, "limit must be a number not less than 1"),
        ({"severity": "P1"}, "property severity should not exist"),
        ({"project_id": "1"}, "property project_id should not exist"),
    ],
)
async def test_an_invalid_query_is_rejected_with_a_list_of_messages(ionhour, query, message):
    reply = await ionhour.get("/incidents", params=query)

    assert reply.status_code == 400
    assert reply.json() == {"statusCode": 400, "message": [message], "error": "Bad Request"}


async def test_a_large_limit_is_lowered_and_reported(ionhour):
    assert (await ionhour.get("/incidents", params={"limit": 5000})).json()["limit"] == 100


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"page": 4, "limit": 4}, {"total": 9, "page": 4, "itemCount": 0, "pageCount": 3, "limit": 4}),
        ({"page": 2}, {"total": 9, "page": 2, "itemCount": 0, "pageCount": 1, "limit": 20}),
        ({"page": 2, "limit": 5000}, {"total": 9, "page": 2, "itemCount": 0, "pageCount": 1, "limit": 100}),
        (
            {"page": 3, "limit": 1, "state": "RESOLVED", "checkId": 205},
            {"total": 2, "page": 3, "itemCount": 0, "pageCount": 2, "limit": 1},
        ),
        ({"page": 2, "workspaceId": 2}, {"total": 0, "page": 2, "itemCount": 0, "pageCount": 0, "limit": 20}),
    ],
)
async def test_a_page_beyond_the_last_is_empty_and_has_the_total(ionhour, query, expected):
    reply = await ionhour.get("/incidents", params=query)

    assert (reply.status_code, reply.json()) == (200, {"items": [], **expected})


@settings(max_examples=25, deadline=None)
@given(limit=st.integers(1, 100), bulk=st.integers(0, 60))
async def test_pages_of_any_size_add_up_to_the_whole(limit, bulk):
    box = Sandbox(bulk=bulk)
    async with httpx2.AsyncClient(
        transport=box.transport("ionhour"),
        base_url="https://api.ionhour.com/api",
        headers={"Authorization": f"Bearer {IONHOUR_KEY}"},
    ) as client:
        rows, page, pages = [], 0, 1
        while page < pages:
            page += 1
            body = (await client.get("/incidents", params={"limit": limit, "page": page})).json()
            rows += body["items"]
            pages = body["pageCount"]
            assert body["itemCount"] == len(body["items"])
        assert len({row["id"] for row in rows}) == len(rows) == body["total"] == 9 + bulk


async def test_an_incident_has_the_documented_fields(ionhour):
    incident = (await ionhour.get("/incidents/4510")).json()

    assert incident["dependency"] == {"id": 31, "name": "Stripe API"}
    assert incident["check"] == {"id": 202, "name": "checkout-web", "token": "sandbox-token-storefront"}
    assert incident["project"] == {"id": 11, "name": "Checkout"}
    assert incident["durationSinceSuccessMs"] == 6 * 60 * 1000
    assert "acknowledgedByUser" not in incident


async def test_a_manual_incident_has_neither_check_nor_project_nor_reason(ionhour):
    incident = (await ionhour.get("/incidents/4509")).json()

    assert [incident[key] for key in ("check", "checkId", "project", "reason", "lastSignalAt")] == [None] * 5
    assert incident["durationSinceSuccessMs"] is None


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/incidents/1", 404, "Incident with ID 1 not found"),
        ("/incidents/abc", 400, "Validation failed (numeric string is expected)"),
        ("/incident-events/1", 404, "Incident with ID 1 not found"),
        ("/incident-notes/1", 404, "Incident with ID 1 not found"),
        ("/incidents/4512/notes", 404, "Cannot GET /api/incidents/4512/notes"),
    ],
)
async def test_missing_records_and_routes_have_nestjs_error_bodies(ionhour, path, status, message):
    reply = await ionhour.get(path)

    error = {404: "Not Found", 400: "Bad Request"}[status]
    assert reply.json() == {"statusCode": status, "message": message, "error": error}


async def test_acknowledging_twice_gives_the_same_result_and_one_event(ionhour):
    first = await ionhour.post("/incidents/4514/acknowledge")
    again = await ionhour.post("/incidents/4514/acknowledge")

    assert first.status_code == 201
    keys = ("acknowledgedBy", "acknowledgedAt", "acknowledgedByUser")
    assert [first.json()[key] for key in keys] == [again.json()[key] for key in keys]
    assert first.json()["acknowledgedBy"] == 7
    events = (await ionhour.get("/incident-events/4514")).json()
    assert [event["type"] for event in events] == ["OPENED", "ALERT_SENT", "ALERT_SENT", "ACKNOWLEDGED"]


async def test_a_resolved_incident_cannot_be_acknowledged(ionhour):
    reply = await ionhour.post("/incidents/4501/acknowledge")

    assert (reply.status_code, reply.json()["error"]) == (409, "Conflict")


async def test_events_and_notes_are_bare_lists_or_envelopes(box, ionhour):
    bare = (await ionhour.get("/incident-notes/4512")).json()
    box.ionhour.enveloped = True

    wrapped = (await ionhour.get("/incident-notes/4512")).json()

    assert wrapped == {"items": bare, "total": 2, "page": 1, "itemCount": 2, "pageCount": 1, "limit": 20}
    assert (await ionhour.get("/incident-events/4512")).json()["items"][0]["type"] == "OPENED"


@pytest.mark.parametrize("thing", ["events", "notes"])
async def test_events_and_notes_of_an_unknown_incident_are_not_found_or_an_empty_list(box, ionhour, thing):
    path = f"/incident-{thing}/1"
    missing = await ionhour.get(path)
    box.ionhour.lists_unknown = True

    bare = await ionhour.get(path)
    known = await ionhour.get(f"/incident-{thing}/4512")
    malformed = await ionhour.get(f"/incident-{thing}/abc")
    box.ionhour.enveloped = True
    wrapped = await ionhour.get(path)

    assert [reply.status_code for reply in (missing, bare, known, malformed)] == [404, 200, 200, 400]
    assert bare.json() == []
    assert len(known.json()) > 1
    assert wrapped.json() == {"items": [], "total": 0, "page": 1, "itemCount": 0, "pageCount": 0, "limit": 20}


async def test_an_unknown_incident_takes_no_note_even_if_its_notes_are_an_empty_list(box, ionhour):
    box.ionhour.lists_unknown = True

    assert (await ionhour.post("/incident-notes/1", json={"body": "x"})).status_code == 404
    assert (await ionhour.get("/incidents/1")).status_code == 404


async def test_an_author_creates_updates_and_deletes_a_note(box, ionhour):
    made = await ionhour.post("/incident-notes/4514", json={"body": "Looking."})
    note = made.json()
    changed = await ionhour.patch(f"/incident-notes/4514/{note['id']}", json={"body": "Found it."})
    deleted = await ionhour.delete(f"/incident-notes/4514/{note['id']}")

    assert made.status_code == 201
    assert set(note) == {"id", "incidentId", "body", "authorId", "createdAt", "updatedAt"}
    assert (note["incidentId"], note["authorId"]) == (4514, 7)
    assert (changed.status_code, changed.json()["body"]) == (200, "Found it.")
    assert changed.json()["updatedAt"] > note["updatedAt"]
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert (await ionhour.get("/incident-notes/4514")).json() == []
    assert "deletedAt" in box.ionhour.notes[-1]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
@pytest.mark.parametrize(("path", "status"), [("4512/705", 403), ("4512/999", 404), ("4514/704", 404), ("4512/x", 400)])
async def test_only_the_author_changes_an_existing_note(box, ionhour, method, path, status):
    before = json.dumps(box.ionhour.notes)
    body = {"body": "Mine now."} if method == "PATCH" else None

    reply = await ionhour.request(method, f"/incident-notes/{path}", json=body)

    assert reply.status_code == status
    assert json.dumps(box.ionhour.notes) == before


async def test_a_deleted_note_is_gone_for_its_author_too(ionhour):
    await ionhour.delete("/incident-notes/4512/704")

    assert (await ionhour.delete("/incident-notes/4512/704")).status_code == 404
    assert (await ionhour.patch("/incident-notes/4512/704", json={"body": "x"})).status_code == 404


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["body must be a string", "body should not be empty"]),
        ({"body": ""}, ["body should not be empty"]),
        ({"body": 5}, ["body must be a string"]),
        ({"body": "x", "text": "y"}, ["property text should not exist"]),
    ],
)
async def test_an_invalid_note_is_rejected_with_a_list_of_messages(ionhour, body, messages):
    reply = await ionhour.post("/incident-notes/4512", json=body)

    assert reply.json() == {"statusCode": 400, "message": messages, "error": "Bad Request"}


async def test_another_key_is_rejected(box):
    async with httpx2.AsyncClient(transport=box.transport("ionhour"), base_url="https://x/api") as client:
        reply = await client.get("/incidents", headers={"Authorization": "Bearer sandbox-incidentio-key"})

    assert reply.json() == {"statusCode": 401, "message": "Invalid API key", "error": "Unauthorized"}


async def test_no_rate_limit_headers_are_sent(ionhour):
    reply = await ionhour.get("/incidents")

    assert not [name for name in reply.headers if "ratelimit" in name.lower()]
