"""Arguments as hosts really send them: read where the meaning is plain, refused by name where it is not."""

from typing import Any

import pytest

from tests.account import FIELD, SEVERITY

pytestmark = pytest.mark.anyio

LIST, CREATE, EDIT = "incidentio_list_incidents", "incidentio_create_incident", "incidentio_edit_incident"
NOTE = "ionhour_create_note"
# tool, arguments, what a query or body must then hold
READ = [
    (LIST, {"limit": "7"}, {"page_size": "7"}),
    (LIST, {"limit": 7.0}, {"page_size": "7"}),
    (LIST, {"limit": ["7"]}, {"page_size": "7"}),
    (LIST, {"status_category": '["live"]'}, {"status_category[one_of]": "live"}),
    (LIST, {"status_category": " LIVE "}, {"status_category[one_of]": "live"}),
    (LIST, {"status_category": "live,Triage"}, {"status_category[one_of]": ["live", "triage"]}),
    (LIST, {"sort_by": "Created at oldest first"}, {"sort_by": "created_at_oldest_first"}),
    (LIST, {"severity": "Major"}, {"severity[one_of]": SEVERITY["Major"]}),
    (LIST, {"severity": ' ["Major"]'}, {"severity[one_of]": SEVERITY["Major"]}),
    (LIST, {"severity_gte": ["Major"]}, {"severity[gte]": SEVERITY["Major"]}),
    (LIST, {"created_at_gte": " 2026-11-21 "}, {"created_at[gte]": "2026-11-21"}),
    (LIST, {"created_at_gte": "2026-11-21T03:12:00+05:30"}, {"created_at[gte]": "2026-11-20T21:42:00Z"}),
    (LIST, {"updated_at_lte": "2026-11-21t03:12:00.5z"}, {"updated_at[lte]": "2026-11-21T03:12:00.5Z"}),
    (EDIT, {"incident": 114, "name": "n"}, {"incident": {"name": "n"}}),
    (EDIT, {"incident": 114.0, "name": " m\n"}, {"incident": {"name": "m"}}),
    (EDIT, {"incident": ["114"], "name": "[1]"}, {"incident": {"name": "[1]"}}),
    (EDIT, {"incident": "114", "name": '{"a": 1}'}, {"incident": {"name": '{"a": 1}'}}),
    (EDIT, {"incident": "114", "name": "true", "summary": None}, {"incident": {"name": "true"}}),
    (EDIT, {"incident": "114", "name": 42}, {"incident": {"name": "42"}}),
    (
        EDIT,
        {"incident": "114", "name": "n", "notify_incident_channel": " true"},
        {"incident": {"name": "n"}, "notify_incident_channel": True},
    ),
    (CREATE, {"name": "A null", "severity": "minor"}, {"name": "A null", "severity_id": SEVERITY["Minor"]}),
    (NOTE, {"incident_id": "#4514", "body": "\n\n  code\n  more\n"}, {"body": "  code\n  more"}),
]
BLANK: list[Any] = ["", "  ", "\u200b", "null", "NULL", "None", "undefined", [], {}, [""], ["null"], [None], [[]], None]
SAME_FIELDS = [
    {"Affected team": ["Payments"]},
    {"Affected team": "Payments"},
    '{"Affected team": ["Payments"]}',
    '{"Affected team": "Payments"}',
    {"Affected team": '["Payments"]'},
]
REFUSED = [
    (LIST, {"sevrity": ["Major"]}, "unknown argument sevrity: pass severity"),
    (LIST, {"params": {"limit": 1}}, "unknown argument params"),
    (LIST, {"dry_run": True}, "unknown argument dry_run"),
    (LIST, {"status_category": ["active"]}, "status_category has no value active: pass live"),
    (LIST, {"status_category": "live,open"}, "status_category"),
    (
        LIST,
        {"created_at_gte": "yesterday"},
        "created_at_gte takes a date like 2026-11-21, or a timestamp with",
    ),
    (LIST, {"limit": "many"}, 'limit takes a whole number, not "many"'),
    (LIST, {"severity": {"name": "Major"}}, "severity"),
    (CREATE, {"severity": "Minor"}, "name is required"),
    (CREATE, {"name": "n", "visibility": "secret"}, "visibility"),
    (CREATE, {"name": "n", "api": 1}, "unknown argument api"),
    (CREATE, {"name": "n", "dry_run": "maybe"}, "dry_run"),
    (CREATE, {"name": ["a", "b"]}, "name takes one value, not a list"),
    (CREATE, {"name": "n", "custom_fields": "Payments"}, "custom_fields"),
    (CREATE, {"name": "n", "roles": {"Incident Lead": ["a@b.example", "c@d.example"]}}, "roles takes one value"),
    ("ionhour_list_incidents", {"limit": 101}, "limit"),
    ("ionhour_list_incidents", {"page": 10**9}, "page"),
    (NOTE, {"incident_id": 1}, "body is required"),
]
REQUIRED = [(CREATE, "name", {}), (EDIT, "incident", {"name": "n"}), (NOTE, "body", {"incident_id": 4514})]
REQUIRED += [
    ("ionhour_get_incident", "incident_id", {}),
    ("ionhour_update_note", "note_id", {"incident_id": 1, "body": "b"}),
]
# What is passed for a number, a date, a range: each is refused by the argument's name.
NUMBERS: list[Any] = [True, False, "1_0", "0x10", 1.5, "1.5", "1e3", 10**30, str(10**30), -1, "NaN", "\u0661", [1, 2]]
DATES = [
    "2026-99-99",
    "2026-02-29",
    "yesterday",
    "2026-11-21T03:12:00",
    "20261121",
    "2026-W47-6",
    "2026-11-21T25:00:00Z",
]
RANGES = ["2026-11-01", "2026-11-01~", "~", "2026-11-01~2026-99-99", "2026-11-01~2026-11-02~2026-11-03"]
FAR = ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
# A word of the services' operations pages, and the argument that takes its place.
WORDS = [
    (CREATE, "severity_id", "severity"),
    (CREATE, "incident_type_id", "incident_type"),
    (CREATE, "custom_field_entries", "custom_fields"),
    (CREATE, "incident_role_assignments", "roles"),
    (CREATE, "incident_timestamp_values", "timestamps"),
    (CREATE, "title", "name"),
    (CREATE, "description", "summary"),
    (EDIT, "incident_status_id", "status"),
    (EDIT, "slack_channel_name_override", "slack_channel_name"),
    (EDIT, "incident_id", "incident"),
    ("incidentio_post_update", "to_severity_id", "severity"),
    ("incidentio_post_update", "body", "message"),
    (LIST, "page_size", "limit"),
    (LIST, "pageSize", "limit"),
    (LIST, "query", "name_contains"),
    (LIST, "status[one_of]", "status"),
    (LIST, "severity[not_in]", "severity_not_in"),
    (LIST, "created_at[date_range]", "created_at_range"),
    (LIST, "custom_field[01FIELD][one_of]", "custom_fields"),
    (LIST, "custom_field[01FIELD][not_in]", "custom_fields_not_in"),
    (LIST, "incident_role[01ROLE][one_of]", "incident_role"),
    (LIST, "filterMode", "filter_mode"),
    (LIST, "state", "status_category"),
    ("ionhour_list_incidents", "checkId", "check_id"),
    ("ionhour_list_incidents", "project", "project_id"),
    ("ionhour_list_incidents", "status", "state"),
    ("ionhour_get_incident", "incidentId", "incident_id"),
    ("ionhour_get_incident", "id", "incident_id"),
    ("declare_from_ionhour", "incident_id", "ionhour_incident_id"),
    (NOTE, "text", "body"),
]


