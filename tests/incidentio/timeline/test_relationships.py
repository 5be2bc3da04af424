"""Related incidents, by reference and name."""

import pytest

from tests.account import INCIDENT, Scripted

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_related": {"incident": "INC-114"}}

LIST = "incidentio_list_related"


async def test_related_incidents_are_named_by_what_other_tools_take(call, box):
    answer = await call.ok(LIST, incident="114")

    assert answer["related_incidents"] == [
        {"reference": "INC-113", "name": "Merchants report missing webhooks"},
        {"reference": "INC-116", "name": "search-api is down"},
        {"reference": "INC-101", "name": "Primary ledger database failed over and lost 40 seconds of writes"},
    ]
    assert (await call.ok("incidentio_get_incident", incident="INC-116"))["name"] == "search-api is down"
    assert ("incident_id", INCIDENT["INC-114"]) in box.requests[1].query


async def test_an_incident_without_relationships_has_none(call):
    assert (await call.ok(LIST, incident="INC-104")) == {"has_more": False, "related_incidents": []}


async def test_a_row_without_a_number_has_its_id_and_one_without_identity_is_counted(connect):
    ulid = INCIDENT["INC-114"]
    rows = [{"id": "R1", "incident": {"id": "I1", "name": "N"}}, {"incident": {}}, {"id": "R3", "incident": None}]
    network = Scripted(
        {
            ("GET", "/v1/incident_relationships"): {"incident_relationships": rows},
            ("GET", f"/v2/incidents/{ulid}"): {"incident": {"id": ulid}},
        }
    )
    async with connect(sandbox=network) as call:
        answer = await call.ok(LIST, incident=ulid)

    assert answer == {"has_more": False, "unreadable": 1, "related_incidents": [{"incident_id": "I1", "name": "N"}, {}]}


async def test_more_than_a_page_is_said(call, box):
    relationships = box.incidentio.rows["relationships"]
    ids = [INCIDENT["INC-114"], INCIDENT["INC-101"]]
    relationships += [{"id": f"R{number:04}", "incidents": ids} for number in range(300)]

    answer = await call.ok(LIST, incident="INC-114")
    assert answer["has_more"]
    assert sum(row.path == "/v1/incident_relationships" for row in box.requests) == 1
