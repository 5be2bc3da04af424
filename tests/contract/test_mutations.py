"""A malformed part of an answer changes no other field: every documented example, mutated part by part.

Every third mutation; all of them in CI, and with `pytest --hypothesis-profile long tests/contract/test_mutations.py`.

Required is identity alone: id and reference of an incident, id and name of a severity, status or type, id and
incident_id of an update, id of an Ionhour incident. Everything else may be missing or of any type.
"""

import gc
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from incident_io import models
from pydantic.alias_generators import to_camel

from tests.contract.mutations import (
    DROPPED,
    FREE,
    Bench,
    Case,
    Key,
    Tally,
    changes,
    leaves,
    listed,
    mutations,
    replaced,
    run_mutations,
)
from tests.contract.vendor import example as parsed

pytestmark = pytest.mark.anyio
# Parsing a docstring takes longer than a call.
example = cache(parsed)


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def made_of(key: str, field: str, *inner: str) -> dict[str, str]:
    """Derive a field from an object and some of its inner keys; the other inner keys are not used."""
    return {key: field, **{f"{key}.{each}": field for each in inner}}


def camel(*names: str) -> dict[str, str]:
    return {to_camel(name): name for name in names}


# API key to the fields derived from it; keys in no table are not used.
STATUS_OF = {"": "status status_category", ".name": "status", ".category": "status_category"}
INCIDENT_FIELDS = {
    **same("name", "mode", "visibility", "summary", "permalink", "call_url", "has_debrief", "team_ids"),
    **same("slack_channel_id", "slack_channel_name", "slack_channel_url", "slack_team_id", "ms_teams_channel_url"),
    **same("postmortem_document_url", "created_at", "updated_at", "last_activity_at"),
    **{f"incident_status{key}": field for key, field in STATUS_OF.items()},
    **made_of("severity", "severity", "name"),
    **made_of("incident_type", "incident_type", "name"),
    **made_of("creator", "creator", "user", "user.name"),
    **made_of("incident_role_assignments", "roles", "role", "role.name", "assignee", "assignee.name"),
    **made_of("custom_field_entries", "custom_fields", "custom_field", "custom_field.name", "values"),
    **made_of("custom_field_entries.values.value_option", "custom_fields", "value"),
    **made_of("custom_field_entries.values.value_catalog_entry", "custom_fields", "name"),
    **{f"custom_field_entries.values.value_{kind}": "custom_fields" for kind in ("link", "numeric", "text")},
    "incident_status": "status status_category impact_for",
    "incident_status.category": "status_category impact_for",
    **made_of("incident_timestamp_values", "timestamps impact_for", "incident_timestamp", "value", "value.value"),
    "incident_timestamp_values.incident_timestamp.name": "timestamps impact_for",
    **made_of("duration_metrics", "duration_seconds", "duration_metric", "duration_metric.name", "value_seconds"),
    **made_of("external_issue_reference", "external_issue", "issue_permalink"),
}
ROW_FIELDS = {
    **{key: INCIDENT_FIELDS[key] for key in ("name", "created_at", "updated_at", "severity", "severity.name")},
    **{f"incident_status{key}": field for key, field in STATUS_OF.items()},
    **made_of("incident_role_assignments", "lead", "role", "role.role_type", "assignee", "assignee.name"),
}
UPDATE_FIELDS = {
    **same("message", "created_at", "merged_into_incident_id"),
    **{f"new_incident_status{key}": field for key, field in STATUS_OF.items()},
    **made_of("new_severity", "severity", "name"),
    **made_of("updater", "updater", "user", "user.name"),
}
MERGED = {"merged_into_incident_id": "merged_into_incident_id merged_into_reference"}
"""Some tools add its reference."""
PAGE_FIELDS = {"pagination_meta": "after total", **made_of("pagination_meta.after", "after")} | {
    "pagination_meta.total_record_count": "total"
}
ALERT_FIELDS = {
    **same("title", "state", "severity", "reason", "summary"),
    "project": "project project_id",
    "project.id": "project_id",
    "project.name": "project",
    "projectId": "project_id",
    "check": "check check_id",
    "check.id": "check_id",
    "check.name": "check",
    "checkId": "check_id",
    **made_of("dependency", "dependency_name dependency_id"),
    "dependency.id": "dependency_id",
    "dependency.name": "dependency_name",
    **made_of("acknowledgedByUser", "acknowledged_by_email", "email"),
    **camel("dependency_id", "dependency_name", "started_at", "recovered_at", "resolved_at", "acknowledged_at"),
    **camel("acknowledged_by", "last_signal_at", "last_signal_type", "last_signal_source", "last_success_at"),
    **camel("duration_since_success_ms", "public_id"),
}
ALERT_ROW_FIELDS = ALERT_FIELDS | {
    "dependency": "dependency dependency_id",
    "dependency.name": "dependency",
    "dependencyName": "dependency",
    "durationSinceSuccessMs": "since_success",
}
ALERT_PAGE_FIELDS = {"pageCount": "page", "page": "page", "total": "total"}
EVENT_FIELDS = {"type": "type", "message": "message", **camel("occurred_at")}
NOTE_FIELDS = {
    **same("id", "body"),
    **made_of("author", "author", "email", "name"),
    **camel("created_at", "updated_at"),
    "authorId": "author",
}

# The examples, with every optional key.
INSTANT, LATER = "2021-08-17T13:28:57.801578Z", "2021-08-18T13:28:57.801578Z"
SAM = {"id": "01SAM", "name": "Sam Okafor", "email": "sam@paysand.example", "role": "owner", "slack_user_id": "U02SAM"}
LINE = "Ionhour incident 456 (01JB3Q8Z5K7M9N2P4R6S8T0V1W)"
LINKED = "Ionhour incident 300 (01JB3Q8Z5K7M9N2P4R6S8T0300)"
ONE = {"incident": "INC-2"}
ID_NAME, ALERT_ID, UPDATE_ID = frozenset({"id", "name"}), frozenset({"id"}), frozenset({"id", "incident_id"})
INCIDENT_ID = frozenset({"id", "reference"})
ID = "01FDAG4SAP5TYPT98WGR2N7W"
"""Two digits short of a ULID."""


