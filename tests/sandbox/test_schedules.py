"""Schedules, and who is on call when."""

from datetime import UTC, datetime, timedelta

import pytest

from incident_mcp.sandbox import Sandbox

from .on_call import connect, schedule, user

pytestmark = pytest.mark.anyio

RETIRED, HOTLINE, BATCH = "Retired products", "Vendor hotline", "Batch jobs"


def at(row):
    return f"{row['start_at'][5:16]} to {row['end_at'][5:16]} {row['user']['name']}"


async def entries(client, name, start=None, end=None):
    query = {"schedule_id": schedule(name), "entry_window_start": start, "entry_window_end": end}
    reply = await client.get("/v2/schedule_entries", params={key: value for key, value in query.items() if value})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def final(client, name, start, end):
    return [at(row) for row in (await entries(client, name, start, end))["schedule_entries"]["final"]]


async def test_the_list_shows_who_is_on_call_and_who_is_next(incidentio):
    reply = (await incidentio.get("/v2/schedules")).json()

    shown = {
        row["name"]: ([at(shift) for shift in row["current_shifts"]], [at(shift) for shift in row["next_shifts"]])
        for row in reply["schedules"]
    }
    assert shown["Payments primary"] == (
        ["11-16T08:00 to 11-23T08:00 Yuki Tanaka"],
        ["11-23T08:00 to 11-30T08:00 Sam Lindqvist"],
    )
    assert shown[BATCH] == ([], ["11-20T07:00 to 11-20T13:00 Sam Lindqvist"])
    assert shown[RETIRED] == shown[HOTLINE] == ([], [])
    assert reply["pagination_meta"] == {"page_size": 25, "total_record_count": 9}


async def test_a_large_page_has_no_next_shifts(box, incidentio):
    box.add_schedules(40)

    small = (await incidentio.get("/v2/schedules", params={"page_size": "25"})).json()
    large = (await incidentio.get("/v2/schedules", params={"page_size": "10000"})).json()

    assert any(row["next_shifts"] for row in small["schedules"])
    assert not any(row["next_shifts"] for row in large["schedules"])
    assert len(large["schedules"]) == large["pagination_meta"]["total_record_count"] == 49
    assert sum(bool(row["current_shifts"]) for row in large["schedules"]) >= 40


async def test_one_schedule_shows_its_next_shifts(incidentio):
    reply = await incidentio.get(f"/v2/schedules/{schedule('Search primary')}")

    shown = reply.json()["schedule"]
    assert [at(row) for row in shown["next_shifts"]] == ["11-20T12:00 to 11-21T00:00 Yuki Tanaka"]
    assert (await incidentio.get(f"/v2/schedules/{user('Yuki Tanaka')}")).status_code == 404


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ],
)
async def test_whenever_the_sandbox_starts_the_same_people_are_on_call(now):
    async with connect(Sandbox(now=now)) as client:
        shown = {row["name"]: row for row in (await client.get("/v2/schedules")).json()["schedules"]}

    people = {name: [shift["user"]["name"] for shift in row["current_shifts"]] for name, row in shown.items()}
    del people["Support hours"]
    assert people == {
        "Payments primary": ["Yuki Tanaka"],
        "Platform primary": ["Sam Okafor", "Lena Fischer", "Priya Raman"],
        "Ledger nights": ["Ines Moreau"],
        "Legacy gateway": ["Mei Chen"],
        "Search primary": ["Diego Santos"],
        **{name: [] for name in (BATCH, RETIRED, HOTLINE)},
    }


async def test_a_handover_keeps_its_local_time_when_the_clocks_change():
    async with connect(Sandbox(now=datetime(2026, 10, 22, 12, tzinfo=UTC))) as client:
        shown = await final(client, "Payments primary", "2026-10-20T00:00:00Z", "2026-10-30T00:00:00Z")

    assert shown == ["10-19T07:00 to 10-26T08:00 Yuki Tanaka", "10-26T08:00 to 11-02T08:00 Sam Lindqvist"]


