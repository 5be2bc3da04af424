"""What customers read on a status page."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_published": [{"page": "01HR4B1YM0HEKQJTT09YP32MSC"}, {"page": "Paysand for partners", "limit": 1}]
}

LIST = "incidentio_list_published"
WEBHOOKS = account_ulid("published Delayed webhooks")


async def test_incidents_are_listed_with_affected_components_and_their_newest_text(call):
    first, second = (await call.ok(LIST, page="Paysand"))["status_page_incidents"]

    assert (first["id"], first["name"], first["status"]) == (WEBHOOKS, "Delayed webhooks", "identified")
    assert first["components"] == ["Webhooks: partial_outage", "Merchant dashboard: degraded_performance"]
    [text] = first["updates"]
    assert text.startswith("2026-11-21T01:50:00Z identified: We have found the cause and separate the affected queue.")
    assert text.endswith("\n\n**No webhook is lost.**")
    assert first["earlier_updates"] == 1
    assert second["status"] == "resolved"
    assert "components" not in second


async def test_a_few_are_shown_with_all_their_updates_newest_first_in_any_order_of_the_service(call, box):
    [row] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    row["updates"].reverse()

    found = (await call.ok(LIST, page="Paysand", limit=1))["status_page_incidents"][0]
    assert [text.split(": ")[0] for text in found["updates"]] == [
        "2026-11-21T01:50:00Z identified",
        "2026-11-21T01:15:00Z investigating",
    ]
    assert "earlier_updates" not in found


async def test_the_cursor_leads_on(call):
    first = await call.ok(LIST, page="Paysand", limit=1)
    second = await call.ok(LIST, page="Paysand", limit=1, after=first["after"])

    assert first["has_more"] is True
    assert second["has_more"] is False
    assert first["status_page_incidents"][0]["id"] != second["status_page_incidents"][0]["id"]


async def test_without_the_structure_components_are_shown_by_id_and_the_reason_is_told(call, box):
    box.fail(Fault("status", status=403, path="/v2/status_page_structures/"))

    answer = await call.ok(LIST, page="Paysand")
    assert "names of the components could not be read" in answer["note"]
    assert answer["status_page_incidents"][0]["components"][0].endswith(": partial_outage")


async def test_odd_parts_of_an_incident_leave_the_rest_readable(call, box):
    [row] = [row for row in box.incidentio.rows["status_page_incidents"] if row["id"] == WEBHOOKS]
    row["updates"] = [None, {"id": "01U", "message": None, "published_at": "soon"}, 7]
    row["component_impacts"] = [
        {"component_id": 3},
        None,
        {"component_id": "01C", "component_status": "x", "end_at": None},
    ]

    found = (await call.ok(LIST, page="Paysand"))["status_page_incidents"][0]
    assert found["updates"] == ["time unknown status unknown: "]
    assert found["components"] == ["01C: x"]