def custom_field(name: str, kind: str, *values: dict[str, Any]) -> dict[str, Any]:
    field = {"id": f"01{name.upper()}", "name": name, "description": "", "field_type": kind, "options": []}
    return {"custom_field": field, "values": list(values)}


def option(value: str) -> dict[str, Any]:
    return {"value_option": {"id": f"01{value}", "custom_field_id": "01FIELD", "sort_key": 10, "value": value}}


def example_incident() -> dict[str, Any]:
    """The vendor's example with a second role, timestamp, duration and team."""
    found: dict[str, Any] = example(models.IncidentsShowResultV2)["incident"]
    second = replaced(found["incident_role_assignments"][0], ("role", "name"), "Communications")
    second = replaced(replaced(second, ("role", "role_type"), "custom"), ("assignee",), SAM)
    at_second = replaced(found["incident_timestamp_values"][0], ("incident_timestamp", "name"), "Fixed at")
    lasting = replaced(found["duration_metrics"][0], ("duration_metric", "name"), "Time to fix")
    return found | {
        "incident_role_assignments": [*found["incident_role_assignments"], second],
        "incident_timestamp_values": [*found["incident_timestamp_values"], at_second],
        "duration_metrics": [*found["duration_metrics"], lasting],
        "team_ids": [*found["team_ids"], "01JPQA75EPNEES4479P16P4XAC"],
        "updated_at": LATER,
    }


def full_incident() -> dict[str, Any]:
    """The same with custom fields of every kind."""
    found = example_incident()
    return found | {
        "custom_field_entries": [
            *found["custom_field_entries"],
            custom_field("Regions", "multi_select", option("eu-west"), option("us-east")),
            custom_field("Retries", "numeric", {"value_numeric": "0"}),
            custom_field("Runbook", "link", {"value_link": "https://runbooks.example"}),
            custom_field("Cause", "text", {"value_text": "A full disk"}),
            custom_field("Service", "single_select", {"value_catalog_entry": {"id": "01E", "name": "checkout"}}),
        ]
    }


def only_modelled(value: Any, at: str = "") -> Any:
    """Drop the keys that are not used: incidentio_get_incident, which reads the same record, covers them."""
    if isinstance(value, list):
        return [only_modelled(item, at) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: only_modelled(item, f"{at}{key}.")
        for key, item in value.items()
        if key in ("id", "reference") or any(f"{used}.".startswith(f"{at}{key}.") for used in INCIDENT_FIELDS)
    }


def lean_incident(number: int = 2, **other: Any) -> dict[str, Any]:
    """The keys that list tools use."""
    keys = ("incident_status", "severity", "incident_role_assignments", "mode", "permalink", "summary", "created_at")
    roles = [{"role": {"id": "01R", "name": "Incident Lead", "role_type": "lead"}, "assignee": SAM}]
    own = {"id": f"{ID}0{number}", "reference": f"INC-{number}", "name": f"Outage {number}", "updated_at": LATER}
    found = {key: example_incident()[key] for key in keys}
    return found | {"incident_role_assignments": roles} | own | other


def small_incident(number: int = 2, **other: Any) -> dict[str, Any]:
    """The keys used of an incident that is searched or linked."""
    found, keys = lean_incident(number), ("id", "name", "category", "rank")
    parts = {
        name: {key: value for key, value in found[name].items() if key in keys}
        for name in ("incident_status", "severity")
    }
    return {key: value for key, value in found.items() if key != "incident_role_assignments"} | parts | other


def update(number: int, **other: Any) -> dict[str, Any]:
    found: dict[str, Any] = example(models.IncidentUpdatesCreateResultV2)["incident_update"]
    return found | {"id": f"{ID}1{number}", "incident_id": f"{ID}02", "message": f"Message {number}"} | other


def alert(number: int = 456, **other: Any) -> dict[str, Any]:
    """Every documented field, and some that may come."""
    found = {
        "id": number,
        "publicId": f"01JB3Q8Z5K7M9N2P4R6S8T0{number}" if number != 456 else LINE[-27:-1],
        "checkId": 21,
        "jobId": 4,
        "title": f"Alert {number}",
        "summary": "<p>Mails wait.</p><ul><li>Queue: 900</li></ul>",
        "state": "ACTIVE",
        "reason": "DEPENDENCY_DOWN",
        "severity": "P2",
        "startedAt": "2026-05-11T02:10:00.000Z",
        "recoveredAt": "2026-05-11T02:40:00.000Z",
        "resolvedAt": "2026-05-11T02:45:30.500Z",
        "acknowledgedBy": 9,
        "acknowledgedAt": "2026-05-11T02:15:00.000Z",
        "dependencyId": 5,
        "dependencyName": "Mail relay",
        "project": {"id": 3, "name": "Billing"},
        "check": {"id": 21, "name": "invoices", "token": "made-up-made-up"},
        "dependency": {"id": 5, "name": "Mail relay"},
        "acknowledgedByUser": {"id": 9, "email": "lee@billing.example"},
        "lastSignalAt": "2026-05-11T02:41:00.000Z",
        "lastSignalType": "SUCCESS",
        "lastSignalSource": "probe",
        "lastSuccessAt": "2026-05-11T02:41:00.000Z",
        "durationSinceSuccessMs": 61000,
        "createdAt": "2026-05-11T02:10:00.000Z",
        "workspaceId": 1,
    }
    return found | other


def open_alert(number: int = 457, **other: Any) -> dict[str, Any]:
    ended = ("recoveredAt", "resolvedAt", "acknowledgedBy", "acknowledgedAt", "acknowledgedByUser")
    return {key: value for key, value in lean_alert(number).items() if key not in ended} | other


