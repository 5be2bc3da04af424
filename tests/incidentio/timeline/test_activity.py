"""The activity log: who did what, in a few words, for types that are known and for those that are not."""

import json

import pytest

from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT, Scripted

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_activity": [{"incident": "INC-114"}, {"incident": "INC-111", "limit": 2}]}

LIST = "incidentio_list_activity"
ENTRIES = "incident_activity_log_entries"
AT = "2026-11-21T02:00:00.500000Z"


def entry(number, kind="incident_update", **fields):
    row = {"id": account_ulid(f"entry {number}"), "incident_id": INCIDENT["INC-114"], "type": kind, "title": "T"}
    return row | {"occurred_at": AT, "created_at": AT} | fields


async def described(connect, kind, content, **fields):
    """Return what is shown of one entry."""
    rows = {ENTRIES: [entry(1, kind, content=content, **fields)], "pagination_meta": {"page_size": 25}}
    network = Scripted({("GET", f"/v2/{ENTRIES}"): rows, ("GET", f"/v2/incidents/{INCIDENT['INC-114']}"): SHOWN})
    async with connect(sandbox=network) as call:
        [row] = (await call.ok(LIST, incident=INCIDENT["INC-114"]))[ENTRIES]
    return row


SHOWN = {"incident": {"id": INCIDENT["INC-114"], "reference": "INC-114", "name": "Webhooks"}}
YUKI, SAM = ({"id": name, "name": name, "email": "x@y.z", "role": "viewer"} for name in ("Yuki Tanaka", "Sam Okafor"))
CONTENTS = [
    (
        "action_updated",
        {"action_id": "A1", "new_status": "completed", "previous_status": "outstanding", "updater": {"user": SAM}},
        {"actor": "Sam Okafor", "details": ["action id: A1", "status: completed (was outstanding)"]},
    ),
    (
        "action_updated",
        {"action_id": "A1", "previous_assignee": YUKI},
        {"details": ["action id: A1", "assignee: was Yuki Tanaka"]},
    ),
    (
        "custom_field_value_update",
        {
            "custom_field": {"id": "F", "name": "Affected team", "field_type": "multi_select"},
            "previous_values": [{"value_option": {"id": "O", "value": "Growth"}}],
            "new_values": [{"value_option": {"id": "O", "value": "Payments"}}, {"value_text": "more"}],
            "new_values_count": 140,
            "previous_values_count": 1,
        },
        {"details": ["custom field: Affected team", "values: Payments, more (140 in all) (was Growth)"]},
    ),
    (
        "custom_field_value_update",
        {"custom_field": {"name": "Team"}, "previous_values": [{"value_numeric": "7"}], "new_values": []},
        {"details": ["custom field: Team", "values: none (was 7)"]},
    ),
    (
        "escalation_acknowledged",
        {"escalation_id": "E1", "acknowledger": YUKI},
        {"actor": "Yuki Tanaka", "details": ["escalation id: E1"]},
    ),
    (
        "incident_merged",
        {"source_incident": {"id": "I", "reference": "INC-9", "name": "Same", "external_id": 9}, "merger": {}},
        {"details": ["source incident: INC-9 Same"]},
    ),
    (
        "incident_timestamp_set",
        {"incident_timestamp": {"id": "T", "name": "Fixed at", "rank": 1}, "new_value": "2026-11-21T02:00:00Z"},
        {"details": ["incident timestamp: Fixed at", "value: 2026-11-21T02:00:00Z"]},
    ),
    (
        "workflow_ran",
        {"event_title": "Told merchants", "creator": {"workflow": {"id": "W", "name": "Tell"}}},
        {"actor": "Tell (workflow)", "details": ["event title: Told merchants"]},
    ),
]


@pytest.mark.parametrize(
    ("kind", "content", "shown"), CONTENTS, ids=[f"{n}-{row[0]}" for n, row in enumerate(CONTENTS)]
)
async def test_a_content_is_described_by_names(connect, kind, content, shown):
    row = await described(connect, kind, {kind: content})

    assert row == {"occurred_at": "2026-11-21T02:00:00Z", "type": kind, "title": "T"} | shown


UNKNOWN = [
    ({"sky_fell": {"new_colour": "red", "previous_colour": "blue", "actor": {"api_key": {"name": "K"}}}}, True),
    ({"of_another_name": {"colour": "red"}}, True),
    ({"sky_fell": {"deep": {"deeper": {"deepest": 1}}}}, False),
    ({"sky_fell": {"numbers": [1, 2, 3, 4, 5, 6, 7], "on": True, "share": 0.5, "nothing": None, "rows": [[1]]}}, True),
    ({"sky_fell": ["a list"]}, False),
    ({"sky_fell": "a text"}, False),
    ({}, False),
    (None, False),
    ("text", False),
    ([], False),
]


@pytest.mark.parametrize(("content", "has_details"), UNKNOWN)
async def test_an_unknown_type_shows_its_name_its_title_and_what_can_be_read(connect, content, has_details):
    row = await described(connect, "sky_fell", content)

    assert (row["type"], row["title"]) == ("sky_fell", "T")
    assert ("details" in row) is has_details
    assert count_tokens(row) < 100


async def test_values_of_any_kind_are_shown_in_words(connect):
    content = {"numbers": [1, 2, 3, 4, 5, 6, 7], "on": True, "share": 0.5, "person": YUKI, "id_only": {"id": "X"}}
    row = await described(connect, "sky_fell", {"sky_fell": content})

    assert row["details"] == [
        "numbers: 1, 2, 3, 4, 5 and 2 more",
        "on: yes",
        "share: 0.5",
        "person: Yuki Tanaka",
        "id only: X",
    ]


async def test_a_content_of_ten_thousand_keys_stays_short(connect):
    content = {f"key_{number}": "x" * 500 for number in range(10_000)}
    row = await described(connect, "sky_fell", {"sky_fell": content})

    assert len(row["details"]) == 10
    assert len(json.dumps(row)) < 5_500


async def test_the_log_is_in_order_with_the_update_s_change_and_the_stream(call):
    answer = await call.ok(LIST, incident="#inc-114")

    rows = answer[ENTRIES]
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)
    [raised] = [row for row in rows if "severity: Critical (was Major)" in row.get("details", ())]
    assert raised["actor"] == "Sam Okafor"
    [of_stream] = [row for row in rows if "stream" in row]
    assert of_stream["stream"] == account_ulid("stream Merchant communication")
    assert of_stream["details"] == ["event title: Told the ten largest merchants"]
    assert {"id", "incident_id", "content"} & rows[0].keys() == set()


async def test_pages_hold_each_entry_once(call):
    whole = (await call.ok(LIST, incident="INC-114"))[ENTRIES]
    pages, after = [], {}
    while True:
        answer = await call.ok(LIST, incident="INC-114", limit=4, **after)
        pages += answer[ENTRIES]
        if not answer["has_more"]:
            break
        after = {"after": answer["after"]}

    assert pages == whole
    assert "after" not in answer


async def test_a_missing_scope_and_a_hidden_incident_are_said(call, box):
    assert "It does not exist, or this key may not see it" in await call.error(LIST, incident="INC-999")
    box.incidentio.remove_scope("incidents.view")

    assert "it needs the scope incidents.view" in await call.error(LIST, incident=INCIDENT["INC-114"])
