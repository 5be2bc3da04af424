"""The checks of the Ionhour workspace, what they depend on, and its maintenance windows."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_mcp.sandbox.engine.clock import ago, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.ionhour.workspace import Ionhour

from .ionhour_incidents import CHECKS, DEPENDENCIES, PROJECTS


@dataclass(frozen=True)
class Row:
    """One seeded check."""

    id: int
    status: str
    last: str | None
    """How long ago its last signal arrived."""
    probes: str = ""
    """The address that it probes; one without waits for signals."""
    impacted: bool = False
    interval: int = 300


NEW_CHECKS = {207: ("fraud-scoring", 12, "fraud"), 208: ("statement-export", 13, "statements")}
"""Checks that never raised an incident, in the form of `CHECKS`."""
ROWS = (
    Row(201, "DOWN", "13m", "https://checkout.paysand.example/health"),
    Row(202, "OK", "4m", "https://shop.paysand.example/ping?probe=ionhour", impacted=True),
    Row(203, "DOWN", "148m"),
    Row(204, "OK", "1m", "https://search.paysand.example/health"),
    Row(205, "OK", "9m", interval=3600),
    Row(206, "OK", "1m", interval=60),
    Row(207, "PAUSED", "26h"),
    Row(208, "NEW", None, interval=86_400),
)
DEPENDENCY_ROWS = (
    # id, status, category, description, address, checks
    (31, "DOWN", "API", "Card payments", "https://status.stripe.example", (201, 202)),
    (32, "OK", "STORAGE", "Payout files for the bank", None, (205,)),
    (33, "OK", "DATABASE", "Orders and payments", None, (201, 203, 206)),
)
_NAMES = DEPENDENCIES | {33: "Postgres primary"}
WINDOWS = (
    # id, name, state, hours from the start when it begins and ends, projects
    (60, "Index rebuild", "COMPLETED", -50.0, -48.0, (12,)),
    (61, "Payout host move", "ACTIVE", -0.5, 1.5, (13,)),
    (62, "Certificate renewal", "SCHEDULED", 21.0, 22.0, (11, 12)),
    (63, "Load test", "CANCELLED", -1.0, 3.0, (11,)),
)


def seed_checks(workspace: Ionhour, start: datetime) -> None:
    """Fill the lists; the data's times are relative to `start`."""
    workspace.rows["checks"] = [_check(row, start) for row in ROWS]
    workspace.rows["dependencies"] = [
        {
            "id": number,
            "name": _NAMES[number],
            "description": description,
            "category": category,
            "url": address,
            "status": status,
            "workspaceId": workspace.workspace_id,
            "checkIds": checks,
        }
        for number, status, category, description, address, checks in DEPENDENCY_ROWS
    ]
    workspace.rows["maintenance_windows"] = [
        {
            "id": number,
            "workspaceId": workspace.workspace_id,
            "name": name,
            "description": None,
            "startAt": rfc3339(start + timedelta(hours=begins)),
            "endAt": rfc3339(start + timedelta(hours=ends)),
            "state": state,
            "projectIds": list(projects),
            "suppressAlerts": True,
            "suppressIncidents": number != 61,  # noqa: PLR2004  # the active one hides alerts only
            "autoPublishToStatusPage": False,
            "timezone": "UTC",
            "recurringCron": None,
        }
        for number, name, state, begins, ends, projects in WINDOWS
    ]


def _check(row: Row, start: datetime) -> Json:
    name, project, token = (CHECKS | NEW_CHECKS)[row.id]
    last = start - ago(row.last) if row.last else None
    due = last + timedelta(seconds=row.interval) if last and row.status == "OK" else None
    check: Json = {
        "id": row.id,
        "name": name,
        "token": f"sandbox-token-{token}",
        "projectId": project,
        "project": {"id": project, "name": PROJECTS[project]},
        "status": row.status,
        "checkMode": "OUTBOUND" if row.probes else "INBOUND",
        "intervalSeconds": row.interval,
        "graceSeconds": 30,
        "downSeverity": "P1",
        "lateSeverity": "P3",
        "dependencyImpacted": row.impacted,
        "lastPingAt": rfc3339(last) if last else None,
        "nextDueAt": rfc3339(due) if due else None,
    }
    if row.probes:
        check["outboundConfig"] = {
            "url": row.probes,
            "checkType": "HTTP",
            "method": "GET",
            "expectedStatusMin": 200,
            "expectedStatusMax": 299,
            "timeoutMs": 5000,
            "failAfterConsecutive": 3,
            "resolveAfterConsecutiveSuccess": 2,
            "regions": ["us-east-1", "eu-west-1"],
        }
    return check