async def test_an_argument_in_another_form_is_read(call, box):
    for tool, arguments, expected in READ:
        await call.ok(tool, **arguments)
        request = box.requests[-1]
        held = request.body if request.body is not None else {}
        for key, value in request.query:
            held[key] = [*held[key], value] if isinstance(held.get(key), list) else [value]
        for key, value in expected.items():
            assert held[key] in (value, [value]), arguments


async def test_custom_fields_are_read_however_they_are_wrapped(call):
    bodies = []
    for fields in SAME_FIELDS:
        told = await call.ok(EDIT, incident="114", custom_fields=fields, dry_run=True)
        bodies.append(told["would_send"]["body"])
    assert all(body == bodies[0] for body in bodies)


@pytest.mark.parametrize("blank", BLANK, ids=repr)
async def test_a_blank_for_what_is_optional_reads_as_left_out(connect, blank):
    optional = (
        "severity",
        "summary",
        "roles",
        "mode",
        "visibility",
        "custom_fields",
        "timestamps",
        "despite",
        "status",
    )
    async with connect() as call:
        left_out = await call.ok(CREATE, name="n", idempotency_key="k", dry_run=True)
        filled = await call.ok(CREATE, name="n", idempotency_key="k", dry_run=True, **dict.fromkeys(optional, blank))
        assert filled == left_out
        keyless = await call.ok(CREATE, name="n", dry_run=True)
        assert await call.ok(CREATE, name="n", idempotency_key=blank, dry_run=True) == keyless


