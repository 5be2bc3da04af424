"""Create, get, edit and close incidents in incident.io."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

MAJOR, CRITICAL = account_ulid("Major"), account_ulid("Critical")
CLOSED, DOCUMENTING, FIXING = account_ulid("Closed"), account_ulid("Documenting"), account_ulid("Fixing")
TRIAGE, PAUSED = account_ulid("Triage"), account_ulid("Paused")
LEAD, REPORTER = account_ulid("Incident Lead"), account_ulid("Reporter")
STARTED = account_ulid("Impact started")


def new(**more):
    return {"idempotency_key": "k1", "visibility": "public", "name": "Queue stuck", "severity_id": MAJOR} | more


def edit(**fields):
    return {"incident": fields, "notify_incident_channel": False}


def entry(field, *values):
    return {"custom_field_id": account_ulid(field), "values": list(values)}


async def flaws(client, path, body):
    reply = await client.post(path, json=body)
    assert reply.status_code == 422, reply.text
    body = reply.json()
    assert (body["type"], body["status"]) == ("validation_error", 422)
    assert body["request_id"]
    return [(error["code"], error.get("source", {}).get("field")) for error in body["errors"]]


async def test_a_create_answers_200_and_the_incident_has_the_first_live_status(box, incidentio):
    reply = await incidentio.post("/v2/incidents", json=new())

    assert reply.status_code == 200
    incident = reply.json()["incident"]
    assert incident["reference"] == "INC-118"
    assert incident["incident_status"]["name"] == "Investigating"
    assert incident["incident_type"]["name"] == "Production"
    assert incident["mode"] == "standard"
    assert incident["creator"] == {"api_key": {"id": account_ulid("api key"), "name": "Sandbox key"}}
    assert box.incidentio.incidents[-1]["id"] == incident["id"]


async def test_the_slack_channel_comes_a_moment_after_the_create(incidentio):
    created = (await incidentio.post("/v2/incidents", json=new())).json()["incident"]
    later = (await incidentio.get(f"/v2/incidents/{created['id']}")).json()["incident"]

    assert created["slack_channel_id"] == ""
    assert "slack_channel_name" not in created
    assert later["slack_channel_name"] == "inc-118-queue-stuck"


async def test_the_same_idempotency_key_answers_the_first_incident_again(box, incidentio):
    first = await incidentio.post("/v2/incidents", json=new())
    again = await incidentio.post("/v2/incidents", json=new(name="Something else"))

    assert again.status_code == 200
    assert again.json() == first.json()
    assert len(box.incidentio.incidents) == 18


async def test_a_repeated_create_still_answers_the_first_created_at_a_day_later(box, incidentio):
    first = await incidentio.post("/v2/incidents", json=new())
    box.advance(86_400)
    again = await incidentio.post("/v2/incidents", json=new())

    assert again.json()["incident"]["created_at"] == first.json()["incident"]["created_at"]
    assert again.headers["Date"] != first.headers["Date"]


async def test_a_live_incident_without_a_severity_is_rejected_as_documented(incidentio):
    body = new()
    del body["severity_id"]

    reply = await incidentio.post("/v2/incidents", json=body)

    assert reply.json()["errors"] == [
        {
            "code": "is_required",
            "message": "A severity is required to open an incident",
            "source": {"field": "severity_id"},
        }
    ]


async def test_a_type_that_is_always_created_in_triage_needs_no_severity(incidentio):
    body = new(incident_type_id=account_ulid("Security"))
    del body["severity_id"]

    incident = (await incidentio.post("/v2/incidents", json=body)).json()["incident"]

    assert incident["incident_status"]["category"] == "triage"
    assert incident["visibility"] == "private"
    assert "severity" not in incident


async def test_every_problem_of_a_body_is_reported_at_once(incidentio):
    body = {
        "name": 5,
        "mode": "drill",
        "severity": "Major",
        "incident_role_assignments": [{"incident_role_id": LEAD, "user": {"id": "x"}}],
    }

    assert sorted(await flaws(incidentio, "/v2/incidents", body)) == [
        ("invalid_type", "name"),
        ("invalid_value", "mode"),
        ("is_required", "idempotency_key"),
        ("is_required", "visibility"),
        ("unknown_field", "incident_role_assignments.0.user"),
        ("unknown_field", "severity"),
    ]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"severity_id": "Major"}, "severity_id"),
        ({"incident_status_id": "live"}, "incident_status_id"),
        ({"incident_type_id": "x"}, "incident_type_id"),
        ({"custom_field_entries": [entry("nothing")]}, "custom_field_entries.0.custom_field_id"),
        (
            {"custom_field_entries": [entry("Affected team", {"value_option_id": "Payments"})]},
            "custom_field_entries.0.values.0.value_option_id",
        ),
        (
            {"custom_field_entries": [entry("Affected team", {"value_text": "Payments"})]},
            "custom_field_entries.0.values.0.value_text",
        ),
        (
            {"custom_field_entries": [entry("Errors per minute", {"value_numeric": "many"})]},
            "custom_field_entries.0.values.0.value_numeric",
        ),
        (
            {"custom_field_entries": [entry("Runbook", {"value_link": "a page"})]},
            "custom_field_entries.0.values.0.value_link",
        ),
        (
            {"custom_field_entries": [entry("Customer impact", {"value_text": "a"}, {"value_text": "b"})]},
            "custom_field_entries.0.values",
        ),
        (
            {"incident_role_assignments": [{"incident_role_id": "Lead"}]},
            "incident_role_assignments.0.incident_role_id",
        ),
        (
            {"incident_role_assignments": [{"incident_role_id": LEAD, "assignee": {"email": "x@example.com"}}]},
            "incident_role_assignments.0.assignee",
        ),
        (
            {"incident_role_assignments": [{"incident_role_id": LEAD, "assignee": {}}]},
            "incident_role_assignments.0.assignee",
        ),
        (
            {"incident_timestamp_values": [{"incident_timestamp_id": "Fixed at"}]},
            "incident_timestamp_values.0.incident_timestamp_id",
        ),
        (
            {"incident_timestamp_values": [{"incident_timestamp_id": STARTED, "value": "yesterday"}]},
            "incident_timestamp_values.0.value",
        ),
        ({"retrospective_incident_options": {"external_id": 114}}, "retrospective_incident_options.external_id"),
        ({"summary": None}, "summary"),
        ({"idempotency_key": ""}, "idempotency_key"),
    ],
)
async def test_unknown_ids_and_values_are_rejected(box, incidentio, more, field):
    assert [found for _, found in await flaws(incidentio, "/v2/incidents", new(**more))] == [field]
    assert len(box.incidentio.incidents) == 17


async def test_fields_roles_and_timestamps_are_written_in_one_shape_and_read_in_another(incidentio):
    payments = account_ulid("Affected team: Payments")
    body = new(
        custom_field_entries=[
            entry("Affected team", {"value_option_id": payments}),
            entry("Errors per minute", {"value_numeric": "12.5"}),
            entry("Affected product", {"value_catalog_entry_id": "settlements"}),
        ],
        incident_role_assignments=[
            {"incident_role_id": LEAD, "assignee": {"email": "yuki.tanaka@paysand.example"}},
            {"incident_role_id": REPORTER, "assignee": {"slack_user_id": "U04INES"}},
        ],
        incident_timestamp_values=[{"incident_timestamp_id": STARTED, "value": "2026-11-20T02:30:00Z"}],
    )

    incident = (await incidentio.post("/v2/incidents", json=body)).json()["incident"]

    team, errors, product = incident["custom_field_entries"]
    assert [option["value"] for option in team["custom_field"]["options"]] == ["Payments", "Platform", "Growth"]
    assert team["values"][0]["value_option"]["value"] == "Payments"
    assert errors["values"] == [{"value_numeric": "12.5"}]
    assert product["values"][0]["value_catalog_entry"]["name"] == "Payouts"
    people = {
        slot["role"]["name"]: slot.get("assignee", {}).get("name") for slot in incident["incident_role_assignments"]
    }
    assert people == {"Incident Lead": "Yuki Tanaka", "Reporter": "Ines Moreau", "Communications Lead": None}
    stamps = {slot["incident_timestamp"]["name"]: slot.get("value") for slot in incident["incident_timestamp_values"]}
    assert stamps["Impact started"] == {"value": "2026-11-20T02:30:00Z"}
    assert stamps["Fixed at"] is None


async def test_a_retrospective_incident_gets_no_channel_of_its_own(incidentio):
    options = {"external_id": 9001, "postmortem_document_url": "https://docs.example.com/x"}
    body = new(mode="retrospective", incident_status_id=CLOSED, retrospective_incident_options=options)

    created = (await incidentio.post("/v2/incidents", json=body)).json()["incident"]
    incident = (await incidentio.get("/v2/incidents/9001")).json()["incident"]

    assert incident["id"] == created["id"]
    assert incident["slack_channel_id"] == ""
    assert "slack_channel_name" not in incident
    assert incident["postmortem_document_url"] == "https://docs.example.com/x"


@pytest.mark.parametrize(
    "wrong", ["INC-114", "0114", "inc-114", "%23114", "..%2Fusers", "999", "01FDAG4SAP5TYPT98WGR2N7W91"]
)
async def test_a_path_takes_the_ulid_or_the_bare_number_only(box, incidentio, wrong):
    by_number = await incidentio.get("/v2/incidents/114")
    by_ulid = await incidentio.get(f"/v2/incidents/{by_number.json()['incident']['id']}")

    assert by_number.json() == by_ulid.json()
    reply = await incidentio.get(f"/v2/incidents/{wrong}")
    assert (reply.status_code, reply.json()["type"]) == (404, "not_found")
    assert box.requests[-1].path == f"/v2/incidents/{wrong}"


async def test_an_edit_changes_what_it_names_and_nothing_else(incidentio):
    before = (await incidentio.get("/v2/incidents/114")).json()["incident"]

    reply = await incidentio.post("/v2/incidents/114/actions/edit", json=edit(summary="Under control."))

    after = reply.json()["incident"]
    changed = {key for key in after if after[key] != before.get(key)}
    assert changed == {"summary", "updated_at", "last_activity_at"}
    assert after["updated_at"] > before["updated_at"]


async def test_an_edit_without_notify_incident_channel_is_rejected(incidentio):
    body = {"incident": {"name": "x"}}

    assert await flaws(incidentio, "/v2/incidents/114/actions/edit", body) == [
        ("is_required", "notify_incident_channel")
    ]


async def test_an_edit_cannot_change_type_visibility_or_mode(incidentio):
    body = edit(incident_type_id="x", visibility="private", mode="test")

    assert await flaws(incidentio, "/v2/incidents/114/actions/edit", body) == [
        ("unknown_field", "incident.incident_type_id"),
        ("unknown_field", "incident.visibility"),
        ("unknown_field", "incident.mode"),
    ]


async def test_an_edit_of_the_severity_creates_an_update(box, incidentio):
    await incidentio.post("/v2/incidents/116/actions/edit", json=edit(severity_id=CRITICAL))

    newest = (await incidentio.get("/v2/incident_updates")).json()["incident_updates"][0]
    assert newest["incident_id"] == box.incidentio.incidents[15]["id"]
    assert newest["new_severity"]["name"] == "Critical"
    assert newest["new_incident_status"]["name"] == "Investigating"
    assert "message" not in newest


async def test_an_edit_without_a_change_creates_no_update(box, incidentio):
    count = len(box.incidentio.updates)

    await incidentio.post("/v2/incidents/114/actions/edit", json=edit(severity_id=CRITICAL, incident_status_id=FIXING))

    assert len(box.incidentio.updates) == count


@pytest.mark.parametrize(
    ("number", "status"),
    [(114, CLOSED), (114, DOCUMENTING), (117, CLOSED), (117, DOCUMENTING), (106, CLOSED), (112, FIXING), (101, CLOSED)],
)
async def test_documented_status_moves_are_accepted(incidentio, number, status):
    reply = await incidentio.post(f"/v2/incidents/{number}/actions/edit", json=edit(incident_status_id=status))

    assert reply.status_code == 200
    assert reply.json()["incident"]["incident_status"]["id"] == status


@pytest.mark.parametrize(
    ("number", "status"),
    [(117, FIXING), (101, FIXING), (106, FIXING), (114, PAUSED), (114, TRIAGE), (109, CLOSED), (104, CLOSED)],
)
async def test_other_status_moves_are_rejected_and_change_nothing(box, incidentio, number, status):
    before = [dict(incident) for incident in box.incidentio.incidents]
    body = edit(incident_status_id=status, name="Changed")

    found = await flaws(incidentio, f"/v2/incidents/{number}/actions/edit", body)

    assert found == [("invalid_value", "incident.incident_status_id")]
    assert box.incidentio.incidents == before


async def test_a_rejected_role_leaves_the_other_roles_of_the_edit_unchanged(box, incidentio):
    roles = [
        {"incident_role_id": LEAD, "assignee": {"email": "ines.moreau@paysand.example"}},
        {"incident_role_id": REPORTER, "assignee": {"email": "ines.moreau@paysand.example"}},
    ]

    found = await flaws(incidentio, "/v2/incidents/114/actions/edit", edit(incident_role_assignments=roles))

    assert found == [("invalid_value", "incident_role_assignments.1.incident_role_id")]
    slots = box.incidentio.incidents[13]["incident_role_assignments"]
    assert slots[0]["assignee"]["name"] == "Sam Okafor"


async def test_an_empty_list_of_values_unsets_a_custom_field(incidentio):
    body = edit(custom_field_entries=[entry("Affected team")])

    incident = (await incidentio.post("/v2/incidents/114/actions/edit", json=body)).json()["incident"]

    values = {row["custom_field"]["name"]: row["values"] for row in incident["custom_field_entries"]}
    assert values["Affected team"] == []
    assert values["Errors per minute"] == [{"value_numeric": "96"}]


async def test_an_account_can_have_two_closed_statuses(box, incidentio):
    other = box.add_closed_status("Closed, no action")

    rows = (await incidentio.get("/v1/incident_statuses")).json()["incident_statuses"]
    reply = await incidentio.post("/v2/incidents/114/actions/edit", json=edit(incident_status_id=other["id"]))

    assert [row["name"] for row in rows if row["category"] == "closed"] == ["Closed", "Closed, no action"]
    assert reply.json()["incident"]["incident_status"]["name"] == "Closed, no action"


async def test_a_channel_name_and_a_call_can_be_set_and_a_call_removed(incidentio):
    await incidentio.post("/v2/incidents", json=new(slack_channel_name_override="inc-queue"))
    created = (await incidentio.get("/v2/incidents/118")).json()["incident"]
    body = edit(slack_channel_name_override="inc-queue-2", call_url="https://meet.example.com/1")
    edited = (await incidentio.post("/v2/incidents/118/actions/edit", json=body)).json()["incident"]
    cleared = (await incidentio.post("/v2/incidents/118/actions/edit", json=edit(call_url="", name=""))).json()[
        "incident"
    ]

    assert created["slack_channel_name"] == "inc-queue"
    assert (edited["slack_channel_name"], edited["call_url"]) == ("inc-queue-2", "https://meet.example.com/1")
    assert "call_url" not in cleared
    assert cleared["name"] == "Queue stuck"


@pytest.mark.parametrize("key", ["summary", "call_url"])
async def test_an_empty_text_in_an_edit_clears_its_field(incidentio, key):
    before = (await incidentio.get("/v2/incidents/114")).json()["incident"]

    cleared = (await incidentio.post("/v2/incidents/114/actions/edit", json=edit(**{key: ""}))).json()["incident"]

    assert set(before) - set(cleared) == {key}
    assert (await incidentio.get("/v2/incidents/114")).json()["incident"] == cleared


async def test_a_role_without_assignee_and_a_timestamp_without_value_are_cleared(incidentio):
    body = edit(
        incident_role_assignments=[{"incident_role_id": LEAD}],
        incident_timestamp_values=[{"incident_timestamp_id": STARTED}],
    )

    incident = (await incidentio.post("/v2/incidents/114/actions/edit", json=body)).json()["incident"]

    [lead] = [slot for slot in incident["incident_role_assignments"] if slot["role"]["id"] == LEAD]
    [started] = [slot for slot in incident["incident_timestamp_values"] if slot["incident_timestamp"]["id"] == STARTED]
    assert "assignee" not in lead
    assert "value" not in started


async def test_an_unknown_catalog_entry_is_rejected(incidentio):
    body = edit(custom_field_entries=[entry("Affected product", {"value_catalog_entry_id": "Payouts"})])

    found = await flaws(incidentio, "/v2/incidents/114/actions/edit", body)

    assert found == [("not_found", "custom_field_entries.0.values.0.value_catalog_entry_id")]
