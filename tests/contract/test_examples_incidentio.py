"""The vendor's own response examples, read by our tools: the whole ones, and the leanest that its document allows."""

from typing import Any

import pytest
from incident_io import models

from tests.account import Scripted
from tests.contract.vendor import example, required_only

pytestmark = pytest.mark.anyio

ULID = "01FDAG4SAP5TYPT98WGR2N7W91"
INSTANT = "2021-08-17T13:28:57Z"
INCIDENT = {
    "id": ULID,
    "reference": "INC-123",
    "name": "Our database is sad",
    "status": "Closed",
    "status_category": "triage",
    "mode": "standard",
    "visibility": "public",
    "creator": "Lisa Karlin Curtis",
    "roles": {"Incident Lead": "Lisa Karlin Curtis"},
    "custom_fields": {"Affected Team": ["Primary On- call"]},
    "slack_channel_id": "C02AW36C1M5",
    "slack_team_id": "T02A1FSLE8J",
    "team_ids": ["01JPQA75EPNEES4479P16P4XAB"],
    "created_at": INSTANT,
    "updated_at": INSTANT,
    "last_activity_at": INSTANT,
}
OPTIONAL = {
    "severity": "Minor",
    "incident_type": "Production Outage",
    "summary": "Our database is really really sad, and we don't know why yet.",
    "permalink": "https://app.incident.io/incidents/123",
    "call_url": "https://zoom.us/foo",
    "timestamps": {"Impact started": INSTANT},
    "duration_seconds": {"Lasted": 10800},
    "slack_channel_name": "inc-165-green-parrot",
    "slack_channel_url": "https://slack.com/app_redirect?team=T1234&channel=C5678",
    "ms_teams_channel_url": "https://teams.microsoft.com/l/channel/19%some- hex%40thread.tacv2/"
    "inc-123-title?groupId=some-uuid&tenantId=another-uuid",
    "postmortem_document_url": "https://docs.google.com/my_doc_id",
    "external_issue": "https://linear.app/incident-io/issue/INC-1609/find-copywriter-to-write-up",
    "has_debrief": False,
}
LEAN = {key: value for key, value in INCIDENT.items() if key not in ("creator", "roles", "custom_fields")}
ROW = {key: INCIDENT[key] for key in ("reference", "name", "status", "status_category", "created_at")}
UPDATE = {
    "id": "01FCNDV6P870EA6S7TK1DSYDG0",
    "incident_id": "01FCNDV6P870EA6S7TK1DSYDG0",
    "status": "Closed",
    "status_category": "triage",
    "created_at": INSTANT,
}
UPDATE_OPTIONAL = {
    "message": "We're working on a fix, hoping to ship in the next 30 minutes",
    "severity": "Minor",
    "updater": "Lisa Karlin Curtis",
    "merged_into_incident_id": "01FCNDV6P870EA6S7TK1DSYDG0",
}
UPDATE_ROW = {key: value for key, value in UPDATE.items() if key != "status_category"}
UPDATE_ROW_OPTIONAL = UPDATE_OPTIONAL
SEVERITY = {
    "id": "01FCNDV6P870EA6S7TK1DSYDG0",
    "name": "Minor",
    "rank": 1,
    "description": "Issues with **low impact**.",
}
STATUS = {
    "id": "01FCNDV6P870EA6S7TK1DSYD5H",
    "name": "Closed",
    "category": "triage",
    "rank": 4,
    "description": "Impact has been **fully mitigated**, and we're ready to learn from this incident.",
}
TYPE = {
    "id": "01FCNDV6P870EA6S7TK1DSYDG0",
    "name": "Production Outage",
    "is_default": False,
    "private_incidents_only": False,
    "create_in_triage": "always",
    "description": "Customer facing production outages",
}
EDITED = {"incident": ULID, "name": "x"}
# tool, its arguments, method, path, the SDK's result, what we tell of all of it, and of what is required
CASES: list[tuple[str, dict[str, Any], str, str, type, dict[str, Any], dict[str, Any]]] = [
    (
        "incidentio_list_severities",
        {},
        "GET",
        "/v1/severities",
        models.SeveritiesListResultV1,
        {"severities": [SEVERITY], "has_more": False},
        {"severities": [SEVERITY], "has_more": False},
    ),
    (
        "incidentio_list_statuses",
        {},
        "GET",
        "/v1/incident_statuses",
        models.IncidentStatusesListResultV1,
        {"incident_statuses": [STATUS], "has_more": False},
        {"incident_statuses": [STATUS], "has_more": False},
    ),
    (
        "incidentio_list_types",
        {},
        "GET",
        "/v1/incident_types",
        models.IncidentTypesListResultV1,
        {"incident_types": [TYPE], "has_more": False},
        {"incident_types": [TYPE], "has_more": False},
    ),
    (
        "incidentio_create_incident",
        {"name": "x"},
        "POST",
        "/v2/incidents",
        models.IncidentsCreateResultV2,
        INCIDENT | OPTIONAL,
        LEAN,
    ),
    (
        "incidentio_get_incident",
        {"incident": ULID},
        "GET",
        f"/v2/incidents/{ULID}",
        models.IncidentsShowResultV2,
        INCIDENT | OPTIONAL,
        LEAN,
    ),
    (
        "incidentio_list_incidents",
        {"limit": 1},
        "GET",
        "/v2/incidents",
        models.IncidentsListResultV2,
        {
            "incidents": [ROW | {"severity": "Minor", "lead": "Lisa Karlin Curtis"}],
            "has_more": True,
            "after": "01FCNDV6P870EA6S7TK1DSYDG0",
            "total": 238,
        },
        {"incidents": [ROW], "has_more": False},
    ),
    (
        "incidentio_edit_incident",
        EDITED,
        "POST",
        f"/v2/incidents/{ULID}/actions/edit",
        models.IncidentsEditResultV2,
        INCIDENT | OPTIONAL,
        LEAN,
    ),
    (
        "incidentio_post_update",
        {"incident": ULID, "message": "x"},
        "POST",
        "/v2/incident_updates",
        models.IncidentUpdatesCreateResultV2,
        UPDATE | UPDATE_OPTIONAL,
        UPDATE,
    ),
    (
        "incidentio_list_updates",
        {"limit": 1},
        "GET",
        "/v2/incident_updates",
        models.IncidentUpdatesListResultV2,
        {
            "incident_updates": [UPDATE_ROW | UPDATE_ROW_OPTIONAL],
            "has_more": True,
            "after": "01FCNDV6P870EA6S7TK1DSYDG0",
        },
        {"incident_updates": [UPDATE_ROW], "has_more": False},
    ),
]