def lean_alert(number: int = 456, **other: Any) -> dict[str, Any]:
    """The keys used of an alert that is linked or declared."""
    unused = ("reason", "dependency", "dependencyName", "lastSignalAt", "lastSignalType", "lastSignalSource", "jobId")
    return {key: value for key, value in alert(number).items() if key not in (*unused, "checkId", "createdAt")} | other


def enveloped(rows: list[Any], pages: int = 1) -> dict[str, Any]:
    page = {"page": 1, "itemCount": len(rows), "pageCount": pages, "limit": 20}
    return {"items": rows, "total": len(rows) * pages, **page}


def event(kind: str, minute: int) -> dict[str, Any]:
    documented = {"type": kind, "message": f"Event {minute}", "occurredAt": f"2026-05-11T02:{minute}:00.000Z"}
    return {"id": minute, **documented, "incidentId": 456, "actor": {"id": 9}}


def note(number: int, **other: Any) -> dict[str, Any]:
    found = {
        "id": number,
        "body": f"<p>Note <b>{number}</b></p>",
        "author": {"id": 9, "email": "lee@billing.example", "name": "Lee"},
        "authorId": 9,
        "createdAt": f"2026-05-11T03:{number % 60:02}:00.000Z",
        "updatedAt": f"2026-05-11T04:{number % 60:02}:00.000Z",
    }
    return found | other


def paged(key: str, rows: list[Any], **meta: Any) -> dict[str, Any]:
    return {key: rows, "pagination_meta": {"after": "01FCNDV6P870EA6S7TK1DSYDG0", "page_size": 25, **meta}}


def named(result: type, key: str, **other: Any) -> list[dict[str, Any]]:
    """Three rows with names."""
    (row,) = example(result)[key]
    return [row | {"id": f"{ID}3{rank}", "name": f"{row['name']} {rank}", "rank": rank} | other for rank in (1, 2, 3)]


SEVERITIES = named(models.SeveritiesListResultV1, "severities")
STATUSES = [
    row | {"category": category}
    for row, category in zip(
        named(models.IncidentStatusesListResultV1, "incident_statuses"), ("live", "learning", "closed"), strict=True
    )
]
TYPES = [
    {key: value for key, value in row.items() if key != "rank"}
    for row in named(models.IncidentTypesListResultV1, "incident_types")
]
INCIDENTS = [lean_incident(1), example_incident() | {"id": f"{ID}02", "reference": "INC-2"}, lean_incident(3)]
LEAN_INCIDENTS = [lean_incident(number) for number in (1, 2, 3)]
UPDATES = [update(1), update(2), update(3)]
ALERT_ROW = ("id", "publicId", "title", "state", "severity", "startedAt", "acknowledgedAt", "project", "check")
ALERTS = [alert(455), alert(456), alert(457)]
EVENTS = [event("OPENED", 10), event("ALERT_SENT", 11), event("A_NEWER_KIND", 12)]
NOTES = [note(788), note(789), note(790)]
GET, POST, PATCH, DELETE = "GET", "POST", "PATCH", "DELETE"
V2, UPDATES_AT, STATUSES_AT = "/v2/incidents", "/v2/incident_updates", "/v1/incident_statuses"
ALERTS_AT, EVENTS_AT, NOTES_AT = "/api/incidents", "/api/incident-events/456", "/api/incident-notes/456"
AROUND = {
    (GET, f"{V2}/2"): {"incident": lean_incident()},
    (GET, f"{V2}/{ID}02"): {"incident": lean_incident()},
    (GET, V2): {"incidents": []},
    (GET, UPDATES_AT): {"incident_updates": UPDATES},
    (GET, "/v1/severities"): {"severities": SEVERITIES},
    (GET, STATUSES_AT): {"incident_statuses": STATUSES},
    (GET, "/v1/incident_types"): {"incident_types": TYPES},
    (GET, f"{ALERTS_AT}/456"): alert(),
    (GET, EVENTS_AT): enveloped(EVENTS),
    (GET, NOTES_AT): enveloped(NOTES),
}
SUMMARY_LINKS = "/ionhour_incidents /known_by /entries"


def one(tool: str, target: Key, answer: Any, record: tuple[str | int, ...] = (), **rest: Any) -> Case:
    """A case with one answer to mutate, and answers to whatever else the tool may read."""
    answers = {**AROUND, **rest.pop("others", {}), target: answer}
    return Case(tool=tool, target=target, answers=answers, record=record, **rest)


