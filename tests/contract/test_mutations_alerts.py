"""A malformed part of an answer about alerts changes no other field, as `test_mutations.py` shows for incidents.

Required is the id alone; everything else may be missing or of any type.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from incident_io import models

from tests.contract.mutations import Bench, Case, Key, Tally, listed, run_mutations
from tests.contract.vendor import example

pytestmark = pytest.mark.anyio

ULID = "01GW2G3V0S59R238FAHPDS1R66"
ID = frozenset({"id"})
SHOW, NOTES, SOURCES = (("GET", path) for path in (f"/v2/alerts/{ULID}", "/v1/alert_notes", "/v2/alert_sources"))
LIST, LINKS, WINDOWS = (("GET", path) for path in ("/v2/alerts", "/v2/incident_alerts", "/v1/maintenance_windows"))
RESOLVE, ATTACH = ("POST", f"/v2/alerts/{ULID}/actions/resolve"), ("POST", LINKS[1])
INCIDENT = ("GET", f"/v2/incidents/{ULID}")
PAGE_FIELDS = {"pagination_meta": "after", "pagination_meta.after": "after"}


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


VALUE = ("", ".label", ".literal", ".catalog_entry", ".catalog_entry.name")
ROW_FIELDS = same("title", "status", "tags", "created_at", "resolved_at") | {
    "alert_source_id": "source",
    "tags.name": "tags",
}
ALERT_FIELDS = {
    **ROW_FIELDS,
    **same("source_url", "deduplication_key", "description", "alert_group_ids", "updated_at", "attributes"),
    **dict.fromkeys(("attributes.attribute", "attributes.attribute.name"), "attributes"),
    **{f"attributes.{kind}{part}": "attributes" for kind in ("value", "array_value") for part in VALUE},
}
NOTE_FIELDS = same("content", "creator", "created_at", "last_edited_at", "images") | {
    f"creator.{part}": "creator" for part in ("user", "user.name", "api_key", "api_key.name")
}
SLIM_ALERT = {"": "alert_id title alert_status alert_created_at", ".id": "alert_id", ".title": "title"}
SLIM_ALERT |= {".status": "alert_status", ".created_at": "alert_created_at"}
LINK_FIELDS = {
    **{f"alert{part}": field for part, field in SLIM_ALERT.items()},
    "incident": "reference name status_category",
    **{f"incident.{name}": name for name in ("reference", "name", "status_category")},
}
CONDITIONS = "alert_condition_groups.conditions"
BINDINGS = f"{CONDITIONS}.param_bindings"
HOLDS = ("alert_condition_groups", CONDITIONS, BINDINGS)
HOLDS += tuple(f"{CONDITIONS}.{part}" for part in ("subject", "subject.label", "subject.reference"))
HOLDS += tuple(f"{CONDITIONS}.{part}" for part in ("operation", "operation.label", "operation.value"))
HOLDS += tuple(f"{BINDINGS}.{kind}{part}" for kind in ("value", "array_value") for part in ("", ".label", ".literal"))
WINDOW_FIELDS = {
    **same("name", "start_at", "end_at", "lead", "notification_message", "resolve_on_end", "reroute_on_end"),
    **same("archived_at"),
    **dict.fromkeys(HOLDS, "holds"),
    "incident_id": "incident",
    **{f"lead.{part}": "lead" for part in ("user", "user.name", "api_key", "api_key.name")},
    **{f"lead.{part}": "lead" for part in ("workflow", "workflow.name", "alert", "alert.title")},
}


def rows(result: type, key: str) -> dict[str, Any]:
    """Return a page of three rows."""
    answer = example(result)
    [row] = answer[key]
    return answer | {key: [row | {"id": f"{ULID[:-1]}{number}"} for number in (1, 2, 3)]}


def cases() -> Iterator[Case]:
    answers: dict[Key, Any] = {
        SHOW: example(models.AlertsShowResultV2),
        NOTES: rows(models.AlertNotesListResultV1, "alert_notes"),
        # Its source is another one, so that the alert's source is an id.
        SOURCES: {"alert_sources": []},
        LIST: rows(models.AlertsListResultV2, "alerts"),
        LINKS: rows(models.AlertsListIncidentAlertsResultV2, "incident_alerts"),
        WINDOWS: rows(models.MaintenanceWindowsListResultV1, "maintenance_windows"),
        RESOLVE: example(models.AlertsResolveResultV2),
        ATTACH: example(models.AlertsCreateIncidentAlertResultV2),
        INCIDENT: example(models.IncidentsShowResultV2),
        ("GET", "/v2/incidents"): {"incidents": []},
    }
    base: dict[str, Any] = {"answers": answers, "identity": ID}
    alert = base | {"arguments": {"alert": ULID}}
    yield Case(tool="incidentio_get_alert", target=SHOW, record=("alert",), derived=ALERT_FIELDS, **alert)
    noted = alert | {"record": ("alert_notes", 1), "derived": NOTE_FIELDS, "place": f"notes[{ULID[:-1]}2]."}
    yield Case(tool="incidentio_get_alert", target=NOTES, **noted)
    resolved = same("title", "status", "resolved_at")
    yield Case(tool="incidentio_resolve_alert", target=RESOLVE, record=("alert",), derived=resolved, **alert)
    attach = base | {"arguments": {"alert": ULID, "incident": ULID}, "derived": LINK_FIELDS}
    yield Case(tool="incidentio_attach_alert", target=ATTACH, record=("incident_alert",), **attach)
    for tool, target, key, derived in (
        ("incidentio_list_alerts", LIST, "alerts", ROW_FIELDS),
        ("incidentio_list_alert_links", LINKS, "incident_alerts", LINK_FIELDS),
    ):
        where: dict[str, Any] = base | {"record": (key, 1), "place": f"{key}[{ULID[:-1]}2]."}
        where |= {"arguments": {"limit": 3}, "envelope": PAGE_FIELDS}
        yield Case(tool=tool, target=target, derived=derived, **where)
    key = "maintenance_windows"
    where = base | {"record": (key, 1), "place": f"{key}[{ULID[:-1]}2].", "arguments": {"status": "active"}}
    yield Case(tool="incidentio_list_maintenance", target=WINDOWS, derived=WINDOW_FIELDS, **where)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.tool} {case.target[1]}")
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, case):
    tally = Tally()
    async with Bench(connect) as bench:
        wrong = await run_mutations(bench, case, tally, 1)
    assert not wrong, f"{tally.line(case.tool)}{listed(wrong)}"
