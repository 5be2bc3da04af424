"""Incidents: read, list, declare, edit."""

import uuid

import pytest

from tests.account import INCIDENT, SEVERITY, STATUS, TYPE

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_get_incident": {"incident": "INC-114"},
    "incidentio_list_incidents": [
        {},
        {"name_contains": "checkout api"},
        {"severity": ["Minor"], "custom_fields": {"Affected team": ["Payments"]}},
    ],
    "incidentio_create_incident": [
        {"name": "Refunds fail", "severity": "Minor"},
        {
            "name": "Carts stay full",
            "severity": "Minor",
            "custom_fields": {"Affected team": ["Payments"], "Affected product": ["Payouts"]},
            "roles": {"Incident Lead": "Sam Okafor"},
            "timestamps": {"Impact started": "2026-11-21T02:00:00Z"},
        },
    ],
    "incidentio_edit_incident": [
        {"incident": "INC-110", "severity": "Critical"},
        {"incident": "INC-114", "summary": "Other words."},
    ],
}
EFFECTS = {
    "incidentio_create_incident": {
        "request": "POST /v2/incidents",
        "rows": "incidentio.incidents",
        "where": {"name": "Refunds fail"},
        "journalled": True,
    },
    "incidentio_edit_incident": {
        "request": "POST /v2/incidents/110/actions/edit",
        "rows": "incidentio.updates",
        "where": {"incident_id": "INC-110"},
        "journalled": True,
        "looks": True,
    },
}

GET, LIST = "incidentio_get_incident", "incidentio_list_incidents"
CREATE, EDIT = "incidentio_create_incident", "incidentio_edit_incident"
LIVE = ["INC-110", "INC-111", "INC-112", "INC-114", "INC-116"]
FILTERS = [
    ({"status_category": ["live"]}, {*LIVE}),
    ({"status_category": "live"}, {*LIVE}),
    ({"status_category": ["live", "triage"]}, {*LIVE, "INC-117"}),
    ({"status": ["Fixing", "monitoring"]}, {"INC-110", "INC-112", "INC-114"}),
    ({"status_category": ["live"], "severity_gte": "Major"}, {"INC-111", "INC-112", "INC-114"}),
    ({"status_category": ["live"], "severity_lte": "Major"}, {"INC-110", "INC-111", "INC-112", "INC-116"}),
    ({"severity_gte": "Major", "severity_lte": "Major", "status": ["Fixing", "Monitoring"]}, {"INC-112"}),
    ({"severity": ["Critical"]}, {"INC-101", "INC-107", "INC-114"}),
    ({"incident_type": ["Data"]}, {"INC-109", "INC-110"}),
    ({"custom_fields": {"Affected team": ["Payments"], "Affected services": ["ledger"]}}, {"INC-101"}),
    ({"mode": ["test"]}, {"INC-115"}),
    ({"mode": ["tutorial", "test"]}, {"INC-103", "INC-115"}),
    ({"created_at_gte": "2026-11-21", "status_category": ["live"]}, {"INC-114", "INC-116"}),
    ({"updated_at_lte": "2026-11-02"}, {"INC-102"}),
    ({"status_category": ["paused", "learning"]}, {"INC-106", "INC-107", "INC-109"}),
    ({"status": ["Triage"], "severity_gte": "Minor"}, set()),
]
SPELLINGS = ["INC-114", "inc-114", "#INC-114", "#114", "114", " INC-114 ", INCIDENT["INC-114"], 114]
REFUSED_IDS = [".", "..", "../users", "a/b", "a\\b", "114?x=1", "114#x", "a b", "a\nb", "a\x00b", "INC-1/.."]
# a write, its arguments, and what of the body a name became
WRITES = [
    (
        CREATE,
        {"name": "Carts", "severity": "major", "incident_type": "data", "idempotency_key": "k"},
        "/v2/incidents",
        {
            "name": "Carts",
            "severity_id": SEVERITY["Major"],
            "incident_type_id": TYPE["Data"],
            "visibility": "public",
            "mode": "standard",
            "idempotency_key": "k",
        },
    ),
    (
        EDIT,
        {"incident": "INC-114", "status": "monitoring"},
        "/v2/incidents/114/actions/edit",
        {"incident": {"incident_status_id": STATUS["Monitoring"]}, "notify_incident_channel": False},
    ),
]