def stretched(value: Any) -> Any:
    """The same answer with keys that no document knows yet."""
    if isinstance(value, list):
        return [stretched(item) for item in value]
    if isinstance(value, dict):
        return {key: stretched(item) for key, item in value.items()} | {"newer_key": {"a": [1]}, "other": None}
    return value


def nulled(answer: dict[str, Any]) -> dict[str, Any]:
    """The same answer with a null for whatever is optional."""
    optional = dict.fromkeys([*OPTIONAL, *UPDATE_OPTIONAL, "incident_timestamp_values", "duration_metrics"])
    return {key: optional | one if key in ("incident", "incident_update") else one for key, one in answer.items()}


def lean(result: Any) -> dict[str, Any]:
    return required_only(result.from_dict(example(result))).to_dict()


KEYED = ("incidentio_create_incident", "incidentio_post_update")


async def record(call: Any, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool and return its record; the examples are of 2021, so a keyed write's is an earlier request's."""
    answer = await call.ok(tool, **arguments)
    # It grows while the test runs.
    lasts = answer.pop("impact_for", None)
    assert (lasts is not None) == ("timestamps" in answer)
    if tool in KEYED:
        assert answer.pop("repeated") is True
        assert "returned the record of another, earlier request" in answer.pop("note")
    return answer


async def test_the_vendors_examples_are_read_whole(connect):
    network = Scripted({(method, path): example(result) for _, _, method, path, result, _, _ in CASES})
    async with connect(sandbox=network) as call:
        for tool, arguments, _, _, _, expected, _ in CASES:
            assert (tool, await record(call, tool, arguments)) == (tool, expected)


@pytest.mark.parametrize("change", [lambda answer: answer, stretched, nulled])
async def test_answers_with_nothing_optional_unknown_keys_or_nulls_are_read(connect, change):
    network = Scripted({(method, path): change(lean(result)) for _, _, method, path, result, _, _ in CASES})
    async with connect(sandbox=network) as call:
        for tool, arguments, _, _, _, _, expected in CASES:
            assert (tool, await record(call, tool, arguments)) == (tool, expected)
