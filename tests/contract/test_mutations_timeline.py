"""A malformed part of an answer about what happens around an incident changes no other field.

Required is the id alone; everything else may be missing or of any type. Every third mutation; all in CI, and with
`pytest --hypothesis-profile long`.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from incident_io import models

from tests.contract.mutations import Bench, Case, Key, Tally, listed, run_mutations
from tests.contract.vendor import example

pytestmark = pytest.mark.anyio

ULID = "01GW2G3V0S59R238FAHPDS1R66"
ID = frozenset({"id", "incident_id"})
"""The network answers only the rows of the incident that is asked for."""
ITEMS, MEMBERS = ("POST", "/v2/incident_timeline_items"), ("POST", "/v1/incident_memberships")
ACTIVITY, ATTACHED = ("GET", "/v2/incident_activity_log_entries"), ("GET", "/v1/incident_attachments")
RELATED, PEOPLE = ("GET", "/v1/incident_relationships"), ("GET", "/v2/incident_participants")
WORK, SESSIONS = ("GET", "/v2/incident_participant_workloads"), ("GET", "/v2/call_sessions")
ENTRIES = ("GET", "/v2/call_transcript_entries")
ATTACH = ("POST", ATTACHED[1])
PAGE_FIELDS = {"pagination_meta": "after", "pagination_meta.after": "after"}


def same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def within(key: str, *parts: str, to: str) -> dict[str, str]:
    return dict.fromkeys((key, *(f"{key}.{part}" for part in parts)), to)


ACTOR = ("user", "user.name", "user.id", "api_key", "api_key.name", "workflow", "workflow.name", "alert", "alert.title")
ITEM_FIELDS = {
    **same("title", "description", "created_at"),
    **within("creator", *ACTOR, to="creator"),
    "timestamp": "timestamp repeated",
    "title": "title repeated",
    "created_at": "created_at repeated",
}
ATTACHMENT_FIELDS = {
    "resource": "title resource_type external_id permalink",
    "resource.title": "title",
    "resource.resource_type": "resource_type",
    # An id that is the link is left out.
    "resource.external_id": "external_id",
    "resource.permalink": "permalink external_id",
}
CONTENT = {
    "id": "01FCNDV6P870EA6S7TK1DSYDG0",
    "message": "Rolling back.",
    "new_severity": {"id": "S1", "name": "Major", "rank": 2},
    "previous_severity": {"id": "S2", "name": "Minor", "rank": 1},
    "next_update_in_minutes": 30,
    "updater": {"user": {"id": "U1", "name": "Lisa Karlin Curtis"}},
}
UPDATE = "content.incident_update"
ACTIVITY_FIELDS = {
    **same("occurred_at", "title"),
    "type": "type actor details",
    **dict.fromkeys(("content", UPDATE), "actor details"),
    **within(f"{UPDATE}.updater", "user", "user.name", "user.id", to="actor"),
    **{
        f"{UPDATE}.{name}": "details"
        for name in (
            *("id", "message", "next_update_in_minutes", "new_severity", "previous_severity"),
            *(f"{which}_severity.{part}" for which in ("new", "previous") for part in ("name", "id")),
        )
    },
}
CALL_FIELDS = {"timestamp": "at", "participant_name": "who", "content": "text", "medium": "medium"}
SESSION_FIELDS = {"started_at": "started_at call", "ended_at": "ended_at"}


def rows(result: type, key: str, **fields: Any) -> dict[str, Any]:
    """Return a page of three rows, which differ in more than their ids: not all of those are shown."""
    answer = example(result)
    row = answer[key][0] | fields
    times = [name for name in ("occurred_at", "timestamp", "started_at") if name in row]
    return answer | {
        key: [
            row | {"id": f"{ULID[:-1]}{number}"} | dict.fromkeys(times, f"2021-08-17T13:28:0{number}Z")
            for number in (1, 2, 3)
        ]
    }


def answers() -> dict[Key, Any]:
    entry = {"type": "incident_update", "content": {"incident_update": CONTENT}, "incident_id": ULID}
    attached = rows(models.IncidentAttachmentsListResultV1, "incident_attachments", incident_id=ULID)
    attaching = example(models.IncidentAttachmentsCreateResultV1)
    attaching["incident_attachment"]["incident_id"] = ULID
    item = example(models.IncidentTimelineItemsCreateResultV2)
    item["incident_timeline_item"]["incident_id"] = ULID
    return {
        ITEMS: item,
        ACTIVITY: rows(models.IncidentActivityLogEntriesListResultV2, "incident_activity_log_entries", **entry),
        ATTACHED: {"incident_attachments": []},
        ("GET", f"{ATTACHED[1]}?listed"): attached,
        ATTACH: attaching,
        RELATED: rows(models.IncidentRelationshipsListResultV1, "incident_relationships"),
        PEOPLE: {"incident_participants": {"active": [], "passive": []}},
        SESSIONS: rows(models.CallSessionsListResultV2, "call_sessions", incident_id=ULID),
        ENTRIES: rows(models.CallTranscriptEntriesListResultV2, "call_transcript_entries"),
        ("GET", f"/v2/incidents/{ULID}"): {"incident": {"id": ULID, "reference": "INC-123", "name": "N"}},
        ("GET", "/v2/incidents"): {"incidents": []},
        ("GET", "/v2/users"): {"users": []},
    }


def cases() -> Iterator[Case]:
    scripted = answers()
    base: dict[str, Any] = {"answers": scripted, "identity": ID}
    item = {"incident": ULID, "title": "Rolled back payments-api", "timestamp": "2026-09-01T15:30:00Z"}
    yield Case(
        tool="incidentio_add_timeline_item",
        arguments=item | {"idempotency_key": "{n}"},
        target=ITEMS,
        record=("incident_timeline_item",),
        derived=ITEM_FIELDS,
        **base,
    )
    yield Case(
        tool="incidentio_add_attachment",
        arguments={"incident": ULID, "url": "https://a.example/{n}"},
        target=ATTACH,
        record=("incident_attachment",),
        derived=ATTACHMENT_FIELDS,
        **base,
    )
    for tool, target, key, derived, shown in (
        ("incidentio_list_activity", ACTIVITY, "incident_activity_log_entries", ACTIVITY_FIELDS, ""),
        ("incidentio_read_call", ENTRIES, "call_transcript_entries", CALL_FIELDS, ""),
    ):
        where: dict[str, Any] = base | {"record": (key, 1), "place": f"{shown or key}[1].", "envelope": PAGE_FIELDS}
        limit = {"limit": 2} if tool == "incidentio_read_call" else {"limit": 3}
        yield Case(tool=tool, target=target, arguments={"incident": ULID} | limit, derived=derived, **where)
    attached = scripted | {ATTACHED: scripted["GET", f"{ATTACHED[1]}?listed"]}
    key = "incident_attachments"
    yield Case(
        tool="incidentio_list_attachments",
        arguments={"incident": ULID},
        answers=attached,
        target=ATTACHED,
        record=(key, 1),
        place=f"{key}[{ULID[:-1]}2].",
        identity=ID,
        derived=ATTACHMENT_FIELDS,
    )


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: f"{case.tool} {case.target[1]}")
async def test_one_malformed_part_of_an_answer_changes_no_other_field(connect, case, pytestconfig):
    whole = os.environ.get("CI") or pytestconfig.getoption("hypothesis_profile") == "long"
    tally = Tally()
    async with Bench(connect) as bench:
        wrong = await run_mutations(bench, case, tally, 1 if whole else 3)
    assert not wrong, f"{tally.line(case.tool)}{listed(wrong)}"
