"""Every request to Ionhour is the one that its operations page shows: method, path, query, body."""

import pytest

pytestmark = pytest.mark.anyio

# tool, arguments, method, path below the host, query, body; paths of notes with the page's own ids
CASES = (
    ("ionhour_list_incidents", {}, "GET", "/api/incidents", {"page": "1", "limit": "20"}, None),
    (
        "ionhour_list_incidents",
        {"state": "active", "project_id": 12, "check_id": 203, "workspace_id": 1, "page": 2, "limit": 5},
        "GET",
        "/api/incidents",
        {"state": "ACTIVE", "projectId": "12", "checkId": "203", "workspaceId": "1", "page": "2", "limit": "5"},
        None,
    ),
    ("ionhour_get_incident", {"incident_id": 456}, "GET", "/api/incidents/456", {}, None),
    ("ionhour_acknowledge_incident", {"incident_id": 456}, "POST", "/api/incidents/456/acknowledge", {}, None),
    ("ionhour_list_events", {"incident_id": 456}, "GET", "/api/incident-events/456", {}, None),
    ("ionhour_list_notes", {"incident_id": 456}, "GET", "/api/incident-notes/456", {}, None),
    (
        "ionhour_create_note",
        {"incident_id": 456, "body": "Root cause identified: pool exhausted."},
        "POST",
        "/api/incident-notes/456",
        {},
        {"body": "Root cause identified: pool exhausted."},
    ),
    (
        "ionhour_update_note",
        {"incident_id": 456, "note_id": 789, "body": "Updated: ü\n\n- list "},
        "PATCH",
        "/api/incident-notes/456/789",
        {},
        # White space at the end is a host's, that at the beginning of a line Markdown's.
        {"body": "Updated: ü\n\n- list"},
    ),
    ("ionhour_delete_note", {"incident_id": 456, "note_id": 789}, "DELETE", "/api/incident-notes/456/789", {}, None),
)
STATES = {
    "ACTIVE": "ACTIVE",
    "open": "ACTIVE",
    "Monitoring": "ACTIVE",
    "resolved": "RESOLVED",
    " RESOLVED ": "RESOLVED",
}


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case[0]}" for number, case in enumerate(CASES)])
async def test_a_tools_request_is_the_documented_one(connect, box, case):
    tool, arguments, method, path, query, body = case
    box.ionhour.incidents.append(box.ionhour.incidents[-1] | {"id": 456})
    async with connect() as call:
        await call.result(tool, **arguments)
    # A write may be surrounded by reads that look for it.
    request = next(row for row in box.requests if row.method == method)
    assert (request.method, request.path, dict(request.query), request.body) == (method, path, query, body)
    assert len(request.query) == len(query)


async def test_a_project_and_a_check_are_filtered_by_the_ids_of_their_names(connect, box):
    async with connect() as call:
        await call.ok("ionhour_list_incidents", project_id="checkout", check_id=" Checkout-API ", workspace_id=1)
    *found, filtered = box.requests
    check = next(row for row in box.ionhour.incidents if row["title"] == "checkout-api is down")
    assert dict(filtered.query) == {
        "projectId": str(check["project"]["id"]),
        "checkId": str(check["checkId"]),
        "workspaceId": "1",
        "page": "1",
        "limit": "20",
    }
    assert {(row.method, row.path) for row in found} == {("GET", "/api/incidents")}
    assert [dict(row.query) for row in found] == [{"workspaceId": "1", "page": "1", "limit": "100"}] * len(found)


async def test_monitoring_is_filtered_out_of_the_active_ones(connect, box):
    async with connect() as call:
        answer = await call.ok("ionhour_list_incidents", state="monitoring")
    assert [dict(row.query) for row in box.requests] == [{"state": "ACTIVE", "page": "1", "limit": "100"}]
    assert {row["state"] for row in answer["incidents"]} == {"MONITORING"}


async def test_a_note_is_looked_for_before_it_is_put_and_an_edit_and_a_deletion_are_one_request(connect, box):
    async with connect() as call:
        await call.ok("ionhour_create_note", incident_id=4512, body="Looking.")
        await call.ok("ionhour_update_note", incident_id=4512, note_id=704, body="New.")
        await call.ok("ionhour_delete_note", incident_id=4512, note_id=704)
    assert [(row.method, row.path) for row in box.requests] == [
        ("GET", "/api/incident-notes/4512"),
        ("POST", "/api/incident-notes/4512"),
        ("PATCH", "/api/incident-notes/4512/704"),
        ("DELETE", "/api/incident-notes/4512/704"),
    ]


@pytest.mark.parametrize(("given", "sent"), STATES.items())
async def test_a_state_in_any_case_is_one_of_the_two_that_the_filter_takes(connect, box, given, sent):
    async with connect() as call:
        await call.ok("ionhour_list_incidents", state=given)
    assert dict(box.requests[0].query)["state"] == sent


async def test_the_workspace_of_the_settings_is_sent_unless_the_call_names_one(connect, box):
    async with connect(ionhour_workspace_id=7) as call:
        await call.ok("ionhour_list_incidents")
        await call.ok("ionhour_list_incidents", workspace_id=1)
    assert [dict(request.query)["workspaceId"] for request in box.requests] == ["7", "1"]