def lists() -> Iterator[Case]:
    """Every list tool; its middle row is mutated."""
    for kind, tool, rows, keys in (
        ("severities", "incidentio_list_severities", SEVERITIES, ("rank", "description")),
        ("incident_statuses", "incidentio_list_statuses", STATUSES, ("rank", "description", "category")),
        (
            "incident_types",
            "incidentio_list_types",
            TYPES,
            ("description", "is_default", "private_incidents_only", "create_in_triage"),
        ),
    ):
        derived = same(*keys) | ({"rank": f"rank /{kind}[]"} if "rank" in keys else {})
        rest = {"identity": ID_NAME, "place": f"{kind}[{ID}32].", "derived": derived}
        yield one(tool, (GET, f"/v1/{kind}"), {kind: rows}, (kind, 1), **rest)
    rest = {"place": "incidents[INC-2].", "derived": ROW_FIELDS, "envelope": PAGE_FIELDS, "identity": INCIDENT_ID}
    answer = paged("incidents", INCIDENTS, total_record_count=238)
    yield one("incidentio_list_incidents", (GET, V2), answer, ("incidents", 1), arguments={"limit": 3}, **rest)
    rest |= {"derived": ROW_FIELDS | {"name": "/incidents[INC-2]"}, "costly": True}
    answer = {"incidents": LEAN_INCIDENTS, "pagination_meta": {"page_size": 250}}
    arguments = {"name_contains": "Outage"}
    yield one("incidentio_list_incidents", (GET, V2), answer, ("incidents", 1), arguments=arguments, **rest)
    rest = {"place": f"incident_updates[{ID}12].", "derived": UPDATE_FIELDS | MERGED, "envelope": PAGE_FIELDS}
    at_updates = (GET, UPDATES_AT), paged("incident_updates", UPDATES), ("incident_updates", 1)
    yield one("incidentio_list_updates", *at_updates, arguments={"limit": 3}, identity=UPDATE_ID, **rest)
    yield one(
        "incidentio_list_updates",
        (GET, f"{V2}/2"),
        {"incident": lean_incident()},
        ("incident",),
        arguments=ONE,
        identity=INCIDENT_ID,
    )
    tool, rest = "ionhour_list_incidents", {"place": "incidents[456].", "identity": ALERT_ID}
    rest |= {"derived": ALERT_ROW_FIELDS, "envelope": ALERT_PAGE_FIELDS}
    # Without detail, what a row includes depends on the length of the rest of it.
    whole, rows = {"detail": True}, [{key: row[key] for key in ALERT_ROW} for row in ALERTS]
    yield one(tool, (GET, ALERTS_AT), enveloped(ALERTS, 3), ("items", 1), arguments=whole, **rest)
    yield one(tool, (GET, ALERTS_AT), rows, (1,), arguments=whole, **rest)
    rest["derived"] = ALERT_ROW_FIELDS | {"title": "/incidents[456]"}
    arguments = whole | {"name_contains": "Alert"}
    yield one(tool, (GET, ALERTS_AT), enveloped(rows), ("items", 1), arguments=arguments, **rest)
    rest["derived"] = ALERT_ROW_FIELDS | {"state": "/incidents[456]"}
    arguments, watched = whole | {"state": "MONITORING"}, [row | {"state": "MONITORING"} for row in rows]
    yield one(tool, (GET, ALERTS_AT), enveloped(watched), ("items", 1), arguments=arguments, **rest)
    for tool, path, rows, rest in (
        ("ionhour_list_events", EVENTS_AT, EVENTS, {"place": "events[1].", "derived": EVENT_FIELDS}),
        ("ionhour_list_notes", NOTES_AT, NOTES, {"place": "notes[789].", "derived": NOTE_FIELDS}),
    ):
        yield one(tool, (GET, path), enveloped(rows, 2), ("items", 1), arguments={"incident_id": 456}, **rest)
        yield one(tool, (GET, path), rows, (1,), arguments={"incident_id": 456}, **rest)


def records() -> Iterator[Case]:
    """Every tool that reads or writes one record."""
    whole = {"identity": INCIDENT_ID, "derived": INCIDENT_FIELDS}
    get = {"incident": full_incident() | {"id": f"{ID}02", "reference": "INC-2"}}
    yield one("incidentio_get_incident", (GET, f"{V2}/2"), get, ("incident",), arguments=ONE, **whole)
    record, seen = ("incident",), {"incident": only_modelled(example(models.IncidentsCreateResultV2)["incident"])}
    # A created_at before the call means that an earlier call with this key created it.
    whole |= {"derived": INCIDENT_FIELDS | {"created_at": "created_at repeated"}, "costly": True}
    arguments: dict[str, Any] = {"name": "Outage {n}", "idempotency_key": "key-{n}"}
    yield one("incidentio_create_incident", (POST, V2), seen, record, arguments=arguments, **whole)
    edit = (POST, f"{V2}/2/actions/edit")
    arguments, seen = ONE | {"name": "x"}, {"incident": lean_incident()}
    yield one("incidentio_edit_incident", edit, seen, record, arguments=arguments, **whole)
    close = "incidentio_close_incident"
    yield one(close, edit, {"incident": small_incident()}, record, arguments=ONE, **whole)
    closing = {"derived": UPDATE_FIELDS | {"created_at": "updated_at repeated"}, "identity": UPDATE_ID}
    closing["arguments"] = ONE | {"message": "Message {n}"}
    answer, record = {"incident_update": update(1)}, ("incident_update",)
    yield one(close, (POST, UPDATES_AT), answer, record, **closing)
    kept = {"others": {edit: {"incident": lean_incident()}}, "before": (("incidentio_list_statuses", {}),)}
    where: dict[str, Any] = {"record": ("incident_statuses", 1), "identity": ID_NAME}
    yield one(close, (GET, STATUSES_AT), {"incident_statuses": STATUSES}, arguments=ONE, **where, **kept)
    post = {"derived": UPDATE_FIELDS | MERGED | {"created_at": "created_at repeated"}, "identity": UPDATE_ID}
    post["arguments"] = {"incident": f"{ID}02", "message": "x", "idempotency_key": "key-{n}"}
    yield one("incidentio_post_update", (POST, UPDATES_AT), answer, record, **post)
    get_alert = {"arguments": {"incident_id": 456}, "identity": ALERT_ID, "derived": ALERT_FIELDS}
    yield one("ionhour_get_incident", (GET, f"{ALERTS_AT}/456"), alert(), **get_alert)
    # An acknowledgedAt before the call means that it was acknowledged before.
    derived = ALERT_FIELDS | {"acknowledgedAt": "acknowledged_at repeated"}
    get_alert |= {"identity": frozenset(), "derived": derived, "costly": True}
    yield one("ionhour_acknowledge_incident", (POST, f"{ALERTS_AT}/456/acknowledge"), alert(), **get_alert)
    written = {"arguments": {"incident_id": 456, "body": "Body {n}"}, "derived": NOTE_FIELDS}
    yield one("ionhour_create_note", (POST, NOTES_AT), note(789), **written)
    written["arguments"] = {"incident_id": 456, "note_id": 789, "body": "b"}
    yield one("ionhour_update_note", (PATCH, f"{NOTES_AT}/789"), note(789), **written)
    written = {"arguments": {"incident_id": 456, "note_id": 789}}
    yield one("ionhour_delete_note", (DELETE, f"{NOTES_AT}/789"), note(789), **written)


