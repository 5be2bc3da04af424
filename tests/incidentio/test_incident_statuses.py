import pytest

from tests.account import STATUS

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_statuses": [{}, {"category": "live"}]}

LIST = "incidentio_list_statuses"


async def test_statuses_come_by_rank_with_their_categories(call, box):
    box.incidentio.statuses.reverse()
    told = await call.ok(LIST)
    assert [row["name"] for row in told["incident_statuses"]] == list(STATUS)
    assert told["incident_statuses"][0] == {
        "id": STATUS["Triage"],
        "name": "Triage",
        "category": "triage",
        "rank": 1,
        "description": "Somebody is deciding whether this is an incident.",
    }


@pytest.mark.parametrize(
    ("category", "names"),
    [
        ("live", ["Investigating", "Fixing", "Monitoring"]),
        ("learning", ["Documenting", "Reviewing"]),
        ("closed", ["Closed"]),
    ],
)
async def test_a_category_picks_its_statuses(call, category, names):
    told = await call.ok(LIST, category=category)
    assert [row["name"] for row in told["incident_statuses"]] == names


async def test_an_unknown_category_is_refused_with_the_known_ones(call, box):
    error = await call.error(LIST, category="open")
    assert "'triage'" in error
    assert "'live'" in error
    assert "category has no value active: pass live" in await call.error(LIST, category="active")
    assert box.requests == []


async def test_a_category_that_the_vendor_adds_later_is_told(call, box):
    box.incidentio.statuses[0]["category"] = "simmering"
    assert "simmering" in [row["category"] for row in (await call.ok(LIST))["incident_statuses"]]
