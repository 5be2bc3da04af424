"""Names for ids: wherever the API wants an id, a tool takes what people say."""

import time
from datetime import timedelta

import anyio
import pytest

from incident_mcp.sandbox.engine.service import Json
from tests.account import FIELD, INCIDENT, OPTION, SEVERITY, STATUS, TIMESTAMP, TYPE, Scripted

pytestmark = pytest.mark.anyio

LIST, EDIT, CREATE, UPDATE, CLOSE = (
    "incidentio_list_incidents",
    "incidentio_edit_incident",
    "incidentio_create_incident",
    "incidentio_post_update",
    "incidentio_close_incident",
)
# tool and arguments that hold a name that fits nothing; what stands in the error
UNKNOWN = [
    (LIST, {"severity": ["Minor", "SEV0"]}, "Unknown severity 'SEV0'. Pass one of: Minor, Major, Critical."),
    (LIST, {"severity_gte": "SEV0"}, "Minor, Major, Critical"),
    (LIST, {"status": ["Open"]}, "Unknown status 'Open'. Pass one of: Triage, Investigating, Fixing"),
    (LIST, {"incident_type": ["Outage"]}, "Production, Security, Data"),
    (LIST, {"custom_fields": {"Team": ["Payments"]}}, "Unknown custom field 'Team'. Pass one of: Affected team"),
    (LIST, {"custom_fields": {"Affected team": ["Pay"]}}, "of custom field Affected team. Pass one of: Payments"),
    (CREATE, {"name": "n", "severity": "SEV0"}, "Minor, Major, Critical"),
    (CREATE, {"name": "n", "severity": "Minor", "incident_type": "Outage"}, "Production, Security, Data"),
    (CREATE, {"name": "n", "severity": "Minor", "status": "Open"}, "Investigating"),
    (CREATE, {"name": "n", "roles": {"Boss": "a@b.example"}}, "Incident Lead, Reporter, Communications Lead"),
    (CREATE, {"name": "n", "timestamps": {"Ended": "2026-11-21T02:00:00Z"}}, "Reported at, Impact started, Fixed at"),
    (EDIT, {"incident": "114", "custom_fields": {"Affected services": ["search", "mail"]}}, "checkout-api, webhooks"),
    (EDIT, {"incident": "114", "severity": "SEV0"}, "Minor, Major, Critical"),
    (UPDATE, {"incident": "114", "severity": "SEV0"}, "Minor, Major, Critical"),
    (UPDATE, {"incident": "114", "status": "Open", "message": "m"}, "Investigating"),
    (CLOSE, {"incident": "114", "status": "Done"}, "Closed"),
]
# arguments of an edit that a field, a role or a timestamp cannot take
UNFIT = [
    ({"custom_fields": {"Affected team": ["Payments", "Growth"]}}, "Affected team takes one value, not 2"),
    ({"custom_fields": {"Customer impact": ["a", "b"]}}, "Customer impact takes one value, not 2"),
    ({"custom_fields": {"Errors per minute": ["many"]}}, "Errors per minute takes a number, not 'many'"),
    ({"custom_fields": {"Errors per minute": ["1e3"]}}, "takes a number"),
    ({"roles": {"Incident Lead": "Sam"}}, "roles.Incident Lead: 'Sam' is ambiguous: Sam Okafor (sam.okafor@"),
    (
        {"roles": {"Incident Lead": "Nobody"}},
        "roles.Incident Lead: no active user is called 'Nobody'. Pass an email",
    ),
    ({"timestamps": {"Fixed at": "yesterday"}}, "'yesterday' is not an RFC 3339 date and time with a time zone"),
    ({"timestamps": {"Fixed at": "2026-11-21T02:00:00"}}, "is not an RFC 3339 date and time with a time zone"),
    ({"timestamps": {"Fixed at": "2026-11-21"}}, "is not an RFC 3339 date and time with a time zone"),
]
SPELLINGS = [
    *[({"severity": [name]}, ("severity[one_of]", SEVERITY["Major"])) for name in ("Major", "mAJOR", " major ")],
    ({"severity": [SEVERITY["Major"]]}, ("severity[one_of]", SEVERITY["Major"])),
    ({"status": ["FIXING"]}, ("status[one_of]", STATUS["Fixing"])),
    ({"incident_type": ["data"]}, ("incident_type[one_of]", TYPE["Data"])),
    (
        {"custom_fields": {"AFFECTED TEAM": ["growth"]}},
        (f"custom_field[{FIELD['Affected team']}][one_of]", OPTION["Growth"]),
    ),
    (
        {"custom_fields": {FIELD["Affected team"]: [OPTION["Growth"]]}},
        (f"custom_field[{FIELD['Affected team']}][one_of]", OPTION["Growth"]),
    ),
]


