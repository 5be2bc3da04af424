"""Declaring an incident: `test_duplicates.py` has what is already declared."""

import uuid

import pytest

from tests.account import SEVERITY, TYPE

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_create_incident": [
        {"name": "Refunds fail", "severity": "Minor"},
        {
            "name": "Carts stay full",
            "severity": "Minor",
            "custom_fields": {"Affected team": ["Payments"], "Affected product": ["Payouts"]},
            "roles": {"Incident Lead": "Sam Okafor"},
            "timestamps": {"Impact started": "2026-11-21T02:00:00Z"},
        },
    ],
}
EFFECTS = {
    "incidentio_create_incident": {
        "request": "POST /v2/incidents",
        "rows": "incidentio.incidents",
        "where": {"name": "Refunds fail"},
        "journalled": True,
    },
}

CREATE = "incidentio_create_incident"
ARGUMENTS = {"name": "Carts", "severity": "major", "incident_type": "data", "idempotency_key": "k"}
BODY = {
    "name": "Carts",
    "severity_id": SEVERITY["Major"],
    "incident_type_id": TYPE["Data"],
    "visibility": "public",
    "mode": "standard",
    "idempotency_key": "k",
}


async def test_a_create_always_sends_visibility_mode_and_a_key_of_its_own(call, box):
    created = await call.ok(CREATE, name="Carts stay full", severity="minor")
    (write,) = box.writes()
    assert (write.body["visibility"], write.body["mode"]) == ("public", "standard")
    assert uuid.UUID(write.body["idempotency_key"])
    assert created["reference"] == "INC-118"
    assert created["status_category"] == "live"
    assert "repeated" not in created


@pytest.mark.parametrize("key", ["k", "ü/#?", " padded ", "nullable", "123"])
async def test_a_given_key_is_sent_without_padding_and_never_declares_twice(connect, box, key):
    async with connect() as call:
        first = await call.ok(CREATE, name="Carts", severity="Minor", idempotency_key=key)
        second = await call.ok(CREATE, name="Carts", severity="Minor", idempotency_key=key)
    assert {write.body["idempotency_key"] for write in box.writes()} == {key.strip()}
    assert first["id"] == second["id"]
    assert [row["name"] for row in box.incidentio.incidents].count("Carts") == 1


async def test_what_the_service_refuses_is_told_in_its_words_with_what_would_do(call, box):
    error = await call.error(CREATE, name="Carts")
    assert "incident.io answered 422 validation_error: A severity is required to open an incident" in error
    assert "(severity_id)" in error
    assert "nothing was changed" in error
    assert len(box.writes()) == 1


async def test_a_dry_run_answers_the_exact_request_and_writes_nothing(call, box):
    told = await call.ok(CREATE, **ARGUMENTS, dry_run=True)
    request = {"service": "incident.io", "method": "POST", "path": "/v2/incidents", "body": BODY}
    assert told == {"dry_run": True, "would_send": request}
    assert not box.writes()
    await call.ok(CREATE, **ARGUMENTS)
    (write,) = box.writes()
    assert (write.method, write.path, write.body) == ("POST", "/v2/incidents", BODY)