async def test_an_incident_is_found_by_any_spelling(call, box):
    for spelling in SPELLINGS:
        incident = await call.ok(GET, incident=spelling)
        assert incident["reference"] == "INC-114", spelling
    paths = {request.path for request in box.requests}
    assert paths == {"/v2/incidents/114", f"/v2/incidents/{INCIDENT['INC-114']}"}


async def test_get_tells_the_whole_incident_flat(call):
    incident = await call.ok(GET, incident="INC-114")
    assert (incident["status"], incident["status_category"]) == ("Fixing", "live")
    assert incident["severity"] == "Critical"
    assert incident["creator"] == "Sandbox key (api key)"
    assert incident["roles"]["Communications Lead"] == "Priya Raman"
    assert incident["custom_fields"]["Affected services"] == ["webhooks", "merchant-dashboard"]
    assert incident["timestamps"] == {"Reported at": "2026-11-21T00:50:00Z", "Impact started": "2026-11-21T00:35:00Z"}
    assert "45 minutes late" in incident["summary"]


async def test_get_never_cuts_a_long_summary(call, box):
    stored = next(row for row in box.incidentio.incidents if row["reference"] == "INC-110")
    assert len(stored["summary"]) > 3000
    assert (await call.ok(GET, incident="110"))["summary"] == stored["summary"]


async def test_an_id_that_would_change_the_path_is_refused_before_anything_is_sent(call, box):
    for bad in REFUSED_IDS:
        await call.error(GET, incident=bad)
        await call.error(EDIT, incident=bad, name="n")
        await call.error("incidentio_post_update", incident=bad, message="m")
        await call.error("incidentio_list_updates", incident=bad)
    await call.error(GET, incident="")
    assert box.requests == []


async def test_an_incident_that_does_not_exist_is_said_not_to(call):
    error = await call.error(GET, incident="INC-999")
    assert "incident.io answered 404 not_found: The incident could not be found." in error
    assert "Request id" in error


async def test_a_filter_finds_what_it_names(call):
    for filters, references in FILTERS:
        told = await call.ok(LIST, **filters)
        assert {row["reference"] for row in told["incidents"]} == references, filters
        assert told["total"] == len(references)
        assert not told["has_more"]


async def test_test_and_tutorial_incidents_are_hidden_unless_asked_for(call):
    shown = {row["reference"] for row in (await call.ok(LIST))["incidents"]}
    everything = await call.ok(LIST, mode=["standard", "retrospective", "test", "tutorial"])
    assert {row["reference"] for row in everything["incidents"]} - shown == {"INC-103", "INC-115"}
    (tool,) = [tool for tool in (await call.client.list_tools()).tools if tool.name == LIST]
    assert "Test and tutorial incidents are hidden" in tool.description


async def test_rows_are_lean_and_come_newest_first(call):
    told = await call.ok(LIST, status_category=["live"])
    assert [row["reference"] for row in told["incidents"]] == LIVE[::-1]
    assert told["incidents"][1] == {
        "reference": "INC-114",
        "name": "Webhook deliveries to merchants are delayed",
        "severity": "Critical",
        "status": "Fixing",
        "status_category": "live",
        "lead": "Sam Okafor",
        "created_at": "2026-11-21T00:50:00Z",
        "updated_at": "2026-11-21T01:45:00Z",
    }
    oldest = await call.ok(LIST, status_category=["live"], sort_by="created_at_oldest_first")
    assert [row["reference"] for row in oldest["incidents"]] == LIVE


async def test_a_long_name_is_cut_in_a_list_with_a_mark(call, box):
    box.incidentio.incidents[-1]["name"] = "x" * 500
    told = await call.ok(LIST, limit=1)
    assert told["incidents"][0]["name"] == "x" * 113 + "… [cut]"