def timelines() -> Iterator[Case]:
    """incident_timeline by incident, by attachment and by alert; each of its sources is mutated."""
    updates = [update(number, created_at=f"2026-05-11T05:0{number}:00Z") for number in (1, 2, 3)]
    for number, row in enumerate(updates):
        for key in ("new_incident_status", "new_severity"):
            row[key] = row[key] | {"name": f"{row[key]['name']} {number}"}
    (item,) = example(models.IncidentTimelineItemsListResultV2)["incident_timeline_items"]
    item = item | {"incident_id": f"{ID}02"}
    timeline_items = [
        item | {"id": f"{ID}2{number}", "title": f"Item {number}", "timestamp": f"2026-05-11T06:0{number}:00Z"}
        for number in (1, 2, 3)
    ]
    (attachment,) = example(models.IncidentAttachmentsListResultV1)["incident_attachments"]
    attachment = attachment | {"incident_id": f"{ID}02"}
    attachments = [replaced(attachment, ("resource", "title"), title) for title in ("One", LINE, "Three")]
    notes = [note(788), note(789), note(790, body="Declared in incident.io as INC-2")]
    incident, at_alert = (GET, f"{V2}/2"), (GET, f"{ALERTS_AT}/456")
    answers = {
        incident: {"incident": small_incident(summary=f"Mails wait.\n{LINE}")},
        at_alert: lean_alert(),
        (GET, UPDATES_AT): paged("incident_updates", updates),
        (GET, "/v2/incident_timeline_items"): paged("incident_timeline_items", timeline_items),
        (GET, "/v1/incident_attachments"): {"incident_attachments": attachments},
        (GET, EVENTS_AT): enveloped(EVENTS),
        (GET, NOTES_AT): enveloped(notes),
    }
    first = {"tool": "incident_timeline", "free": (*FREE, "problems"), "costly": True}
    story = first | {"arguments": ONE, "answers": answers}
    links = {"summary": SUMMARY_LINKS, "publicId": SUMMARY_LINKS}
    yield Case(**story, target=incident, record=("incident",), identity=INCIDENT_ID, derived=links)
    yield Case(**story, target=at_alert, identity=ALERT_ID, derived=links)
    entry = {"type": "kind", "message": "text", "occurredAt": "at /entries[]"}
    yield Case(**story, target=(GET, EVENTS_AT), record=("items", 1), place="entries[1].", derived=entry)
    entry = {
        "body": "text",
        **made_of("author", "who", "email", "name"),
        "authorId": "who",
        "createdAt": "at /entries[]",
    }
    yield Case(**story, target=(GET, NOTES_AT), record=("items", 1), place="entries[4].", derived=entry)
    entry = {"message": "text", **made_of("updater", "who", "user", "user.name"), "created_at": "at /entries[]"}
    entry |= MERGED | made_of("new_incident_status", "status", "name") | made_of("new_severity", "severity", "name")
    where = {"target": (GET, UPDATES_AT), "record": ("incident_updates", 1), "identity": UPDATE_ID}
    yield Case(**story, **where, place="entries[7].", derived=entry)
    entry = {"title": "text", "description": "text", "timestamp": "at /entries[]"}
    entry |= made_of("creator", "who", "user", "user.name")
    where = {"target": (GET, "/v2/incident_timeline_items"), "record": ("incident_timeline_items", 1)}
    yield Case(**story, **where, identity=UPDATE_ID, place="entries[10].", derived=entry)
    attached = story | {"answers": answers | {incident: {"incident": small_incident()}}}
    where = {"target": (GET, "/v1/incident_attachments"), "record": ("incident_attachments", 1)}
    yield Case(**attached, **where, identity=UPDATE_ID, derived=made_of("resource", SUMMARY_LINKS, "title"))
    everything = f"{SUMMARY_LINKS} /incident"
    by_alert = first | {"arguments": {"ionhour_incident_id": 456}, "answers": answers}
    unnoted = {(GET, NOTES_AT): enveloped(NOTES), (GET, V2): paged("incidents", [small_incident(1), small_incident(3)])}
    unnoted[GET, V2]["incidents"].insert(1, answers[incident]["incident"])
    by_alert["answers"] = answers | unnoted
    searched = {"publicId": everything, "startedAt": everything}
    yield Case(**by_alert, target=at_alert, identity=ALERT_ID, derived=searched)
    where = {"target": (GET, V2), "record": ("incidents", 1), "identity": INCIDENT_ID}
    yield Case(**by_alert, **where, derived={"summary": everything})


