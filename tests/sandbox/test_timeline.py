"""What happens around incidents in the sandbox: what the document requires of requests, and what a key may see."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.incidentio.calls import TRANSCRIPTS_OFF

pytestmark = pytest.mark.anyio

LISTS = {
    "/v2/incident_activity_log_entries": 11,
    "/v1/incident_relationships": 3,
    "/v2/call_sessions": 2,
}
USER = account_ulid("Yuki Tanaka")


def incident(box, number=114):
    return next(row["id"] for row in box.incidentio.incidents if row["reference"] == f"INC-{number}")


@pytest.mark.parametrize(("path", "count"), LISTS.items())
async def test_a_list_is_of_one_incident_in_pages_of_at_most_250(box, incidentio, path, count):
    key = path.rpartition("/")[2]
    query = {"incident_id": incident(box)}

    assert (await incidentio.get(path)).status_code == 422
    assert (await incidentio.get(path, params=query | {"page_size": 251})).status_code == 422
    assert (await incidentio.get(path, params=query | {"order": "x"})).status_code == 422
    whole = (await incidentio.get(path, params=query)).json()
    assert len(whole[key]) == count
    assert "after" not in whole["pagination_meta"]
    first = (await incidentio.get(path, params=query | {"page_size": 1})).json()
    rest = (await incidentio.get(path, params=query | {"after": first["pagination_meta"]["after"]})).json()
    assert first[key] + rest[key] == whole[key]


async def test_activity_can_be_read_by_id_and_a_new_update_is_in_it(box, incidentio):
    query = {"incident_id": incident(box)}
    rows = (await incidentio.get("/v2/incident_activity_log_entries", params=query)).json()[
        "incident_activity_log_entries"
    ]
    ids = [rows[3]["id"], rows[1]["id"]]
    found = await incidentio.get("/v2/incident_activity_log_entries", params=query | {"id": ids})
    assert [row["id"] for row in found.json()["incident_activity_log_entries"]] == [rows[1]["id"], rows[3]["id"]]
    many = await incidentio.get("/v2/incident_activity_log_entries", params=query | {"id": ["x"] * 101})
    assert many.status_code == 422

    body = {"incident_id": incident(box), "idempotency_key": "k", "message": "Done."}
    await incidentio.post("/v2/incident_updates", json=body)
    last = (await incidentio.get("/v2/incident_activity_log_entries", params=query)).json()
    assert last["incident_activity_log_entries"][-1]["content"]["incident_update"]["message"] == "Done."


async def test_activity_is_oldest_first_and_calls_newest_first(box, incidentio):
    query = {"incident_id": incident(box)}
    entries = (await incidentio.get("/v2/incident_activity_log_entries", params=query)).json()
    times = [row["occurred_at"] for row in entries["incident_activity_log_entries"]]
    assert times == sorted(times)
    sessions = (await incidentio.get("/v2/call_sessions", params=query)).json()["call_sessions"]
    assert [row["started_at"] for row in sessions] == sorted((row["started_at"] for row in sessions), reverse=True)
    spoken = await incidentio.get("/v2/call_transcript_entries", params={"call_session_id": sessions[0]["id"]})
    times = [row["timestamp"] for row in spoken.json()["call_transcript_entries"]]
    assert times == sorted(times)


async def test_a_relationship_shows_the_other_incident_from_both_sides(box, incidentio):
    for one, other in ((114, 113), (113, 114)):
        reply = await incidentio.get("/v1/incident_relationships", params={"incident_id": incident(box, one)})
        assert other in [row["incident"]["external_id"] for row in reply.json()["incident_relationships"]]


async def test_an_unknown_call_is_not_found_and_disabled_transcripts_are_empty(box, incidentio):
    path = "/v2/call_transcript_entries"
    [session, _] = (await incidentio.get("/v2/call_sessions", params={"incident_id": incident(box)})).json()[
        "call_sessions"
    ]
    assert (await incidentio.get(path, params={"call_session_id": "nothing"})).status_code == 404
    box.incidentio.missing_scopes.add(TRANSCRIPTS_OFF)
    assert (await incidentio.get(path, params={"call_session_id": session["id"]})).json() == {
        "call_transcript_entries": [],
        "pagination_meta": {"page_size": 25},
    }


@pytest.mark.parametrize("path", ["/v2/incident_participants", "/v2/incident_participant_workloads"])
async def test_participants_are_of_an_incident_that_exists(box, incidentio, path):
    assert (await incidentio.get(path)).status_code == 422
    assert (await incidentio.get(path, params={"incident_id": "nothing"})).status_code == 404
    assert (await incidentio.get(path, params={"incident_id": incident(box)})).status_code == 200


async def test_workloads_of_a_private_incident_need_a_scope_of_their_own(box, incidentio):
    path, query = "/v2/incident_participant_workloads", {"incident_id": incident(box, 111)}
    assert len((await incidentio.get(path, params=query)).json()["incident_participant_workloads"]) == 1
    box.incidentio.missing_scopes.add("incident_workloads.view_private")

    assert (await incidentio.get(path, params=query)).json() == {"incident_participant_workloads": [], "metadata": {}}


MEMBERSHIPS = [
    ({"user_id": USER}, 422),
    ({"incident_id": 111}, 422),
    ({"incident_id": 111, "user_id": "nobody"}, 422),
    ({"incident_id": 114, "user_id": USER}, 422),
    ({"incident_id": 111, "user_id": USER, "role": "x"}, 422),
    ({"incident_id": 111, "user_id": USER}, 201),
]


@pytest.mark.parametrize(("body", "status"), MEMBERSHIPS)
async def test_members_are_users_of_private_incidents(box, incidentio, body, status):
    body = {key: incident(box, value) if key == "incident_id" else value for key, value in body.items()}
    granted = await incidentio.post("/v1/incident_memberships", json=body)
    revoked = await incidentio.post("/v1/incident_memberships/actions/revoke", json=body)

    assert (granted.status_code, revoked.status_code) == (status, 204 if status == 201 else status)


async def test_granting_twice_makes_one_membership(box, incidentio):
    body = {"incident_id": incident(box, 111), "user_id": USER}
    first, second = [(await incidentio.post("/v1/incident_memberships", json=body)).json() for _ in range(2)]

    assert first == second


SCOPED = [
    ("GET", "/v2/incident_activity_log_entries", "incidents.view"),
    ("GET", "/v2/incident_timeline_items", "incidents.view"),
    ("GET", "/v1/incident_relationships", "incidents.view"),
    ("GET", "/v2/incident_participants", "incidents.view"),
    ("GET", "/v2/incident_participant_workloads", "incident_workloads.view"),
    ("GET", "/v1/incident_attachments", "attachments.view"),
    ("GET", "/v2/call_sessions", "call_transcripts.view"),
    ("GET", "/v2/call_transcript_entries", "call_transcripts.view"),
    ("POST", "/v2/incident_timeline_items", "timeline_items.create"),
    ("POST", "/v1/incident_attachments", "attachments.create"),
    ("POST", "/v1/incident_memberships", "incident_memberships.grant"),
    ("POST", "/v1/incident_memberships/actions/revoke", "incident_memberships.revoke"),
]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
async def test_an_operation_needs_the_scope_of_the_document(box, incidentio, method, path, scope):
    box.incidentio.remove_scope(scope)

    reply = await incidentio.request(method, path)
    assert (reply.status_code, reply.json()["type"]) == (403, "resource_forbidden")
