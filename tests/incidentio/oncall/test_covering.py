"""Creating and deleting overrides: which layer, whom it displaces, and at most one."""

import pytest

from incident_mcp.sandbox import Fault
from incident_mcp.sandbox.engine.clock import account_ulid
from tests.conftest import text_of
from tests.sandbox.on_call import schedule, user

pytestmark = pytest.mark.anyio

CREATE, DELETE = "incidentio_create_override", "incidentio_delete_override"
WINDOW = {"start_at": "2026-11-21T09:00:00+01:00", "end_at": "2026-11-21T10:00:00Z"}
COVER = {"schedule": "Payments primary", "user": "Ines Moreau", **WINDOW}


def overrides(box):
    return len(box.state()["incidentio"]["schedule_overrides"])


@pytest.fixture
def existing(box):
    return box.incidentio.rows["schedule_overrides"][0]["id"]


async def test_the_only_rotation_and_layer_are_found_and_the_displaced_are_named(call, box):
    answer = await call.ok(CREATE, **COVER)

    assert answer["would_send"]["body"] == {
        "schedule_id": schedule("Payments primary"),
        "rotation_id": account_ulid("rotation Payments"),
        "layer_id": account_ulid("layer Payments: Layer 1"),
        "start_at": "2026-11-21T08:00:00Z",
        "end_at": "2026-11-21T10:00:00Z",
        "user": {"id": user("Ines Moreau")},
    }
    assert answer["preview"]["displaces"] == ["Yuki Tanaka, 2026-11-21T08:00:00Z to 2026-11-21T10:00:00Z"]
    assert box.writes() == []


async def test_a_gap_in_one_rotation_is_no_gap_while_another_covers(call, box):
    [platform] = [row for row in box.incidentio.on_call.schedules if row["name"] == "Platform primary"]
    managers = platform["config"]["rotations"][1]
    managers["working_intervals"] = [{"weekday": "monday", "start_time": "09:00", "end_time": "17:00"}]
    cover = {"schedule": "Platform primary", "rotation": "Platform managers", "user": "Yuki Tanaka"}
    window = {"start_at": "2026-11-22T00:00:00Z", "end_at": "2026-11-22T07:00:00Z"}
    preview = (await call.ok(CREATE, **cover, **window))["preview"]

    assert preview["displaces"] == ["nobody in this rotation, 2026-11-22T00:00:00Z to 2026-11-22T07:00:00Z"]


async def test_more_people_than_are_named_are_counted(call):
    window = {"start_at": "2026-11-22T00:00:00Z", "end_at": "2026-12-12T00:00:00Z"}
    preview = (await call.ok(CREATE, schedule="Batch jobs", user="Yuki Tanaka", **window))["preview"]

    assert len(preview["displaces"]) == 11
    assert preview["displaces"][-1].endswith(" more")


async def test_the_override_is_read_back(call):
    assert (await call.performed(CREATE, **COVER))["outcome"] == "Ines Moreau is on call then"


async def test_a_read_back_that_fails_leaves_the_override_done(call, box):
    code = (await call.ok(CREATE, **COVER))["confirm"]
    box.fail(Fault("status", status=500, method="GET", path="/v2/schedule_entries"))

    assert (await call.ok(CREATE, **COVER, confirm=code))["outcome"].startswith("not seen yet")


async def test_an_override_that_is_replaced_is_told(call):
    cover = {"schedule": "Ledger nights", "user": "Yuki Tanaka"}
    window = {"start_at": "2026-11-21T02:30:00Z", "end_at": "2026-11-21T05:00:00Z"}
    preview = (await call.ok(CREATE, **cover, **window))["preview"]

    assert preview["replaces"] == ["Ines Moreau, 2026-11-21T02:00:00Z to 2026-11-21T07:00:00Z"]


async def test_somebody_who_cannot_be_reached_is_told(call):
    preview = (await call.ok(CREATE, **COVER | {"user": "Noor Haddad"}))["preview"]

    assert "Noor Haddad has paused paging until 2026-11-23T03:00:00Z: pages would reach nobody." in preview["warning"]


async def test_what_the_preview_cannot_read_is_told_and_the_code_is_given(call, box):
    box.fail(Fault("status", status=500, path="/v2/schedule_entries"))
    answer = await call.ok(CREATE, **COVER)

    assert "Whom it displaces could not be read" in answer["preview"]["warning"]
    assert answer["confirm"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"schedule": "Platform primary"}, "pass rotation, one of Platform, Platform managers"),
        ({"schedule": "Platform primary", "rotation": "Platform"}, "pass layer, one of Primary, Shadow"),
        ({"schedule": "Platform primary", "rotation": "Nights"}, "Unknown rotation 'Nights'"),
        ({"schedule": "Platform primary", "rotation": "Platform", "layer": "x"}, "Pass one of: Primary, Shadow"),
        ({"schedule": "Vendor hotline"}, "another service keeps it"),
        ({"start_at": "2026-11-21T09:00:00"}, "with a time zone"),
        ({"start_at": "2026-11-21T10:00:00Z"}, "must be later than start_at"),
        ({"start_at": "2026-11-20T09:00:00Z", "end_at": "2026-11-20T10:00:00Z"}, "than now"),
    ],
    ids=str,
)
async def test_what_is_no_override_is_refused_with_the_choice(call, box, arguments, why):
    error = await call.error(CREATE, **COVER | arguments)

    assert why in error
    assert error.endswith("Not sent.")
    assert box.writes() == []


async def test_after_a_lost_reply_the_overrides_are_read_and_none_is_added(call, box):
    before = overrides(box)
    box.fail(Fault("cut_after", method="POST", times=1))
    result = await call.performed(CREATE, **COVER)

    assert result["outcome"] == "Ines Moreau is on call then"
    assert len(box.writes()) == 1
    assert overrides(box) == before + 1


async def test_an_identical_override_is_created_once(call, box):
    before = overrides(box)
    first = await call.performed(CREATE, **COVER)

    assert (await call.performed(CREATE, **COVER))["id"] == first["id"]
    assert overrides(box) == before + 1


async def test_a_deletion_names_who_is_on_call_then(call, box, existing):
    preview = (await call.ok(DELETE, override=existing))["preview"]

    assert preview["override"] == "Ines Moreau, 2026-11-21T02:00:00Z to 2026-11-21T07:00:00Z"
    assert preview["then_on_call"] == ["Noor Haddad, 2026-11-21T02:00:00Z to 2026-11-21T07:00:00Z"]
    assert box.writes() == []


async def test_a_deleted_override_is_gone(call, box, existing):
    before = overrides(box)

    assert (await call.performed(DELETE, override=existing))["outcome"] == "gone"
    assert overrides(box) == before - 1


async def test_a_deletion_whose_reply_is_lost_deletes_once(call, box, existing):
    box.fail(Fault("cut_after", method="DELETE", times=1))
    await call.performed(DELETE, override=existing)

    assert [row["id"] for row in box.state()["incidentio"]["deleted_overrides"]] == [existing]


async def test_an_unknown_override_is_not_previewed(call, box):
    assert "could not be found" in await call.error(DELETE, override=account_ulid("nothing"))
    assert box.writes() == []


async def test_confirmation_is_asked_with_the_code(connect, box):
    async with connect(confirm="destructive") as call:
        assert "confirm" in text_of(await call.perform(CREATE, **COVER))
    assert box.writes() == []
