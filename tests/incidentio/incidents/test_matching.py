"""Whether an incident is as an edit wants it: by meaning, not by spelling, and never by what only looks alike."""

from typing import Any

import pytest

from incident_mcp.incidentio.incidents.matching import matches_edit
from incident_mcp.sandbox import Fault
from tests.account import FIELD, ROLE, TIMESTAMP
from tests.answering import limited

pytestmark = pytest.mark.anyio

EDIT = "incidentio_edit_incident"
SAM = {"id": "01SAM", "name": "Sam", "email": "Sam.Okafor@paysand.example", "slack_user_id": "U04SAMO"}
YUKI = {"id": "01YUKI", "name": "Yuki", "email": "yuki@paysand.example", "slack_user_id": "U04YUKI"}
PAYOUTS = {"id": "01PAYOUTS", "name": "Payouts", "external_id": "product-payouts", "aliases": ["settlements"]}


def entry(*values: dict[str, Any]) -> dict[str, Any]:
    """A custom field as it is read."""
    return {"custom_field_entries": [{"custom_field": {"id": "F"}, "values": list(values)}]}


def field(*values: dict[str, Any]) -> dict[str, Any]:
    """A custom field as it is written."""
    return {"custom_field_entries": [{"custom_field_id": "F", "values": list(values)}]}


def option(number: str) -> dict[str, Any]:
    return {"value_option": {"id": number, "value": f"Option {number}"}}


def role(*people: dict[str, Any] | None) -> dict[str, Any]:
    """A role as it is read, with one slot a person."""
    slots = [{"role": {"id": "R"}} | ({"assignee": person} if person else {}) for person in people]
    return {"incident_role_assignments": slots}


def assign(**assignee: str) -> dict[str, Any]:
    """A role as it is written."""
    return {"incident_role_assignments": [{"incident_role_id": "R", "assignee": assignee}]}


UNASSIGN = {"incident_role_assignments": [{"incident_role_id": "R"}]}


def stamp(value: str | None) -> dict[str, Any]:
    slot: dict[str, Any] = {"incident_timestamp": {"id": "T"}}
    return {"incident_timestamp_values": [slot | ({"value": {"value": value}} if value else {})]}


def at(value: str | None) -> dict[str, Any]:
    return {"incident_timestamp_values": [{"incident_timestamp_id": "T"} | ({"value": value} if value else {})]}


