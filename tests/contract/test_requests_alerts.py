"""Every request of the alerts tools is the one that incident.io's own SDK builds from the same arguments."""

from typing import Any

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
from tests.account import INCIDENT
from tests.contract.vendor import Wire, built, sent

pytestmark = pytest.mark.anyio

LATENCY = account_ulid("alert Checkout latency above 3 seconds")
GRAFANA = account_ulid("alert source Grafana")
SOURCES = built(alert_sources_v2_list)
ACTIVE = built(maintenance_windows_v1_list, page_size=50, status=models.MaintenanceWindowsV1ListStatus.ACTIVE)
UPCOMING = built(maintenance_windows_v1_list, page_size=50, status=models.MaintenanceWindowsV1ListStatus.UPCOMING)
NOTES = built(alert_notes_v1_list, alert_id=LATENCY, page_size=250)
BY_KEY = built(
    alerts_v2_list,
    page_size=50,
    deduplication_key=models.AlertsV2ListDeduplicationKey.from_dict({"is": ["checkout-p99"]}),
)
# tool, arguments, the SDK's requests
CASES: list[tuple[str, dict[str, Any], list[Wire]]] = [
    ("incidentio_list_alerts", {"limit": 3}, [built(alerts_v2_list, page_size=3), SOURCES]),
    (
        "incidentio_list_alerts",
        {
            "status": "firing",
            "source": "grafana",
            "deduplication_key": "checkout-p99",
            "tags": ["noisy", "known issue"],
            "created_at_gte": "2026-11-20",
            "created_at_lte": "2026-11-21T03:00:00+01:00",
            "after": LATENCY,
        },
        [
            SOURCES,
            built(
                alerts_v2_list,
                page_size=25,
                after=LATENCY,
                status=models.AlertsV2ListStatus.from_dict({"one_of": ["firing"]}),
                alert_source=models.AlertsV2ListAlertSource.from_dict({"one_of": [GRAFANA]}),
                deduplication_key=models.AlertsV2ListDeduplicationKey.from_dict({"is": ["checkout-p99"]}),
                tags=models.AlertsV2ListTags.from_dict({"one_of": ["noisy", "known issue"]}),
                created_at=models.AlertsV2ListCreatedAt.from_dict(
                    {"gte": ["2026-11-20"], "lte": ["2026-11-21T02:00:00Z"]}
                ),
            ),
        ],
    ),
    ("incidentio_get_alert", {"alert": "checkout-p99"}, [BY_KEY, built(alerts_v2_show, LATENCY), SOURCES, NOTES]),
    ("incidentio_resolve_alert", {"alert": LATENCY}, [built(alerts_v2_resolve, LATENCY)]),
    (
        "incidentio_list_alert_links",
        {"incident": INCIDENT["INC-114"], "alert": LATENCY, "limit": 2},
        [
            built(
                alerts_v2_list_incident_alerts,
                page_size=2,
                incident_id=INCIDENT["INC-114"],
                alert_id=LATENCY,
            )
        ],
    ),
    (
        "incidentio_attach_alert",
        {"alert": LATENCY, "incident": "INC-114"},
        [
            built(
                alerts_v2_create_incident_alert,
                body=models.AlertsCreateIncidentAlertPayloadV2(alert_id=LATENCY, incident_id=INCIDENT["INC-114"]),
            )
        ],
    ),
    (
        "incidentio_attach_alert",
        {"alert": LATENCY, "incident": "INC-114", "re_relate": True},
        [
            built(
                alerts_v2_create_incident_alert,
                body=models.AlertsCreateIncidentAlertPayloadV2(
                    alert_id=LATENCY, incident_id=INCIDENT["INC-114"], re_relate=True
                ),
            )
        ],
    ),
    (
        "incidentio_add_alert_note",
        {"alert": LATENCY, "content": "**x**"},
        [
            NOTES,
            built(alert_notes_v1_create, body=models.AlertNotesCreatePayloadV1(content="**x**", alert_id=LATENCY)),
        ],
    ),
    ("incidentio_list_maintenance", {}, [ACTIVE, UPCOMING]),
]


@pytest.mark.parametrize(("tool", "arguments", "expected"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
async def test_a_tools_requests_are_those_that_the_vendors_sdk_builds(connect, box, tool, arguments, expected):
    async with connect() as call:
        await call.ok(tool, **arguments)
    assert [sent(row) for row in box.requests if not row.path.startswith("/v2/incidents/")] == expected
