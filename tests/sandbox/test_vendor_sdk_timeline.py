"""incident.io's own SDK against what happens around the sandbox's incidents."""

import pytest
from incident_io import models
from incident_io.api.call_sessions_v2 import call_sessions_v2_list
from incident_io.api.call_transcript_entries_v2 import call_transcript_entries_v2_list
from incident_io.api.incident_activity_log_entries_v2 import incident_activity_log_entries_v2_list
from incident_io.api.incident_memberships_v1 import incident_memberships_v1_create, incident_memberships_v1_revoke
from incident_io.api.incident_participant_workloads_v2 import incident_participant_workloads_v2_list
from incident_io.api.incident_participants_v2 import incident_participants_v2_list
from incident_io.api.incident_relationships_v1 import incident_relationships_v1_list

from incident_mcp.sandbox.engine.clock import account_ulid

from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


def incident(box, reference):
    return next(row["id"] for row in box.incidentio.incidents if row["reference"] == reference)


LISTS = [
    (incident_activity_log_entries_v2_list, models.IncidentActivityLogEntriesListResultV2),
    (incident_relationships_v1_list, models.IncidentRelationshipsListResultV1),
    (incident_participants_v2_list, models.IncidentParticipantsListResultV2),
    (incident_participant_workloads_v2_list, models.IncidentParticipantWorkloadsListResultV2),
    (call_sessions_v2_list, models.CallSessionsListResultV2),
]


@pytest.mark.parametrize("reference", ["INC-114", "INC-111", "INC-104"])
@pytest.mark.parametrize(("operation", "kind"), LISTS)
async def test_every_list_parses_and_has_no_undocumented_key(box, sdk, operation, kind, reference):
    await ask(operation, sdk, kind, incident_id=incident(box, reference))


async def test_every_transcript_parses(box, sdk):
    for session in box.incidentio.rows["call_sessions"]:
        kind = models.CallTranscriptEntriesListResultV2
        await ask(call_transcript_entries_v2_list, sdk, kind, call_session_id=session["id"])


async def test_a_membership_is_granted_and_revoked(box, sdk):
    ids = {"incident_id": incident(box, "INC-111"), "user_id": account_ulid("Yuki Tanaka")}
    body = models.IncidentMembershipsCreatePayloadV1(**ids)
    kind = models.IncidentMembershipsCreateResultV1
    granted = await ask(incident_memberships_v1_create, sdk, kind, status=201, body=body)
    assert granted.incident_membership.user.name == "Yuki Tanaka"

    revoking = models.IncidentMembershipsRevokePayloadV1(**ids)
    reply = await incident_memberships_v1_revoke.asyncio_detailed(client=sdk, body=revoking)
    assert reply.status_code == 204
    assert [row["user"]["name"] for row in box.incidentio.rows["revoked_memberships"]] == ["Yuki Tanaka"]
