"""The vendor's own response examples of what happens around an incident: the whole ones, and the leanest."""

from typing import Any

import pytest
from incident_io import models

from tests.account import Scripted
from tests.contract.vendor import example, required_only

pytestmark = pytest.mark.anyio

ULID = "01FCNDV6P870EA6S7TK1DSYDG0"
SHOWN = {"incident": {"id": ULID, "reference": "INC-123", "name": "Our database is sad"}}
# tool, its arguments, method and path to the SDK's result
CALLS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], type]]] = {
    "incidentio_add_timeline_item": (
        {"title": "x", "timestamp": "2026-09-01T15:30:00Z"},
        {("POST", "/v2/incident_timeline_items"): models.IncidentTimelineItemsCreateResultV2},
    ),
    "incidentio_list_activity": (
        {},
        {("GET", "/v2/incident_activity_log_entries"): models.IncidentActivityLogEntriesListResultV2},
    ),
    "incidentio_list_attachments": ({}, {("GET", "/v1/incident_attachments"): models.IncidentAttachmentsListResultV1}),
    "incidentio_add_attachment": (
        {"url": "https://a.example"},
        {
            ("GET", "/v1/incident_attachments"): models.IncidentAttachmentsListResultV1,
            ("POST", "/v1/incident_attachments"): models.IncidentAttachmentsCreateResultV1,
        },
    ),
    "incidentio_list_related": ({}, {("GET", "/v1/incident_relationships"): models.IncidentRelationshipsListResultV1}),
    "incidentio_list_participants": (
        {},
        {
            ("GET", "/v2/incident_participants"): models.IncidentParticipantsListResultV2,
            ("GET", "/v2/incident_participant_workloads"): models.IncidentParticipantWorkloadsListResultV2,
        },
    ),
    "incidentio_grant_access": (
        {"user": ULID},
        {("POST", "/v1/incident_memberships"): models.IncidentMembershipsCreateResultV1},
    ),
    "incidentio_read_call": (
        {},
        {
            ("GET", "/v2/call_sessions"): models.CallSessionsListResultV2,
            ("GET", "/v2/call_transcript_entries"): models.CallTranscriptEntriesListResultV2,
        },
    ),
}
ROWS = {
    "incidentio_list_activity": "incident_activity_log_entries",
    "incidentio_list_attachments": "incident_attachments",
    "incidentio_list_related": "related_incidents",
    "incidentio_list_participants": "participants",
    "incidentio_read_call": "call_transcript_entries",
}


def whole(kind: Any) -> Any:
    return example(kind)


def lean(kind: Any) -> Any:
    return required_only(kind.from_dict(example(kind))).to_dict()


async def answer_of(connect: Any, tool: str, form: Any) -> dict[str, Any]:
    """Return what a tool answers to the vendor's examples in one of their forms; of a list its first row."""
    arguments, answers = CALLS[tool]
    network = Scripted({at: form(kind) for at, kind in answers.items()} | {("GET", f"/v2/incidents/{ULID}"): SHOWN})
    async with connect(sandbox=network) as call:
        answer = await call.performed(tool, incident=ULID, **arguments)
    return answer[ROWS[tool]][0] if tool in ROWS else answer


@pytest.mark.parametrize("tool", CALLS)
async def test_the_leanest_answer_that_the_document_allows_is_read(connect, tool):
    found = await answer_of(connect, tool, lean)

    assert found
    assert found.keys() <= (await answer_of(connect, tool, whole)).keys()


WHOLE = {
    "incidentio_add_timeline_item": {
        "id": ULID,
        "title": "Rolled back payments-api",
        "timestamp": "2026-09-01T15:30:00Z",
        "description": "Rolled back **payments-api** to v411 after error rate hit 12%.",
        "creator": "Lisa Karlin Curtis",
        "created_at": "2026-09-01T15:31:04Z",
    },
    "incidentio_list_attachments": {
        "id": "01FCNDV6P870EA6S7TK1DSYD5H",
        "title": "The database has gone down",
        "resource_type": "pager_duty_incident",
        "external_id": "123",
        "permalink": "https://my.pagerduty.com/incidents/ABC",
    },
    "incidentio_list_related": {"reference": "INC-123", "name": "The database is down"},
    "incidentio_read_call": {
        "at": "2021-08-17T13:28:57Z",
        "who": "Alice Smith",
        "text": "I think we should roll back the deploy.",
    },
}


@pytest.mark.parametrize("tool", WHOLE)
async def test_an_example_is_read_whole(connect, tool):
    answer = await answer_of(connect, tool, whole)

    # The example is of an item that was made long ago.
    assert {key: value for key, value in answer.items() if key not in ("note", "repeated")} == WHOLE[tool]


async def test_of_a_content_the_part_of_its_type_is_described(connect):
    row = await answer_of(connect, "incidentio_list_activity", whole)

    assert row["type"] == "incident_update"
    assert row["actor"] == "Lisa Karlin Curtis"
    assert row["details"][0].startswith("message: ")
    assert "severity: Minor (was Minor)" in row["details"]


async def test_a_participant_s_minutes_are_joined_by_the_user(connect):
    row = await answer_of(connect, "incidentio_list_participants", whole)

    assert (row["name"], row["participation"]) == ("Lisa Karlin Curtis", "active")
    assert isinstance(row["minutes"], int)


async def test_a_membership_s_example_names_the_user(connect):
    answer = await answer_of(connect, "incidentio_grant_access", whole)

    assert answer["user"] == "Lisa Karlin Curtis"
