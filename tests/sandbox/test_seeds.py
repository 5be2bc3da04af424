"""The incidents that the sandbox starts with."""

import json
from datetime import datetime, timedelta

import pytest

from incident_mcp.sandbox import Sandbox
from incident_mcp.sandbox.engine.clock import Clock, read_instant

from .conftest import NOW


def incidents(box):
    return {row["reference"]: row for row in box.incidentio.incidents}


def alerts(box):
    return {row["id"]: row for row in box.ionhour.incidents}


def test_two_sandboxes_of_one_instant_are_the_same():
    first, second = Sandbox(now=NOW, bulk=20), Sandbox(now=NOW, bulk=20)

    assert json.dumps(first.state()) == json.dumps(second.state())


def test_a_new_sandbox_follows_real_time():
    newest = max(row["created_at"] for row in Sandbox().incidentio.incidents)

    age = datetime.now(NOW.tzinfo) - read_instant(newest)
    assert timedelta(minutes=34) < age < timedelta(minutes=36)


def test_a_naive_instant_is_rejected():
    with pytest.raises(ValueError, match="aware"):
        Sandbox(now=datetime(2026, 1, 1))  # noqa: DTZ001


def test_no_two_ticks_are_equal():
    clock = Clock(NOW)

    instants = [clock.tick() for _ in range(5)]

    assert instants == sorted(set(instants))


def test_one_outage_is_not_declared(box):
    alert = alerts(box)[4514]

    assert (alert["state"], alert["severity"], alert["acknowledgedBy"]) == ("ACTIVE", "P1", None)
    assert not [row for row in box.incidentio.incidents if "4514" in row.get("summary", "")]
    assert not [note for note in box.ionhour.notes if note["incidentId"] == 4514]


@pytest.mark.parametrize(("number", "reference", "state"), [(4512, "INC-114", "ACTIVE"), (4507, "INC-112", "RESOLVED")])
def test_an_outage_in_both_services_is_linked_both_ways(box, number, reference, state):
    alert, incident = alerts(box)[number], incidents(box)[reference]

    assert alert["state"] == state
    assert alert["acknowledgedBy"] is not None
    assert incident["incident_status"]["category"] == "live"
    assert f"Ionhour incident {number} ({alert['publicId']})" in incident["summary"].splitlines()
    bodies = [note["body"] for note in box.ionhour.notes if note["incidentId"] == number]
    assert f"Declared in incident.io as {reference}: {incident['permalink']}" in bodies
    assert incident["permalink"] == f"https://app.incident.io/sandbox/incidents/{reference[4:]}"


@pytest.mark.parametrize(("reference", "number"), [("INC-108", 4514), ("INC-116", 4513)])
def test_a_decoy_shares_only_its_name_with_an_alert(box, reference, number):
    decoy, alert = incidents(box)[reference], alerts(box)[number]

    assert decoy["name"] == alert["title"]
    assert "Ionhour" not in decoy["summary"]


def test_every_category_and_mode_is_present(box):
    rows = box.incidentio.incidents

    assert {row["incident_status"]["category"] for row in rows} == {
        "triage",
        "live",
        "paused",
        "learning",
        "closed",
        "declined",
        "merged",
        "canceled",
    }
    assert {row["mode"] for row in rows} == {"standard", "retrospective", "test", "tutorial"}
    assert [row["reference"] for row in rows if row["visibility"] == "private"] == ["INC-111"]
    assert len(incidents(box)["INC-110"]["summary"]) > 4000


def test_an_incident_has_the_status_and_severity_of_its_newest_update(box):
    latest = {update["incident_id"]: update for update in box.incidentio.updates}

    for incident in box.incidentio.incidents:
        update = latest.get(incident["id"])
        if update:
            assert update["new_incident_status"] == incident["incident_status"], incident["reference"]
            assert update.get("new_severity") == incident.get("severity"), incident["reference"]


def test_nothing_happens_before_its_incident_or_after_now(box):
    created = {row["id"]: row["created_at"] for row in box.incidentio.incidents}
    started = {row["id"]: row["startedAt"] for row in box.ionhour.incidents}
    end = NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    for update in box.incidentio.updates:
        assert created[update["incident_id"]] <= update["created_at"] <= end
    for event in box.ionhour.events:
        assert started[event["incidentId"]] <= event["occurredAt"] <= end, event
    for note in box.ionhour.notes:
        assert started[note["incidentId"]] <= note["createdAt"] <= end, note


def test_events_of_an_incident_are_in_order(box):
    for number in alerts(box):
        instants = [event["occurredAt"] for event in box.ionhour.events if event["incidentId"] == number]
        assert instants == sorted(instants)


def test_one_live_incident_has_no_update_for_an_hour(box):
    latest = {update["incident_id"]: update["created_at"] for update in box.incidentio.updates}
    hour_ago = (NOW - timedelta(hours=1)).isoformat()

    silent = [name for name, row in incidents(box).items() if latest.get(row["id"], hour_ago) < hour_ago]
    assert "INC-114" in silent
    assert "INC-116" not in silent


def test_bulk_incidents_are_live_and_the_newest(box):
    more = Sandbox(now=NOW, bulk=40)
    added = more.incidentio.incidents[17:]

    assert len(added) == 40
    assert {row["incident_status"]["category"] for row in added} == {"live"}
    assert min(row["created_at"] for row in added) > max(row["created_at"] for row in box.incidentio.incidents)
    assert {row["state"] for row in more.ionhour.incidents[9:]} == {"ACTIVE"}
    assert len({row["name"] for row in added}) > 20
