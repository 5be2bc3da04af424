"""One odd part of an answer spoils nothing else: every documented example, one part after the other made odd.

Identity is what a row cannot do without: id and reference of an incident, id and name of what is listed for its names,
id and incident of an update, id of an Ionhour incident. All else may be missing or of any type.
"""

import gc
import logging
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
    spoil,
)
from tests.contract.vendor import example as parsed

pytestmark = pytest.mark.anyio
# Read once: reading one takes longer than a call.
example = cache(parsed)


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def made_of(key: str, told: str, *inner: str) -> dict[str, str]:
    """A told field that is made of a key, and of these keys in it: the others in it are told nowhere."""
    return {key: told, **{f"{key}.{each}": told for each in inner}}


def camel(*names: str) -> dict[str, str]:
    return {to_camel(name): name for name in names}


# Of which keys of the API which fields are told; what stands in no table is told nowhere.
STATUS_OF = {"": "status status_category", ".name": "status", ".category": "status_category"}
INCIDENT_TELLS = {
    **same("name", "mode", "visibility", "summary", "permalink", "call_url", "has_debrief", "team_ids"),
    **same("slack_channel_id", "slack_channel_name", "slack_channel_url", "slack_team_id", "ms_teams_channel_url"),
    **same("postmortem_document_url", "created_at", "updated_at", "last_activity_at"),
    **{f"incident_status{key}": told for key, told in STATUS_OF.items()},
    **made_of("severity", "severity", "name"),
    **made_of("incident_type", "incident_type", "name"),
    **made_of("creator", "creator", "user", "user.name"),
    **made_of("incident_role_assignments", "roles", "role", "role.name", "assignee", "assignee.name"),
    **made_of("custom_field_entries", "custom_fields", "custom_field", "custom_field.name", "values"),
    **made_of("custom_field_entries.values.value_option", "custom_fields", "value"),
    **made_of("custom_field_entries.values.value_catalog_entry", "custom_fields", "name"),
    **{f"custom_field_entries.values.value_{kind}": "custom_fields" for kind in ("link", "numeric", "text")},
    **made_of("incident_timestamp_values", "timestamps", "incident_timestamp", "value", "value.value"),
    "incident_timestamp_values.incident_timestamp.name": "timestamps",
    **made_of("duration_metrics", "duration_seconds", "duration_metric", "duration_metric.name", "value_seconds"),
    **made_of("external_issue_reference", "external_issue", "issue_permalink"),
}
ROW_TELLS = {
    **{key: INCIDENT_TELLS[key] for key in ("name", "created_at", "updated_at", "severity", "severity.name")},
    **{f"incident_status{key}": told for key, told in STATUS_OF.items()},
    **made_of("incident_role_assignments", "lead", "role", "role.role_type", "assignee", "assignee.name"),
}
UPDATE_TELLS = {
    **same("message", "created_at", "merged_into_incident_id"),
    **{f"new_incident_status{key}": told for key, told in STATUS_OF.items()},
    **made_of("new_severity", "severity", "name"),
    **made_of("updater", "updater", "user", "user.name"),
}
MERGED = {"merged_into_incident_id": "merged_into_incident_id merged_into_reference"}
"""Its reference is read where it is wanted."""
PAGES_TELL = {"pagination_meta": "after total", **made_of("pagination_meta.after", "after")} | {
    "pagination_meta.total_record_count": "total"
}
ALERT_TELLS = {
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
ALERT_PAGES_TELL = {"pageCount": "page", "page": "page", "total": "total"}
EVENT_TELLS = {"type": "type", "message": "message", **camel("occurred_at")}
NOTE_TELLS = {
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
"""Of whatever it is; two digits make it one."""


def custom_field(name: str, kind: str, *values: dict[str, Any]) -> dict[str, Any]:
    field = {"id": f"01{name.upper()}", "name": name, "description": "", "field_type": kind, "options": []}
    return {"custom_field": field, "values": list(values)}


def option(value: str) -> dict[str, Any]:
    return {"value_option": {"id": f"01{value}", "custom_field_id": "01FIELD", "sort_key": 10, "value": value}}


def example_incident() -> dict[str, Any]:
    """The vendor's example with a second one of what there may be several of."""
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
    """With custom fields of every kind, too."""
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


def only_told(value: Any, at: str = "") -> Any:
    """An incident without what is told nowhere: that is odd in incidentio_get_incident, which reads the same."""
    if isinstance(value, list):
        return [only_told(item, at) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: only_told(item, f"{at}{key}.")
        for key, item in value.items()
        if key in ("id", "reference") or any(f"{told}.".startswith(f"{at}{key}.") for told in INCIDENT_TELLS)
    }


def lean_incident(number: int = 2, **other: Any) -> dict[str, Any]:
    """As much of one as any tool reads."""
    keys = ("incident_status", "severity", "incident_role_assignments", "mode", "permalink", "summary", "created_at")
    roles = [{"role": {"id": "01R", "name": "Incident Lead", "role_type": "lead"}, "assignee": SAM}]
    own = {"id": f"{ID}0{number}", "reference": f"INC-{number}", "name": f"Outage {number}", "updated_at": LATER}
    found = {key: example_incident()[key] for key in keys}
    return found | {"incident_role_assignments": roles} | own | other


def small_incident(number: int = 2, **other: Any) -> dict[str, Any]:
    """As much of one as is read of an incident that is looked through or linked."""
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
    """All that Ionhour's pages name of an incident, and what they leave open."""
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
    return {key: value for key, value in alert(number).items() if key not in ended} | other


def enveloped(rows: list[Any], pages: int = 1) -> dict[str, Any]:
    page = {"page": 1, "itemCount": len(rows), "pageCount": pages, "limit": 20}
    return {"items": rows, "total": len(rows) * pages, **page}


def event(kind: str, minute: int) -> dict[str, Any]:
    told = {"type": kind, "message": f"Event {minute}", "occurredAt": f"2026-05-11T02:{minute}:00.000Z"}
    return {"id": minute, **told, "incidentId": 456, "actor": {"id": 9}}


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
    """Three rows of a list that is read for its names."""
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


def one(tool: str, odd: Key, answer: Any, record: tuple[str | int, ...] = (), **rest: Any) -> Case:
    """A call in which one answer is odd, among what else a tool may want to read."""
    return Case(tool=tool, odd=odd, answers={**AROUND, **rest.pop("others", {}), odd: answer}, record=record, **rest)


def lists() -> Iterator[Case]:
    """Every list tool, its middle row to be odd."""
    for kind, tool, rows, tells in (
        ("severities", "incidentio_list_severities", SEVERITIES, ("rank", "description")),
        ("incident_statuses", "incidentio_list_statuses", STATUSES, ("rank", "description", "category")),
        (
            "incident_types",
            "incidentio_list_types",
            TYPES,
            ("description", "is_default", "private_incidents_only", "create_in_triage"),
        ),
    ):
        told = f"{kind}[{ID}32]."
        derived = same(*tells) | ({"rank": f"rank /{kind}[]"} if "rank" in tells else {})
        rest = {"identity": ID_NAME, "told": told, "derived": derived}
        yield one(tool, (GET, f"/v1/{kind}"), {kind: rows}, (kind, 1), **rest)
    rest = {"told": "incidents[INC-2].", "derived": ROW_TELLS, "envelope": PAGES_TELL, "identity": INCIDENT_ID}
    answer = paged("incidents", INCIDENTS, total_record_count=238)
    yield one("incidentio_list_incidents", (GET, V2), answer, ("incidents", 1), arguments={"limit": 3}, **rest)
    rest |= {"derived": ROW_TELLS | {"name": "/incidents[INC-2]"}, "costly": True}
    answer = {"incidents": LEAN_INCIDENTS, "pagination_meta": {"page_size": 250}}
    arguments = {"name_contains": "Outage"}
    yield one("incidentio_list_incidents", (GET, V2), answer, ("incidents", 1), arguments=arguments, **rest)
    rest = {"told": f"incident_updates[{ID}12].", "derived": UPDATE_TELLS | MERGED, "envelope": PAGES_TELL}
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
    rest = {"told": "incidents[456].", "derived": ALERT_TELLS, "identity": ALERT_ID, "envelope": ALERT_PAGES_TELL}
    yield one("ionhour_list_incidents", (GET, ALERTS_AT), enveloped(ALERTS, 3), ("items", 1), **rest)
    rows = [{key: row[key] for key in ALERT_ROW} for row in ALERTS]
    yield one("ionhour_list_incidents", (GET, ALERTS_AT), rows, (1,), **rest)
    rest["derived"] = ALERT_TELLS | {"title": "/incidents[456]"}
    arguments = {"name_contains": "Alert"}
    yield one("ionhour_list_incidents", (GET, ALERTS_AT), enveloped(rows), ("items", 1), arguments=arguments, **rest)
    rest["derived"] = ALERT_TELLS | {"state": "/incidents[456]"}
    watched = [row | {"state": "MONITORING"} for row in rows]
    arguments = {"state": "MONITORING"}
    yield one("ionhour_list_incidents", (GET, ALERTS_AT), enveloped(watched), ("items", 1), arguments=arguments, **rest)
    for tool, path, rows, rest in (
        ("ionhour_list_events", EVENTS_AT, EVENTS, {"told": "events[1].", "derived": EVENT_TELLS}),
        ("ionhour_list_notes", NOTES_AT, NOTES, {"told": "notes[789].", "derived": NOTE_TELLS}),
    ):
        yield one(tool, (GET, path), enveloped(rows, 2), ("items", 1), arguments={"incident_id": 456}, **rest)
        yield one(tool, (GET, path), rows, (1,), arguments={"incident_id": 456}, **rest)


def records() -> Iterator[Case]:
    """Every tool that reads or writes one thing."""
    whole = {"identity": INCIDENT_ID, "derived": INCIDENT_TELLS}
    get = {"incident": full_incident() | {"id": f"{ID}02", "reference": "INC-2"}}
    yield one("incidentio_get_incident", (GET, f"{V2}/2"), get, ("incident",), arguments=ONE, **whole)
    record, seen = ("incident",), {"incident": only_told(example(models.IncidentsCreateResultV2)["incident"])}
    # A created_at from before the call tells that an earlier call with this key made it.
    whole |= {"derived": INCIDENT_TELLS | {"created_at": "created_at repeated"}, "costly": True}
    arguments: dict[str, Any] = {"name": "Outage {n}", "idempotency_key": "key-{n}"}
    yield one("incidentio_create_incident", (POST, V2), seen, record, arguments=arguments, **whole)
    edit = (POST, f"{V2}/2/actions/edit")
    arguments, seen = ONE | {"name": "x"}, {"incident": lean_incident()}
    yield one("incidentio_edit_incident", edit, seen, record, arguments=arguments, **whole)
    close = "incidentio_close_incident"
    yield one(close, edit, {"incident": small_incident()}, record, arguments=ONE, **whole)
    closing = {"derived": UPDATE_TELLS | {"created_at": "updated_at repeated"}, "identity": UPDATE_ID}
    closing["arguments"] = ONE | {"message": "Message {n}"}
    answer, record = {"incident_update": update(1)}, ("incident_update",)
    yield one(close, (POST, UPDATES_AT), answer, record, **closing)
    kept = {"others": {edit: {"incident": lean_incident()}}, "before": (("incidentio_list_statuses", {}),)}
    place: dict[str, Any] = {"record": ("incident_statuses", 1), "identity": ID_NAME}
    yield one(close, (GET, STATUSES_AT), {"incident_statuses": STATUSES}, arguments=ONE, **place, **kept)
    post = {"derived": UPDATE_TELLS | MERGED | {"created_at": "created_at repeated"}, "identity": UPDATE_ID}
    post["arguments"] = {"incident": f"{ID}02", "message": "x", "idempotency_key": "key-{n}"}
    yield one("incidentio_post_update", (POST, UPDATES_AT), answer, record, **post)
    get_alert = {"arguments": {"incident_id": 456}, "identity": ALERT_ID, "derived": ALERT_TELLS}
    yield one("ionhour_get_incident", (GET, f"{ALERTS_AT}/456"), alert(), **get_alert)
    get_alert |= {"identity": frozenset(), "costly": True}
    yield one("ionhour_acknowledge_incident", (POST, f"{ALERTS_AT}/456/acknowledge"), alert(), **get_alert)
    written = {"arguments": {"incident_id": 456, "body": "Body {n}"}, "derived": NOTE_TELLS}
    yield one("ionhour_create_note", (POST, NOTES_AT), note(789), **written)
    written["arguments"] = {"incident_id": 456, "note_id": 789, "body": "b"}
    yield one("ionhour_update_note", (PATCH, f"{NOTES_AT}/789"), note(789), **written)
    written = {"arguments": {"incident_id": 456, "note_id": 789}}
    yield one("ionhour_delete_note", (DELETE, f"{NOTES_AT}/789"), note(789), **written)


def timelines() -> Iterator[Case]:
    """One incident's story, from the incident, from its attachment and from the alert; each of its sources odd."""
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
        at_alert: alert(),
        (GET, UPDATES_AT): paged("incident_updates", updates),
        (GET, "/v2/incident_timeline_items"): paged("incident_timeline_items", timeline_items),
        (GET, "/v1/incident_attachments"): {"incident_attachments": attachments},
        (GET, EVENTS_AT): enveloped(EVENTS),
        (GET, NOTES_AT): enveloped(notes),
    }
    first = {"tool": "incident_timeline", "free": (*FREE, "problems"), "costly": True}
    story = first | {"arguments": ONE, "answers": answers}
    links = {"summary": SUMMARY_LINKS, "publicId": SUMMARY_LINKS}
    yield Case(**story, odd=incident, record=("incident",), identity=INCIDENT_ID, derived=links)
    yield Case(**story, odd=at_alert, identity=ALERT_ID, derived=links)
    entry = {"type": "kind", "message": "text", "occurredAt": "at /entries[]"}
    yield Case(**story, odd=(GET, EVENTS_AT), record=("items", 1), told="entries[1].", derived=entry)
    entry = {
        "body": "text",
        **made_of("author", "who", "email", "name"),
        "authorId": "who",
        "createdAt": "at /entries[]",
    }
    yield Case(**story, odd=(GET, NOTES_AT), record=("items", 1), told="entries[4].", derived=entry)
    entry = {"message": "text", **made_of("updater", "who", "user", "user.name"), "created_at": "at /entries[]"}
    entry |= MERGED | made_of("new_incident_status", "status", "name") | made_of("new_severity", "severity", "name")
    place = {"odd": (GET, UPDATES_AT), "record": ("incident_updates", 1), "identity": UPDATE_ID}
    yield Case(**story, **place, told="entries[7].", derived=entry)
    entry = {"title": "text", "description": "text", "timestamp": "at /entries[]"}
    entry |= made_of("creator", "who", "user", "user.name")
    place = {"odd": (GET, "/v2/incident_timeline_items"), "record": ("incident_timeline_items", 1)}
    yield Case(**story, **place, identity=UPDATE_ID, told="entries[10].", derived=entry)
    attached = story | {"answers": answers | {incident: {"incident": small_incident()}}}
    place = {"odd": (GET, "/v1/incident_attachments"), "record": ("incident_attachments", 1)}
    yield Case(**attached, **place, identity=UPDATE_ID, derived=made_of("resource", SUMMARY_LINKS, "title"))
    everything = f"{SUMMARY_LINKS} /incident"
    by_alert = first | {"arguments": {"ionhour_incident_id": 456}, "answers": answers}
    yield Case(**by_alert, odd=at_alert, identity=ALERT_ID, derived={"publicId": everything})
    unnoted = {(GET, NOTES_AT): enveloped(NOTES), (GET, V2): paged("incidents", [small_incident(1), small_incident(3)])}
    unnoted[GET, V2]["incidents"].insert(1, answers[incident]["incident"])
    by_alert["answers"] = answers | unnoted
    place = {"odd": (GET, V2), "record": ("incidents", 1), "identity": INCIDENT_ID}
    yield Case(**by_alert, **place, derived={"summary": everything})


def situations() -> Iterator[Case]:
    """What is on fire, its sources odd one after the other; ages are in hours and change half an hour from now."""
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
        alert(456, **instants, **recovered),
        open_alert(458, **instants, severity="P1"),
    ]
    updates = [update(number, incident_id=f"{ID}0{number}", created_at=since(number)) for number in (1, 2, 3)]
    answers = {
        (GET, f"{V2}?status_category[one_of]"): paged("incidents", is_open),
        (GET, f"{V2}?created_at[gte]"): paged("incidents", declared),
        (GET, UPDATES_AT): paged("incident_updates", updates),
        (GET, ALERTS_AT): enveloped(alerts),
        (GET, f"{ALERTS_AT}/300"): alert(300, state="RESOLVED"),
    }
    base = {"tool": "situation", "answers": answers, "free": (*FREE, "problems", "as_of"), "costly": True}
    links = "/links /links_known_by /gaps"
    order = "/incidents[] /links[]"
    told = same("name") | {"severity": f"severity {order}", "severity.name": "severity", "severity.rank": order}
    told |= made_of("incident_status", "status", "name")
    told |= {key: f"{name} /gaps.no_lead" for key, name in ROW_TELLS.items() if name == "lead"}
    told |= {"summary": links, "created_at": f"age {order}"}
    place = {"odd": (GET, f"{V2}?status_category[one_of]"), "record": ("incidents", 1), "identity": INCIDENT_ID}
    yield Case(**base, **place, told="incidents[INC-2].", derived=told)
    place["odd"] = (GET, f"{V2}?created_at[gte]")
    closed = made_of("incident_status", "/links[INC-8:458].incident_status", "name")
    yield Case(**base, **place, derived=closed | {"summary": links})
    told = {"message": "latest_update.text", "created_at": "latest_update /gaps.no_recent_update"}
    told |= made_of("updater", "latest_update.by", "user", "user.name")
    told |= {key: f"latest_update.{names.replace(' ', ' latest_update.')}" for key, names in MERGED.items()}
    place = {"odd": (GET, UPDATES_AT), "record": ("incident_updates", 1), "identity": UPDATE_ID}
    yield Case(**base, **place, told="incidents[INC-2].", derived=told)
    told = same("title", "state", "severity") | made_of("project", "project", "name")
    told |= {"lastSuccessAt": "since_success", "startedAt": "age /ionhour_incidents[]", "publicId": links}
    told |= {"acknowledgedAt": "acknowledged /ionhour_incidents[]", "severity": "severity /ionhour_incidents[]"}
    told |= {"state": "state /gaps.check_recovered", **dict.fromkeys(("recoveredAt", "resolvedAt"), "/gaps")}
    place = {"odd": (GET, ALERTS_AT), "record": ("items", 1), "identity": ALERT_ID}
    yield Case(**base, **place, told="ionhour_incidents[456].", derived=told)
    told = {"publicId": links} | dict.fromkeys(("state", "recoveredAt", "resolvedAt"), "/gaps.check_recovered")
    yield Case(**base, odd=(GET, f"{ALERTS_AT}/300"), identity=ALERT_ID, derived=told)


