"""What is read is whole: no role, field, value or merge is lost, whatever else the account holds."""

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from incident_mcp.sandbox.engine.service import Json
from tests.account import FIELD, INCIDENT, OPTION, ROLE
from tests.answering import limited
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

GET, LIST, UPDATES = "incidentio_get_incident", "incidentio_list_incidents", "incidentio_list_updates"
POST, CLOSE, EDIT = "incidentio_post_update", "incidentio_close_incident", "incidentio_edit_incident"


def stored(box: Sandbox, reference: str = "INC-114") -> Json:
    """The incident as the service holds it."""
    return next(row for row in box.incidentio.incidents if row["reference"] == reference)


def assigned(role: Json, name: str) -> Json:
    return {"role": role, "assignee": {"id": f"01{name.upper()}", "name": name}}


async def test_two_people_in_one_role_are_both_told(call, box):
    lead = {"id": ROLE["Incident Lead"], "name": "Incident Lead", "role_type": "lead"}
    stored(box)["incident_role_assignments"] = [assigned(lead, "Sam"), assigned(lead, "Yuki"), {"role": lead}]
    assert (await call.ok(GET, incident="114"))["roles"] == {"Incident Lead": "Sam, Yuki"}
    rows = (await call.ok(LIST, status_category=["live"]))["incidents"]
    assert [row["lead"] for row in rows if row["reference"] == "INC-114"] == ["Sam, Yuki"]


async def test_roles_fields_and_timestamps_of_one_name_are_all_told(call, box):
    incident = stored(box)
    incident["incident_role_assignments"] = [
        assigned({"id": "01A", "name": "Scribe"}, "Sam"),
        assigned({"id": "01B", "name": "Scribe"}, "Yuki"),
    ]
    incident["custom_field_entries"] = [
        {"custom_field": {"id": "01A", "name": "Team"}, "values": [{"value_text": "one"}]},
        {"custom_field": {"id": "01B", "name": "Team"}, "values": [{"value_text": "two"}]},
    ]
    incident["incident_timestamp_values"] = [
        {"incident_timestamp": {"id": number, "name": "Fixed"}, "value": {"value": f"2026-11-21T0{hour}:00:00Z"}}
        for hour, number in enumerate(("01A", "01B"), 1)
    ]
    told = await call.ok(GET, incident="114")
    assert told["roles"] == {"Scribe": "Sam", "Scribe (01B)": "Yuki"}
    assert told["custom_fields"] == {"Team": ["one"], "Team (01B)": ["two"]}
    assert told["timestamps"] == {"Fixed": "2026-11-21T01:00:00Z", "Fixed (01B)": "2026-11-21T02:00:00Z"}


async def test_a_name_that_get_tells_apart_by_its_id_can_be_written_back(call, box):
    field = next(row for row in box.incidentio.custom_fields if row["name"] == "Affected team")
    second = {**field, "id": "01SECONDTEAM"}
    box.incidentio.custom_fields.append(second)
    options = [{"id": "01PAY2", "custom_field_id": "01SECONDTEAM", "sort_key": 1, "value": "Payments"}]
    box.incidentio.options += options
    error = await call.error(EDIT, incident="114", custom_fields={"Affected team": ["Payments"]})
    assert f"is ambiguous: Affected team ({FIELD['Affected team']}), Affected team (01SECONDTEAM)" in error
    assert not box.writes()
    for name, option in (
        (f"Affected team ({FIELD['Affected team']})", OPTION["Payments"]),
        ("affected team (01SECONDTEAM)", "01PAY2"),
    ):
        told = await call.ok(EDIT, incident="114", custom_fields={name: ["payments"]}, dry_run=True)
        (entry,) = told["would_send"]["body"]["incident"]["custom_field_entries"]
        assert entry["values"] == [{"value_option_id": option}]


VALUES: list[tuple[list[Json], list[str] | None]] = [
    ([{"value_numeric": "0"}], ["0"]),
    ([{"value_numeric": 0}], ["0"]),
    ([{"value_numeric": 0.5}], ["0.5"]),
    ([{"value_text": "false"}], ["false"]),
    ([{"value_boolean": False}], ["false"]),
    ([{"value_option": {"id": "01", "value": "Payments"}}], ["Payments"]),
    ([{"value_catalog_entry": {"id": "01", "name": "Payouts", "external_id": "p"}}], ["Payouts"]),
    ([{"value_catalog_entry": {"id": "01"}}], ["01"]),
    ([{"value_user": {"id": "01", "email": "a@b.example"}}], ["a@b.example"]),
    ([{"value_schedule": {"label": "Primary"}}], ["Primary"]),
    ([{"id": "01", "newer_kind": "kept"}], ["kept"]),
    ([{"value_text": None, "value_link": "https://x.example"}], ["https://x.example"]),
    ([{"value_text": "a"}, {"value_text": ""}, {}, {"value_text": "b"}], ["a", "b"]),
    ([{"value_text": ""}], None),
    ([], None),
]


@pytest.mark.parametrize(("values", "told"), VALUES, ids=repr)
async def test_zero_no_and_values_of_unknown_kinds_are_told(connect, box, values, told):
    entries = stored(box)["custom_field_entries"]
    entries.append({"custom_field": {"id": "01NEW", "name": "New"}, "values": values})
    async with connect() as call:
        assert (await call.ok(GET, incident="114"))["custom_fields"].get("New") == told


