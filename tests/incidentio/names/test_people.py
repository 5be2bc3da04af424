"""People by what they are called: e-mail, name, mention, `me`; an unknown or ambiguous one is refused, and not sent."""

import pytest

from incident_mcp.sandbox import Fault
from tests.account import ROLE, USER
from tests.answering import Answering

pytestmark = pytest.mark.anyio

EDIT, CREATE, LIST = "incidentio_edit_incident", "incidentio_create_incident", "incidentio_list_incidents"
YUKI = "yuki.tanaka@paysand.example"
# What is passed, what is sent, and the id that it stands for.
PEOPLE = [
    (YUKI, {"email": YUKI}, "Yuki Tanaka"),
    ("Yuki.Tanaka@PAYSAND.example", {"email": YUKI}, "Yuki Tanaka"),
    (f" {YUKI} ", {"email": YUKI}, "Yuki Tanaka"),
    (f"mailto:{YUKI}", {"email": YUKI}, "Yuki Tanaka"),
    (f"<mailto:{YUKI}|{YUKI}>", {"email": YUKI}, "Yuki Tanaka"),
    (f"<mailto:{YUKI.upper()}|Yuki>", {"email": YUKI}, "Yuki Tanaka"),
    (f"Yuki Tanaka <{YUKI}>", {"email": YUKI}, "Yuki Tanaka"),
    ("U04YUKI", {"slack_user_id": "U04YUKI"}, "Yuki Tanaka"),
    ("@U04YUKI", {"slack_user_id": "U04YUKI"}, "Yuki Tanaka"),
    ("<@U04YUKI>", {"slack_user_id": "U04YUKI"}, "Yuki Tanaka"),
    ("<@U04YUKI|yuki>", {"slack_user_id": "U04YUKI"}, "Yuki Tanaka"),
    ("Yuki Tanaka", {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    ("yuki  TANAKA", {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    ("Yuki", {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    ("@tanaka", {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    ("yuki.tanaka", {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    (USER["Yuki Tanaka"], {"id": USER["Yuki Tanaka"]}, "Yuki Tanaka"),
    ("me", {"email": "sam.okafor@paysand.example"}, "Sam Okafor"),
    (" ME ", {"email": "sam.okafor@paysand.example"}, "Sam Okafor"),
]
REFUSED = [
    ("Sam", "'Sam' is ambiguous: Sam Okafor (sam.okafor@paysand.example), Sam Lindqvist (sam.lindqvist@"),
    ("Nobody", "no active user is called 'Nobody'"),
    ("Tom Baker", "no active user is called 'Tom Baker'"),
    ("WILLIAM", "no active user is called 'WILLIAM'"),
    ("a@b@c", "no active user is called 'a@b@c'"),
    ("x" * 5_000, "no active user is called 'xxx"),
]


@pytest.mark.parametrize(("person", "sent", "name"), PEOPLE, ids=[repr(person) for person, *_ in PEOPLE])
async def test_a_person_is_sent_as_the_api_refers_to_them(connect, box, person, sent, name):
    async with connect(me="Sam.Okafor@paysand.example") as call:
        edited = await call.ok(EDIT, incident="114", roles={"Communications Lead": person})
        (assignment,) = box.writes()[-1].body["incident"]["incident_role_assignments"]
        assert assignment == {"incident_role_id": ROLE["Communications Lead"], "assignee": sent}
        assert edited["roles"]["Communications Lead"] == name
        await call.ok(LIST, incident_role={"comms": [person]})
    assert (f"incident_role[{ROLE['Communications Lead']}][one_of]", USER[name]) in box.requests[-1].query


@pytest.mark.parametrize(("person", "says"), REFUSED, ids=[repr(person)[:30] for person, _ in REFUSED])
async def test_an_unknown_or_ambiguous_person_is_refused_and_nothing_is_sent(connect, box, person, says):
    async with connect() as call:
        for tool, more, argument in (
            (CREATE, {"name": "n", "severity": "Minor", "roles": {"lead": person}}, "roles.lead"),
            (EDIT, {"incident": "114", "roles": {"lead": person}}, "roles.lead"),
            (LIST, {"incident_role": {"lead": [person]}}, "incident_role.lead"),
        ):
            error = await call.error(tool, **more)
            assert error.startswith(f"{argument}: ")
            assert says in error
            assert error.endswith("Not sent.")
            assert len(error) < 500
    assert not box.writes()
    assert [request.path for request in box.requests].count("/v2/users") == 1


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_me_without_the_setting_names_the_setting(connect, box, mode):
    async with connect(mode) as call:
        for tool, more in (
            (EDIT, {"incident": "114", "roles": {"lead": "me"}}),
            (LIST, {"incident_role": {"lead": ["me"]}}),
        ):
            assert "INCIDENT_MCP_ME" in await call.error(tool, **more)
    assert not box.writes()


async def test_a_person_who_left_is_still_found_by_id_and_email(call, box):
    for person in (USER["Tom Baker"], "tom.baker@paysand.example", "Tom.Baker@paysand.example"):
        await call.ok(EDIT, incident="114", roles={"lead": person}, dry_run=True)
    assert not box.writes()


async def test_an_email_that_the_account_spells_with_capitals_is_found_in_any_case(call, box):
    user = next(row for row in box.incidentio.users if row["name"] == "Yuki Tanaka")
    user["email"] = "Yuki.Tanaka@Paysand.example"
    edited = await call.ok(EDIT, incident="114", roles={"lead": "YUKI.tanaka@paysand.example"})
    assert edited["roles"]["Incident Lead"] == "Yuki Tanaka"


@pytest.mark.parametrize("role", ["Incident Lead", "incident lead", "LEAD", " lead ", ROLE["Incident Lead"]])
async def test_a_role_is_found_by_name_short_form_and_id(connect, box, role):
    async with connect() as call:
        await call.ok(EDIT, incident="114", roles={role: YUKI})
    (assignment,) = box.writes()[0].body["incident"]["incident_role_assignments"]
    assert assignment["incident_role_id"] == ROLE["Incident Lead"]


async def test_one_role_under_two_names_is_refused(call, box):
    error = await call.error(EDIT, incident="114", roles={"lead": YUKI, "Incident Lead": "Ines Moreau"})
    assert "roles names the same item twice" in error
    assert not box.writes()


async def test_a_key_that_may_not_read_users_passes_emails_and_ids_and_refuses_names(connect, box):
    box.fail(Fault("status", path="/v2/users", status=403))
    async with connect(me=YUKI) as call:
        for person, sent in (
            (YUKI.upper(), {"email": YUKI}),
            ("U04YUKI", {"slack_user_id": "U04YUKI"}),
            ("me", {"email": YUKI}),
            (USER["Ines Moreau"], {"id": USER["Ines Moreau"]}),
        ):
            told = await call.ok(EDIT, incident="114", roles={"lead": person}, dry_run=True)
            assert told["would_send"]["body"]["incident"]["incident_role_assignments"][0]["assignee"] == sent
        error = await call.error(EDIT, incident="114", roles={"lead": "Yuki Tanaka"})
        assert "'Yuki Tanaka' is not an email address, user ID or Slack ID (U...), and this key may not read" in error
        error = await call.error(LIST, incident_role={"lead": [YUKI]})
        assert "this key may not read users, so pass the user's ID" in error
        await call.ok(LIST, incident_role={"lead": [USER["Yuki Tanaka"]]})
    assert not box.writes()


async def test_users_that_cannot_be_read_for_another_reason_fail_the_call(connect, box):
    box.fail(Fault("status", path="/v2/users", status=401))
    async with connect() as call:
        assert "incident.io answered 401" in await call.error(EDIT, incident="114", roles={"lead": "Yuki Tanaka"})
    assert not box.writes()


async def test_an_email_in_lower_case_needs_no_list_of_users(call, box):
    await call.ok(EDIT, incident="114", roles={"lead": YUKI}, dry_run=True)
    assert "/v2/users" not in [request.path for request in box.requests]


async def test_people_without_names_or_emails_do_no_harm(connect):
    users = [{"id": "01NOBODY"}, {"id": "01YUKI", "name": "Yuki", "email": None}, {"name": "no id"}]
    network = Answering({("GET", "/v2/users"): {"users": users}})
    network.answers["GET", "/v2/incident_roles"] = {"incident_roles": [{"id": "01LEAD", "name": "Incident Lead"}]}
    async with connect(sandbox=network) as call:
        told = await call.ok(EDIT, incident="114", roles={"Incident Lead": "yuki"}, dry_run=True)
    assert told["would_send"]["body"]["incident"]["incident_role_assignments"][0]["assignee"] == {"id": "01YUKI"}