def declarations() -> Iterator[Case]:
    """An incident out of an alert: the alert, its notes, what was declared earlier, and the answers to the writes."""
    reference, at_notes = (GET, f"{V2}/2"), (GET, "/api/incident-notes/457")
    made = small_incident()
    answers = {
        # Another alert in every call: the same one is declared once.
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
    # A created_at from before the call tells that an earlier call declared it.
    derived = INCIDENT_TELLS | {"created_at": "/steps[declare]"}
    own = {"identity": INCIDENT_ID, "told": "incident.", "derived": derived}
    yield Case(**dry, odd=(GET, f"{ALERTS_AT}/457"), identity=frozenset({"id", "publicId"}))
    yield Case(**dry, odd=at_notes, record=("items", 1))
    yield Case(**dry, odd=(GET, V2), record=("incidents", 1), identity=INCIDENT_ID)
    yield Case(**base, odd=(POST, V2), record=("incident",), **own)
    yield Case(**base, odd=(POST, at_notes[1]))
    yield Case(**base, odd=(POST, f"{ALERTS_AT}/457/acknowledge"))
    base["answers"] = answers | {at_notes: enveloped([*NOTES, note(791, body="Declared in incident.io as INC-2")])}
    yield Case(**base, odd=reference, record=("incident",), **own)
    base |= {"arguments": arguments | {"dry_run": True}, "answers": answers}
    place = {"odd": (GET, "/v1/severities"), "record": ("severities", 1), "identity": ID_NAME}
    derived = {"rank": "/severity_by"}
    yield Case(**base, **place, derived=derived, before=(("incidentio_list_severities", {}),))


def cases() -> list[Case]:
    return [*lists(), *records(), *timelines(), *situations(), *declarations()]


TOOLS = sorted({case.tool for case in cases()})


@pytest.fixture(scope="module", autouse=True)
def _frozen() -> Iterator[None]:
    """Keep the collector off what is loaded: going through the vendor's SDK again and again costs more than calls."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep no debug log of thousands of calls, which would take as long as the calls."""
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
async def test_one_odd_part_of_an_answer_spoils_nothing_else(connect, tally, tool):
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in cases():
            if case.tool == tool:
                wrong += await spoil(bench, case, tally)
    print(f"{tool}: {tally.line(tool)}")
    assert not wrong, f"{tally.line(tool)}{listed(wrong)}"


def stretched(value: Any) -> Any:
    """The same answer with keys that no document knows yet."""
    if isinstance(value, list):
        return [stretched(item) for item in value]
    if isinstance(value, dict):
        return {key: stretched(item) for key, item in value.items()} | {"newer_key": {"a": [1]}, "other": None}
    return value


async def test_keys_that_no_document_knows_change_nothing(connect):
    async with Bench(connect) as bench:
        for case in cases():
            whole = await bench.tell(case)
            told = await bench.tell(case, stretched(case.answers[case.odd]))
            assert (case.odd, whole.failure, told.failure, told.flaws) == (case.odd, "", "", [])
            assert not changes(case, ("newer_key",), whole.answer or {}, told.answer or {}), case.odd


@pytest.mark.parametrize(
    ("tool", "tells"),
    [
        ("incidentio_get_incident", INCIDENT_TELLS),
        ("incidentio_create_incident", INCIDENT_TELLS),
        ("incidentio_post_update", UPDATE_TELLS),
        ("incidentio_list_incidents", ROW_TELLS),
        ("ionhour_get_incident", ALERT_TELLS),
        ("ionhour_list_events", EVENT_TELLS),
        ("ionhour_list_notes", NOTE_TELLS),
        ("ionhour_create_note", NOTE_TELLS),
    ],
)
async def test_the_examples_tell_every_field_that_is_made_of_theirs(connect, tool, tells):
    case = next(case for case in cases() if case.tool == tool)
    async with Bench(connect) as bench:
        told = leaves((await bench.tell(case)).answer)
    for name in {name for names in tells.values() for name in names.split()}:
        assert any(f"{key}.".startswith((f"{case.told}{name}.", f"{case.told}{name}[")) for key in told), name


NO_ROW = {"null": None, "a text": "x", "a number": 7, "a list": []}
NO_ID: dict[str, Any] = {"null": None, "missing": DROPPED, "an object": {}}
# What a row is not told without, of the rows of list tools.
NEEDED = {
    "incidentio_list_severities": ("id", "name"),
    "incidentio_list_statuses": ("id", "name"),
    "incidentio_list_types": ("id", "name"),
    "incidentio_list_incidents": ("reference",),
    "incidentio_list_updates": ("id",),
    "ionhour_list_incidents": ("id",),
}


def in_rows(of: str = "") -> list[Case]:
    """The cases whose odd record is a row."""
    return [case for case in cases() if case.record and isinstance(case.record[-1], int) and case.tool.startswith(of)]


def spoilt_rows(case: Case) -> Iterator[tuple[str, Any]]:
    """Rows that cannot be told: they are no objects, or of a list tool have no identity."""
    whole = case.answers[case.odd]
    for how, row in NO_ROW.items():
        yield f"is {how}", replaced(whole, case.record, row)
    for key in NEEDED.get(case.tool, ()):
        for how, value in NO_ID.items():
            yield f"has {key} {how}", replaced(whole, (*case.record, key), value)


@pytest.mark.parametrize("tool", sorted({case.tool for case in in_rows()}))
async def test_a_row_that_cannot_be_read_is_counted_and_the_others_are_told(connect, tool):
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in in_rows(tool):
            whole = (await bench.tell(case)).answer or {}
            for how, answer in spoilt_rows(case):
                told = await bench.tell(case, answer)
                what = f"{case.odd[1]}, a row that {how}"
                if told.answer is None:
                    wrong.append(f"{what}: failed: {told.failure}")
                    continue
                lost = changes(case, case.record, whole, told.answer)
                wrong += [f"{what}: {flaw}" for flaw in (*told.flaws, *(f"changed {each}" for each in lost))]
                left = [key for key in leaves(told.answer, whole) if key.startswith(case.told or " ")]
                if "_list_" in tool and (told.answer.get("unreadable") != 1 or left):
                    wrong.append(f"{what}: unreadable is {told.answer.get('unreadable')}, and it tells {left}")
    assert not wrong, listed(wrong)


NO_LIST: dict[str, Any] = {"missing": DROPPED, "a text": "x", "a number": 7, "a fraction": 1.5, "an object": {}}


async def test_a_list_of_null_is_empty_and_one_that_is_missing_or_no_list_is_an_error(connect):
    wrong: list[str] = []
    async with Bench(connect) as bench:
        for case in (case for case in in_rows() if "_list_" in case.tool and len(case.record) == 2):
            whole, key = case.answers[case.odd], case.record[:1]
            told = await bench.tell(case, replaced(whole, key, None))
            rows = [rows for rows in (told.answer or {"": None}).values() if isinstance(rows, list)]
            wrong += [] if rows == [[]] else [f"{case.tool} {key[0]} null: {told.failure or told.answer}"]
            for how, value in NO_LIST.items():
                told = await bench.tell(case, replaced(whole, key, value))
                if told.answer is not None or "of its own" in told.failure:
                    wrong.append(f"{case.tool} {key[0]} {how}: {told.failure or told.answer}")
    assert not wrong, listed(wrong)


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_answer_that_is_no_answer_at_all_is_no_error_of_ours(connect, tool):
    async with Bench(connect) as bench:
        for case in (case for case in cases() if case.tool == tool):
            for answer in (None, [], "x", 7, 1.5, True, float("nan"), {}, [None], [[]], {"items": [[]]}):
                told = await bench.tell(case, answer)
                assert "of its own" not in told.failure, (case.odd, answer)
                assert (case.odd, answer, told.flaws) == (case.odd, answer, [])


async def test_a_write_is_unknown_when_its_answer_says_not_what_was_written(connect):
    async with Bench(connect) as bench:
        for case in records():
            if case.odd[0] == POST and case.identity:
                for value in NO_ID.values():
                    told = await bench.tell(case, replaced(case.answers[case.odd], (*case.record, "id"), value))
                    assert "outcome unknown" in told.failure, (case.tool, told.answer)


PAGE_COUNTS: list[Any] = [DROPPED, None, "", "abc", 1.25, {}, [], float("nan"), "odd \ud800", True]


@pytest.mark.parametrize("tool", ["ionhour_list_incidents", "ionhour_list_events", "ionhour_list_notes"])
async def test_of_an_unreadable_number_of_pages_there_is_said_to_be_no_further_one(connect, tool):
    case = next(case for case in lists() if case.tool == tool and len(case.record) == 2)
    async with Bench(connect) as bench:
        whole = (await bench.tell(case)).answer
        assert whole is not None
        assert whole["has_more"] is True
        for pages in PAGE_COUNTS:
            told = await bench.tell(case, replaced(case.answers[case.odd], ("pageCount",), pages))
            expected = {key: value for key, value in whole.items() if key != "page"} | {"has_more": False}
            assert (pages, told.answer, told.failure) == (pages, expected, "")


async def test_an_event_without_a_type_is_told(connect):
    case = next(case for case in lists() if case.tool == "ionhour_list_events")
    async with Bench(connect) as bench:
        told = await bench.tell(case, [{"message": "Opened", "occurredAt": "2026-05-11T02:10:00.000Z"}, {"type": None}])
    assert told.answer is not None
    opened, _ = told.answer["events"]
    assert (opened["message"], opened["occurred_at"]) == ("Opened", "2026-05-11T02:10:00Z")
    assert "unreadable" not in told.answer


async def test_ionhours_lists_are_read_bare_and_in_the_envelope(connect):
    async with Bench(connect) as bench:
        for tool, key in (("incidents", "incidents"), ("events", "events"), ("notes", "notes")):
            bare, enveloped_ = (
                next(case for case in lists() if case.tool == f"ionhour_list_{tool}" and len(case.record) == depth)
                for depth in (1, 2)
            )
            rows = bare.answers[bare.odd]
            expected = (await bench.tell(bare)).answer
            assert expected is not None
            for answer in (rows, {"items": rows}, enveloped(rows)):
                told = await bench.tell(enveloped_, answer)
                assert (told.failure, (told.answer or {}).get(key)) == ("", expected[key])


def name_lists() -> Iterator[Case]:
    """Calls with a name that nothing has, which are answered with the names that there are."""
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


async def test_names_are_found_however_odd_the_rest_of_their_rows_is(connect):
    async with Bench(connect) as bench:
        for case in name_lists():
            whole = await bench.tell(case)
            assert "Pass one of:" in whole.failure
            for mutation in mutations(case):
                told = await bench.tell(case, mutation.answer)
                # A rank orders them.
                assert sorted(told.failure) == sorted(whole.failure), (mutation.path, mutation.how, told.failure)
                assert told.read
