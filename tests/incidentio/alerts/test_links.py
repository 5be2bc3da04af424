"""Links between alerts and incidents: listed in one vocabulary, and made once."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.account import INCIDENT

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_alert_links": [{}, {"incident": "INC-114"}, {"alert": "01HR4B1YM0SV884NKM442W0SK6"}],
    "incidentio_attach_alert": [
        {"alert": "01HR4B1YM0X4GKVR9ENZ6CE2M9", "incident": "INC-114"},
        {"alert": "01HR4B1YM0T246778FXVQGJ6TG", "incident": "INC-116", "re_relate": True},
    ],
}
EFFECTS = {
    "incidentio_attach_alert": [
        {
            "request": "POST /v2/incident_alerts",
            "rows": "incidentio.incident_alerts",
            "where": {"alert_id": "01HR4B1YM0X4GKVR9ENZ6CE2M9", "incident_id": "INC-114", "state": "related"},
            "looks": True,
        },
        {
            "request": "POST /v2/incident_alerts",
            "rows": "incidentio.incident_alerts",
            "where": {"alert_id": "01HR4B1YM0T246778FXVQGJ6TG", "incident_id": "INC-116", "state": "related"},
            "looks": True,
        },
    ],
}

LIST, ATTACH = "incidentio_list_alert_links", "incidentio_attach_alert"
CHECKOUT = account_ulid("alert Checkout errors above 5 percent")
LATENCY = account_ulid("alert Checkout latency above 3 seconds")


async def test_status_categories_are_those_of_the_core_tools(call, box):
    statuses = {row["name"]: row for row in box.incidentio.statuses}
    for number, status in ((112, "Documenting"), (104, "Closed")):
        incident = next(row for row in box.incidentio.incidents if row["reference"] == f"INC-{number}")
        incident["incident_status"] = statuses[status]

    answer = await call.ok(LIST)

    found = {row["reference"]: row["status_category"] for row in answer["incident_alerts"]}
    assert found == {"INC-114": "live", "INC-112": "learning", "INC-111": "live", "INC-104": "closed"}
    incidents = {row["reference"]: row for row in (await call.ok("incidentio_list_incidents"))["incidents"]}
    assert all(incidents[reference]["status_category"] == category for reference, category in found.items())


async def test_the_links_of_one_incident_do_not_repeat_it(call, box):
    answer = await call.ok(LIST, incident="#inc-114")

    assert [row.query for row in box.requests if row.path == "/v2/incident_alerts"] == [
        [("incident_id", INCIDENT["INC-114"]), ("page_size", "25")]
    ]
    assert [row["title"] for row in answer["incident_alerts"]] == [
        "Checkout errors above 5 percent",
        "Webhook backlog above 4,000",
    ]
    assert {"reference", "name", "status_category"} & answer["incident_alerts"][0].keys() == set()


async def test_an_alert_s_links_name_the_incident(call):
    [link] = (await call.ok(LIST, alert="monitor-4411"))["incident_alerts"]

    assert link == {
        "id": link["id"],
        "alert_id": CHECKOUT,
        "title": "Checkout errors above 5 percent",
        "alert_status": "firing",
        "alert_created_at": "2026-11-21T02:48:00Z",
        "reference": "INC-114",
        "name": "Webhook deliveries to merchants are delayed",
        "status_category": "live",
    }


async def test_a_link_marked_as_unrelated_is_not_listed(call):
    assert (await call.ok(LIST, alert="search-p95"))["incident_alerts"] == []


async def test_attaching_sends_ids_and_answers_the_link(call, box):
    answer = await call.ok(ATTACH, alert="checkout-p99", incident="INC-114")

    [request] = box.writes()
    assert request.body == {"alert_id": LATENCY, "incident_id": INCIDENT["INC-114"]}
    assert (answer["alert_id"], answer["reference"], answer["status_category"]) == (LATENCY, "INC-114", "live")


async def test_an_alert_that_is_attached_stays_attached_once(call):
    [link] = (await call.ok(LIST, alert=CHECKOUT))["incident_alerts"]

    assert (await call.ok(ATTACH, alert=CHECKOUT, incident="114"))["id"] == link["id"]
    assert len((await call.ok(LIST, alert=CHECKOUT))["incident_alerts"]) == 1


async def test_a_decision_that_an_alert_is_unrelated_holds_until_re_relate(call):
    error = await call.error(ATTACH, alert="search-p95", incident="INC-116")
    assert "re_relate=true overrides that decision" in error
    assert "nothing was changed" in error

    await call.ok(ATTACH, alert="search-p95", incident="INC-116", re_relate=True)
    assert len((await call.ok(LIST, alert="search-p95"))["incident_alerts"]) == 1


async def test_a_private_alert_goes_to_private_incidents_only(call):
    assert "can only be attached to a private incident" in await call.error(
        ATTACH, alert="gist-81f3", incident="INC-116"
    )


async def test_a_locked_incident_is_tried_again(call, box):
    box.fail(Fault("status", method="POST", path="incident_alerts", status=409, times=2))

    assert (await call.ok(ATTACH, alert=LATENCY, incident="INC-114"))["alert_id"] == LATENCY
    assert [row.status for row in box.writes()] == [409, 409, 201]


async def test_an_incident_that_stays_locked_is_reported_as_such(call, box):
    box.fail(Fault("status", method="POST", path="incident_alerts", status=409))

    error = await call.error(ATTACH, alert=LATENCY, incident="INC-114")
    assert "keeps the incident locked: call again" in error
    assert "refused, nothing was changed" in error
    assert len(box.writes()) == 4


async def test_after_a_lost_reply_the_link_is_looked_up(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))

    await call.ok(ATTACH, alert=LATENCY, incident="INC-114")
    assert len(box.writes()) == 1


async def test_an_unknown_incident_is_refused_before_anything_is_sent(call, box):
    assert "Outcome: not sent" in await call.error(ATTACH, alert=LATENCY, incident="INC-999")
    assert box.writes() == []
