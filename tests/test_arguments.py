"""Arguments as hosts really send them: read where the meaning is plain, refused by name where it is not."""

import pytest

from tests.account import SEVERITY

pytestmark = pytest.mark.anyio

LIST, CREATE, EDIT = "incidentio_list_incidents", "incidentio_create_incident", "incidentio_edit_incident"
# tool, arguments, what a query or body must then hold
READ = [
    (LIST, {"limit": "7"}, {"page_size": "7"}),
    (LIST, {"limit": 7.0}, {"page_size": "7"}),
    (LIST, {"status_category": '["live"]'}, {"status_category[one_of]": "live"}),
    (LIST, {"status_category": "live"}, {"status_category[one_of]": "live"}),
    (LIST, {"severity": "Major"}, {"severity[one_of]": SEVERITY["Major"]}),
    (LIST, {"severity": ' ["Major"]'}, {"severity[one_of]": SEVERITY["Major"]}),
    (LIST, {"severity": None, "after": None, "limit": None, "mode": None}, {"page_size": "25"}),
    (EDIT, {"incident": 114, "name": "n"}, {"incident": {"name": "n"}}),
    (EDIT, {"incident": "114", "name": "null"}, {"incident": {"name": "null"}}),
    (EDIT, {"incident": "114", "name": "[1]"}, {"incident": {"name": "[1]"}}),
    (EDIT, {"incident": "114", "name": '{"a": 1}'}, {"incident": {"name": '{"a": 1}'}}),
    (EDIT, {"incident": "114", "name": "true", "summary": None}, {"incident": {"name": "true"}}),
    (EDIT, {"incident": "114", "name": 42}, {"incident": {"name": "42"}}),
    (
        EDIT,
        {"incident": "114", "name": "n", "notify_incident_channel": "true"},
        {"incident": {"name": "n"}, "notify_incident_channel": True},
    ),
    (CREATE, {"name": "null", "severity": "minor"}, {"name": "null", "severity_id": SEVERITY["Minor"]}),
]
SAME_FIELDS = [
    {"Affected team": ["Payments"]},
    {"Affected team": "Payments"},
    '{"Affected team": ["Payments"]}',
    '{"Affected team": "Payments"}',
    {"Affected team": '["Payments"]'},
]
REFUSED = [
    (LIST, {"sevrity": ["Major"]}, "there is no argument sevrity"),
    (LIST, {"params": {"limit": 1}}, "there is no argument params"),
    (LIST, {"dry_run": True}, "there is no argument dry_run"),
    (LIST, {"status_category": ["active"]}, "status_category"),
    (LIST, {"status_category": "live,triage"}, "status_category"),
    (LIST, {"created_at_gte": "yesterday"}, "created_at_gte"),
    (LIST, {"limit": "many"}, "limit"),
    (LIST, {"severity": {"name": "Major"}}, "severity"),
    (CREATE, {"severity": "Minor"}, "name is required"),
    (CREATE, {"name": None}, "name is required"),
    (CREATE, {"name": ""}, "name"),
    (CREATE, {"name": "n", "visibility": "secret"}, "visibility"),
    (CREATE, {"name": "n", "api": 1}, "there is no argument api"),
    (CREATE, {"name": "n", "dry_run": "maybe"}, "dry_run"),
    (CREATE, {"name": "n", "custom_fields": "Payments"}, "custom_fields"),
    (CREATE, {"name": "n", "roles": {"Incident Lead": ["a@b.example"]}}, "roles"),
    (CREATE, {"name": "n", "idempotency_key": ""}, "idempotency_key"),
    ("ionhour_list_incidents", {"limit": 101}, "limit"),
    ("ionhour_create_note", {"incident_id": 1}, "body is required"),
]


async def test_an_argument_in_another_form_is_read(call, box):
    for tool, arguments, expected in READ:
        await call.ok(tool, **arguments)
        request = box.requests[-1]
        held = dict(request.query) if request.body is None else request.body
        assert {key: held[key] for key in expected} == expected, arguments


async def test_custom_fields_are_read_however_they_are_wrapped(call):
    bodies = []
    for fields in SAME_FIELDS:
        told = await call.ok(EDIT, incident="114", custom_fields=fields, dry_run=True)
        bodies.append(told["would_send"]["body"])
    assert all(body == bodies[0] for body in bodies)


async def test_a_null_for_what_is_optional_reads_as_left_out(call):
    given = await call.ok(CREATE, name="n", severity=None, roles=None, mode=None, idempotency_key="k", dry_run=True)
    left_out = await call.ok(CREATE, name="n", idempotency_key="k", dry_run=True)
    assert given == left_out


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


async def test_two_mistakes_are_told_at_once(call):
    error = await call.error(CREATE, sevrity="Minor", visibility="secret")
    for said in ("there is no argument sevrity", "name is required", "visibility"):
        assert said in error