async def test_layers_put_several_people_on_call_at_once(incidentio):
    shown = await final(incidentio, "Platform primary", "2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z")

    assert shown == [
        "11-19T08:00 to 11-26T08:00 Priya Raman",
        "11-20T08:00 to 11-21T08:00 Lena Fischer",
        "11-20T08:00 to 11-21T08:00 Diego Santos",
    ]


async def test_nobody_is_on_call_outside_working_hours(incidentio):
    """Friday and Monday, 09:00 to 17:00 in New York."""
    shown = await final(incidentio, "Support hours", "2026-11-20T00:00:00Z", "2026-11-24T00:00:00Z")

    assert shown == ["11-20T14:00 to 11-20T22:00 Priya Raman", "11-23T14:00 to 11-23T22:00 Grace Achieng"]


async def test_a_new_version_of_a_rotation_takes_effect_at_its_time(incidentio):
    shown = await final(incidentio, "Search primary", "2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z")

    assert [row.split(" ", 3)[3] for row in shown] == ["Yuki Tanaka", "Lena Fischer"]


async def test_entries_are_whole_and_an_override_cuts_the_shift_under_it(incidentio):
    reply = await entries(incidentio, "Ledger nights", "2026-11-20T03:00:00Z", "2026-11-20T08:00:00Z")

    shown = {name: [at(row) for row in rows] for name, rows in reply["schedule_entries"].items()}
    assert shown == {
        "scheduled": ["11-19T09:00 to 11-26T09:00 Noor Haddad"],
        "overrides": ["11-20T02:00 to 11-20T07:00 Ines Moreau"],
        "final": ["11-20T02:00 to 11-20T07:00 Ines Moreau", "11-20T07:00 to 11-26T09:00 Noor Haddad"],
    }
    scheduled, [_, part] = reply["schedule_entries"]["scheduled"], reply["schedule_entries"]["final"]
    assert part["fingerprint"] == scheduled[0]["fingerprint"]
    assert part["entry_id"] != scheduled[0]["entry_id"]
    assert "pagination_meta" not in reply


async def test_the_default_window_is_a_week_from_now(incidentio):
    reply = await entries(incidentio, "Search primary")

    shown = [at(row) for row in reply["schedule_entries"]["final"]]
    assert (shown[0], shown[-1]) == (
        "11-20T00:00 to 11-20T12:00 Diego Santos",
        "11-27T00:00 to 11-27T12:00 Diego Santos",
    )


async def test_a_long_window_comes_in_pages_whose_cursor_is_a_window_start(incidentio):
    start, end = "2026-11-20T03:00:00Z", "2026-12-20T03:00:00Z"
    seen, pages, cursor = {}, 0, start
    while cursor:
        reply = await entries(incidentio, "Platform primary", cursor, end)
        seen |= {row["fingerprint"]: row for row in reply["schedule_entries"]["final"]}
        pages += 1
        meta = reply.get("pagination_meta", {})
        cursor = meta.get("after")
        if cursor:
            assert not cursor.startswith("2026")
            assert (await incidentio.get(meta["after_url"])).status_code == 200

    assert pages > 1
    assert len(seen) == 31 * 2 + 5  # days on two layers, and weeks of managers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 422),
        ({"schedule_id": "01NOBODY"}, 404),
        ({"schedule_id": schedule(BATCH), "entry_window_start": "yesterday"}, 422),
        ({"schedule_id": schedule(BATCH), "entry_window_end": "2026-11-20"}, 422),
        ({"schedule_id": schedule(BATCH), "after": "x"}, 422),
    ],
)
async def test_a_query_that_the_document_does_not_have_is_rejected(incidentio, query, status):
    assert (await incidentio.get("/v2/schedule_entries", params=query)).status_code == status


async def test_the_gap_ends_when_the_clock_reaches_the_next_shift(box, incidentio):
    box.advance(timedelta(hours=4, minutes=1).total_seconds())

    shown = (await incidentio.get(f"/v2/schedules/{schedule(BATCH)}")).json()["schedule"]
    assert [row["user"]["name"] for row in shown["current_shifts"]] == ["Sam Lindqvist"]
