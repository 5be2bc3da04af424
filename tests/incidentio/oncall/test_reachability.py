"""Whether people can be reached: each answer is yes, no or unknown, and one sure no is enough."""

import itertools
from typing import Any

import pytest

from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Caller, Connect
from tests.sandbox.on_call import user

pytestmark = pytest.mark.anyio

CHECK = "incidentio_check_reachable"
ANSWERS = ("active", "seat", "paused", "method")
SCOPES = {
    "users.view": "users.view",
    "notification_pauses.view": "notification_pauses.view",
    "notification_methods.view": "notification_methods.view",
}
PEOPLE = {
    "Yuki Tanaka": ("yes", "yes", "yes", "no", "yes"),
    "Lena Fischer": ("yes", "yes", "yes", "no", "yes"),
    "Diego Santos": ("yes", "yes", "yes", "no", "yes"),
    "Grace Achieng": ("yes", "yes", "yes", "no", "yes"),
    "Noor Haddad": ("no", "yes", "yes", "yes, until 2026-11-23T03:00:00Z", "yes"),
    "Mei Chen": ("no", "yes", "yes", "no", "no"),
    "Kofi Mensah": ("no", "yes", "yes", "no", "no"),
    "Oskar Nyman": ("no", "yes", "no", "no", "yes"),
    "Ruth Adeyemi": ("no", "yes", "no", "no", "no"),
    "Tom Baker": ("no", "no", "no", "no", "no"),
    "Ada Brandt": ("no", "no", "yes", "no", "no"),
}


async def one(call: Caller, name: str) -> dict[str, Any]:
    [person] = (await call.ok(CHECK, users=[user(name)]))["people"]
    assert person["user"] == name
    return person


@pytest.mark.parametrize("name", PEOPLE)
async def test_everybody_of_the_sandbox_is_judged(call: Caller, name: str) -> None:
    person = await one(call, name)
    assert tuple(person[key] for key in ("reachable", *ANSWERS)) == PEOPLE[name]


FIXTURES = list(itertools.product((True, False), ("full_access", "viewer_only", None), (True, False), (True, False)))


@pytest.mark.parametrize(("active", "seat", "paused", "method"), FIXTURES)
async def test_every_state_is_told(
    connect: Connect, box: Sandbox, active: bool, seat: str | None, paused: bool, method: bool
) -> None:
    row = next(each for each in box.incidentio.users if each["name"] == "Yuki Tanaka")
    row["is_active"] = active
    row["seats"] = {"on_call": seat, "response": "full_access"} if seat else {}
    if paused:
        noor = next(each for each in box.incidentio.on_call.pauses if each["user_id"] == user("Noor Haddad"))
        box.incidentio.on_call.pauses.append({**noor, "id": "01PAUSE", "user_id": row["id"]})
    if not method:
        box.incidentio.on_call.methods[row["id"]] = []
    async with connect() as call:
        person = await one(call, "Yuki Tanaka")
    assert person["active"] == ("yes" if active else "no")
    assert person["seat"] == {"full_access": "yes", "viewer_only": "no"}.get(seat or "", "unknown (not in the answer)")
    assert person["paused"].startswith("yes, until" if paused else "no")
    assert person["method"] == ("yes" if method else "no")
    certain = not active or seat == "viewer_only" or paused or not method
    assert person["reachable"] == ("no" if certain else "yes" if seat else "unknown")


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", ["Yuki Tanaka", "Noor Haddad"])
async def test_a_missing_scope_is_named_and_is_no_error(connect: Connect, box: Sandbox, scope: str, name: str) -> None:
    box.incidentio.remove_scope(scope)
    async with connect() as call:
        [person] = (await call.ok(CHECK, users=[user(name)]))["people"]
    unknown = {key for key in ANSWERS if person[key] == f"unknown (scope {SCOPES[scope]} missing)"}
    assert (
        unknown
        == {
            "users.view": {"active", "seat"},
            "notification_pauses.view": {"paused"},
            "notification_methods.view": {"method"},
        }[scope]
    )
    sure = name == "Noor Haddad" and "paused" not in unknown
    assert person["reachable"] == ("no" if sure else "unknown")


@pytest.mark.parametrize("path", ["/v2/users$", "pauses$", "notification_methods$"])
@pytest.mark.parametrize("status", [404, 500])
async def test_what_cannot_be_read_is_unknown(connect: Connect, box: Sandbox, path: str, status: int) -> None:
    box.fail(Fault("status", status=status, path=path, headers={"Retry-After": "0"}))
    async with connect() as call:
        [person] = (await call.ok(CHECK, users=[user("Yuki Tanaka")]))["people"]
    assert person["reachable"] == "unknown"
    assert any(person[key].startswith("unknown (") for key in ANSWERS)


async def test_a_schedule_means_everybody_on_it_now_and_next_and_a_path_everybody_it_rings(call: Caller) -> None:
    found = (await call.ok(CHECK, schedule="Batch jobs"))["people"]
    assert [person["user"] for person in found] == ["Sam Lindqvist"]
    answer = await call.ok(CHECK, escalation_path="Legacy gateway")
    assert [person["user"] for person in answer["people"]] == ["Mei Chen", "Oskar Nyman", "Noor Haddad", "Tom Baker"]
    assert answer["note"].startswith("This page reaches nobody: Mei Chen has no usable notification method;")


async def test_many_people_cost_at_most_sixty_requests(connect: Connect, box: Sandbox) -> None:
    everybody = [row["id"] for row in box.incidentio.users][:20]
    async with connect() as call:
        assert len((await call.ok(CHECK, users=everybody))["people"]) == len(set(everybody))
    assert len(box.requests) <= 60


async def test_me_is_the_person_behind_the_key(connect: Connect) -> None:
    async with connect(me="Yuki.Tanaka@paysand.example") as call:
        [person] = (await call.ok(CHECK, users=["me"]))["people"]
    assert person["user"] == "Yuki Tanaka"


async def test_nobody_to_check_is_an_error(call: Caller, box: Sandbox) -> None:
    assert "Pass users, escalation_path or schedule." in await call.error(CHECK)
    assert box.requests == []
