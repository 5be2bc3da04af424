"""Updates: posted with at least one thing to say, listed page by page."""

import pytest

from tests.account import INCIDENT, SEVERITY, STATUS

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_post_update": [
        {"incident": "INC-114", "message": "Rolling back."},
        {"incident": "INC-114", "status": "Monitoring"},
    ],
    "incidentio_list_updates": [{}, {"incident": "INC-114"}],
}
EFFECTS = {
    "incidentio_post_update": {
        "request": "POST /v2/incident_updates",
        "rows": "incidentio.updates",
        "where": {"message": "Rolling back."},
        "journalled": True,
    }
}

POST, LIST = "incidentio_post_update", "incidentio_list_updates"
ULID = INCIDENT["INC-114"]
ALONE = [
    ({"message": "**Fixed**"}, {"message": "**Fixed**"}),
    ({"status": "monitoring"}, {"to_incident_status_id": STATUS["Monitoring"]}),
    ({"severity": "major"}, {"to_severity_id": SEVERITY["Major"]}),
    (
        {"message": "m", "status": "Monitoring", "severity": "Minor"},
        {"message": "m", "to_incident_status_id": STATUS["Monitoring"], "to_severity_id": SEVERITY["Minor"]},
    ),
]


@pytest.mark.parametrize(("given", "sent"), ALONE)
async def test_a_message_a_status_or_a_severity_is_enough(call, box, given, sent):
    posted = await call.ok(POST, incident="INC-114", **given)
    (write,) = box.writes()
    assert write.body.pop("idempotency_key")
    assert write.body == {"incident_id": ULID, **sent}
    assert posted["incident_id"] == ULID
    assert posted.get("message") == given.get("message")


@pytest.mark.parametrize("nothing", [{}, {"message": None}, {"message": ""}, {"idempotency_key": "k"}])
async def test_an_update_of_nothing_is_refused_here(call, box, nothing):
    await call.error(POST, incident="INC-114", **nothing)
    assert box.requests == []


async def test_a_given_key_is_sent_verbatim_and_posts_once(call, box):
    first = await call.ok(POST, incident="114", message="m", idempotency_key="the key")
    second = await call.ok(POST, incident="114", message="m", idempotency_key="the key")
    assert {write.body["idempotency_key"] for write in box.writes()} == {"the key"}
    assert first["id"] == second["id"]


async def test_an_incident_that_does_not_exist_gets_no_update(call, box):
    assert "404" in await call.error(POST, incident="INC-999", message="m")
    assert not box.writes()


async def test_a_dry_run_posts_nothing(call, box):
    told = await call.ok(POST, incident="INC-114", message="m", idempotency_key="k", dry_run=True)
    assert told["would_send"] == {
        "service": "incident.io",
        "method": "POST",
        "path": "/v2/incident_updates",
        "body": {"idempotency_key": "k", "incident_id": ULID, "message": "m"},
    }
    assert not box.writes()


@pytest.mark.parametrize("spelling", ["INC-114", "114", ULID])
async def test_the_updates_of_one_incident_are_listed_by_any_spelling(call, box, spelling):
    told = await call.ok(LIST, incident=spelling)
    assert len(told["incident_updates"]) == 3
    assert not any("incident_id" in row for row in told["incident_updates"])
    assert box.requests[-1].query == [("incident_id", ULID), ("page_size", "25")]
    assert told["incident_updates"][0]["updater"] == "Sam Okafor"
    assert "has_more" in told


async def test_the_updates_of_an_incident_that_does_not_exist_are_an_error_not_an_empty_list(call, box):
    for unknown in ("INC-999", "999", "01KAAAAAAAAAAAAAAAAAAAAAA0"):
        error = await call.error(LIST, incident=unknown)
        assert "incident.io answered 404 not_found: The incident could not be found." in error
    assert {request.path for request in box.requests} == {
        "/v2/incidents/999",
        "/v2/incidents/01KAAAAAAAAAAAAAAAAAAAAAA0",
    }
    box.incidentio.updates = [row for row in box.incidentio.updates if row["incident_id"] != ULID]
    assert (await call.ok(LIST, incident="114"))["incident_updates"] == []


async def test_without_an_incident_the_updates_of_all_are_listed(call, box):
    told = await call.ok(LIST, limit=100)
    assert len(told["incident_updates"]) == len(box.incidentio.updates)
    assert all(row["incident_id"] for row in told["incident_updates"])


async def test_a_long_message_is_cut_in_the_list_with_a_mark_that_says_so(call, box):
    (newest, *_) = [row for row in reversed(box.incidentio.updates) if row["incident_id"] == ULID]
    newest["message"] = "x" * 3000
    told = await call.ok(LIST, incident="114")
    message = told["incident_updates"][0]["message"]
    assert len(message) == 500
    assert message.endswith("…")
    assert "a limit of 5 or less shows them in full" in told["cut"]
    few = await call.ok(LIST, incident="114", limit=5)
    assert few["incident_updates"][0]["message"] == "x" * 3000
