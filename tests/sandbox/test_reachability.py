"""Whether people can be reached: seats, pauses, notification methods and rules; and what a key may not read."""

import json
import re
from pathlib import Path

import pytest

from .on_call import problems, user

pytestmark = pytest.mark.anyio

DOCUMENT = json.loads((Path(__file__).parent.parent / "contract" / "incidentio_operations.json").read_text("utf-8"))


async def methods(client, name):
    reply = await client.get(f"/v2/users/{user(name)}/notification_methods")
    return [(row["method_type"], row["is_usable"]) for row in reply.json()["notification_methods"]]


async def test_users_have_every_kind_of_seat(incidentio):
    reply = await incidentio.get("/v2/users", params={"include_inactive": "true"})

    seats = {row["name"]: (row["is_active"], row["seats"]["on_call"]) for row in reply.json()["users"]}
    assert set(seats.values()) == {
        (True, "full_access"),
        (True, "viewer_only"),
        (True, "none"),
        (False, "full_access"),
        (False, "none"),
    }


async def test_methods_are_usable_or_not_or_there_are_none(incidentio):
    assert await methods(incidentio, "Yuki Tanaka") == [("app", True), ("phone", True)]
    assert await methods(incidentio, "Kofi Mensah") == [("phone", False)]
    assert await methods(incidentio, "Mei Chen") == []
    assert (await incidentio.get("/v2/users/01NOBODY/notification_methods")).status_code == 404


async def test_a_phone_number_is_redacted(incidentio):
    reply = await incidentio.get(f"/v2/users/{user('Yuki Tanaka')}/notification_methods")

    [_, phone] = reply.json()["notification_methods"]
    assert phone["address"] == "•••••••0100"
    assert phone["phone_details"] == {"supports_sms": True, "supports_voice": True}


async def test_rules_name_the_methods_that_they_use(incidentio):
    reply = await incidentio.get(f"/v2/users/{user('Grace Achieng')}/notification_rules")

    [rule] = reply.json()["notification_rules"]
    assert (rule["rule_type"], rule["method_type"], rule["delay_seconds"]) == ("low_urgency", "email", 0)
    assert rule["method_target"]["type"] == "specific"


async def pauses(client, **query):
    rows = (await client.get("/v2/on_call_notification_pauses", params=query)).json()["on_call_notification_pauses"]
    return [row["user_id"] for row in rows]


async def test_pauses_are_those_that_are_active_or_upcoming(box, incidentio):
    noor, lena, diego = (user(name) for name in ("Noor Haddad", "Lena Fischer", "Diego Santos"))

    assert await pauses(incidentio) == [noor, lena]
    assert await pauses(incidentio, **{"from": "2026-11-19T00:00:00Z"}) == [noor, diego, lena]
    assert await pauses(incidentio, to="2026-11-20T03:00:00Z") == [noor]
    assert await pauses(incidentio, page_size="1") == [noor]
    box.advance(2 * 86_400)
    assert await pauses(incidentio) == [lena]


async def test_a_pause_is_found_by_its_id(incidentio):
    [first, _] = (await incidentio.get("/v2/on_call_notification_pauses")).json()["on_call_notification_pauses"]

    reply = await incidentio.get(f"/v2/on_call_notification_pauses/{first['id']}")

    assert reply.json() == {"on_call_notification_pause": first}
    problems(await incidentio.get("/v2/on_call_notification_pauses", params={"from": "today"}))


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("users.view", "/v2/users"),
        ("notification_pauses.view", "/v2/on_call_notification_pauses"),
        ("notification_methods.view", f"/v2/users/{user('Mei Chen')}/notification_methods"),
        ("notification_rules.view", f"/v2/users/{user('Mei Chen')}/notification_rules"),
        ("schedules.view", "/v2/schedules"),
        ("escalation_paths.view", "/v2/escalation_paths"),
        ("escalations.view", "/v2/escalations"),
    ],
)
async def test_a_key_without_a_scope_is_forbidden_what_needs_it(box, incidentio, scope, path):
    assert (await incidentio.get(path)).status_code == 200

    box.incidentio.remove_scope(scope)

    reply = await incidentio.get(path)
    assert (reply.status_code, reply.json()["type"]) == (403, "resource_forbidden")
    assert (await incidentio.get("/v1/identity")).status_code == 200


async def test_resolving_the_original_of_a_reassignment_needs_a_second_scope(box, incidentio):
    escalation = next(row for row in box.incidentio.rows["escalations"] if row["status"] == "triggered")
    url = f"/v2/escalations/{escalation['id']}/actions/reassign"
    box.incidentio.remove_scope("escalations.respond")

    forbidden = await incidentio.post(url, json={"user_ids": [user("Ines Moreau")]})
    allowed = await incidentio.post(url, json={"user_ids": [user("Ines Moreau")], "resolve_original": False})

    assert (forbidden.status_code, allowed.status_code) == (403, 201)
    assert len(box.state()["incidentio"]["rings"]) == 1


def test_the_scopes_are_those_of_the_vendor_s_document(box):
    for (method, template), scopes in box.incidentio.scopes.items():
        name = f"{method} {re.sub(r'{[^}]*}', '{}', template)}"
        assert list(scopes) == DOCUMENT[name].get("scopes", []), name
        assert (method, template) in box.incidentio.routes


def test_a_scope_that_nothing_needs_is_a_mistake_of_the_test(box):
    with pytest.raises(ValueError, match="schedule"):
        box.incidentio.remove_scope("schedule.view")