def situations() -> Iterator[Case]:
    """situation, each of its sources mutated; ages are in hours and change half an hour from now."""
    began = datetime.now(UTC) - timedelta(minutes=30)

    def since(days: int) -> str:
        return (began - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    rank = lean_incident()["severity"]
    is_open = [
        lean_incident(1, summary=LINE, created_at=since(5)),
        lean_incident(2, summary=LINKED, created_at=since(4), severity=rank | {"rank": 3, "name": "Major"}),
        lean_incident(3, created_at=since(6), incident_role_assignments=[]),
    ]
    made = "Ionhour incident 458 (01JB3Q8Z5K7M9N2P4R6S8T0458)"
    declared = [small_incident(7), small_incident(8, summary=made), small_incident(9)]
    instants = {"startedAt": since(7), "lastSuccessAt": since(8)}
    recovered = {"state": "MONITORING", "recoveredAt": since(2), "acknowledgedAt": since(3)}
    alerts = [
        open_alert(457, **instants),
        lean_alert(456, **instants, **recovered),
        open_alert(458, **instants, severity="P1"),
    ]
    updates = [update(number, incident_id=f"{ID}0{number}", created_at=since(number)) for number in (1, 2, 3)]
    answers = {
        (GET, f"{V2}?status_category[one_of]"): paged("incidents", is_open),
        (GET, f"{V2}?created_at[gte]"): paged("incidents", declared),
        (GET, UPDATES_AT): paged("incident_updates", updates),
        (GET, ALERTS_AT): enveloped(alerts),
        (GET, f"{ALERTS_AT}/300"): lean_alert(300, state="RESOLVED"),
    }
    base = {
        "tool": "situation",
        "answers": answers,
        "free": (*FREE, "problems", "as_of", "ionhour_incidents_not_shown"),
        "costly": True,
    }
    links = "/links /links_known_by /gaps"
    order = "/incidents[] /links[]"
    fields = same("name") | {"severity": f"severity {order}", "severity.name": "severity", "severity.rank": order}
    fields |= made_of("incident_status", "status", "name")
    fields |= {key: f"{name} /gaps.no_lead" for key, name in ROW_FIELDS.items() if name == "lead"}
    fields |= {"summary": f"{links} impact_for", "created_at": f"age impact_for {order}"}
    where = {"target": (GET, f"{V2}?status_category[one_of]"), "record": ("incidents", 1), "identity": INCIDENT_ID}
    yield Case(**base, **where, place="incidents[INC-2].", derived=fields)
    where["target"] = (GET, f"{V2}?created_at[gte]")
    closed = made_of("incident_status", "/links[INC-8:458].incident_status", "name")
    yield Case(**base, **where, derived=closed | {"summary": links})
    fields = {"message": "latest_update.text", "created_at": "latest_update /gaps.no_recent_update"}
    fields |= made_of("updater", "latest_update.by", "user", "user.name")
    fields |= {key: f"latest_update.{names.replace(' ', ' latest_update.')}" for key, names in MERGED.items()}
    where = {"target": (GET, UPDATES_AT), "record": ("incident_updates", 1), "identity": UPDATE_ID}
    yield Case(**base, **where, place="incidents[INC-2].", derived=fields)
    fields = same("title", "state", "severity") | made_of("project", "project", "name")
    impact = "/incidents[INC-1].impact_for"
    fields |= {"lastSuccessAt": "since_success", "startedAt": f"age /ionhour_incidents[] {impact}"}
    fields |= {"publicId": f"{links} {impact}"}
    fields |= {"acknowledgedAt": "acknowledged /ionhour_incidents[]", "severity": "severity /ionhour_incidents[]"}
    fields |= {"state": f"state /gaps.check_recovered {impact}"}
    fields |= dict.fromkeys(("recoveredAt", "resolvedAt"), f"/gaps {impact}")
    where = {"target": (GET, ALERTS_AT), "record": ("items", 1), "identity": ALERT_ID}
    yield Case(**base, **where, place="ionhour_incidents[456].", derived=fields)
    # Unlike that one, no open incident names this: earlier incidents are searched from its beginning on.
    where["record"] = ("items", 0)
    fields = fields | {"startedAt": "age /ionhour_incidents[] /gaps.not_declared"}
    yield Case(**base, **where, place="ionhour_incidents[457].", derived=fields)
    impact = "/incidents[INC-2].impact_for"
    fields = {"publicId": f"{links} {impact}", "startedAt": impact}
    fields |= dict.fromkeys(("state", "recoveredAt", "resolvedAt"), f"/gaps.check_recovered {impact}")
    yield Case(**base, target=(GET, f"{ALERTS_AT}/300"), identity=ALERT_ID, derived=fields)


def declarations() -> Iterator[Case]:
    """declare_from_ionhour: the alert, its notes, earlier incidents and the answers to the writes are mutated."""
    reference, at_notes = (GET, f"{V2}/2"), (GET, "/api/incident-notes/457")
    made = small_incident()
    answers = {
        # A new alert in every call: an alert is declared only once.
        (GET, f"{ALERTS_AT}/457"): open_alert(publicId="01JB3Q8Z5K7M9N2P4R6S8T{n}"),
        at_notes: enveloped(NOTES),
        (GET, V2): paged("incidents", [small_incident(number) for number in (1, 2, 3)]),
        (GET, "/v1/severities"): {"severities": SEVERITIES},
        (POST, V2): {"incident": made},
        (POST, at_notes[1]): note(800),
        (POST, f"{ALERTS_AT}/457/acknowledge"): {"id": 457, "acknowledgedBy": 9, "acknowledgedAt": INSTANT},
        reference: {"incident": made},
    }
    arguments = {"ionhour_incident_id": 457, "acknowledge": True, "name": "Alert {n}"}
    base = {"tool": "declare_from_ionhour", "answers": answers, "arguments": arguments | {"severity": "Minor 1"}}
    base |= {"free": (*FREE, "would_send"), "costly": True}
    dry = base | {"arguments": base["arguments"] | {"dry_run": True}}
    # A created_at before the call means that an earlier call declared it.
    derived = INCIDENT_FIELDS | {"created_at": "/steps[declare]"}
    own = {"identity": INCIDENT_ID, "place": "incident.", "derived": derived}
    used = dict.fromkeys(("title", "summary", "state", "severity", "startedAt", "lastSuccessAt"), "/would_send")
    yield Case(**dry, target=(GET, f"{ALERTS_AT}/457"), identity=frozenset({"id", "publicId"}), derived=used)
    yield Case(**dry, target=at_notes, record=("items", 1), derived={"body": "/would_send"})
    where = {"record": ("incidents", 1), "identity": INCIDENT_ID}
    yield Case(**dry, target=(GET, V2), **where, derived={"summary": "/would_send"})
    yield Case(**base, target=(POST, V2), record=("incident",), **own)
    yield Case(**base, target=(POST, at_notes[1]))
    yield Case(**base, target=(POST, f"{ALERTS_AT}/457/acknowledge"))
    base["answers"] = answers | {at_notes: enveloped([*NOTES, note(791, body="Declared in incident.io as INC-2")])}
    yield Case(**base, target=reference, record=("incident",), **own)
    base |= {"arguments": arguments | {"dry_run": True}, "answers": answers}
    where = {"target": (GET, "/v1/severities"), "record": ("severities", 1), "identity": ID_NAME}
    derived = {"rank": "/severity_by"}
    yield Case(**base, **where, derived=derived, before=(("incidentio_list_severities", {}),))


def cases() -> list[Case]:
    return [*lists(), *records(), *timelines(), *situations(), *declarations()]


TOOLS = sorted({case.tool for case in cases()})


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    """Exclude loaded modules from garbage collection: scanning the vendor's SDK repeatedly costs more than calls."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Capture no debug logs: for thousands of calls that doubles the time."""
    caplog.set_level(logging.WARNING)


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    counted = Tally()
    yield counted
    capturing = request.config.pluginmanager.get_plugin("capturemanager")
    if capturing is not None and counted.ran:
        each = ", ".join(f"{tool} {count}" for tool, count in sorted(counted.ran.items()))
        with capturing.global_and_fixture_disabled():
            print(f"\n{counted.line()} ({each})")


@pytest.mark.parametrize("tool", TOOLS)
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, tally, tool, pytestconfig):
    whole = os.environ.get("CI") or pytestconfig.getoption("hypothesis_profile") == "long"
    every = 1 if whole else 3
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in cases():
            if case.tool == tool:
                wrong += await run_mutations(bench, case, tally, every)
    print(f"{tool}: {tally.line(tool)}")
    assert not wrong, f"{tally.line(tool)}{listed(wrong)}"


