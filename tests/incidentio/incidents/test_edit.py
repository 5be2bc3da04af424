"""Editing an incident: `test_matching.py` has what counts as edited."""

import pytest

from tests.account import STATUS

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_edit_incident": [
        {"incident": "INC-110", "severity": "Critical"},
        {"incident": "INC-114", "summary": "Other words."},
    ],
}
EFFECTS = {
    "incidentio_edit_incident": {
        "request": "POST /v2/incidents/110/actions/edit",
        "rows": "incidentio.updates",
        "where": {"incident_id": "INC-110"},
        "journalled": True,
        "looks": True,
    },
}

EDIT = "incidentio_edit_incident"
ARGUMENTS = {"incident": "INC-114", "status": "monitoring"}
BODY = {"incident": {"incident_status_id": STATUS["Monitoring"]}, "notify_incident_channel": False}


async def test_an_edit_sends_only_what_was_given_and_whether_to_notify(call, box):
    edited = await call.ok(EDIT, incident="INC-114", summary="Cause found.")
    (write,) = box.writes()
    assert write.body == {"incident": {"summary": "Cause found."}, "notify_incident_channel": False}
    assert edited["summary"] == "Cause found."
    assert edited["name"] == "Webhook deliveries to merchants are delayed"


async def test_an_edit_of_nothing_is_refused(call, box):
    for arguments in ({}, {"notify_incident_channel": True}):
        assert "Nothing to edit" in await call.error(EDIT, incident="INC-114", **arguments)
    assert not box.writes()


async def test_a_summary_is_cleared_on_purpose_only(call, box):
    for blank in ("", " ", "null", [], None):
        assert "Nothing to edit" in await call.error(EDIT, incident="INC-114", summary=blank)
    edited = await call.ok(EDIT, incident="INC-114", clear=["summary"])
    assert box.writes()[0].body["incident"] == {"summary": ""}
    assert "summary" not in edited


async def test_a_dry_run_answers_the_exact_request_and_writes_nothing(call, box):
    told = await call.ok(EDIT, **ARGUMENTS, dry_run=True)
    request = {"service": "incident.io", "method": "POST", "path": "/v2/incidents/114/actions/edit", "body": BODY}
    assert told == {"dry_run": True, "would_send": request}
    assert not box.writes()
    await call.ok(EDIT, **ARGUMENTS)
    (write,) = box.writes()
    assert (write.method, write.path, write.body) == ("POST", "/v2/incidents/114/actions/edit", BODY)