async def test_zero_is_blank_only_for_a_number_that_begins_at_one(call, box):
    assert await call.ok(LIST, limit=0) == await call.ok(LIST)
    await call.ok("ionhour_list_incidents", page=0, limit="0", workspace_id=0)
    assert box.requests[-1].query == [("page", "1"), ("limit", "20")]
    told = await call.ok(EDIT, incident="114", custom_fields={"Errors per minute": 0}, dry_run=True)
    entries = told["would_send"]["body"]["incident"]["custom_field_entries"]
    assert entries == [{"custom_field_id": FIELD["Errors per minute"], "values": [{"value_numeric": "0"}]}]


async def test_a_blank_never_wipes_what_an_incident_has(call, box):
    before = await call.ok("incidentio_get_incident", incident="114")
    blank = dict.fromkeys(
        ("summary", "call_url", "slack_channel_name", "severity", "custom_fields", "roles", "clear"), ""
    )
    for arguments in (blank, {**blank, "custom_fields": {"Affected team": ""}, "roles": {"Incident Lead": None}}):
        assert "Nothing to edit" in await call.error(EDIT, incident="114", **arguments)
        await call.ok(EDIT, incident="114", name=before["name"], dry_run=True, **arguments)
    assert not box.writes()


@pytest.mark.parametrize("blank", BLANK, ids=repr)
async def test_a_blank_for_what_is_required_is_refused_by_name(connect, box, blank):
    async with connect() as call:
        for tool, name, more in REQUIRED:
            assert f"{name} is blank, and it is required" in await call.error(tool, **{name: blank}, **more)
    assert box.requests == []


async def test_what_cannot_be_read_is_refused_by_name_with_the_known_arguments_and_nothing_is_sent(call, box):
    schemas = {tool.name: tool.input_schema for tool in (await call.client.list_tools()).tools}
    for tool, arguments, said in REFUSED:
        error = await call.error(tool, **arguments)
        assert said in error, arguments
        schema = schemas[tool]
        known = [f"{name}*" if name in schema.get("required", ()) else name for name in schema["properties"]]
        assert ", ".join(known) in error
        assert "pydantic" not in error
    assert box.requests == []


@pytest.mark.parametrize("bad", NUMBERS, ids=repr)
async def test_what_is_no_whole_number_is_refused_by_name(connect, box, bad):
    async with connect() as call:
        for tool, name, more in (
            (LIST, "limit", {}),
            ("ionhour_list_incidents", "page", {}),
            ("ionhour_get_incident", "incident_id", {}),
            ("ionhour_delete_note", "note_id", {"incident_id": 4512}),
        ):
            assert name in (await call.error(tool, **{name: bad}, **more)).partition("Arguments (")[0]
    assert box.requests == []


