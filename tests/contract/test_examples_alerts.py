"""The vendor's own response examples of alerts, read by our tools: the whole ones, and the leanest that are allowed."""

from typing import Any

import pytest
from incident_io import models

from tests.account import Scripted
from tests.contract.vendor import example, required_only

pytestmark = pytest.mark.anyio

ULID = "01GW2G3V0S59R238FAHPDS1R66"
CREATED, RESOLVED = "2021-08-17T13:28:57Z", "2021-08-17T14:28:57Z"
# tool, its arguments, method, path to the SDK's result
CALLS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], type]]] = {
    "incidentio_list_alerts": ({}, {("GET", "/v2/alerts"): models.AlertsListResultV2}),
    "incidentio_get_alert": (
        {"alert": ULID},
        {
            ("GET", f"/v2/alerts/{ULID}"): models.AlertsShowResultV2,
            ("GET", "/v1/alert_notes"): models.AlertNotesListResultV1,
            ("GET", "/v2/alert_sources"): models.AlertSourcesListResultV2,
        },
    ),
    "incidentio_resolve_alert": (
        {"alert": ULID},
        {("POST", f"/v2/alerts/{ULID}/actions/resolve"): models.AlertsResolveResultV2},
    ),
    "incidentio_list_alert_links": ({}, {("GET", "/v2/incident_alerts"): models.AlertsListIncidentAlertsResultV2}),
    "incidentio_attach_alert": (
        {"alert": ULID, "incident": ULID},
        {
            ("POST", "/v2/incident_alerts"): models.AlertsCreateIncidentAlertResultV2,
            ("GET", f"/v2/incidents/{ULID}"): models.IncidentsShowResultV2,
        },
    ),
    "incidentio_add_alert_note": (
        {"alert": ULID, "content": "x"},
        {
            ("GET", "/v1/alert_notes"): models.AlertNotesListResultV1,
            ("POST", "/v1/alert_notes"): models.AlertNotesCreateResultV1,
        },
    ),
    "incidentio_list_maintenance": (
        {"status": "active"},
        {("GET", "/v1/maintenance_windows"): models.MaintenanceWindowsListResultV1},
    ),
}
IDENTITY = {
    "incidentio_list_alerts": "alerts",
    "incidentio_list_alert_links": "incident_alerts",
    "incidentio_list_maintenance": "maintenance_windows",
}
"""The key of a list's rows."""


def whole(kind: type) -> Any:
    return example(kind)


def lean(kind: Any) -> Any:
    return required_only(kind.from_dict(example(kind))).to_dict()


async def answer_of(connect: Any, tool: str, form: Any) -> dict[str, Any]:
    """Return what a tool answers to the vendor's examples in one of their forms; of a list its first row."""
    arguments, answers = CALLS[tool]
    network = Scripted({at: form(kind) for at, kind in answers.items()})
    async with connect(sandbox=network) as call:
        answer = await call.ok(tool, **arguments)
    return answer[IDENTITY[tool]][0] if tool in IDENTITY else answer


@pytest.mark.parametrize("tool", CALLS)
async def test_the_leanest_answer_that_the_document_allows_is_read(connect, tool):
    found = await answer_of(connect, tool, lean)

    assert found["id"] == (await answer_of(connect, tool, whole))["id"]


async def test_an_alert_s_example_is_read_whole(connect):
    answer = await answer_of(connect, "incidentio_get_alert", whole)

    [note] = answer.pop("notes")
    assert answer == {
        "id": ULID,
        "title": "*errors.withMessage: PG::Error failed to connect",
        "status": "firing",
        "source": "Production Web Dashboard Alerts",
        "source_url": "https://www.my-alerting-platform.com/alerts/my-alert-123",
        "deduplication_key": "4293868629",
        "description": "CPU on the payments service has exceeded 75 percent for 5 minutes",
        "attributes": {"service": ["Payments Team", "Payments Team"]},
        "tags": ["noisy"],
        "alert_group_ids": [ULID],
        "created_at": CREATED,
        "updated_at": CREATED,
        "resolved_at": RESOLVED,
    }
    assert note["creator"] == "Lisa Karlin Curtis"
    assert (note["images"], note["created_at"]) == (1, "2026-05-28T15:30:00Z")


async def test_a_link_s_example_is_read_whole_in_the_core_s_words(connect):
    answer = await answer_of(connect, "incidentio_attach_alert", whole)

    assert answer == {
        "id": ULID,
        "alert_id": ULID,
        "title": "*errors.withMessage: PG::Error failed to connect",
        "alert_status": "firing",
        "alert_created_at": CREATED,
        "reference": "INC-123",
        "name": "Our database is sad",
        "status_category": "triage",
    }


async def test_a_window_s_example_is_read_whole(connect):
    row = await answer_of(connect, "incidentio_list_maintenance", whole)

    assert row["holds"] == ["Incident Severity Lawrence Jones Lawrence Jones, Lawrence Jones"]
    assert {"name", "status", "start_at", "end_at", "lead", "incident", "archived_at"} <= row.keys()
