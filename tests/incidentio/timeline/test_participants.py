"""Participants, with their workloads where the key may read those."""

import pytest

from incident_mcp.incidentio.timeline import participants
from incident_mcp.sandbox import Fault
from tests.account import INCIDENT, Scripted
from tests.conftest import text_of

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_participants": {"incident": "INC-114"}}

LIST = "incidentio_list_participants"
WORKLOADS = "/v2/incident_participant_workloads"


async def test_participants_are_listed_with_what_they_do_and_their_minutes(call):
    answer = await call.ok(LIST, incident="INC-114")

    assert answer["workload_until"] == "2026-11-21T02:30:00Z"
    assert "note" not in answer
    assert answer["participants"] == [
        {
            "name": "Sam Okafor",
            "participant_type": "responder",
            "participation": "active",
            "minutes": 100,
            "late_minutes": 40,
            "sleeping_minutes": 60,
        },
        {"name": "Priya Raman", "participant_type": "responder", "participation": "active", "minutes": 55},
        {"name": "Mei Chen", "participant_type": "observer", "participation": "passive"},
        {"name": "Ruth Adeyemi", "participant_type": "observer", "participation": "passive"},
        {
            "name": "Kofi Mensah",
            "participant_type": "collaborator",
            "participation": "left",
            "archived_at": "2026-11-21T01:30:00Z",
            "minutes": 12,
        },
    ]


async def test_without_the_scope_of_workloads_the_participants_are_listed_and_the_scope_is_named(call, box):
    box.incidentio.remove_scope("incident_workloads.view")

    answer = await call.ok(LIST, incident="INC-114")
    assert [row["name"] for row in answer["participants"]] == ["Sam Okafor", "Priya Raman", "Mei Chen", "Ruth Adeyemi"]
    assert answer["note"].startswith("The minutes could not be read: ")
    assert "scope incident_workloads.view" in answer["note"]


async def test_workloads_that_hang_do_not_keep_the_participants(call, box, monkeypatch):
    monkeypatch.setattr(participants, "WORKLOAD_SECONDS", 0.05)
    box.fail(Fault("hang_before", path=WORKLOADS))

    answer = await call.ok(LIST, incident="INC-114")
    assert len(answer["participants"]) == 4
    assert "was not read within 0.05 s" in answer["note"]


async def test_hidden_minutes_of_a_private_incident_are_not_told_as_none(call, box):
    assert (await call.ok(LIST, incident="INC-111"))["participants"][0]["minutes"] == 95
    box.incidentio.missing_scopes.add("incident_workloads.view_private")

    answer = await call.ok(LIST, incident="INC-111")
    assert "minutes" not in answer["participants"][0]
    assert "the key has no scope incident_workloads.view_private" in answer["note"]


async def test_without_participants_the_failure_is_told(call, box):
    box.incidentio.remove_scope("incidents.view")

    error = await call.error(LIST, incident=INCIDENT["INC-114"])
    assert "it needs the scope incidents.view" in error


GROUPS = [
    ({"active": None, "passive": []}, [], None),
    ({"active": [{"user": {"id": "U1"}}, {"user": {}}, 7, None], "passive": [{"user": {"id": 2}}]}, ["U1", "2"], 3),
    ({"active": [{"user": {"id": "U1", "email": "a@b.c", "name": None}}], "passive": None}, ["a@b.c"], None),
]


@pytest.mark.parametrize(("groups", "names", "unreadable"), GROUPS)
async def test_odd_rows_are_counted_and_nobody_is_without_a_name(connect, groups, names, unreadable):
    answer = await read(connect, {"incident_participants": groups})

    assert [row["name"] for row in answer["participants"]] == names
    assert answer.get("unreadable") == unreadable


@pytest.mark.parametrize("groups", [None, [], {}, {"active": []}, {"active": {}, "passive": []}])
async def test_an_answer_without_the_lists_is_not_told_as_nobody(connect, groups):
    result = await result_of(connect, {"incident_participants": groups})

    assert result.is_error
    assert "GET /v2/incident_participants (200) is not as documented" in text_of(result)


async def result_of(connect, answer):
    ulid = INCIDENT["INC-114"]
    network = Scripted(
        {
            ("GET", "/v2/incident_participants"): answer,
            ("GET", WORKLOADS): {"incident_participant_workloads": [], "metadata": {"data_synced_at": None}},
            ("GET", f"/v2/incidents/{ulid}"): {"incident": {"id": ulid}},
        }
    )
    async with connect(sandbox=network) as call:
        return await call.result(LIST, incident=ulid)


async def read(connect, answer):
    return (await result_of(connect, answer)).structured_content


async def test_ten_thousand_participants_stay_inside_what_a_host_takes(connect):
    people = [{"user": {"id": f"U{number}", "name": "N" * 200}} for number in range(5_000)]
    answer = await read(connect, {"incident_participants": {"active": people, "passive": people}})

    assert "rows are omitted" in answer["cut"]
    assert len(str(answer)) < 100_000