def with_unknown_keys(value: Any) -> Any:
    """Add undocumented keys at every level."""
    if isinstance(value, list):
        return [with_unknown_keys(item) for item in value]
    if isinstance(value, dict):
        return {key: with_unknown_keys(item) for key, item in value.items()} | {"newer_key": {"a": [1]}, "other": None}
    return value


async def test_unknown_keys_change_nothing(connect):
    async with Bench(connect) as bench:
        for case in cases():
            whole = await bench.call(case)
            result = await bench.call(case, with_unknown_keys(case.answers[case.target]))
            assert (case.target, whole.failure, result.failure, result.flaws) == (case.target, "", "", [])
            assert not changes(case, ("newer_key",), whole.answer or {}, result.answer or {}), case.target


@pytest.mark.parametrize(
    ("tool", "fields"),
    [
        ("incidentio_get_incident", INCIDENT_FIELDS),
        ("incidentio_create_incident", INCIDENT_FIELDS),
        ("incidentio_post_update", UPDATE_FIELDS),
        ("incidentio_list_incidents", ROW_FIELDS),
        ("ionhour_get_incident", ALERT_FIELDS),
        ("ionhour_list_events", EVENT_FIELDS),
        ("ionhour_list_notes", NOTE_FIELDS),
        ("ionhour_create_note", NOTE_FIELDS),
    ],
)
async def test_the_examples_fill_every_field_in_the_tables(connect, tool, fields):
    case = next(case for case in cases() if case.tool == tool)
    async with Bench(connect) as bench:
        result = leaves((await bench.call(case)).answer)
    for name in {name for names in fields.values() for name in names.split()}:
        assert any(f"{key}.".startswith((f"{case.place}{name}.", f"{case.place}{name}[")) for key in result), name


NO_ROW = {"null": None, "a text": "x", "a number": 7, "a list": []}
NO_ID: dict[str, Any] = {"null": None, "missing": DROPPED, "an object": {}}
# Identity of the rows of list tools.
NEEDED = {
    "incidentio_list_severities": ("id", "name"),
    "incidentio_list_statuses": ("id", "name"),
    "incidentio_list_types": ("id", "name"),
    "incidentio_list_incidents": ("reference",),
    "incidentio_list_updates": ("id",),
    "ionhour_list_incidents": ("id",),
}


def in_rows(of: str = "") -> list[Case]:
    """The cases that mutate a row."""
    return [case for case in cases() if case.record and isinstance(case.record[-1], int) and case.tool.startswith(of)]


def unreadable_rows(case: Case) -> Iterator[tuple[str, Any]]:
    """Rows that are no objects, and for list tools rows without identity."""
    whole = case.answers[case.target]
    for how, row in NO_ROW.items():
        yield f"is {how}", replaced(whole, case.record, row)
    for key in NEEDED.get(case.tool, ()):
        for how, value in NO_ID.items():
            yield f"has {key} {how}", replaced(whole, (*case.record, key), value)


@pytest.mark.parametrize("tool", sorted({case.tool for case in in_rows()}))
async def test_an_unreadable_row_is_counted_and_the_others_are_returned(connect, tool):
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in in_rows(tool):
            whole = (await bench.call(case)).answer or {}
            for how, answer in unreadable_rows(case):
                result = await bench.call(case, answer)
                what = f"{case.target[1]}, a row that {how}"
                if result.answer is None:
                    wrong.append(f"{what}: failed: {result.failure}")
                    continue
                lost = changes(case, case.record, whole, result.answer)
                wrong += [f"{what}: {flaw}" for flaw in (*result.flaws, *(f"changed {each}" for each in lost))]
                left = [key for key in leaves(result.answer, whole) if key.startswith(case.place or " ")]
                if "_list_" in tool and (result.answer.get("unreadable") != 1 or left):
                    wrong.append(f"{what}: unreadable is {result.answer.get('unreadable')}, {left} are returned")
    assert not wrong, listed(wrong)


NO_LIST: dict[str, Any] = {"missing": DROPPED, "a text": "x", "a number": 7, "a fraction": 1.5, "an object": {}}