def severity(name: str, number: str) -> Json:
    stamp = "2024-03-04T09:00:00Z"
    return {"id": number, "name": name, "description": "", "rank": 9, "created_at": stamp, "updated_at": stamp}


async def test_a_name_in_any_case_or_an_id_is_taken(call, box):
    for filters, sent in SPELLINGS:
        await call.ok(LIST, **filters)
        assert sent in box.requests[-1].query


async def test_a_name_that_fits_nothing_is_refused_with_the_candidates_and_nothing_is_sent(call, box):
    for tool, arguments, said in UNKNOWN:
        error = await call.error(tool, **arguments)
        assert said in error
        assert error.endswith("ot sent.")
    assert not box.writes()
    assert not [request for request in box.requests if request.path == "/v2/incidents"]


async def test_a_value_that_the_api_cannot_take_is_refused_and_nothing_is_sent(call, box):
    for arguments, said in UNFIT:
        assert said in await call.error(EDIT, incident="114", **arguments)
    assert not box.writes()


async def test_a_name_that_fits_two_is_refused_with_both_ids_and_an_id_still_works(call, box):
    box.incidentio.severities.append(severity("MAJOR", "01SECOND"))
    error = await call.error(CREATE, name="n", severity="major")
    assert f"Major ({SEVERITY['Major']})" in error
    assert "MAJOR (01SECOND)" in error
    assert not box.writes()
    created = await call.ok(CREATE, name="n", severity="01SECOND")
    assert created["severity"] == "MAJOR"


async def test_an_exact_id_comes_before_a_name_that_reads_the_same(call, box):
    box.incidentio.severities.append(severity(SEVERITY["Major"], "01SECOND"))
    created = await call.ok(CREATE, name="n", severity=SEVERITY["Major"])
    assert created["severity"] == "Major"


async def test_ten_concurrent_callers_share_one_request_and_so_do_later_ones(call, box):
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(lambda: call.ok(LIST, severity=["Major"], custom_fields={"Affected team": ["Growth"]}))
    await call.ok(LIST, severity_gte="minor", custom_fields={"Affected team": ["Payments"]})
    paths = [request.path for request in box.requests]
    assert paths.count("/v2/incidents") == 11
    assert [paths.count(path) for path in ("/v1/severities", "/v2/custom_fields", "/v1/custom_field_options")] == [
        1
    ] * 3


async def test_a_name_not_found_is_looked_for_once_more_in_a_fresh_list(call, box):
    await call.ok(LIST, severity=["Major"])
    box.incidentio.severities.append(severity("Catastrophic", "01NEW"))
    await call.ok(LIST, severity=["catastrophic"])
    assert ("severity[one_of]", "01NEW") in box.requests[-1].query
    assert [request.path for request in box.requests].count("/v1/severities") == 2


async def test_a_list_read_for_this_very_call_is_not_read_again(call, box):
    await call.error(LIST, severity=["Catastrophic"])
    assert len(box.requests) == 1


async def test_listing_reads_afresh_and_names_then_use_what_was_read(call, box):
    await call.ok("incidentio_list_severities")
    box.incidentio.severities.append(severity("Catastrophic", "01NEW"))
    listed = await call.ok("incidentio_list_severities")
    assert "Catastrophic" in [row["name"] for row in listed["severities"]]
    await call.ok(LIST, severity=["Catastrophic"])
    assert [request.path for request in box.requests].count("/v1/severities") == 2


