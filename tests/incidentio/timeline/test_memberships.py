"""Access to private incidents: granted in two calls, revoked in one, and told to whom and of what."""

import pytest

from incident_mcp.sandbox import Fault
from tests.account import INCIDENT, USER

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_grant_access": {"incident": "INC-111", "user": "yuki.tanaka@paysand.example"},
    "incidentio_revoke_access": {"incident": "INC-111", "user": "sam.okafor@paysand.example"},
}
EFFECTS = {
    "incidentio_grant_access": {
        "request": "POST /v1/incident_memberships",
        "rows": "incidentio.incident_memberships",
        "where": {"incident_id": "INC-111", "user": {"name": "Yuki Tanaka"}},
    },
    "incidentio_revoke_access": {
        "request": "POST /v1/incident_memberships/actions/revoke",
        "rows": "incidentio.revoked_memberships",
        "where": {"incident_id": "INC-111", "user": {"name": "Sam Okafor"}},
        "empty": True,
    },
}

GRANT, REVOKE = "incidentio_grant_access", "incidentio_revoke_access"
SECURITY = INCIDENT["INC-111"]


def members(box):
    return [row["user"]["name"] for row in box.incidentio.rows["incident_memberships"]]


async def test_a_preview_names_the_person_the_incident_and_what_they_will_see(call, box):
    answer = await call.ok(GRANT, incident="INC-111", user="yuki tanaka")

    assert answer["preview"] == {
        "user": "Yuki Tanaka (yuki.tanaka@paysand.example)",
        "incident": "INC-111 Staging credential found in a public gist",
        "visibility": "private",
        "will_see": answer["preview"]["will_see"],
    }
    assert answer["preview"]["will_see"].startswith("The whole private incident from its start: name, summary")
    assert answer["would_send"]["body"] == {"incident_id": SECURITY, "user_id": USER["Yuki Tanaka"]}
    assert box.writes() == []


async def test_the_code_grants_it_once(call, box):
    arguments = {"incident": "INC-111", "user": "yuki.tanaka@paysand.example"}
    code = (await call.ok(GRANT, **arguments))["confirm"]
    answer = await call.ok(GRANT, **arguments, confirm=code)

    assert answer == {
        "id": answer["id"],
        "user": "Yuki Tanaka",
        "reference": "INC-111",
        "created_at": "2026-11-21T03:00:00Z",
    }
    assert members(box) == ["Ines Moreau", "Sam Okafor", "Yuki Tanaka"]
    assert "was already used" in await call.error(GRANT, **arguments, confirm=code)
    assert len(box.writes()) == 1


@pytest.mark.parametrize("change", [{"user": "Mei Chen"}, {"incident": "INC-110"}])
async def test_a_code_is_of_one_person_and_one_incident(call, box, change):
    arguments = {"incident": "INC-111", "user": "Yuki Tanaka"}
    code = (await call.ok(GRANT, **arguments))["confirm"]

    assert "is not of a preview of this call" in await call.error(GRANT, **arguments | change, confirm=code)
    assert box.writes() == []


@pytest.mark.parametrize("field", ["name", "visibility"])
async def test_an_incident_that_changed_since_the_preview_is_not_opened(call, box, field):
    code = (await call.ok(GRANT, incident=SECURITY, user="Yuki Tanaka"))["confirm"]
    incident = next(row for row in box.incidentio.incidents if row["id"] == SECURITY)
    incident[field] = "public"

    error = await call.error(GRANT, incident=SECURITY, user="Yuki Tanaka", confirm=code)
    assert "what its preview showed has changed" in error
    assert box.writes() == []


async def test_a_public_incident_needs_no_membership_and_the_service_has_the_last_word(call, box):
    answer = await call.ok(GRANT, incident="INC-114", user="Yuki Tanaka")
    assert answer["preview"]["visibility"] == "public"
    assert answer["preview"]["will_see"].startswith("Nothing more than now: the incident is public")

    code = answer["confirm"]
    error = await call.error(GRANT, incident="INC-114", user="Yuki Tanaka", confirm=code)
    assert "Only a private incident has members: incidentio_get_incident shows its visibility" in error
    assert "refused, nothing was changed" in error
    assert len(box.writes()) == 1


async def test_what_cannot_be_read_is_unknown_in_the_preview(call, box):
    box.incidentio.remove_scope("users.view")
    box.fail(Fault("status", method="GET", path=f"/v2/incidents/{SECURITY}", status=403))

    preview = (await call.ok(GRANT, incident=SECURITY, user=USER["Yuki Tanaka"]))["preview"]
    assert (preview["user"], preview["incident"]) == (USER["Yuki Tanaka"], SECURITY)
    assert preview["visibility"] == "unknown"
    assert "is not known: compare it before you grant access" in preview["warning"]
    assert "it needs the scope incidents.view" in preview["warning"]


async def test_a_name_that_fits_two_people_is_refused(call, box):
    assert "'sam' is ambiguous" in await call.error(GRANT, incident="INC-111", user="sam")
    assert "no active user is called 'nobody'" in await call.error(REVOKE, incident="INC-111", user="nobody")
    assert box.writes() == []


@pytest.mark.parametrize(
    ("tool", "scope"), [(GRANT, "incident_memberships.grant"), (REVOKE, "incident_memberships.revoke")]
)
async def test_a_missing_scope_is_named(call, box, tool, scope):
    box.incidentio.remove_scope(scope)

    result = await call.perform(tool, incident="INC-111", user="Sam Okafor")
    assert result.is_error
    assert f"it needs the scope {scope}" in result.content[0].text


async def test_a_lost_reply_ends_with_one_membership(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))

    await call.performed(GRANT, incident="INC-111", user="Yuki Tanaka")
    assert members(box).count("Yuki Tanaka") == 1


async def test_a_refused_second_attempt_leaves_the_outcome_open(call, box):
    box.fail(Fault("cut_after", method="POST", times=1))
    box.fail(Fault("status", status=422, method="POST", times=1))

    result = await call.perform(GRANT, incident="INC-111", user="Yuki Tanaka")
    assert "sent, outcome unknown" in result.content[0].text


async def test_access_is_revoked_in_one_call_and_what_stays_is_said(call, box):
    answer = await call.ok(REVOKE, incident="INC-111", user="Sam Okafor")

    [request] = box.writes()
    assert request.body == {"incident_id": SECURITY, "user_id": USER["Sam Okafor"]}
    assert answer == {
        "user": "Sam Okafor (sam.okafor@paysand.example)",
        "reference": "INC-111",
        "revoked": True,
        "note": "Access through a team, or a permission for all private incidents, is not revoked by this.",
    }
    assert members(box) == ["Ines Moreau"]


async def test_a_dry_run_revokes_nothing(call, box):
    answer = await call.ok(REVOKE, incident="INC-111", user="Sam Okafor", dry_run=True)

    assert answer["would_send"]["path"] == "/v1/incident_memberships/actions/revoke"
    assert "note" not in answer
    assert (box.writes(), members(box)) == ([], ["Ines Moreau", "Sam Okafor"])


async def test_someone_who_left_is_revoked_by_id(call, box):
    box.incidentio.rows["incident_memberships"][1]["user"] = {"id": USER["Tom Baker"], "name": "Tom Baker"}

    assert (await call.ok(REVOKE, incident="INC-111", user=USER["Tom Baker"]))["user"] == USER["Tom Baker"]
    assert members(box) == ["Ines Moreau"]
