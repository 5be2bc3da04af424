"""Who is on call: now, at an instant and over a window, with what nobody covers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from incident_mcp.incidentio.oncall.entries import Entries, describe_window, merge, stretches
from incident_mcp.incidentio.oncall.schedules import Shift
from incident_mcp.incidentio.oncall.zones import label, short
from incident_mcp.incidentio.users import User
from incident_mcp.records.tokens import count_tokens
from incident_mcp.sandbox import Fault, Sandbox
from tests.conftest import Caller, Connect

pytestmark = pytest.mark.anyio

EXAMPLES = {
    "incidentio_list_on_call": [
        {},
        {"schedule": "Payments primary"},
        {"user": "Yuki Tanaka", "schedule": "Search primary"},
        {"schedule": "Batch jobs", "at": "2026-11-21T09:00:00Z", "until": "2026-11-22T09:00:00Z"},
    ]
}
TOOL = "incidentio_list_on_call"
NOBODY = "Nobody is on call: pages reach nobody."


async def row(call: Caller, **arguments: Any) -> dict[str, Any]:
    [found] = (await call.ok(TOOL, **arguments))["on_call"]
    return found


async def test_one_schedule_has_the_person_until_when_and_who_is_next_in_both_time_zones(call: Caller) -> None:
    assert await row(call, schedule="payments primary") == {
        "schedule": "Payments primary",
        "on_call": ["Yuki Tanaka"],
        "until": "2026-11-23T08:00:00Z (Mon 09:00 Europe/Berlin)",
        "next": ["Sam Lindqvist"],
    }


async def test_nobody_on_call_is_said_with_who_comes_when(call: Caller) -> None:
    found = await row(call, schedule="Batch jobs")
    assert (found["warning"], found["next"], found["next_from"]) == (NOBODY, ["Sam Lindqvist"], "2026-11-21T07:00:00Z")
    for schedule in ("Retired products", "Vendor hotline"):
        assert (await row(call, schedule=schedule))["warning"] == NOBODY


async def test_several_people_are_told_with_their_rotations(call: Caller) -> None:
    found = await row(call, schedule="Platform primary")
    assert found["on_call"] == [
        "Sam Okafor (Platform)",
        "Lena Fischer (Platform)",
        "Priya Raman (Platform managers)",
    ]
    assert found["until"] == "2026-11-21T08:00:00Z"


@pytest.mark.parametrize("name", ["{}", "Team {} of the payments platform, primary", "平台 {}"])
async def test_forty_schedules_take_one_call_three_requests_and_900_tokens(
    connect: Connect, box: Sandbox, name: str
) -> None:
    box.add_schedules(31)
    for number, schedule in enumerate(box.incidentio.on_call.schedules):
        schedule["name"] = name.format(number)
    async with connect() as call:
        answer = await call.ok(TOOL)
    print(f"{len(box.requests)} requests, {count_tokens(answer)} tokens")
    assert len(box.requests) <= 3
    assert count_tokens(answer) <= 900
    assert len(answer["schedules"]) == 40
    assert sum("NOBODY" in line for line in answer["schedules"]) == 4


async def test_more_schedules_than_have_next_shifts_say_that_these_were_not_read(
    connect: Connect, box: Sandbox
) -> None:
    box.add_schedules(100)
    async with connect() as call:
        answer = await call.ok(TOOL)
    assert len(box.requests) <= 4
    assert "pass a schedule" in answer["note"]
    assert not any(", then " in line for line in answer["schedules"])


async def test_an_instant_in_the_past_or_future_has_the_shift_of_then(call: Caller) -> None:
    found = await row(call, schedule="Payments primary", at="2026-11-23T09:00:00+01:00")
    assert found["on_call"] == ["Sam Lindqvist"]
    found = await row(call, schedule="Payments primary", at="2026-11-23T07:59:59Z")
    assert found["on_call"] == ["Yuki Tanaka"]
    assert (await row(call, schedule="Batch jobs", at="2026-11-21T06:59:59Z"))["warning"] == NOBODY


async def test_a_window_shows_every_shift_and_every_gap(call: Caller) -> None:
    found = await row(call, schedule="Batch jobs", at="2026-11-21T03:00:00Z", until="2026-11-22T09:00:00Z")
    assert found["shifts"] == [
        "NOBODY, pages reach nobody: 2026-11-21T03:00:00Z to 2026-11-21T07:00:00Z",
        "Sam Lindqvist: 2026-11-21T07:00:00Z to 2026-11-21T13:00:00Z",
        "NOBODY, pages reach nobody: 2026-11-21T13:00:00Z to 2026-11-22T07:00:00Z",
        "Sam Lindqvist: 2026-11-22T07:00:00Z to 2026-11-22T09:00:00Z",
    ]


async def test_an_override_counts(call: Caller) -> None:
    found = await row(call, schedule="Ledger nights", at="2026-11-21T03:00:00Z", until="2026-11-21T09:00:00Z")
    assert [shift.partition(":")[0] for shift in found["shifts"]] == ["Ines Moreau", "Noor Haddad"]


async def test_the_end_of_what_was_read_is_not_told_as_the_end_of_a_shift(call: Caller, box: Sandbox) -> None:
    alone = {"schedule": "Legacy gateway"}
    for arguments in ({}, {"at": "2026-11-21T05:00:00Z"}):
        found = await row(call, **alone, **arguments)
        assert found["on_call"] == ["Mei Chen"]
        assert found["until"].endswith(" or later")
    box.add_schedules(5)
    [line] = [each for each in (await call.ok(TOOL))["schedules"] if each.startswith("Legacy gateway")]
    assert line.endswith(" or later")


async def test_a_shift_that_certainly_ends_is_told_without_or_later(call: Caller) -> None:
    for arguments in ({}, {"at": "2026-11-23T07:00:00Z"}):
        assert "or later" not in (await row(call, schedule="Payments primary", **arguments))["until"]


DAY = ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")
# The hours that each person has on a rotation, and what is left after merging.
MERGED: dict[str, tuple[list[tuple[str, str, int, int]], list[tuple[str, int, int]]]] = {
    "adjacent": ([("a", "r", 1, 2), ("a", "r", 2, 3)], [("a", 1, 3)]),
    "overlapping": ([("a", "r", 1, 3), ("a", "r", 2, 4)], [("a", 1, 4)]),
    "inside": ([("a", "r", 1, 4), ("a", "r", 2, 3), ("a", "r", 4, 5)], [("a", 1, 5)]),
    "twice": ([("a", "r", 1, 2), ("a", "r", 1, 2)], [("a", 1, 2)]),
    "out of order": ([("a", "r", 2, 3), ("a", "r", 1, 2)], [("a", 1, 3)]),
    "a gap": ([("a", "r", 1, 2), ("a", "r", 3, 4)], [("a", 1, 2), ("a", 3, 4)]),
    "somebody between": (
        [("a", "r", 1, 2), ("b", "r", 2, 3), ("a", "r", 3, 4)],
        [("a", 1, 2), ("b", 2, 3), ("a", 3, 4)],
    ),
    "somebody beside": ([("a", "r", 1, 3), ("b", "r", 2, 4), ("a", "r", 3, 5)], [("a", 1, 5), ("b", 2, 4)]),
    "another rotation": ([("a", "r", 1, 2), ("a", "s", 2, 3)], [("a", 1, 2), ("a", 2, 3)]),
}


def shift(user: str, rotation: str, start: int, end: int) -> Shift:
    hours = (f"2026-11-21T{hour:02}:00:00Z" for hour in (start, end))
    return Shift(user=User(id=user), rotation_id=rotation, **dict(zip(("start_at", "end_at"), hours, strict=True)))


@pytest.mark.parametrize("case", MERGED)
def test_shifts_of_one_person_that_touch_are_one(case: str) -> None:
    shifts, expected = MERGED[case]
    found = merge(shift(*each) for each in shifts)
    assert [(each.user and each.user.id, each.begins.hour, each.ends.hour) for each in found] == expected


def test_shifts_of_two_rotations_are_one_stretch() -> None:
    found = stretches([shift("a", "r", 1, 2), shift("a", "s", 2, 3)], *DAY)
    assert [(each.user and each.user.id, each.start.hour, each.end.hour) for each in found] == [
        (None, 0, 1),
        ("a", 1, 3),
        (None, 3, 0),
    ]


@pytest.mark.parametrize("why", ["complete", "unreadable"])
def test_what_was_not_read_of_a_window_is_no_gap(why: str) -> None:
    entries = Entries([shift("a", "r", 1, 3), shift("b", "s", 1, 6)])
    assert describe_window(entries, "r", *DAY)[1:] == [
        "a, 2026-11-21T01:00:00Z to 2026-11-21T03:00:00Z",
        (
            "nobody in this rotation, 2026-11-21T03:00:00Z to 2026-11-22T00:00:00Z;"
            " nobody, 2026-11-21T06:00:00Z to 2026-11-22T00:00:00Z: pages reach nobody"
        ),
    ]
    assert describe_window(entries, "r", *DAY)[0].endswith("pages reach nobody")
    setattr(entries, why, {"complete": False, "unreadable": 1}[why])
    assert describe_window(entries, "r", *DAY) == [
        "a, 2026-11-21T01:00:00Z to 2026-11-21T03:00:00Z",
        "not all shifts could be read",
    ]


async def test_after_two_adjacent_overrides_of_one_person_the_next_one_is_somebody_else(call: Caller) -> None:
    cover = {"schedule": "Payments primary", "user": "Ines Moreau"}
    for start, end in (("02:59", "05:00"), ("05:00", "06:30")):
        times = {"start_at": f"2026-11-21T{start}:00Z", "end_at": f"2026-11-21T{end}:00Z"}
        await call.performed("incidentio_create_override", **cover, **times)
    found = await row(call, schedule="Payments primary")
    assert (found["on_call"], found["until"][:16], found["next"]) == (
        ["Ines Moreau"],
        "2026-11-21T06:30",
        ["Yuki Tanaka"],
    )
    people = (await call.ok("incidentio_check_reachable", schedule="Payments primary"))["people"]
    assert [person["user"] for person in people] == ["Ines Moreau", "Yuki Tanaka"]


async def test_one_person_s_shifts_say_which_window_was_searched(call: Caller) -> None:
    answer = await call.ok(TOOL, user="Yuki Tanaka", at="2026-11-21T03:00:00Z")
    assert answer["note"].startswith("Shifts from 2026-11-21T03:00:00Z to 2026-12-05T03:00:00Z")
    answer = await call.ok(TOOL, user="Yuki Tanaka", schedule="Batch jobs")
    assert answer["note"].startswith("No shifts from ")


async def test_one_person_s_shifts_on_all_schedules(connect: Connect, box: Sandbox) -> None:
    async with connect(me="yuki.tanaka@paysand.example") as call:
        answer = await call.ok(TOOL, user="me")
    assert [found["schedule"] for found in answer["on_call"]] == ["Payments primary", "Search primary"]
    assert all(shift.startswith("Yuki Tanaka: ") for found in answer["on_call"] for shift in found["shifts"])
    assert len(box.requests) <= 60


async def test_a_window_over_the_end_of_summer_time_labels_both_offsets(call: Caller) -> None:
    found = await row(call, schedule="Payments primary", at="2027-10-25T00:00:00Z", until="2027-11-08T12:00:00Z")
    labels = [part for shift in found["shifts"] for part in (shift.partition("(")[2].partition(" Europe")[0],)]
    assert "Mon 09:00" in " ".join(found["shifts"])
    assert labels
    assert "2027-11-01T08:00:00Z (Mon 09:00 Europe/Berlin)" in " ".join(found["shifts"])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"at": "yesterday"}, "at takes a timestamp with a time zone"),
        ({"at": "2026-11-21T03:00:00"}, "at takes a timestamp with a time zone"),
        ({"until": "2026-11-21"}, "until takes a timestamp with a time zone"),
        ({"until": "2020-01-01T00:00:00Z"}, "until must be later than at"),
        ({"at": "2026-11-21T03:00:00Z", "until": "2027-11-21T03:00:00Z"}, "by at most 92 days"),
    ],
)
async def test_what_is_no_window_is_refused(call: Caller, arguments: dict[str, str], why: str) -> None:
    assert why in await call.error(TOOL, schedule="Payments primary", **arguments)


async def test_a_schedule_that_cannot_be_read_leaves_the_others(connect: Connect, box: Sandbox) -> None:
    box.fail(Fault("status", status=422, path="/v2/schedule_entries$", times=1))
    async with connect() as call:
        answer = await call.ok(TOOL, at="2026-11-21T03:00:00Z", until="2026-11-22T03:00:00Z")
    failed = [found for found in answer["on_call"] if "not read" in found.get("warning", "")]
    assert len(failed) == 1
    assert len(answer["on_call"]) == 9


async def test_an_odd_shift_is_no_gap(connect: Connect, box: Sandbox) -> None:
    box.fail(
        Fault(
            "replace",
            status=200,
            path="/v2/schedule_entries$",
            body={
                "schedule_entries": {"final": [{"start_at": None, "user": 7}, "x"], "overrides": [], "scheduled": []}
            },
        )
    )
    async with connect() as call:
        found = await row(call, schedule="Payments primary", until="2099-01-01T00:00:00Z", at="2098-12-31T00:00:00Z")
    assert found["warning"] == "Not all shifts could be read: a gap is not certain."


@pytest.mark.parametrize(
    ("name", "labelled"),
    [
        ("Asia/Tokyo", "2026-11-21T12:00:00Z (Sat 21:00 Asia/Tokyo)"),
        ("UTC", "2026-11-21T12:00:00Z"),
        (None, "2026-11-21T12:00:00Z"),
        ("Mars/Phobos", "2026-11-21T12:00:00Z"),
        ("../../etc/passwd", "2026-11-21T12:00:00Z"),
        ("." * 5_000, "2026-11-21T12:00:00Z"),
    ],
)
def test_an_instant_has_its_labels(name: str | None, labelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert label(datetime(2026, 11, 21, 12, tzinfo=UTC), name) == labelled


def test_a_brief_instant_is_unambiguous() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert short(datetime(2026, 11, 23, 8, tzinfo=UTC), now) == "Mon 08:00"
    assert short(datetime(2026, 11, 30, 8, tzinfo=UTC), now) == "11-30 08:00"