async def test_a_create_always_sends_visibility_mode_and_a_key_of_its_own(call, box):
    created = await call.ok(CREATE, name="Carts stay full", severity="minor")
    (write,) = box.writes()
    assert (write.body["visibility"], write.body["mode"]) == ("public", "standard")
    assert uuid.UUID(write.body["idempotency_key"])
    assert created["reference"] == "INC-118"
    assert created["status_category"] == "live"
    assert "repeated" not in created


@pytest.mark.parametrize("key", ["k", "ü/#?", " padded ", "nullable", "123"])
async def test_a_given_key_is_sent_without_padding_and_never_declares_twice(connect, box, key):
    async with connect() as call:
        first = await call.ok(CREATE, name="Carts", severity="Minor", idempotency_key=key)
        second = await call.ok(CREATE, name="Carts", severity="Minor", idempotency_key=key)
    assert {write.body["idempotency_key"] for write in box.writes()} == {key.strip()}
    assert first["id"] == second["id"]
    assert [row["name"] for row in box.incidentio.incidents].count("Carts") == 1


async def test_what_the_service_refuses_is_told_in_its_words_with_what_would_do(call, box):
    error = await call.error(CREATE, name="Carts")
    assert "incident.io answered 422 validation_error: A severity is required to open an incident" in error
    assert "(severity_id)" in error
    assert "nothing was changed" in error
    assert len(box.writes()) == 1


async def test_an_edit_sends_only_what_was_given_and_whether_to_notify(call, box):
    edited = await call.ok(EDIT, incident="INC-114", summary="Cause found.")
    (write,) = box.writes()
    assert write.body == {"incident": {"summary": "Cause found."}, "notify_incident_channel": False}
    assert edited["summary"] == "Cause found."
    assert edited["name"] == "Webhook deliveries to merchants are delayed"


async def test_an_edit_of_nothing_is_refused(call, box):
    for arguments in ({}, {"notify_incident_channel": True}):
        assert "Nothing to edit" in await call.error(EDIT, incident="INC-114", **arguments)
    assert not box.writes()


async def test_a_summary_is_cleared_on_purpose_only(call, box):
    for blank in ("", " ", "null", [], None):
        assert "Nothing to edit" in await call.error(EDIT, incident="INC-114", summary=blank)
    edited = await call.ok(EDIT, incident="INC-114", clear=["summary"])
    assert box.writes()[0].body["incident"] == {"summary": ""}
    assert "summary" not in edited


@pytest.mark.parametrize("case", WRITES, ids=[case[0] for case in WRITES])
async def test_a_dry_run_answers_the_exact_request_and_writes_nothing(call, box, case):
    tool, arguments, path, body = case
    told = await call.ok(tool, **arguments, dry_run=True)
    request = {"service": "incident.io", "method": "POST", "path": path, "body": body}
    assert told == {"dry_run": True, "would_send": request}
    assert not box.writes()
    await call.ok(tool, **arguments)
    (write,) = box.writes()
    assert (write.method, write.path, write.body) == ("POST", path, body)


async def test_hidden_characters_in_an_answer_are_shown(call, box):
    box.incidentio.incidents[-1]["name"] = "safe\u202eetirw"
    told = await call.ok(LIST, limit=1)
    assert told["incidents"][0]["name"] == "safe<U+202E>etirw"


async def test_a_part_of_a_name_in_any_case_finds_it_and_says_how_many_were_looked_at(call):
    told = await call.ok(LIST, name_contains="IS dow")
    assert {row["reference"] for row in told["incidents"]} == {"INC-108", "INC-116"}
    assert (told["looked_at"], told["looked_at_all"], told["has_more"]) == (15, True, False)
    assert (await call.ok(LIST, name_contains="is down", status_category=["live"]))["looked_at"] == 5


async def test_a_search_by_name_goes_on_where_it_ended(call):
    everything = await call.ok(LIST, name_contains="the")
    assert len(everything["incidents"]) > 4
    seen, after = [], {}
    while True:
        told = await call.ok(LIST, name_contains="the", limit=2, **after)
        seen += told["incidents"]
        if not told["has_more"]:
            break
        after = {"after": told["after"]}
    assert seen == everything["incidents"]
