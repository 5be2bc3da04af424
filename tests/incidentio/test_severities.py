import pytest

from tests.account import SEVERITY

pytestmark = pytest.mark.anyio

EXAMPLES = {"incidentio_list_severities": {}}


async def test_severities_come_with_the_least_severe_first(call, box):
    assert [row["name"] for row in box.incidentio.severities] != ["Minor", "Major", "Critical"]
    told = await call.ok("incidentio_list_severities")
    assert [(row["name"], row["rank"], row["id"]) for row in told["severities"]] == [
        (name, rank, SEVERITY[name]) for rank, name in enumerate(("Minor", "Major", "Critical"), 1)
    ]
    assert told["has_more"] is False


async def test_a_long_description_is_cut_with_a_mark(call, box):
    box.incidentio.severities[0]["description"] = "x" * 1000
    told = await call.ok("incidentio_list_severities")
    (cut,) = [row["description"] for row in told["severities"] if "xxx" in row["description"]]
    assert cut == "x" * 193 + "… [cut]"


async def test_a_severity_without_a_rank_does_no_harm(call, box):
    del box.incidentio.severities[0]["rank"]
    assert len((await call.ok("incidentio_list_severities"))["severities"]) == 3