async def test_durations_are_told_in_whole_seconds_zero_included(call, box):
    metrics = [("To fix", 90.6), ("To notice", 0), ("Unknown", None), ("Odd", True), ("Text", "90")]
    stored(box)["duration_metrics"] = [
        {"duration_metric": {"id": f"01{name}", "name": name}, "value_seconds": value} for name, value in metrics
    ]
    assert (await call.ok(GET, incident="114"))["duration_seconds"] == {"To fix": 91, "To notice": 0}


async def test_a_merge_is_told_in_the_update_rows(call):
    (row,) = [
        row for row in (await call.ok(UPDATES, incident="INC-113"))["incident_updates"] if row["status"] == "Merged"
    ]
    assert row["merged_into_incident_id"] == INCIDENT["INC-114"]


async def test_rows_of_all_incidents_say_which_one_it_is_by_one_look_up_for_all(connect):
    box = Sandbox(now=NOW, bulk=30)
    async with connect(sandbox=box) as call:
        told = await call.ok(UPDATES, limit=25)
        names = {row["id"]: (row["reference"], row["name"]) for row in box.incidentio.incidents}
        for row in told["incident_updates"]:
            reference, name = names[row["incident_id"]]
            assert row["reference"] == reference
            assert name.startswith(row["name"].rstrip("…"))
        assert [request.path for request in box.requests] == ["/v2/incident_updates", "/v2/incidents"]
        await call.ok(UPDATES, limit=10)
        assert len(box.requests) == 3
        await call.ok(UPDATES, incident="114")
        assert not any("reference" in row for row in (await call.ok(UPDATES, incident="114"))["incident_updates"])


async def test_incidents_beyond_the_newest_250_are_looked_up_singly_and_never_more_than_eight(connect):
    box = Sandbox(now=NOW, bulk=300)
    async with connect(sandbox=box) as call:
        told = await call.ok(UPDATES, limit=500)
    paths = [request.path for request in box.requests]
    assert len(paths) <= 2 + 8
    rows = [row for row in told["incident_updates"] if "reference" in row]
    assert len({row["reference"] for row in rows}) == 8
    assert all(row["incident_id"] for row in told["incident_updates"])


async def test_an_account_of_small_pages_is_read_in_few_of_them(tmp_path):
    box = Sandbox(now=NOW, bulk=100)
    for incident in box.incidentio.incidents:
        incident["summary"] = "x" * 30_000
    async with limited(box, tmp_path, most_bytes=150_000) as call:
        await call.ok(LIST, limit=10)
        box.requests.clear()
        told = await call.ok(UPDATES, limit=20)
    assert len(box.requests) <= 1 + 8 + 8
    assert any("reference" in row for row in told["incident_updates"])


async def test_names_that_cannot_be_read_leave_the_rows_as_they_are(connect, box):
    async with connect() as call:
        box.incidentio.routes.pop(("GET", "/v2/incidents"))
        told = await call.ok(UPDATES, limit=5)
    assert len(told["incident_updates"]) == 5
    assert all(row["incident_id"] for row in told["incident_updates"])


@pytest.mark.parametrize("spelling", ["INC-114", INCIDENT["INC-114"]])
async def test_a_posted_update_and_a_close_say_which_incident_they_changed(call, box, spelling):
    name = {"reference": "INC-114", "name": "Webhook deliveries to merchants are delayed"}
    posted = await call.ok(POST, incident=spelling, message="Rolling back.")
    assert {key: posted[key] for key in name} == name
    again = await call.ok(POST, incident=spelling, message="Rolling back.")
    assert again == posted | {"repeated": True, "note": again["note"]}
    closed = await call.ok(CLOSE, incident=spelling, message="Done.")
    assert {key: closed[key] for key in name} == name
    assert closed["id"] == INCIDENT["INC-114"]
    assert closed["status_category"] == "closed"
    assert [request.path for request in box.requests].count(f"/v2/incidents/{spelling.removeprefix('INC-')}") == 1


async def test_a_key_that_may_not_read_incidents_posts_an_update_by_id_and_not_by_number(connect, box):
    box.fail(Fault("status", method="GET", path="/v2/incidents/", status=403))
    async with connect() as call:
        posted = await call.ok(POST, incident=INCIDENT["INC-114"], message="Rolling back.")
        assert (posted["incident_id"], posted.get("reference")) == (INCIDENT["INC-114"], None)
        error = await call.error(POST, incident="INC-114", message="Rolling back.")
        assert "it needs the scope incidents.view" in error
        assert "Outcome: not sent." in error
        box.heal()
        assert "404" in await call.error(POST, incident="01KAAAAAAAAAAAAAAAAAAAAAA0", message="m")
    assert len(box.writes()) == 1


async def test_a_close_without_a_message_says_which_incident_it_closed(call):
    closed = await call.ok(CLOSE, incident="112")
    assert (closed["reference"], closed["name"]) == ("INC-112", "Payout files are not picked up by the bank")


async def test_an_unset_field_is_left_out_and_an_option_field_of_the_account_is_not(call):
    fields = (await call.ok(GET, incident="114"))["custom_fields"]
    assert set(fields) <= set(FIELD)
    assert "Affected product" not in fields
    assert fields["Errors per minute"] == ["96"]