HELD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "severity": ({"severity": {"id": "S", "name": "Major"}}, {"severity_id": "S"}),
    "status": ({"incident_status": {"id": "S"}}, {"incident_status_id": "S"}),
    "summary, line ends": ({"summary": "a\r\nb"}, {"summary": "a\nb"}),
    "summary, trailing white space": ({"summary": "a\nb"}, {"summary": "a  \nb\n\n"}),
    "summary cleared": ({}, {"summary": ""}),
    "summary cleared, null": ({"summary": None}, {"summary": ""}),
    "name, white space around": ({"name": "Carts"}, {"name": " Carts "}),
    "call, slash": ({"call_url": "https://meet.example/x/"}, {"call_url": "https://meet.example/x"}),
    "call, host case": ({"call_url": "https://meet.example/X"}, {"call_url": "HTTPS://Meet.Example/X"}),
    "call cleared": ({}, {"call_url": ""}),
    "channel, hash": ({"slack_channel_name": "inc-1"}, {"slack_channel_name_override": "#inc-1"}),
    "e-mail case": (role(SAM), assign(email="sam.okafor@PAYSAND.example")),
    "user id": (role(SAM), assign(id="01SAM")),
    "Slack id": (role(SAM), assign(slack_user_id="u04samo")),
    "one of two people": (role(YUKI, SAM), assign(email="sam.okafor@paysand.example")),
    "role unassigned": (role(None), UNASSIGN),
    "role unassigned, slot gone": ({"incident_role_assignments": []}, UNASSIGN),
    "entry by id": (entry({"value_catalog_entry": PAYOUTS}), field({"value_catalog_entry_id": "01PAYOUTS"})),
    "entry by external id": (
        entry({"value_catalog_entry": PAYOUTS}),
        field({"value_catalog_entry_id": "product-payouts"}),
    ),
    "entry by alias": (entry({"value_catalog_entry": PAYOUTS}), field({"value_catalog_entry_id": "settlements"})),
    "option": (entry(option("01A")), field({"value_option_id": "01A"})),
    "options in another order": (
        entry(option("01B"), option("01A")),
        field({"value_option_id": "01A"}, {"value_option_id": "01B"}),
    ),
    "number, zeros behind": (entry({"value_numeric": "1.50"}), field({"value_numeric": "1.5"})),
    "number as a number": (entry({"value_numeric": 100}), field({"value_numeric": "100.0"})),
    "number, zero": (entry({"value_numeric": "0"}), field({"value_numeric": "-0.00"})),
    "text, line ends": (entry({"value_text": "a\r\nb \n"}), field({"value_text": "a\nb"})),
    "link": (entry({"value_link": "https://x.example/a/"}), field({"value_link": "https://X.example/a"})),
    "field unset": (entry(), field()),
    "field unset, entry gone": ({"custom_field_entries": []}, field()),
    "timestamp, offset": (stamp("2026-11-21T03:00:00+01:00"), at("2026-11-21T02:00:00Z")),
    "timestamp, fraction": (stamp("2026-11-21T02:00:00.000Z"), at("2026-11-21T02:00:00Z")),
    "timestamp unset": (stamp(None), at(None)),
    "several": ({"name": "n", "summary": "s"}, {"name": "n", "summary": "s"}),
}
NOT_HELD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "severity": ({"severity": {"id": "S", "name": "T"}}, {"severity_id": "T"}),
    "no severity": ({}, {"severity_id": "S"}),
    "status": ({"incident_status": {"id": "S"}}, {"incident_status_id": "T"}),
    "name, case": ({"name": "Carts"}, {"name": "carts"}),
    "name, inner space": ({"name": "EU carts"}, {"name": "EUcarts"}),
    "summary, more": ({"summary": "a\nb"}, {"summary": "a\nb\nc"}),
    "summary, indentation": ({"summary": "a\n  b"}, {"summary": "a\nb"}),
    "summary, blank line": ({"summary": "a\n\nb"}, {"summary": "a\nb"}),
    "summary not cleared": ({"summary": "a"}, {"summary": ""}),
    "call, path case": ({"call_url": "https://meet.example/x"}, {"call_url": "https://meet.example/X"}),
    "call, query": ({"call_url": "https://meet.example/x?a=1"}, {"call_url": "https://meet.example/x"}),
    "call, scheme": ({"call_url": "http://meet.example/x"}, {"call_url": "https://meet.example/x"}),
    "call, another host": ({"call_url": "https://meet.example.org/x"}, {"call_url": "https://meet.example/x"}),
    "another person": (role(YUKI), assign(email="sam.okafor@paysand.example")),
    "nobody": (role(None), assign(id="01SAM")),
    "a name is no id": (role(SAM), assign(id="Sam")),
    "somebody still": (role(SAM), UNASSIGN),
    "one of two still": (role(None, SAM), UNASSIGN),
    "another role": (
        role(SAM) | {},
        {"incident_role_assignments": [{"incident_role_id": "Q", "assignee": {"id": "01SAM"}}]},
    ),
    "another entry": (entry({"value_catalog_entry": PAYOUTS}), field({"value_catalog_entry_id": "01OTHER"})),
    "an entry's name is none of its ids": (
        entry({"value_catalog_entry": PAYOUTS}),
        field({"value_catalog_entry_id": "Payouts"}),
    ),
    "another option": (entry(option("01A")), field({"value_option_id": "01B"})),
    "one option more": (entry(option("01A"), option("01B")), field({"value_option_id": "01A"})),
    "one option less": (entry(option("01A")), field({"value_option_id": "01A"}, {"value_option_id": "01B"})),
    "one option twice": (
        entry(option("01A"), option("01B")),
        field({"value_option_id": "01A"}, {"value_option_id": "01A"}),
    ),
    "another number": (entry({"value_numeric": "1.5"}), field({"value_numeric": "1.05"})),
    "a number of another digit far behind": (
        entry({"value_numeric": f"1.{'0' * 35}1"}),
        field({"value_numeric": "1"}),
    ),
    "a number of another sign": (entry({"value_numeric": "1"}), field({"value_numeric": "-1"})),
    "another text": (entry({"value_text": "Down"}), field({"value_text": "down"})),
    "still set": (entry({"value_text": "a"}), field()),
    "a field that is not there": ({"custom_field_entries": []}, field({"value_text": "a"})),
    "another instant": (stamp("2026-11-21T02:00:00+01:00"), at("2026-11-21T02:00:00Z")),
    "an instant still": (stamp("2026-11-21T02:00:00Z"), at(None)),
    "no instant": (stamp(None), at("2026-11-21T02:00:00Z")),
    "one of several": ({"name": "n", "summary": "other"}, {"name": "n", "summary": "s"}),
}