async def test_a_look_up_that_fails_sends_no_write_and_is_not_remembered(connect):
    network = Scripted({})
    async with connect(sandbox=network) as call:
        error = await call.error(CREATE, name="n", severity="Minor")
        assert "incident.io answered 404" in error
        network.answers["GET", "/v1/severities"] = {"severities": [severity("Minor", "01MINOR")]}
        told = await call.ok(CREATE, name="n", severity="Minor", dry_run=True)
    assert told["would_send"]["body"]["severity_id"] == "01MINOR"
    assert {request.method for request in network.requests} == {"GET"}


async def test_many_candidates_are_listed_up_to_twenty(call, box):
    box.incidentio.severities += [severity(f"Grade {number}", f"01GRADE{number}") for number in range(30)]
    assert "and 13 more" in await call.error(LIST, severity=["SEV0"])


async def test_more_options_than_fit_one_page_are_all_read(call, box):
    field = FIELD["Affected team"]
    box.incidentio.options += [
        {"id": f"01OPT{number}", "custom_field_id": field, "sort_key": number, "value": f"Team {number}"}
        for number in range(300)
    ]
    told = await call.ok(EDIT, incident="114", custom_fields={"Affected team": ["team 299"]}, dry_run=True)
    assert told["would_send"]["body"]["incident"]["custom_field_entries"] == [
        {"custom_field_id": field, "values": [{"value_option_id": "01OPT299"}]}
    ]
    assert [request.path for request in box.requests].count("/v1/custom_field_options") == 2


async def test_people_and_instants_are_written_as_the_api_wants_them(call):
    told = await call.ok(
        EDIT,
        incident=INCIDENT["INC-114"],
        roles={"incident lead": "U04YUKI"},
        timestamps={"fixed at": "2026-11-21T03:30:00+02:00"},
        dry_run=True,
    )
    fields = told["would_send"]["body"]["incident"]
    assert fields["incident_role_assignments"][0]["assignee"] == {"slack_user_id": "U04YUKI"}
    assert fields["incident_timestamp_values"] == [
        {"incident_timestamp_id": TIMESTAMP["Fixed at"], "value": "2026-11-21T01:30:00Z"}
    ]


async def test_an_empty_list_of_values_unsets_a_field(call):
    before = await call.ok("incidentio_get_incident", incident="114")
    after = await call.ok(EDIT, incident="114", custom_fields={"Affected team": []})
    assert before["custom_fields"].pop("Affected team") == ["Platform"]
    assert after["custom_fields"] == before["custom_fields"]


async def test_a_list_is_read_again_after_a_minute(call, box, monkeypatch):
    await call.ok(LIST, severity=["Major"])
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + timedelta(minutes=1, seconds=1).total_seconds())
    await call.ok(LIST, severity=["Major"])
    assert [request.path for request in box.requests].count("/v1/severities") == 2


async def test_a_severity_that_is_missing_is_refused_with_the_names_to_pass(call):
    said = await call.error("incidentio_create_incident", name="Cards fail")
    assert said.startswith(
        "incident.io answered 422 validation_error: A severity is required to open an incident (severity_id)."
        " Pass severity: one of Minor, Major, Critical. Outcome: refused, nothing was changed. Request id "
    )


async def test_a_move_that_is_not_allowed_is_not_answered_with_advice_to_make_it(call):
    said = await call.error("incidentio_edit_incident", incident="INC-114", status="Triage")
    assert "Not every status is allowed here. The account has Triage, Investigating," in said
    assert "Pass status" not in said


async def test_a_date_that_is_none_is_refused_in_words_of_the_argument(call):
    said = await call.error("incidentio_list_incidents", created_at_gte="yesterday")
    assert said.startswith("incidentio_list_incidents: created_at_gte takes a date like 2026-11-21, or a timestamp")
    assert call.box.requests == []
