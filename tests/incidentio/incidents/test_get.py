"""Getting an incident."""

import pytest

from tests.account import INCIDENT

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_get_incident": {"incident": "INC-114"},
}

GET, EDIT = "incidentio_get_incident", "incidentio_edit_incident"
SPELLINGS = ["INC-114", "inc-114", "#INC-114", "#114", "114", " INC-114 ", INCIDENT["INC-114"], 114]
REFUSED_IDS = [".", "..", "../users", "a/b", "a\\b", "114?x=1", "114#x", "a b", "a\nb", "a\x00b", "INC-1/.."]


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
