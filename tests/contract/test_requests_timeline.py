"""Every request of the timeline tools is the one that incident.io's own SDK builds from the same arguments."""

from datetime import UTC, datetime
from typing import Any

import pytest
from incident_io import models
from incident_io.api.call_sessions_v2 import call_sessions_v2_list
from incident_io.api.call_transcript_entries_v2 import call_transcript_entries_v2_list
from incident_io.api.incident_activity_log_entries_v2 import incident_activity_log_entries_v2_list
from incident_io.api.incident_attachments_v1 import incident_attachments_v1_create, incident_attachments_v1_list
from incident_io.api.incident_memberships_v1 import incident_memberships_v1_create, incident_memberships_v1_revoke
from incident_io.api.incident_participant_workloads_v2 import incident_participant_workloads_v2_list
from incident_io.api.incident_participants_v2 import incident_participants_v2_list
from incident_io.api.incident_relationships_v1 import incident_relationships_v1_list
from incident_io.api.incident_timeline_items_v2 import incident_timeline_items_v2_create

from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT, USER
from tests.contract.vendor import Wire, built, sent

pytestmark = pytest.mark.anyio

OUTAGE, PRIVATE = INCIDENT["INC-114"], INCIDENT["INC-111"]
FIRST, SECOND = (account_ulid(f"call {OUTAGE} {began}") for began in ("125m", "80m"))
SESSIONS = built(call_sessions_v2_list, incident_id=OUTAGE, page_size=250)
ATTACHED = built(incident_attachments_v1_list, incident_id=OUTAGE)
MEMBER = {"incident_id": PRIVATE, "user_id": USER["Yuki Tanaka"]}
# tool, arguments, the SDK's requests
CASES: list[tuple[str, dict[str, Any], list[Wire]]] = [
    (
        "incidentio_add_timeline_item",
        {
            "incident": "INC-114",
            "title": "T",
            "timestamp": "2026-11-21T03:40:00.25+01:00",
            "description": "**D**",
            "idempotency_key": "k",
        },
        [
            built(
                incident_timeline_items_v2_create,
                body=models.IncidentTimelineItemsCreatePayloadV2(
                    incident_id=OUTAGE,
                    title="T",
                    timestamp=datetime(2026, 11, 21, 2, 40, 0, 250_000, UTC),
                    description="**D**",
                    idempotency_key="k",
                ),
            )
        ],
    ),
    (
        "incidentio_list_activity",
        {"incident": "INC-114", "limit": 3, "after": account_ulid(f"activity {OUTAGE} 130m incident_channel_created")},
        [
            built(
                incident_activity_log_entries_v2_list,
                incident_id=OUTAGE,
                page_size=3,
                after=account_ulid(f"activity {OUTAGE} 130m incident_channel_created"),
            )
        ],
    ),
    ("incidentio_list_attachments", {"incident": "INC-114"}, [ATTACHED]),
    (
        "incidentio_add_attachment",
        {"incident": "INC-114", "url": "https://a.example", "title": "T"},
        [
            ATTACHED,
            built(
                incident_attachments_v1_create,
                body=models.IncidentAttachmentsCreatePayloadV1.from_dict(
                    {
                        "incident_id": OUTAGE,
                        "resource": {"resource_type": "arbitrary_url", "url": "https://a.example", "title": "T"},
                    }
                ),
            ),
        ],
    ),
    (
        "incidentio_add_attachment",
        {"incident": "INC-114", "external_id": "PAY-1", "resource_type": "jira_issue"},
        [
            ATTACHED,
            built(
                incident_attachments_v1_create,
                body=models.IncidentAttachmentsCreatePayloadV1.from_dict(
                    {"incident_id": OUTAGE, "resource": {"resource_type": "jira_issue", "external_id": "PAY-1"}}
                ),
            ),
        ],
    ),
    (
        "incidentio_list_related",
        {"incident": "INC-114"},
        [built(incident_relationships_v1_list, incident_id=OUTAGE, page_size=250)],
    ),
    (
        "incidentio_list_participants",
        {"incident": "INC-114"},
        [
            built(incident_participants_v2_list, incident_id=OUTAGE),
            built(incident_participant_workloads_v2_list, incident_id=OUTAGE),
        ],
    ),
    (
        "incidentio_grant_access",
        {"incident": "INC-111", "user": "Yuki Tanaka"},
        [built(incident_memberships_v1_create, body=models.IncidentMembershipsCreatePayloadV1(**MEMBER))],
    ),
    (
        "incidentio_revoke_access",
        {"incident": "INC-111", "user": "Yuki Tanaka"},
        [built(incident_memberships_v1_revoke, body=models.IncidentMembershipsRevokePayloadV1(**MEMBER))],
    ),
    (
        "incidentio_read_call",
        {"incident": "INC-114", "limit": 3},
        [SESSIONS, built(call_transcript_entries_v2_list, call_session_id=SECOND, page_size=4)],
    ),
    (
        "incidentio_read_call",
        {
            "incident": "INC-114",
            "since": "2026-11-21",
            "limit": 5,
            "after": f"{FIRST}/"
            + account_ulid("call entry I am on it. Depth is four thousand and growing, all workers are busy."),
        },
        [
            SESSIONS,
            built(
                call_transcript_entries_v2_list,
                call_session_id=FIRST,
                page_size=250,
                after=account_ulid("call entry I am on it. Depth is four thousand and growing, all workers are busy."),
            ),
            built(call_transcript_entries_v2_list, call_session_id=SECOND, page_size=250),
        ],
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_a_tools_requests_are_those_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.performed(tool, **arguments)
    looked_up = ("/v2/incidents/", "/v2/users")
    assert [sent(row) for row in box.requests if not row.path.startswith(looked_up)] == expected