async def test_what_is_no_date_is_refused_by_name_and_the_ends_of_the_calendar_do_not_overflow(call, box):
    for name, values in (("created_at_gte", DATES), ("updated_at_lte", DATES), ("created_at_range", RANGES)):
        for value in values:
            assert f"{name} takes" in await call.error(LIST, **{name: value}), value
    for date in (*DATES, "2026-11-21"):
        error = await call.error(EDIT, incident="114", timestamps={"Fixed at": date})
        assert "timestamps.Fixed at" in error, date
    assert not [request for request in box.requests if request.path != "/v2/incident_timestamps"]
    for date in FAR:
        told = (await call.result(LIST, created_at_gte=date)).model_dump_json()
        planned = await call.result(EDIT, incident="114", timestamps={"Fixed at": date}, dry_run=True)
        assert "internal error" not in told + planned.model_dump_json()


async def test_a_word_of_the_operations_pages_is_refused_with_the_argument_that_takes_its_place(call, box):
    for tool, word, argument in WORDS:
        error = await call.error(tool, **{word: "x"})
        assert f"unknown argument {word}: pass {argument}" in error, word
    assert box.requests == []


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_keys_that_hosts_add_to_every_call_are_ignored_as_the_setting_says(connect, box, mode):
    added = dict.fromkeys(("sessionId", "toolCallId", "action", "chatInput", "random_string"), "x")
    async with connect(mode) as call:
        assert (await call.ok("incidentio_get_incident", incident="114", **added))["reference"] == "INC-114"
        assert (await call.ok(NOTE, incident_id=4514, body="b", dry_run=True, **added))["dry_run"] is True
        assert "unknown argument traceId" in await call.error("incidentio_list_types", **added, traceId="x")
    async with connect(mode, ignore_arguments=("traceId",)) as call:
        assert await call.ok("incidentio_list_types", traceId="x")
        assert "unknown argument sessionId" in await call.error("incidentio_list_types", traceId="x", sessionId="x")
    assert not box.writes()


async def test_two_mistakes_are_told_at_once(call):
    error = await call.error(CREATE, sevrity="Minor", visibility="secret")
    for said in ("unknown argument sevrity", "name is required", "visibility"):
        assert said in error


ZEROS = [
    ("incidentio_edit_incident", {"incident": "114", "name": "n", "summary": 0, "slack_channel_name": 0}),
    ("incidentio_edit_incident", {"incident": "114", "name": "n", "roles": {"lead": 0}, "status": 0}),
    ("incidentio_edit_incident", {"incident": "114", "name": "n", "summary": "\u3164", "call_url": "\u200b" * 65}),
    ("incidentio_edit_incident", {"incident": "114", "name": "n", "summary": "[]", "status": "null\u200b"}),
    ("incidentio_edit_incident", {"incident": "114", "name": "n", "summary": "\uff4e\uff55\uff4c\uff4c"}),
]


@pytest.mark.parametrize(("tool", "arguments"), ZEROS)
async def test_what_shows_nothing_or_is_a_zero_for_a_text_is_left_out(call, tool, arguments):
    plain = await call.ok(tool, incident="114", name="n", dry_run=True)
    assert await call.ok(tool, **arguments, dry_run=True) == plain


async def test_a_map_that_names_one_thing_twice_is_refused(call, box):
    fields = {"Affected team": ["Payments"], "Affected team ": []}
    assert "twice" in await call.error("incidentio_edit_incident", incident="114", custom_fields=fields)
    assert box.writes() == []


@pytest.mark.parametrize("tool", ["incidentio_list_updates", "incidentio_list_incidents"])
async def test_half_a_character_in_a_query_is_refused(call, tool):
    assert "half a character" in await call.error(tool, after="x\ud800")
