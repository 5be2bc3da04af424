"""Alerts in the sandbox: what the document requires of requests, and what a key may see."""

import pytest

from incident_mcp.sandbox.engine.clock import account_ulid

pytestmark = pytest.mark.anyio

CHECKOUT = account_ulid("alert Checkout errors above 5 percent")
SEARCH = account_ulid("alert Search latency above 2 seconds")
SECRET = account_ulid("alert Secret pushed to a public gist")
GROUP = account_ulid("alert group Checkout")


def incident(box, number):
    return next(row["id"] for row in box.incidentio.incidents if row["reference"] == f"INC-{number}")


@pytest.mark.parametrize("path", ["/v2/alerts", "/v2/incident_alerts"])
@pytest.mark.parametrize(("query", "status"), [("", 422), ("?page_size=51", 422), ("?page_size=50", 200)])
async def test_the_page_size_is_required_and_at_most_fifty(incidentio, path, query, status):
    assert (await incidentio.get(path + query)).status_code == status


@pytest.mark.parametrize(
    "query",
    [
        "status[one_of]=silent",
        "status[is]=firing",
        "alert_source[one_of]=01NOTHING",
        "deduplication_key=host-17",
        "deduplication_key[is]=a&deduplication_key[is]=b",
        "has_notes[is]=maybe",
        "title[is]=x",
    ],
)
async def test_an_unknown_filter_is_rejected(incidentio, query):
    assert (await incidentio.get(f"/v2/alerts?page_size=50&{query}")).status_code == 422


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("alert_group_id[one_of]=" + GROUP, 2),
        ("has_notes[is]=true", 1),
        ("has_notes[is]=false", 12),
        ("tags[not_in]=noisy", 12),
        ("status[not_in]=firing", 4),
    ],
)
async def test_documented_filters_are_applied(incidentio, query, count):
    assert len((await incidentio.get(f"/v2/alerts?page_size=50&{query}")).json()["alerts"]) == count


async def test_private_alerts_are_hidden_from_a_key_without_global_access(box, incidentio):
    assert (await incidentio.get(f"/v2/alerts/{SECRET}")).status_code == 200
    box.incidentio.missing_scopes.add("global_access")

    assert (await incidentio.get(f"/v2/alerts/{SECRET}")).status_code == 404
    assert (await incidentio.post(f"/v2/alerts/{SECRET}/actions/resolve")).status_code == 404
    body = {"alert_id": CHECKOUT, "incident_id": incident(box, 111)}
    assert (await incidentio.post("/v2/incident_alerts", json=body)).status_code == 404
    links = (await incidentio.get("/v2/incident_alerts?page_size=50")).json()["incident_alerts"]
    assert SECRET not in [link["alert"]["id"] for link in links]


async def test_attaching_needs_the_scope_to_manage_links_too(box, incidentio):
    box.incidentio.missing_scopes.add("incident_alerts.manage")
    body = {"alert_id": CHECKOUT, "incident_id": incident(box, 112)}

    assert (await incidentio.post("/v2/incident_alerts", json=body)).status_code == 403


async def test_a_link_marked_as_unrelated_stays_so_without_re_relate(box, incidentio):
    body = {"alert_id": SEARCH, "incident_id": incident(box, 116)}

    assert (await incidentio.post("/v2/incident_alerts", json=body)).status_code == 422
    assert (await incidentio.post("/v2/incident_alerts", json=body | {"re_relate": True})).status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": "x"}, 422),
        ({"content": "x", "alert_id": CHECKOUT, "alert_group_id": GROUP}, 422),
        ({"content": "", "alert_id": CHECKOUT}, 422),
        ({"content": "x", "alert_id": "01NOTHING"}, 404),
        ({"content": "x", "alert_group_id": "01NOTHING"}, 404),
        ({"content": "x", "alert_group_id": GROUP}, 201),
    ],
)
async def test_a_note_belongs_to_an_alert_or_a_group(incidentio, body, status):
    assert (await incidentio.post("/v1/alert_notes", json=body)).status_code == status


async def test_escalations_name_the_alerts_that_caused_them(incidentio):
    rows = (await incidentio.get("/v2/escalations", params={"page_size": 50})).json()["escalations"]

    causes = {row["title"]: [alert["id"] for alert in row["related_alerts"]] for row in rows}
    assert causes["Checkout errors above 5 percent"] == [CHECKOUT]


async def test_an_unknown_status_of_windows_is_rejected(incidentio):
    assert (await incidentio.get("/v1/maintenance_windows?status=open")).status_code == 422
