"""incident.io's own SDK against the sandbox's alerts, their sources, notes and links, and maintenance windows."""

import pytest
from incident_io import models
from incident_io.api.alert_notes_v1 import alert_notes_v1_create, alert_notes_v1_list
from incident_io.api.alert_sources_v2 import alert_sources_v2_list
from incident_io.api.alerts_v2 import (
    alerts_v2_create_incident_alert,
    alerts_v2_list,
    alerts_v2_list_incident_alerts,
    alerts_v2_resolve,
    alerts_v2_show,
)
from incident_io.api.maintenance_windows_v1 import maintenance_windows_v1_list

from incident_mcp.sandbox.engine.clock import account_ulid

from .vendor_sdk import ask, sdk_client

pytestmark = pytest.mark.anyio

CHECKOUT = account_ulid("alert Checkout errors above 5 percent")
LATENCY = account_ulid("alert Checkout latency above 3 seconds")
GROUP = account_ulid("alert group Checkout")


@pytest.fixture
async def sdk(box):
    async with sdk_client(box) as client:
        yield client


LISTS = [
    (alerts_v2_list, models.AlertsListResultV2, {"page_size": 50}),
    (alert_sources_v2_list, models.AlertSourcesListResultV2, {}),
    (alert_notes_v1_list, models.AlertNotesListResultV1, {"alert_id": CHECKOUT}),
    (alert_notes_v1_list, models.AlertNotesListResultV1, {"alert_group_id": GROUP}),
    (alerts_v2_list_incident_alerts, models.AlertsListIncidentAlertsResultV2, {"page_size": 50}),
    (maintenance_windows_v1_list, models.MaintenanceWindowsListResultV1, {"page_size": 50}),
]


@pytest.mark.parametrize(("operation", "kind", "arguments"), LISTS)
async def test_every_list_parses_and_has_no_undocumented_key(sdk, operation, kind, arguments):
    await ask(operation, sdk, kind, **arguments)


async def test_every_seeded_alert_parses(box, sdk):
    for row in box.incidentio.rows["alerts"]:
        shown = await ask(alerts_v2_show, sdk, models.AlertsShowResultV2, id=row["id"])
        assert shown.alert.title == row["title"]


async def test_the_sdk_s_filters_are_understood(sdk):
    listed = await alerts_v2_list.asyncio(
        client=sdk,
        page_size=50,
        status=models.AlertsV2ListStatus.from_dict({"one_of": ["firing"]}),
        alert_source=models.AlertsV2ListAlertSource.from_dict({"not_in": [account_ulid("alert source Grafana")]}),
        tags=models.AlertsV2ListTags.from_dict({"all_of": ["Known Issue", "customer impacting"]}),
        has_notes=models.AlertsV2ListHasNotes.from_dict({"is": ["true"]}),
        created_at=models.AlertsV2ListCreatedAt.from_dict({"gte": ["2026-11-20"]}),
    )

    assert [alert.id for alert in listed.alerts] == [CHECKOUT]


async def test_an_alert_is_noted_attached_and_resolved(box, sdk):
    incident = next(row for row in box.incidentio.incidents if row["reference"] == "INC-112")["id"]
    note = models.AlertNotesCreatePayloadV1(content="Seen.", alert_id=LATENCY)
    await ask(alert_notes_v1_create, sdk, models.AlertNotesCreateResultV1, status=201, body=note)
    listed = await ask(alert_notes_v1_list, sdk, models.AlertNotesListResultV1, alert_id=LATENCY)
    assert [row.content for row in listed.alert_notes] == ["Seen."]

    body = models.AlertsCreateIncidentAlertPayloadV2(alert_id=LATENCY, incident_id=incident)
    kind = models.AlertsCreateIncidentAlertResultV2
    link = await ask(alerts_v2_create_incident_alert, sdk, kind, status=201, body=body)
    again = await ask(alerts_v2_create_incident_alert, sdk, kind, status=201, body=body)
    assert again.incident_alert.id == link.incident_alert.id

    resolved = await ask(alerts_v2_resolve, sdk, models.AlertsResolveResultV2, id=LATENCY)
    assert resolved.alert.status == "resolved"
    error = await ask(alerts_v2_resolve, sdk, models.ErrorResponse, status=422, id=CHECKOUT)
    assert error.type_ == "validation_error"


async def test_windows_are_active_upcoming_or_past(sdk):
    found = {}
    for status in models.MaintenanceWindowsV1ListStatus:
        listed = await maintenance_windows_v1_list.asyncio(client=sdk, page_size=50, status=status)
        found[str(status)] = [window.name for window in listed.maintenance_windows]

    assert found == {
        "active": ["Ledger database upgrade"],
        "upcoming": ["Router firmware in eu-west-1"],
        "past": ["Load test of the dashboard"],
    }