async def test_a_null_list_is_empty_and_a_missing_or_mistyped_list_is_an_error(connect):
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in (case for case in in_rows() if "_list_" in case.tool and len(case.record) == 2):
            whole, key = case.answers[case.target], case.record[:1]
            result = await bench.call(case, replaced(whole, key, None))
            rows = [rows for rows in (result.answer or {"": None}).values() if isinstance(rows, list)]
            wrong += [] if rows == [[]] else [f"{case.tool} {key[0]} null: {result.failure or result.answer}"]
            for how, value in NO_LIST.items():
                result = await bench.call(case, replaced(whole, key, value))
                if result.answer is not None or "of its own" in result.failure:
                    wrong.append(f"{case.tool} {key[0]} {how}: {result.failure or result.answer}")
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_malformed_answer_is_never_an_internal_error(connect, tool):
    async with Bench(connect) as bench:
        for case in (case for case in cases() if case.tool == tool):
            for answer in (None, [], "x", 7, 1.5, True, float("nan"), {}, [None], [[]], {"items": [[]]}):
                result = await bench.call(case, answer)
                assert "of its own" not in result.failure, (case.target, answer)
                assert (case.target, answer, result.flaws) == (case.target, answer, [])


async def test_a_write_without_a_readable_id_has_an_unknown_outcome(connect):
    async with Bench(connect) as bench:
        for case in records():
            if case.target[0] == POST and case.identity:
                for value in NO_ID.values():
                    result = await bench.call(case, replaced(case.answers[case.target], (*case.record, "id"), value))
                    assert "outcome unknown" in result.failure, (case.tool, result.answer)


PAGE_COUNTS: list[Any] = [DROPPED, None, "", "abc", 1.25, {}, [], float("nan"), "odd \ud800", True]


@pytest.mark.parametrize("tool", ["ionhour_list_incidents", "ionhour_list_events", "ionhour_list_notes"])
async def test_an_unreadable_page_count_means_no_further_page(connect, tool):
    case = next(case for case in lists() if case.tool == tool and len(case.record) == 2)
    async with Bench(connect) as bench:
        whole = (await bench.call(case)).answer
        assert whole is not None
        assert whole["has_more"] is True
        for pages in PAGE_COUNTS:
            result = await bench.call(case, replaced(case.answers[case.target], ("pageCount",), pages))
            expected = {key: value for key, value in whole.items() if key != "page"} | {"has_more": False}
            assert (pages, result.answer, result.failure) == (pages, expected, "")


async def test_an_event_without_a_type_is_returned(connect):
    case = next(case for case in lists() if case.tool == "ionhour_list_events")
    async with Bench(connect) as bench:
        result = await bench.call(
            case, [{"message": "Opened", "occurredAt": "2026-05-11T02:10:00.000Z"}, {"type": None}]
        )
    assert result.answer is not None
    opened, _ = result.answer["events"]
    assert (opened["message"], opened["occurred_at"]) == ("Opened", "2026-05-11T02:10:00Z")
    assert "unreadable" not in result.answer


async def test_ionhour_lists_are_read_bare_and_enveloped(connect):
    async with Bench(connect) as bench:
        for tool, key in (("incidents", "incidents"), ("events", "events"), ("notes", "notes")):
            bare, enveloped_ = (
                next(case for case in lists() if case.tool == f"ionhour_list_{tool}" and len(case.record) == depth)
                for depth in (1, 2)
            )
            rows = bare.answers[bare.target]
            expected = (await bench.call(bare)).answer
            assert expected is not None
            for answer in (rows, {"items": rows}, enveloped(rows)):
                result = await bench.call(enveloped_, answer)
                assert (result.failure, (result.answer or {}).get(key)) == ("", expected[key])


def name_lists() -> Iterator[Case]:
    """Calls with an unknown name, which fail with the list of known names."""
    fields = named(models.CustomFieldsListResultV2, "custom_fields", field_type="single_select")
    fields = [{key: value for key, value in row.items() if key != "catalog_type_id"} for row in fields]
    (option_row,) = example(models.CustomFieldOptionsListResultV1)["custom_field_options"]
    options = [option_row | {"id": f"{ID}4{number}", "value": f"Product {number}"} for number in (1, 2, 3)]
    kinds: tuple[tuple[str, str, str, list[dict[str, Any]], dict[str, Any]], ...] = (
        ("/v1/severities", "severities", "name", SEVERITIES, {"severity": "nobody"}),
        (STATUSES_AT, "incident_statuses", "name", STATUSES, {"status": "nobody"}),
        ("/v1/incident_types", "incident_types", "name", TYPES, {"incident_type": "nobody"}),
        ("/v2/custom_fields", "custom_fields", "name", fields, {"custom_fields": {"nobody": ["x"]}}),
        (
            "/v1/custom_field_options",
            "custom_field_options",
            "value",
            options,
            {"custom_fields": {"Affected Team 2": ["nobody"]}},
        ),
        (
            "/v2/incident_roles",
            "incident_roles",
            "name",
            named(models.IncidentRolesListResultV2, "incident_roles"),
            {"roles": {"nobody": "a@b.example"}},
        ),
        (
            "/v2/incident_timestamps",
            "incident_timestamps",
            "name",
            named(models.IncidentTimestampsListResultV2, "incident_timestamps"),
            {"timestamps": {"nobody": "2026-11-21T03:12:00Z"}},
        ),
    )
    for path, key, name, rows, arguments in kinds:
        yield one(
            "incidentio_create_incident",
            (GET, path),
            {key: rows},
            (key, 1),
            identity=frozenset({"id", name}),
            arguments={"name": "x", "dry_run": True, **arguments},
            others={(GET, "/v2/custom_fields"): {"custom_fields": fields}},
        )


async def test_names_resolve_whatever_else_is_malformed_in_their_rows(connect):
    async with Bench(connect) as bench:
        for case in name_lists():
            whole = await bench.call(case)
            assert "Pass one of:" in whole.failure
            for mutation in mutations(case):
                result = await bench.call(case, mutation.answer)
                # A malformed rank may change the order.
                assert sorted(result.failure) == sorted(whole.failure), (mutation.path, mutation.how, result.failure)
                assert result.read