@pytest.mark.parametrize("case", HELD)
def test_what_means_the_same_is_held(case):
    raw, wanted = HELD[case]
    assert matches_edit(raw, wanted)


@pytest.mark.parametrize("case", NOT_HELD)
def test_what_only_looks_alike_is_not_held(case):
    raw, wanted = NOT_HELD[case]
    assert not matches_edit(raw, wanted)


@pytest.mark.parametrize("raw", [{}, {"custom_field_entries": None, "severity": [], "incident_role_assignments": "x"}])
def test_an_incident_that_lacks_what_was_wanted_does_not_hold_it(raw):
    for wanted in ({"severity_id": "S"}, assign(id="01"), field({"value_text": "a"}), at("2026-11-21T02:00:00Z")):
        assert not matches_edit(raw, wanted)
    for cleared in (UNASSIGN, field(), at(None), {"summary": ""}):
        assert matches_edit(raw, cleared)


# What an edit passes; after a lost reply the incident is read back and is as wanted.
EDITS: list[dict[str, Any]] = [
    {"name": " Webhooks are late "},
    {"summary": "One\r\nTwo  \n"},
    {"clear": ["summary", "call_url", "roles.lead", "timestamps.Reported at", "custom_fields.Runbook"]},
    {"severity": "minor", "status": "Monitoring"},
    {"call_url": "https://Meet.example/inc/"},
    {"roles": {"comms": "YUKI.TANAKA@paysand.example"}},
    {"timestamps": {"Fixed at": "2026-11-21T03:30:00+02:00"}},
    {"custom_fields": {"Affected services": ["search", "ledger"], "Errors per minute": "1.50"}},
    {"custom_fields": {"Affected product": "settlements", "Customer impact": "a\r\nb"}},
]


@pytest.mark.parametrize("edit", EDITS, ids=repr)
async def test_an_edit_whose_reply_is_lost_is_found_and_not_sent_again(box, tmp_path, edit):
    box.fail(Fault("cut_after", method="POST", times=1))
    async with limited(box, tmp_path, backoff=0.01) as call:
        edited = await call.ok(EDIT, incident="114", notify_incident_channel=True, **edit)
        assert edited["reference"] == "INC-114"
        assert len(box.writes()) == 1
        again = await call.ok(EDIT, incident="114", notify_incident_channel=True, **edit)
        assert again["repeated"] is True
    assert len(box.writes()) == 1


async def test_clearing_unsets_and_leaves_the_rest(call, box):
    before = await call.ok("incidentio_get_incident", incident="114")
    names = ["summary", "call_url", "roles.Incident Lead", "timestamps.reported at", "custom_fields.RUNBOOK"]
    after = await call.ok(EDIT, incident="114", clear=names)
    assert box.writes()[0].body["incident"] == {
        "summary": "",
        "call_url": "",
        "custom_field_entries": [{"custom_field_id": FIELD["Runbook"], "values": []}],
        "incident_role_assignments": [{"incident_role_id": ROLE["Incident Lead"]}],
        "incident_timestamp_values": [{"incident_timestamp_id": TIMESTAMP["Reported at"]}],
    }
    assert not {"summary", "call_url"} & set(after)
    for kind, name in (("roles", "Incident Lead"), ("timestamps", "Reported at"), ("custom_fields", "Runbook")):
        assert before[kind].pop(name)
        assert after[kind] == before[kind]


async def test_what_cannot_be_cleared_is_refused(call, box):
    for bad in ("name", "severity", "roles", "roles.", "summary.x", "everything", "fields.Runbook"):
        error = await call.error(EDIT, incident="114", clear=[bad])
        assert "cannot be cleared. Allowed: summary, call_url, custom_fields.NAME, roles.NAME, timestamps.NAME" in error
    assert "summary is both set and cleared" in await call.error(EDIT, incident="114", summary="s", clear="summary")
    assert "Unknown role 'Boss'" in await call.error(EDIT, incident="114", clear=["roles.Boss"])
    assert not box.writes()
